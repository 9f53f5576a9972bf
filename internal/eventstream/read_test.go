package eventstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/eventstream"
)

const large = 1 << 20

// all reads every event, with data of its own.
func all(r io.Reader, maxEvent int) ([]eventstream.Event, error) {
	var got []eventstream.Event
	reader := eventstream.NewReader(r, maxEvent)
	for {
		e, err := reader.Next()
		if err != nil {
			return got, err
		}
		if e.Data != nil {
			e.Data = append([]byte{}, e.Data...)
		}
		got = append(got, e)
	}
}

// sameBytes compares at once, not byte by byte, and tells nil from empty.
var sameBytes = cmp.Comparer(func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) })

func data(s string) eventstream.Event { return eventstream.Event{Data: []byte(s)} }

func TestReader(t *testing.T) {
	t.Parallel()
	type events = []eventstream.Event
	long := strings.Repeat("x", 200_000)
	tests := []struct {
		name, in string
		want     events
	}{
		{"nothing", "", nil},
		{"one line", "data: {}\n\n", events{data("{}")}},
		{"no space after the colon", "data:{}\n\n", events{data("{}")}},
		{"only one space goes", "data:  a \n\n", events{data(" a ")}},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", events{data("a"), data("b")}},
		{"CR", "data: a\r\rdata: b\r\r", events{data("a"), data("b")}},
		{"mixed line ends", "data: a\rdata: b\r\ndata: c\n\r\n", events{data("a\nb\nc")}},
		{"several lines", "data: a\ndata\ndata: b\n\n", events{data("a\n\nb")}},
		{"data without colon", "data\n\n", events{data("")}},
		{"two empty lines of data", "data\ndata\n\n", events{data("\n")}},
		{"priming event", "id: 7\ndata: \n\n", events{{ID: "7", HasID: true, Data: []byte{}}}},
		{"all fields", "event: message\nid: a:b\nretry: 1500\ndata: x\n\n",
			events{{ID: "a:b", HasID: true, Name: "message", Data: []byte("x"), Retry: 1500 * time.Millisecond}}},
		{"fields between lines of data", "data: a\nid: 1\n: comment\nother: x\ndata: b\n\n",
			events{{ID: "1", HasID: true, Data: []byte("a\nb")}}},
		{"fields do not reach the next event", "event: e\nid: 1\ndata: a\n\ndata: b\n\n",
			events{{ID: "1", HasID: true, Name: "e", Data: []byte("a")}, data("b")}},
		{"empty id resets", "id\ndata: a\n\n", events{{HasID: true, Data: []byte("a")}}},
		{"id with NUL is ignored", "id: 1\x002\ndata: a\n\n", events{data("a")}},
		{"id alone", "id: 9\n\n", events{{ID: "9", HasID: true}}},
		{"retry alone", "retry: 10\n\n", events{{Retry: 10 * time.Millisecond}}},
		{"name alone", "event: x\n\ndata: a\n\n", events{data("a")}},
		{"retry must be digits", "retry: -1\ndata\n\nretry: 1e3\ndata\n\nretry:\ndata\n\n", events{data(""), data(""), data("")}},
		{"retry is capped", "retry: 99999999999999999999999\n\n", events{{Retry: 24 * time.Hour}}},
		{"comments", ": a\n:\n\ndata: x\n: b\n\n", events{data("x")}},
		{"long comment", ":" + long + "\ndata: x\n\n", events{data("x")}},
		{"long comment between", "data: a\n:" + long + "\r\ndata: b\n\n", events{data("a\nb")}},
		{"field names are exact", "Data: a\ndata : b\n data: c\ndata: d\n\n", events{data("d")}},
		{"byte order mark", "\ufeffdata: a\n\n", events{data("a")}},
		{"byte order mark before long data", "\ufeffdata: " + long + "\n\n", events{data(long)}},
		{"only one byte order mark", "\ufeff\ufeffdata: a\ndata: b\n\n", events{data("b")}},
		{"no byte order mark later", "\n\n\ufeffdata: a\ndata: b\n\n", events{data("b")}},
		{"cut off event", "data: a\n\ndata: b\n", events{data("a")}},
		{"cut off line", "data: a\n\ndata: b", events{data("a")}},
		{"blank lines", "\n\n\r\n\rdata: a\n\n\n\n", events{data("a")}},
		{"long data", "data: " + long + "\n\ndata: b\n\n", events{data(long), data("b")}},
		{"long data of many lines", strings.Repeat("data: "+long+"\r\n", 3) + "\r\n", events{data(long + "\n" + long + "\n" + long)}},
		{"other bytes stay", "data: \x00\xff\u2028\x0b\n\n", events{data("\x00\xff\u2028\x0b")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for name, r := range map[string]io.Reader{
				"whole":     strings.NewReader(tt.in),
				"bytes":     iotest.OneByteReader(strings.NewReader(tt.in)),
				"halves":    iotest.HalfReader(strings.NewReader(tt.in)),
				"early EOF": iotest.DataErrReader(strings.NewReader(tt.in)),
			} {
				got, err := all(r, large)
				if !errors.Is(err, io.EOF) {
					t.Errorf("%s: error %v, want io.EOF", name, err)
				}
				if diff := cmp.Diff(tt.want, got, sameBytes); diff != "" {
					t.Errorf("%s: -want +got\n%s", name, diff)
				}
			}
		})
	}
}

