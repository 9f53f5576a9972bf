package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"drawbridge/internal/jsonscan"
)

// request is a tools/call as clients send it, 300 bytes or so.
const request = `{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"files_read_text","arguments":{"path":"/home/user/notes/2026-11-23.md","head":100,"encoding":"utf-8","follow":false},"_meta":{"progressToken":"c1b6f0e2","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`

// tools is a list of tools of about size bytes.
func tools(size int) []byte {
	b := []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[`)
	for i := 0; len(b) < size; i++ {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"name":"tool_%d","description":"Reads \"one\" file and returns its text.\nUse with care.","inputSchema":{"type":"object","properties":{"path":{"type":"string","description":"where it is"},"head":{"type":"integer","minimum":0,"maximum":1.5e3}},"required":["path"]},"annotations":{"readOnlyHint":true,"openWorldHint":false}}`, i)
	}
	return append(b, "]}}"...)
}

// textResult is a result of one string of size bytes.
func textResult(size int, text string) []byte {
	return []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` + strings.Repeat(text, size/len(text)) + `"}]}}`)
}

func payloads() map[string][]byte {
	return map[string][]byte{
		"300B":      []byte(request),
		"64KB":      tools(64 << 10),
		"1MB":       textResult(1<<20, "Lorem ipsum dolor sit amet, consetetur. "),
		"1MBlines":  textResult(1<<20, `Lorem ipsum dolor sit amet, consetetur.\n`),
		"1MBumlaut": textResult(1<<20, "Zwölf Boxkämpfer jagen Viktor quer über den Deich. "),
		"1MBcjk":    textResult(1<<20, "你好世界"),
	}
}

func BenchmarkCheck(b *testing.B)  { benchmark(b, jsonscan.Check) }
func BenchmarkValid(b *testing.B)  { benchmark(b, jsonscan.Valid) }
func BenchmarkStream(b *testing.B) { benchmark(b, stream32K) }

// BenchmarkEncodingJSON is what the standard library takes for the same.
func BenchmarkEncodingJSON(b *testing.B) {
	benchmark(b, func(p []byte) error {
		if !json.Valid(p) {
			return fmt.Errorf("refused")
		}
		return nil
	})
}

func stream32K(p []byte) error {
	var s jsonscan.Stream
	for len(p) > 0 {
		n := min(len(p), 32<<10)
		if _, _, err := s.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func benchmark(b *testing.B, check func([]byte) error) {
	for name, p := range payloads() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if err := check(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMembers(b *testing.B) {
	p := []byte(request)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := jsonscan.Find(p, "params"); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkSkip(b *testing.B) {
	p := payloads()["1MB"]
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		jsonscan.Skip(p)
	}
}

// BenchmarkCheck_manyKeys is the worst body for finding duplicate keys: time for
// each byte must stay about the same as it grows.
func BenchmarkCheck_manyKeys(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20, 8 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := manyKeys(size)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if err := jsonscan.Check(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// manyKeys is an object of about size bytes with as many keys as fit.
func manyKeys(size int) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%x":0`, i)
	}
	b.WriteByte('}')
	return b.Bytes()
}
