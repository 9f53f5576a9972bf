package stream_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/mcpwire"
)

// deliver reads what a stream has for a reader behind an event.
func deliver(t *testing.T, s *stream.Stream, after uint64) string {
	t.Helper()
	w := httptest.NewRecorder()
	rd := s.Attach(after)
	defer rd.Detach()
	rd.Finish()
	if err := stream.NewWriter(w, time.Second, time.Minute).Pump(t.Context(), rd, nil); err != nil {
		t.Fatal(err)
	}
	return w.Body.String()
}

func TestStream_resume(t *testing.T) {
	t.Parallel()
	s := stream.New("s", 1000)
	for i := range 3 {
		s.Push(fmt.Appendf(nil, "%d", i+1))
	}
	const two, three = "event: message\nid: s-2\ndata: 2\n\n", "event: message\nid: s-3\ndata: 3\n\n"
	for after, want := range map[uint64]string{1: two + three, 2: three, 3: "", 9: ""} {
		if got := deliver(t, s, after); got != want {
			t.Errorf("after %d: %q", after, got)
		}
	}
	s.End([]byte("4"))
	s.Push([]byte("5"))
	s.End([]byte("6"))
	if got := deliver(t, s, 3); got != "event: message\nid: s-4\ndata: 4\n\n" {
		t.Errorf("the end: %q", got)
	}
}

func TestStream_withoutNameKeepsNothing(t *testing.T) {
	t.Parallel()
	s := stream.New("", 0)
	s.Push([]byte("lost: nobody reads"))
	rd := s.Attach(0)
	s.Push([]byte("1"))
	w := httptest.NewRecorder()
	rd.Finish()
	if err := stream.NewWriter(w, time.Second, time.Minute).Pump(t.Context(), rd, nil); err != nil {
		t.Fatal(err)
	}
	if got := w.Body.String(); got != "event: message\ndata: 1\n\n" {
		t.Errorf("delivered %q", got)
	}
	if n, _ := s.Held(); n != 0 {
		t.Errorf("%d bytes held", n)
	}
}

func TestStream_bounds(t *testing.T) {
	t.Parallel()
	s := stream.New("s", 1000)
	event := []byte(strings.Repeat("x", 100))
	for range 50 {
		s.Push(event)
	}
	if n, _ := s.Held(); n > 1000 || n < 900 {
		t.Errorf("%d bytes kept without a reader", n)
	}
	rd := s.AttachNew()
	for range 100_000 {
		s.Push(event)
	}
	if n, _ := s.Held(); n > 4<<20 || n < 3<<20 {
		t.Errorf("%d bytes wait for a slow reader", n)
	}
	rd.Detach()
	if n, _ := s.Held(); n > 1000 {
		t.Errorf("%d bytes kept when it left", n)
	}
}

func TestStream_strictEndsWhenFull(t *testing.T) {
	t.Parallel()
	s := stream.NewLarge(1000)
	rd := s.Attach(0)
	defer rd.Detach()
	for range 11 {
		s.Push(make([]byte, 100))
	}
	if n, ended := s.Held(); n != 0 || ended.IsZero() {
		t.Errorf("%d bytes held, ended %v", n, ended)
	}
	if err := stream.NewWriter(httptest.NewRecorder(), time.Second, time.Minute).Pump(t.Context(), rd, nil); err != nil {
		t.Errorf("its reader: %v", err)
	}
}

func TestPump_takenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := stream.New("s", 1000)
		first := s.Attach(0)
		err := make(chan error, 1)
		go func() {
			err <- stream.NewWriter(httptest.NewRecorder(), time.Second, time.Minute).Pump(t.Context(), first, nil)
		}()
		synctest.Wait()
		second := s.AttachNew()
		if got := <-err; !errors.Is(got, stream.ErrOusted) {
			t.Errorf("the first reader: %v", got)
		}
		first.Detach() // late: the stream is the second's
		if !s.Heard() {
			t.Error("the second reader was sent away with the first")
		}
		second.Detach()
	})
}

func TestSplitID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"a.0-12": "a.0 12 true", "a-b-3": "a-b 3 true", "": " 0 false", "x": " 0 false", "-1": " 0 false", "x--1": "x- 1 true", "x-99999999999999999999": "x 0 false"} {
		name, n, ok := stream.SplitID(id)
		if !ok {
			n = 0
		}
		if got := fmt.Sprint(name, " ", n, " ", ok); got != want {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
	}
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 4095, 4096, 4097, 100_000} {
		for _, known := range []bool{true, false} {
			want := strings.Repeat("x", n)
			r := httptest.NewRequest("POST", "/", iotest.OneByteReader(strings.NewReader(want)))
			r.ContentLength = -1
			if known {
				r.ContentLength = int64(n)
			}
			b, err := stream.ReadBody(r, int64(n))
			if err != nil || string(b.B) != want {
				t.Fatalf("%d bytes, length known %v: %v", n, known, err)
			}
			b.Free()
			if n == 0 {
				continue
			}
			r = httptest.NewRequest("POST", "/", strings.NewReader(want))
			r.ContentLength = -1
			if _, err := stream.ReadBody(r, int64(n-1)); !errors.Is(err, stream.ErrBodyTooLarge) {
				t.Errorf("%d bytes of %d allowed: %v", n, n-1, err)
			}
		}
	}
	r := httptest.NewRequest("POST", "/", iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := stream.ReadBody(r, 10); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("broken body: %v", err)
	}
}

