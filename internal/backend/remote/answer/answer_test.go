package answer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/mcpwire"
)

// body is an answer that arrives in pieces.
type body struct {
	io.Reader
	length int64
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }
func (b *body) Len() int64   { return b.length }

func whole(s string) *body { return &body{Reader: strings.NewReader(s), length: int64(len(s))} }

// take reads an answer to its end.
func take(t testing.TB, b *body, o answer.Options) (string, answer.Answer, error) {
	t.Helper()
	a, err := answer.Read(b, o)
	if err != nil {
		return "", a, err
	}
	if a.Err != nil {
		return "", a, nil
	}
	got := string(a.Result.Bytes)
	if a.Result.Rest != nil {
		rest, err := io.ReadAll(a.Result.Rest)
		got += string(rest)
		_ = a.Result.Rest.Close()
		if err != nil {
			return got, a, err
		}
	}
	if a.Result.Free != nil {
		a.Result.Free()
	}
	if !b.closed {
		t.Error("the body was not closed")
	}
	return got, a, nil
}

var options = answer.Options{ID: 7, Max: 64 << 20}

func TestSmall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want string }{
		{"result", `{"jsonrpc":"2.0","id":7,"result":{"a":9007199254740993}}`, `{"a":9007199254740993}`},
		{"result first", ` {"result" : {"b":1,"a":[1.0]} , "id":7,"jsonrpc":"2.0"} `, `{"b":1,"a":[1.0]}`},
		{"error", `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no","data":{"x":1}}}`, `error {"code":-32602,"message":"no","data":{"x":1}}`},
		{"error without id", `{"jsonrpc":"2.0","error":{"code":-1,"message":"no"}}`, `error {"code":-1,"message":"no"}`},
		{"error with id null", `{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}`, `error {"code":-1,"message":"no"}`},

		{"other id", `{"jsonrpc":"2.0","id":8,"result":{}}`, "!"},
		{"other id, error", `{"jsonrpc":"2.0","id":8,"error":{"code":-1,"message":"no"}}`, "!"},
		{"id as a string", `{"jsonrpc":"2.0","id":"7","result":{}}`, "!"},
		{"id as a fraction", `{"jsonrpc":"2.0","id":7.0,"result":{}}`, "!"},
		{"no id", `{"jsonrpc":"2.0","result":{}}`, "!"},
		{"id null", `{"jsonrpc":"2.0","id":null,"result":{}}`, "!"},
		{"two results", `{"jsonrpc":"2.0","id":7,"result":{},"result":{}}`, "!"},
		{"result and error", `{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":-1,"message":"no"}}`, "!"},
		{"neither", `{"jsonrpc":"2.0","id":7}`, "!"},
		{"version", `{"jsonrpc":"1.0","id":7,"result":{}}`, "!"},
		{"no version", `{"id":7,"result":{}}`, "!"},
		{"code is text", `{"jsonrpc":"2.0","id":7,"error":{"code":"-1","message":"no"}}`, "!"},
		{"code is a fraction", `{"jsonrpc":"2.0","id":7,"error":{"code":-1.5,"message":"no"}}`, "!"},
		{"result is no object", `{"jsonrpc":"2.0","id":7,"result":[]}`, "!"},
		{"request", `{"jsonrpc":"2.0","id":7,"method":"ping"}`, "!"},
		{"notification", `{"jsonrpc":"2.0","method":"x"}`, "!"},
		{"batch", `[{"jsonrpc":"2.0","id":7,"result":{}}]`, "!"},
		{"two values", `{"jsonrpc":"2.0","id":7,"result":{}}{}`, "!"},
		{"cut off", `{"jsonrpc":"2.0","id":7,"result":{`, "!"},
		{"not UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":\"\xff\"}}", "!"},
		{"HTML", "<!doctype html>", "!"},
		{"empty", "", "!"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, length := range []int64{int64(len(tt.body)), -1} {
				got, a, err := take(t, &body{Reader: iotest.HalfReader(strings.NewReader(tt.body)), length: length}, options)
				if a.Err != nil {
					got = "error " + string(a.Err.Raw)
				}
				if tt.want == "!" != errors.Is(err, mcpwire.ErrBadFrame) || tt.want != "!" && got != tt.want {
					t.Errorf("got %q, %v; want %q", got, err, tt.want)
				}
			}
		})
	}
}

