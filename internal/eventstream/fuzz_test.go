package eventstream_test

import (
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/eventstream"
)

// reference is the algorithm of the HTML standard, section 9.2.6, on a whole
// stream at once. Like the reader it also yields blocks with only id or retry.
func reference(stream string) []eventstream.Event {
	stream = strings.TrimPrefix(stream, "\ufeff")
	lines := regexp.MustCompile("\r\n|\r|\n").Split(stream, -1)
	var got []eventstream.Event
	var e eventstream.Event
	var buffer string
	hasData := false
	for _, line := range lines[:len(lines)-1] { // what no line end follows is dropped
		if line == "" {
			if hasData {
				e.Data = []byte(strings.TrimSuffix(buffer, "\n"))
			}
			if hasData || e.HasID || e.Retry != 0 {
				got = append(got, e)
			}
			e, buffer, hasData = eventstream.Event{}, "", false
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.Name = value
		case "data":
			hasData = true
			buffer += value + "\n"
		case "id":
			if !strings.Contains(value, "\x00") {
				e.ID, e.HasID = value, true
			}
		case "retry":
			e.Retry = 0
			if regexp.MustCompile(`^[0-9]+$`).MatchString(value) {
				ms, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					ms = 1 << 40
				}
				e.Retry = time.Duration(min(ms, 24*3600*1000)) * time.Millisecond
			}
		}
	}
	return got
}

// pieces reads a string in pieces whose sizes follow from a seed.
type pieces struct {
	rest string
	seed uint32
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	p.seed = p.seed*1664525 + 1013904223
	n := copy(b, p.rest[:min(len(p.rest), int(p.seed>>28)+1)])
	p.rest = p.rest[n:]
	return n, nil
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"data: a\n\n", "\ufeffdata: a\r\ndata:b\r\rid: 1\x00\rretry: 12\n\n", ": c\n\nevent: e\n\n", "id\n\ndata\ndata\n\n",
		"retry: 99999999999999999999\n\n", "data: a\n:c\ndata: b\r\n\r\n",
	} {
		f.Add(s, uint32(1))
	}
	f.Fuzz(func(t *testing.T, stream string, seed uint32) {
		if len(stream) > 64<<10 {
			t.Skip("larger than the line limit, which the reference does not have")
		}
		got, err := all(&pieces{stream, seed}, large)
		if !errors.Is(err, io.EOF) {
			t.Fatalf("error %v", err)
		}
		if diff := cmp.Diff(reference(stream), got, sameBytes); diff != "" {
			t.Errorf("-reference +got\n%s", diff)
		}
	})
}
