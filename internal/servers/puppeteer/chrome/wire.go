package chrome

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// maxMessage bounds one message of the browser: a picture or a file in it counts.
const maxMessage = 96 << 20

// maxQueued is how many messages may wait to be written before the browser counts
// as one that does not listen.
const maxQueued = 4096

// Handler gets the events of a session in their order. It runs on the goroutine
// that reads: it must be quick and must not wait for a call; Send is what it may use.
type Handler func(method string, params json.RawMessage)

// Session is the calls and events of one target. Safe for concurrent use.
type Session struct {
	ID     string // "" is the browser itself
	wire   *wire
	handle Handler
	gone   chan struct{} // closed when the target is
}

// ProtocolError is a refusal of the browser.
type ProtocolError struct {
	Method  string
	Code    int
	Message string
}

// Error is the refusal with its method.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("%s: %s (%d)", e.Method, e.Message, e.Code)
}

// message is any message of the protocol.
type message struct {
	ID        int64           `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data"`
	} `json:"error,omitempty"`
}

// wire is the two pipes and who waits for what on them.
type wire struct {
	queue chan []byte
	gone  chan struct{} // closed when nothing more can come
	over  sync.Once

	mu       sync.Mutex // guards the rest
	next     int64
	pending  map[int64]chan message
	sessions map[string]*Session
}

// newWire starts reading and writing. Both goroutines end when their pipe is closed,
// which the process's keeper does.
func newWire(in io.Reader, out io.Writer, handle Handler) (*wire, *Session) {
	w := &wire{queue: make(chan []byte, maxQueued), gone: make(chan struct{}), pending: map[int64]chan message{}, sessions: map[string]*Session{}}
	root := w.session("", handle)
	go w.read(in)
	go w.write(out)
	return w, root
}

func (w *wire) session(id string, handle Handler) *Session {
	s := &Session{ID: id, wire: w, handle: handle, gone: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions[id] = s
	return s
}

func (w *wire) detach(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.sessions[id]; s != nil {
		delete(w.sessions, id)
		close(s.gone)
	}
}

// end tells everybody that the browser is gone.
func (w *wire) end() { w.over.Do(func() { close(w.gone) }) }

func (w *wire) read(in io.Reader) {
	defer w.end()
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		raw, err := readMessage(r)
		if err != nil {
			return
		}
		var m message
		if err := json.Unmarshal(raw, &m); err != nil {
			return // not the protocol: nothing after it can be trusted
		}
		w.dispatch(m)
	}
}

// readMessage reads up to the zero byte.
func readMessage(r *bufio.Reader) ([]byte, error) {
	var all []byte
	for {
		part, err := r.ReadSlice(0)
		if len(all)+len(part) > maxMessage {
			return nil, errors.New("message too long")
		}
		all = append(all, part...)
		switch {
		case err == nil:
			return all[:len(all)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (w *wire) dispatch(m message) {
	w.mu.Lock()
	reply := w.pending[m.ID]
	delete(w.pending, m.ID)
	s := w.sessions[m.SessionID]
	w.mu.Unlock()
	switch {
	case reply != nil:
		reply <- m // has room for the one answer
	case m.Method != "" && s != nil:
		s.handle(m.Method, m.Params)
	}
}

func (w *wire) write(out io.Writer) {
	for {
		select {
		case raw := <-w.queue:
			if _, err := out.Write(append(raw, 0)); err != nil {
				w.end()
				return
			}
		case <-w.gone:
			return
		}
	}
}

// put queues a message. A full queue is a browser that has stopped to listen.
func (w *wire) put(m message, params any) error {
	if params != nil {
		raw, err := json.Marshal(params)
		if err != nil {
			return fmt.Errorf("encode params of %s: %w", m.Method, err)
		}
		m.Params = raw
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode %s: %w", m.Method, err)
	}
	select {
	case <-w.gone:
		return ErrGone
	case w.queue <- raw:
		return nil
	default:
		w.end()
		return ErrGone
	}
}

// Pending is a call on its way.
type Pending struct {
	s      *Session
	method string
	id     int64
	reply  chan message
	err    error
}

// Begin sends a call without waiting for its answer: several calls of a session are
// carried out in the order of their beginnings. Every Pending is to be awaited.
func (s *Session) Begin(method string, params any) *Pending {
	p := &Pending{s: s, method: method, reply: make(chan message, 1)}
	w := s.wire
	w.mu.Lock()
	w.next++
	p.id = w.next
	w.pending[p.id] = p.reply
	w.mu.Unlock()
	if p.err = w.put(message{ID: p.id, SessionID: s.ID, Method: method}, params); p.err != nil {
		p.forget()
	}
	return p
}

func (p *Pending) forget() {
	p.s.wire.mu.Lock()
	defer p.s.wire.mu.Unlock()
	delete(p.s.wire.pending, p.id)
}

// Wait waits for the answer and decodes it into result unless that is nil.
func (p *Pending) Wait(ctx context.Context, result any) error {
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.method, p.err)
	}
	select {
	case m := <-p.reply:
		return p.decode(m, result)
	case <-ctx.Done():
		p.forget()
		return fmt.Errorf("%s: %w", p.method, ctx.Err())
	case <-p.s.gone:
	case <-p.s.wire.gone:
	}
	select { // the answer may have come before the end
	case m := <-p.reply:
		return p.decode(m, result)
	default:
	}
	p.forget()
	return fmt.Errorf("%s: %w", p.method, ErrGone)
}

func (p *Pending) decode(m message, result any) error {
	if e := m.Error; e != nil {
		if strings.Contains(e.Message, "Session with given id not found") || strings.Contains(e.Message, "Target closed") {
			return fmt.Errorf("%s: %w: %s", p.method, ErrGone, e.Message)
		}
		return &ProtocolError{p.method, e.Code, e.Message}
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(m.Result, result); err != nil {
		return fmt.Errorf("decode answer of %s: %w", p.method, err)
	}
	return nil
}

// Call is Begin and Wait. Where ctx ends first, the call may still be carried out.
func (s *Session) Call(ctx context.Context, method string, params, result any) error {
	return s.Begin(method, params).Wait(ctx, result)
}

// Send sends a call whose answer nobody needs. It never waits.
func (s *Session) Send(method string, params any) {
	w := s.wire
	w.mu.Lock()
	w.next++
	id := w.next
	w.mu.Unlock()
	_ = w.put(message{ID: id, SessionID: s.ID, Method: method}, params) // a browser that is gone needs nothing
}

// Gone is closed when the session's target or the browser has ended.
func (s *Session) Gone() <-chan struct{} { return s.gone }