func TestHeldAnswer(t *testing.T) {
	t.Parallel()
	outcome := func(rest io.Reader) *mcpwire.Outcome {
		o := mcpwire.Done(mcpwire.LatestLegacy, []byte(`{"a":`))
		o.Result.Rest = io.NopCloser(rest)
		return &o
	}
	for name, tc := range map[string]struct {
		o    *mcpwire.Outcome
		max  int
		want string
	}{
		"whole":     {outcome(strings.NewReader(`1}`)), 7, `{"jsonrpc":"2.0","id":1,"result":{"a":1}}`},
		"too large": {outcome(strings.NewReader(`12}`)), 7, "larger than"},
		"no room":   {outcome(strings.NewReader(`1}`)), 0, "larger than"},
		"broken":    {outcome(iotest.ErrReader(mcpwire.ErrBadFrame)), 7, "broke off"},
	} {
		if got := string(stream.HeldAnswer([]byte("1"), tc.o, tc.max)); !strings.Contains(got, tc.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestWriteLines(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := stream.WriteLines(&b, []byte("a\r\nb\n\nc"), []byte("|")); err != nil || b.String() != "a |b||c" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// The rest passes through the memory of the beginning, whatever the sizes.
func TestWriteResult(t *testing.T) {
	t.Parallel()
	text := "{\"a\":\n" + strings.Repeat("0123456789\r\n", 1000) + "}"
	for _, held := range []int{1, 7, 1000, len(text) - 1, len(text)} {
		for _, newline := range []string{"", "|"} {
			r := mcpwire.Result{Bytes: []byte(text[:held])}
			end := func(n int64) []byte { return fmt.Appendf(nil, "}%d", n) }
			if held < len(text) {
				r.Rest = io.NopCloser(iotest.DataErrReader(strings.NewReader(text[held:])))
			}
			var b strings.Builder
			want, nl := text, []byte(nil)
			if newline != "" {
				want, nl = strings.NewReplacer("\r", " ", "\n", newline).Replace(text), []byte(newline)
			}
			want += fmt.Sprintf("}%d", len(text))
			if err := stream.WriteResult(&b, &r, nl, end); err != nil || b.String() != want {
				t.Errorf("%d bytes held, newline %q: %d of %d bytes, %v", held, newline, b.Len(), len(want), err)
			}
		}
	}
	var b strings.Builder
	broken := mcpwire.Result{Bytes: []byte("{"), Rest: io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))}
	if err := stream.WriteResult(&b, &broken, nil, stream.Brace); !errors.Is(err, stream.ErrBroken) {
		t.Errorf("broken: %v", err)
	}
}

// pieces keeps what was written, each write by itself.
type pieces []string

func (p *pieces) Write(b []byte) (int, error) {
	*p = append(*p, string(b))
	return len(b), nil
}

// The end of an answer is no packet of its own.
func TestWriteResult_endIsNotAlone(t *testing.T) {
	t.Parallel()
	r := mcpwire.Result{Bytes: []byte(`{"a":"xx`), Rest: io.NopCloser(iotest.DataErrReader(strings.NewReader(`xxxxxxxxxxxxx"}`)))}
	var got pieces
	if err := stream.WriteResult(&got, &r, nil, stream.Brace); err != nil || len(got) != 3 || got[2] != `xxxxx"}}` {
		t.Errorf("%q, %v", got, err)
	}
}

// room notes the largest piece that was asked of a reader at once.
type room struct {
	io.Reader
	most int
}

func (r *room) Read(p []byte) (int, error) {
	r.most = max(r.most, len(p))
	return r.Reader.Read(p)
}

// The attack: many requests announce megabytes and send nothing.
func TestReadBody_announcedIsNotSent(t *testing.T) {
	t.Parallel()
	broken := &room{Reader: iotest.ErrReader(errors.New("gone"))}
	r := httptest.NewRequest("POST", "/mcp", broken)
	r.ContentLength = 8 << 20
	if _, err := stream.ReadBody(r, 8<<20); err == nil || broken.most > 1<<20 {
		t.Errorf("%v; room for %d bytes was made", err, broken.most)
	}
	for _, n := range []int{0, 1, 4 << 10, 1<<20 - 1, 1 << 20, 5 << 20, 8 << 20} {
		for _, length := range []int64{int64(n), -1} {
			text := strings.Repeat("0123456789abcdef", n/16+1)[:n]
			r := httptest.NewRequest("POST", "/mcp", strings.NewReader(text))
			r.ContentLength = length
			b, err := stream.ReadBody(r, 8<<20)
			if err != nil || string(b.B) != text {
				t.Fatalf("%d bytes, announced %d: %d bytes, %v", n, length, len(b.B), err)
			}
			b.Free()
		}
	}
}
