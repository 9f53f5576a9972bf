package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/eventstream"
	"drawbridge/internal/mcpwire"
)

// Body is a request body read whole, in a buffer that goes back to its pool.
type Body struct{ B []byte }

// ErrBodyTooLarge says that a body is over the limit.
var ErrBodyTooLarge = errors.New("request body over the limit")

// pooledBody is the largest buffer that is kept for the next request.
const pooledBody = 256 << 10

// trusted is how much memory a client gets for its word that a body will be large.
const trusted = 1 << 20

var bodies = sync.Pool{New: func() any { return &Body{B: make([]byte, 0, 4<<10)} }}

// ReadBody reads a body of at most max bytes. Free gives it back.
func ReadBody(r *http.Request, max int64) (*Body, error) {
	if r.ContentLength > max {
		return nil, ErrBodyTooLarge
	}
	b, _ := bodies.Get().(*Body)
	b.B = b.B[:0]
	// One byte more than announced, so that the read that finds the end of the body
	// does not grow the buffer; but no more than trusted before bytes have come.
	whole := int(r.ContentLength) + 1
	if whole > cap(b.B) {
		b.B = make([]byte, 0, min(whole, trusted))
	}
	for {
		n, err := r.Body.Read(b.B[len(b.B):cap(b.B)])
		b.B = b.B[:len(b.B)+n]
		switch {
		case int64(len(b.B)) > max:
			b.Free()
			return nil, ErrBodyTooLarge
		case errors.Is(err, io.EOF):
			_ = r.Body.Close() // else net/http looks for more of it when it answers
			return b, nil
		case err != nil:
			b.Free()
			return nil, fmt.Errorf("read body: %w", err)
		}
		if len(b.B) == cap(b.B) {
			b.grow(whole)
		}
	}
}

// grow makes room: up to the whole that was announced, in steps that follow what
// has come; by half beyond it.
func (b *Body) grow(whole int) {
	size := cap(b.B) + cap(b.B)/2
	if whole > cap(b.B) {
		size = min(4*cap(b.B), whole)
	}
	b.B = append(make([]byte, 0, size), b.B...)
}

// Free gives the buffer back. Nothing may point into it any more.
func (b *Body) Free() {
	if cap(b.B) <= pooledBody {
		bodies.Put(b)
	}
}

// Values of headers, shared by all answers.
var (
	typeJSON   = []string{"application/json"}
	typeEvents = []string{"text/event-stream"}
	noBuffer   = []string{"no"}
	noCache    = []string{"no-cache, no-transform"}
)

// JSONHeader sets the header of a plain answer.
func JSONHeader(h http.Header) {
	h["Content-Type"] = typeJSON
	h["Cache-Control"] = noCache
}

// EventHeader sets the header of an event stream.
func EventHeader(h http.Header) {
	h["Content-Type"] = typeEvents
	h["Cache-Control"] = noCache
	h["X-Accel-Buffering"] = noBuffer
}

// WriteError answers with a JSON-RPC error and an HTTP status.
func WriteError(w http.ResponseWriter, status int, id []byte, e *mcpwire.Error) {
	JSONHeader(w.Header())
	w.WriteHeader(status)
	_, _ = w.Write(mcpwire.AppendErrorResponse(nil, id, e)) // a client that is gone needs no error
}

// IsJSON tells whether the body is declared as JSON. Anything else could be sent
// by a foreign page without the browser asking first.
func IsJSON(h http.Header) bool {
	v := h["Content-Type"]
	if len(v) != 1 {
		return false
	}
	base, _, _ := strings.Cut(v[0], ";")
	return v[0] == "application/json" || strings.EqualFold(strings.TrimSpace(base), "application/json")
}

// Writer writes to one client over HTTP.
type Writer struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	quiet   time.Duration
	head    []byte    // leaves with the first frames of Pump
	armed   time.Time // when the write deadline was set; zero: there is none
}

// NewWriter makes the writer of one answer: a client that takes nothing for
// timeout is given up, and Pump fills quiet times by comments.
func NewWriter(w http.ResponseWriter, timeout, quiet time.Duration) *Writer {
	return &Writer{w: w, rc: http.NewResponseController(w), timeout: timeout, quiet: quiet}
}

// Events starts an event stream with status 200.
func (e *Writer) Events() {
	EventHeader(e.w.Header())
	e.w.WriteHeader(http.StatusOK)
}

// Write sends bytes; Flush makes them leave.
func (e *Writer) Write(p []byte) (int, error) {
	// A large result is many writes; moving the deadline with each would cost more
	// than some of them.
	if now := time.Now(); now.Sub(e.armed) > e.timeout/4 {
		_ = e.rc.SetWriteDeadline(now.Add(e.timeout)) // not every writer has deadlines
		e.armed = now
	}
	n, err := e.w.Write(p)
	if err != nil {
		return n, fmt.Errorf("write to client: %w", err)
	}
	return n, nil
}

// Flush sends what is buffered and lifts the deadline.
func (e *Writer) Flush() error {
	err := e.rc.Flush()
	_ = e.rc.SetWriteDeadline(time.Time{})
	e.armed = time.Time{}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("flush to client: %w", err)
	}
	return nil
}

// Send is Write and Flush.
func (e *Writer) Send(p []byte) error {
	if _, err := e.Write(p); err != nil {
		return err
	}
	return e.Flush()
}

// Comment sends a comment, which keeps proxies and clients from giving up.
func (e *Writer) Comment() error { return e.Send(eventstream.AppendComment(nil, "")) }

// Prime lets Pump begin with the event without data that 2025-11-25 wants first:
// from its id on the stream can be resumed.
func (e *Writer) Prime(r *Reader) {
	r.s.mu.Lock()
	id := r.s.id(r.next - 1)
	r.s.mu.Unlock()
	e.head = append(e.head, "id: "+id+"\ndata: \n\n"...)
}

// Greet lets Pump begin with a comment, so that something leaves at once.
func (e *Writer) Greet() { e.head = eventstream.AppendComment(e.head, "") }

// ErrOusted says that another connection reads the stream now.
var ErrOusted = errors.New("another connection took the stream over")

// Pump writes what the reader finds until the stream ends (nil), the client or
// the context goes, or stop is closed (nil). Quiet times are filled by comments.
func (e *Writer) Pump(ctx context.Context, r *Reader, stop <-chan struct{}) error {
	quiet := time.NewTimer(e.quiet)
	defer quiet.Stop()
	for {
		p, _ := framePool.Get().(*[]byte)
		buf, st := r.take(append((*p)[:0], e.head...))
		e.head = nil
		var err error
		if len(buf) > 0 {
			err = e.Send(buf)
			quiet.Reset(e.quiet)
		}
		if cap(buf) <= 2*takeBytes {
			*p = buf
			framePool.Put(p)
		}
		switch {
		case err != nil:
			return err
		case st == ousted:
			return ErrOusted
		case st == done:
			return nil
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-stop:
			return nil
		case <-quiet.C:
			if err := e.Comment(); err != nil {
				return err
			}
			quiet.Reset(e.quiet)
		}
	}
}

// framePool holds the buffers of Pump, only while something is written.
var framePool = sync.Pool{New: func() any { return new([]byte) }}