func TestReader_limits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     error
	}{
		{"data that just fits", "data: 0123456789\n\n", io.EOF},
		{"data that just does not", "data: 0123456789a\n\n", eventstream.ErrTooLarge},
		{"lines that just fit", "data: 01234\ndata: 5678\n\n", io.EOF},
		{"lines that just do not", "data: 01234\ndata: 56789\n\n", eventstream.ErrTooLarge},
		{"many empty lines", strings.Repeat("data\n", 13), eventstream.ErrTooLarge},
		{"endless id", "id: " + strings.Repeat("i", 1<<20), eventstream.ErrTooLarge},
		{"endless name", strings.Repeat("n", 1<<20), eventstream.ErrTooLarge},
		{"endless data", "data: " + strings.Repeat("d", 1<<20), eventstream.ErrTooLarge},
		{"endless comment", ":" + strings.Repeat("c", 1<<20), io.EOF},
		{"many comments", strings.Repeat(": ping\n\n", 1<<16), io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := all(strings.NewReader(tt.in), 10); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// endless repeats a piece for ever and counts what was taken.
type endless struct {
	piece string
	taken int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e.piece) <= len(p) {
		n += copy(p[n:], e.piece)
	}
	e.taken += n
	return n, nil
}

func TestReader_stopsEarlyOnEndlessData(t *testing.T) {
	t.Parallel()
	src := &endless{piece: "data: 0123456789\r"}
	if _, err := all(src, 1<<16); !errors.Is(err, eventstream.ErrTooLarge) {
		t.Fatalf("error %v, want ErrTooLarge", err)
	}
	if src.taken > 1<<20 {
		t.Errorf("took %d bytes to refuse an event of 64 KiB", src.taken)
	}
}

func TestReader_errors(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut")
	r := eventstream.NewReader(io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(cut)), large)
	if e, err := r.Next(); err != nil || string(e.Data) != "a" {
		t.Fatalf("first event: %q, %v", e.Data, err)
	}
	for range 2 {
		if _, err := r.Next(); !errors.Is(err, cut) {
			t.Errorf("error %v, want that of the stream, again and again", err)
		}
	}
	if _, err := all(stuck{}, large); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that never reads: %v, want io.ErrNoProgress", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// An event is handed out when its blank line arrives, not when more follows:
// after a CR the reader must not wait to see whether an LF comes.
func TestReader_doesNotWait(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n\n", "\r\n\r\n", "\r\r", "\n\r"} {
		in, out := io.Pipe()
		defer in.Close()
		go func() { _, _ = out.Write([]byte("data: a" + end)) }() // ends with the pipe
		if e, err := eventstream.NewReader(in, large).Next(); err != nil || string(e.Data) != "a" {
			t.Errorf("%q: %q, %v", end, e.Data, err)
		}
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, got, want string }{
		{"data", string(eventstream.AppendEvent(nil, "", "", []byte("{}"))), "data: {}\n\n"},
		{"everything", string(eventstream.AppendEvent([]byte("x"), "1", "message", []byte("{}"))), "xevent: message\nid: 1\ndata: {}\n\n"},
		{"no data", string(eventstream.AppendEvent(nil, "1", "", nil)), "id: 1\ndata: \n\n"},
		{"line breaks", string(eventstream.AppendEvent(nil, "", "", []byte("a\nb\r\nc\rd\n"))), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		{"id that would add a field", string(eventstream.AppendEvent(nil, "1\ndata: evil\r\x00", "m\n", nil)), "event: m\nid: 1data: evil\ndata: \n\n"},
		{"comment", string(eventstream.AppendComment(nil, "ping")), ": ping\n\n"},
		{"comment that would add a field", string(eventstream.AppendComment(nil, "a\ndata: b")), ": adata: b\n\n"},
		{"retry", string(eventstream.AppendRetry(nil, 1500*time.Millisecond)), "retry: 1500\n"},
		{"retry in the past", string(eventstream.AppendRetry(nil, -time.Second)), "retry: 0\n"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestAppendEvent_readsBack(t *testing.T) {
	t.Parallel()
	b := eventstream.AppendRetry(nil, time.Second)
	b = eventstream.AppendEvent(b, "7", "message", []byte(`{"a":1}`))
	b = eventstream.AppendComment(b, "ping")
	b = eventstream.AppendEvent(b, "", "", []byte("a\n\nb"))
	got, _ := all(bytes.NewReader(b), large)
	want := []eventstream.Event{
		{ID: "7", HasID: true, Name: "message", Data: []byte(`{"a":1}`), Retry: time.Second},
		{Data: []byte("a\n\nb")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestReader_allocations(t *testing.T) {
	stream := bytes.Repeat([]byte("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n: ping\n\n"), 300)
	src := bytes.NewReader(stream)
	r := eventstream.NewReader(src, large)
	got := testing.AllocsPerRun(200, func() {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for each event without a name or id, want 0", got)
	}
}

func TestReader_reset(t *testing.T) {
	t.Parallel()
	r := eventstream.NewReader(strings.NewReader("\ufeffid: 1\ndata: a\r\r\n: cut off"), large)
	for range 3 {
		if e, err := r.Next(); err != nil || string(e.Data) != "a" || e.ID != "1" {
			t.Fatalf("%+v, %v", e, err)
		}
		_, _ = r.Next() // the end
		r.Reset(strings.NewReader("\ufeffdata: a\nid: 1\n\ndata: b"))
	}
}

func BenchmarkReader_reset(b *testing.B) {
	stream := eventstream.AppendEvent(nil, "", "message", bytes.Repeat([]byte("x"), 1<<20))
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	src := bytes.NewReader(nil)
	r := eventstream.NewReader(src, 16<<20)
	for b.Loop() {
		src.Reset(stream)
		r.Reset(src)
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{100, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			stream := eventstream.AppendEvent(nil, "", "message", bytes.Repeat([]byte("x"), size))
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := eventstream.NewReader(bytes.NewReader(stream), 16<<20).Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