func TestLarge(t *testing.T) {
	t.Parallel()
	text := `{"content":[{"type":"text","text":"` + strings.Repeat(`0123456789 ä \u00e4 `, 40_000) + `"}],"z":1.0}`
	late := strings.Repeat(" ", 300_000)
	for _, tt := range []struct {
		name, head, result, tail string
		ok                       bool
	}{
		{"id first", `{"jsonrpc":"2.0","id":7,"result":`, text, `}`, true},
		{"id last", `{"result": `, text, `,"id":7,"jsonrpc":"2.0"} ` + "\n", true},
		{"id between", `{"jsonrpc":"2.0","result": `, text, ` , "id" : 7 }`, true},
		{"escaped key", `{"jsonrpc":"2.0","id":7,"r\u0065sult":`, text, `}`, true},
		{"small result, late end", `{"jsonrpc":"2.0","id":7,"result":`, `{}`, late + `}`, true},

		{"wrong id first", `{"jsonrpc":"2.0","id":8,"result":`, text, `}`, false},
		{"wrong id last", `{"jsonrpc":"2.0","result":`, text, `,"id":8}`, false},
		{"no id", `{"jsonrpc":"2.0","result":`, text, `}`, false},
		{"no version", `{"id":7,"result":`, text, `}`, false},
		{"wrong version last", `{"id":7,"result":`, text, `,"jsonrpc":"1.0"}`, false},
		{"id twice", `{"jsonrpc":"2.0","id":7,"result":`, text, `,"id":7}`, false},
		{"error too", `{"jsonrpc":"2.0","id":7,"result":`, text, `,"error":{"code":1,"message":""}}`, false},
		{"two results", `{"jsonrpc":"2.0","id":7,"result":`, text, `,"result":{}}`, false},
		{"something else", `{"jsonrpc":"2.0","id":7,"result":`, text, `,"more":1}`, false},
		{"something large first", `{"x":` + `"` + late + `","id":7,"jsonrpc":"2.0","result":`, text, `}`, false},
		{"late result", `{"jsonrpc":"2.0","id":7,` + strings.Repeat(" ", 5000) + `"result":`, text, `}`, false},
		{"large error", `{"jsonrpc":"2.0","id":7,"error":`, `{"code":1,"message":"` + late + `"}`, `}`, true},
		{"no end", `{"jsonrpc":"2.0","id":7,"result":`, text, ``, false},
		{"something after", `{"jsonrpc":"2.0","id":7,"result":`, text, `}x`, false},
		{"endless tail", `{"jsonrpc":"2.0","id":7,"result":`, text, late + late + `}`, false},
		{"cut off", `{"jsonrpc":"2.0","id":7,"result":`, text[:len(text)-3], ``, false},
		{"late control character", `{"jsonrpc":"2.0","id":7,"result":`, text[:len(text)-20] + "\x01" + text[len(text)-20:], `}`, false},
		{"late byte that is no UTF-8", `{"jsonrpc":"2.0","id":7,"result":`, text[:len(text)-20] + "\xff" + text[len(text)-20:], `}`, false},
		{"array", `{"jsonrpc":"2.0","id":7,"result":`, `["` + late + `"]`, `}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := tt.head + tt.result + tt.tail
			for name, r := range map[string]io.Reader{
				"at once": strings.NewReader(all), "in halves": iotest.HalfReader(strings.NewReader(all)),
				"with its end": iotest.DataErrReader(strings.NewReader(all)),
			} {
				got, a, err := take(t, &body{Reader: r, length: -1}, options)
				switch {
				case tt.name == "large error":
					if err == nil {
						t.Errorf("%s: an error of this size was accepted: %d bytes", name, len(a.Err.Raw))
					}
				case tt.ok && (err != nil || got != tt.result):
					t.Errorf("%s: %d bytes, %v; want %d bytes", name, len(got), err, len(tt.result))
				case !tt.ok && !errors.Is(err, mcpwire.ErrBadFrame):
					t.Errorf("%s: accepted with %v", name, err)
				}
			}
		})
	}
}

// TestStreams sees that a large result is handed on before it is all there, and
// how much of it was checked by then.
func TestStreams(t *testing.T) {
	t.Parallel()
	pr, pw := io.Pipe()
	text := strings.Repeat("x", 2*mcpwire.HeldBytes)
	go func() {
		_, _ = io.WriteString(pw, `{"jsonrpc":"2.0","id":7,"result":{"a":"`+text)
	}()
	a, err := answer.Read(&body{Reader: pr, length: -1}, options)
	if err != nil {
		t.Fatal(err)
	}
	if a.Result.Rest == nil || len(a.Result.Bytes) < mcpwire.HeldBytes || a.Result.Bytes[0] != '{' {
		t.Fatalf("%d bytes held, rest %v", len(a.Result.Bytes), a.Result.Rest)
	}
	_ = pr.CloseWithError(io.ErrClosedPipe)
	if _, err := io.ReadAll(a.Result.Rest); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 400_000)
	for result, want := range map[string]string{
		`{}`:                              "",
		`{"resultType":"complete"}`:       "complete",
		`{"resultType":"input_required"}`: "input_required",
		`{"resultType":7}`:                "invalid",
		`{"resultType":"input_required","a":"` + big + `"}`:                          "input_required",
		`{"a":"` + big + `","resultType":"input_required"}`:                          "input_required",
		`{"a":"` + big + `"}`:                                                        "",
		`{"a":1}` + strings.Repeat(" ", 300_000):                                     "",
		`{"x":{"resultType":"no"},"r\u0065sultType":"task","a":"` + big + `","b":1}`: "task",
	} {
		o := options
		o.NeedType = true
		got, a, err := take(t, whole(`{"jsonrpc":"2.0","id":7,"result":`+result+`}`), o)
		if err != nil || strings.TrimSpace(got) != strings.TrimSpace(result) || a.Type != want {
			t.Errorf("%.60s: type %q, %v, want %q", result, a.Type, err, want)
		}
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	small, large := options, options
	small.Max, large.Max = 1000, 1<<20
	text := func(n int) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"result":{"a":"%s"}}`, strings.Repeat("x", n))
	}
	for _, tt := range []struct {
		o    answer.Options
		body string
		ok   bool
	}{
		{small, text(100), true}, {small, text(1000), false}, {small, text(1 << 20), false},
		{large, text(900_000), true}, {large, text(1 << 20), false},
	} {
		for _, need := range []bool{false, true} {
			tt.o.NeedType = need
			if _, _, err := take(t, whole(tt.body), tt.o); tt.ok != (err == nil) || !tt.ok && !errors.Is(err, answer.ErrTooLarge) {
				t.Errorf("%d bytes of %d: %v", len(tt.body), tt.o.Max, err)
			}
		}
	}
	// Where the length is known, nothing of it is passed on before it is refused.
	if _, err := answer.Read(whole(text(1<<20)), large); !errors.Is(err, answer.ErrTooLarge) {
		t.Errorf("known to be too large: %v", err)
	}
}

// TestErrorOutlives keeps an error when its buffer serves the next answer.
func TestErrorOutlives(t *testing.T) {
	t.Parallel()
	for range 100 {
		_, a, err := take(t, whole(`{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"mine"}}`), options)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = take(t, whole(`{"jsonrpc":"2.0","id":7,"result":{"a":"`+strings.Repeat("x", 200)+`"}}`), options); err != nil {
			t.Fatal(err)
		}
		if string(a.Err.Raw) != `{"code":-1,"message":"mine"}` {
			t.Fatalf("the error became %q", a.Err.Raw)
		}
	}
}

// TestMost bounds a streamed result by the length that the backend told.
func TestMost(t *testing.T) {
	t.Parallel()
	text := `{"a":"` + strings.Repeat("0123456789", 100_000) + `"}`
	for tail, over := range map[string]int64{`}`: 0, `,"id":7}`: 7} {
		head := map[bool]string{true: `{"jsonrpc":"2.0","id":7,"result":`, false: `{"jsonrpc":"2.0","result":`}[over == 0]
		a, err := answer.Read(whole(head+text+tail), options)
		if err != nil || a.Result.Most != int64(len(text))+over {
			t.Errorf("at most %d bytes, %v; it has %d", a.Result.Most, err, len(text))
		}
	}
}

// FuzzAnswer reads each answer whole and in two parts: what passes in parts must
// be what the whole says, byte for byte.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":7,"result":{"a":[1,2,{"b":"\u00e4"}]}}`,
		` {"result":{"x":1e5,"y":""},"id":7 ,"jsonrpc":"2.0" }`,
		`{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"no"}}`,
		`{"jsonrpc":"2.0","id":7,"result":{},"result":{}}`,
		`{"id":7,"\u006asonrpc":"2.0","result":{"resultType":"complete"}}`,
		`{"jsonrpc":"2.0","id":7,"result":{"a":1}} `,
	} {
		f.Add([]byte(s), 20)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if len(b) == 0 {
			return
		}
		cut = int(uint(cut) % uint(len(b)+1))
		o := options
		o.NeedType = cut%2 == 0
		want, wantErr := answer.Parse(b, o)
		a, err := answer.Begin(io.NopCloser(iotest.OneByteReader(bytes.NewReader(b[cut:]))), b[:cut:cut], o)
		if err != nil {
			return
		}
		rest, err := io.ReadAll(a.Result.Rest)
		if err != nil {
			if !errors.Is(err, mcpwire.ErrBadFrame) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		got := append(bytes.Clone(a.Result.Bytes), rest...)
		if wantErr != nil || want.Err != nil || !bytes.Equal(got, want.Result.Bytes) || a.Type != want.Type {
			t.Fatalf("in parts %q (%s), as a whole %q (%s), %v", got, a.Type, want.Result.Bytes, want.Type, wantErr)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{300, 100_000, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			all := []byte(`{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", size) + `"}]}}`)
			b.SetBytes(int64(len(all)))
			b.ReportAllocs()
			r := bytes.NewReader(all)
			for b.Loop() {
				r.Reset(all)
				a, err := answer.Read(&body{Reader: r, length: int64(len(all))}, options)
				if err != nil {
					b.Fatal(err)
				}
				if a.Result.Rest != nil {
					if _, err := io.Copy(io.Discard, a.Result.Rest); err != nil {
						b.Fatal(err)
					}
				}
				a.Result.Free()
			}
		})
	}
}
