package streamable

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"

	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/life"
	"drawbridge/internal/mcpwire"
)

// exchange is the answer to one POST. What it is, is decided late: an outcome
// that comes first goes out as plain JSON; a message before it, or long silence,
// makes an event stream of it. The stream is written by a goroutine of its own,
// so that a slow client holds up nobody's backend; finish ends and awaits it.
type exchange struct {
	e  *Endpoint
	w  http.ResponseWriter
	r  *http.Request
	s  *session.Session // nil for 2026-07-28
	id []byte

	silence life.Term

	mu      sync.Mutex // guards what follows
	state   progress
	stream  *stream.Stream
	reader  *stream.Reader
	early   [][]byte // a batch's answers so far, while nothing is written
	pumped  chan struct{}
	pumpErr error // read once pumped is closed
}

// progress says how far an exchange is.
type progress int

const (
	holding   progress = iota // nothing is written
	streaming                 // it is an event stream
	over
)

func (e *Endpoint) newExchange(w http.ResponseWriter, r *http.Request, s *session.Session, id []byte) *exchange {
	x := &exchange{e: e, w: w, r: r, s: s, id: id}
	e.silences.Begin(&x.silence, x.quiet)
	if prefersStream(r.Header) {
		x.quiet()
	}
	return x
}

// Push sends a message before the answer.
func (x *exchange) Push(frame []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.state {
	case holding:
		x.begin()
		x.stream.Push(frame)
	case streaming:
		x.stream.Push(frame)
	case over:
	}
}

// Heard tells whether the client still reads the answer.
func (x *exchange) Heard() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.state != streaming || x.stream.Heard()
}

// quiet makes an event stream of an exchange that says nothing.
func (x *exchange) quiet() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state == holding {
		x.begin()
	}
}

// begin turns the exchange into an event stream. x.mu is held.
func (x *exchange) begin() {
	x.state = streaming
	if x.s != nil {
		x.stream = x.s.NewStream(x.id)
	} else {
		x.stream = stream.New("", 0)
	}
	x.reader = x.stream.Attach(0)
	for _, frame := range x.early {
		x.stream.Push(frame)
	}
	x.early = nil
	x.pumped = make(chan struct{})
	go x.pump(x.reader) // finish awaits it
}

// pump writes the event stream. When the client of a session goes away, the call
// goes on, and what it says waits in the stream to be resumed.
func (x *exchange) pump(rd *stream.Reader) {
	defer close(x.pumped)
	defer rd.Detach()
	out := x.writer()
	out.Events()
	if x.s != nil && x.s.Revision() >= mcpwire.Rev20251125 {
		out.Prime(rd)
	} else {
		out.Greet()
	}
	x.pumpErr = out.Pump(x.r.Context(), rd, nil)
}

func (x *exchange) writer() *stream.Writer {
	return stream.NewWriter(x.w, x.e.cfg.WriteTimeout, x.e.cfg.KeepAlive)
}

// close ends the time for messages and tells what the exchange has become.
func (x *exchange) close() progress {
	x.e.silences.End(&x.silence)
	x.mu.Lock()
	defer x.mu.Unlock()
	was := x.state
	x.state = over
	return was
}

// finish writes the answer.
func (x *exchange) finish(o *mcpwire.Outcome) {
	defer o.Close()
	if x.close() == holding {
		x.plain(o)
		return
	}
	if o.Result.Rest == nil && len(o.Result.Bytes) <= x.e.cfg.RingBytes {
		x.stream.End(stream.Answer(x.id, o))
		<-x.pumped
		return
	}
	x.reader.Finish()
	<-x.pumped
	if x.pumpErr == nil {
		err := x.through(o)
		x.stream.End(nil)
		abortOn(err)
		return
	}
	if x.s != nil {
		x.stream.End(stream.HeldAnswer(x.id, o, x.stream.Room()))
	}
}

// abortOn cuts the connection, so that the client sees that the answer is not
// whole.
func abortOn(err error) {
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// through writes a large result as the last event, past the log, which could not
// keep it.
func (x *exchange) through(o *mcpwire.Outcome) error {
	out := x.writer()
	head := []byte("event: message\n")
	if id := x.reader.NextID(); id != "" {
		head = append(append(append(head, "id: "...), id...), '\n')
	}
	head = mcpwire.AppendResultHead(append(head, "data: "...), x.id)
	if _, err := out.Write(head); err != nil {
		return err
	}
	if err := stream.WriteResult(out, &o.Result, dataLine, stream.Brace); err != nil {
		return err
	}
	return out.Send([]byte("\n\n"))
}

// dataLine continues an event's data where it holds a line break.
var dataLine = []byte("\ndata: ")

// wholeBytes is how large a result may be to be put together with its envelope
// and written at once.
const wholeBytes = 64 << 10

// plain writes the answer as JSON.
func (x *exchange) plain(o *mcpwire.Outcome) {
	h := x.w.Header()
	stream.JSONHeader(h)
	if o.Kind == mcpwire.Failed {
		if x.s == nil {
			x.w.WriteHeader(modernStatus(o.Err))
		}
		_, _ = x.w.Write(mcpwire.AppendErrorResponse(nil, x.id, o.Err)) // a client that is gone needs no answer
		return
	}
	if o.Result.Rest == nil && len(o.Result.Bytes) <= wholeBytes {
		p, _ := answers.Get().(*[]byte)
		*p = stream.AppendAnswer((*p)[:0], x.id, o)
		if len(*p) > sniffed {
			h["Content-Length"] = []string{strconv.Itoa(len(*p))}
		}
		_, _ = x.w.Write(*p) // as above
		answers.Put(p)
		return
	}
	most := o.Result.Most
	if o.Result.Rest == nil {
		most = int64(len(o.Result.Bytes))
	}
	if most > 0 {
		most += int64(len(mcpwire.AppendResultHead(nil, x.id))) + 1
		h["Content-Length"] = []string{strconv.FormatInt(most, 10)}
	}
	abortOn(x.large(o, most))
}

// sniffed is up to where net/http finds the length of an answer by itself.
const sniffed = 2048

// answers holds the buffers of plain.
var answers = sync.Pool{New: func() any { return new([]byte) }}

// large writes a result piece by piece. length, unless 0, is what the header has
// promised.
func (x *exchange) large(o *mcpwire.Outcome, length int64) error {
	out := x.writer()
	head := mcpwire.AppendResultHead(nil, x.id)
	if _, err := out.Write(head); err != nil {
		return err
	}
	err := stream.WriteResult(out, &o.Result, nil, func(written int64) []byte {
		missing := length - int64(len(head)) - written - 1
		return append([]byte{'}'}, bytes.Repeat([]byte{' '}, int(max(missing, 0)))...)
	})
	if err != nil {
		return err
	}
	return out.Flush()
}
