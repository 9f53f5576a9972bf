package legacy

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/backend/remote/rawhttp"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/mcpwire"
)

// maxUnreadable is what is kept of a message that cannot be read.
const maxUnreadable = 4 << 10

// SSE is a session of the HTTP+SSE transport of 2024-11-05: one stream brings
// everything, and messages to the backend are posted to an address that the
// stream names first. With the stream the session ends.
type SSE struct {
	*line.Loss
	router
	info   backend.Info
	prefs  prefs
	target string             // where messages are posted
	cancel context.CancelFunc // ends the stream
	done   chan struct{}      // closed when the stream's goroutine has ended
	// answers of calls that wait; guarded by router.mu.
	answers map[int64]chan []byte
}

var _ backend.Peer = (*SSE)(nil)

// OpenSSE opens the stream and a session on it.
func OpenSSE(ctx context.Context, l *line.Line, hello backend.Hello) (*SSE, error) {
	p := &SSE{Loss: line.NewLoss(), router: newRouter(l), prefs: newPrefs(), done: make(chan struct{}), answers: map[int64]chan []byte{}}
	p.early.Begin(ctx)
	p.send = func(ctx context.Context, msg []byte) error {
		return l.Note(ctx, p.target, []byte(line.PostLines), msg, l.Handshake)
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.cancel = cancel
	stop := context.AfterFunc(ctx, cancel) // until the session is open, ctx is the stream's too
	err := p.open(ctx, life)
	if err == nil {
		err = p.introduce(ctx, hello)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		<-p.done
		return nil, err
	}
	return p, nil
}

// open starts the stream and waits for the address of the messages.
func (p *SSE) open(ctx, life context.Context) error {
	resp, err := p.l.Get(life, []byte(line.GetLines), p.l.Handshake)
	if err != nil || resp.Status != http.StatusOK || resp.Type != line.Events {
		close(p.done)
		if err == nil {
			_ = resp.Close() // the status says it all
			err = line.StatusError(resp.Status)
		}
		return err
	}
	endpoint := make(chan string, 1)
	go p.read(life, resp, endpoint) // ends with life; Close waits for it
	timer := time.NewTimer(p.l.Handshake)
	defer timer.Stop()
	select {
	case ref := <-endpoint:
		var ok bool
		if p.target, ok = p.l.Within(ref); !ok {
			return line.ErrForeign
		}
		return nil
	case <-p.Lost():
		return line.ErrLost
	case <-timer.C:
		return context.DeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// introduce does the handshake.
func (p *SSE) introduce(ctx context.Context, hello backend.Hello) error {
	req := &mcpwire.Request{Method: mcpwire.MethodInitialize, Revision: mcpwire.LatestLegacy, Params: p.l.InitializeParams(hello)}
	ctx, end := context.WithTimeout(ctx, p.l.Handshake)
	defer end()
	a, _, err := p.exchange(ctx, newCall(ctx, p.l, req, nobody{}), req)
	switch {
	case err != nil:
		return err
	case a.Err != nil:
		return line.ErrRefused
	}
	if p.info, err = line.Introduction(a.Result.Bytes, backend.HTTPSSE); err != nil {
		return err
	}
	p.speak(p.info.Revision)
	return p.send(ctx, mcpwire.AppendRequest(nil, nil, mcpwire.MethodInitialized, nil))
}

// read takes the stream's events until it ends.
func (p *SSE) read(ctx context.Context, resp *rawhttp.Response, endpoint chan<- string) {
	defer close(p.done)
	defer p.Lose()
	defer resp.Close()
	events := eventstream.NewReader(resp, int(p.l.MaxMessage))
	named := false
	for {
		ev, err := events.Next()
		if err != nil {
			if ctx.Err() == nil {
				p.l.Log.DebugContext(ctx, "the stream ended", "error", err)
			}
			return
		}
		if ev.Name == "endpoint" {
			if !named { // one address for the whole session
				named = true
				endpoint <- string(ev.Data)
			}
			continue
		}
		if len(ev.Data) == 0 || ev.Name != "" && ev.Name != "message" {
			continue
		}
		m, err := mcpwire.ParseBackend(ev.Data)
		switch {
		case err != nil && !p.refuse(ev.Data):
			p.l.Log.DebugContext(ctx, "unusable message on the stream", "error", err)
		case err != nil:
		case m.IsResponse():
			p.arrived(ctx, &m, ev.Data)
		default:
			p.take(ctx, &m, nil)
		}
	}
}

// arrived gives an answer to the call that waits for it.
func (p *SSE) arrived(ctx context.Context, m *mcpwire.Message, data []byte) {
	id, _ := line.Integer(m.ID)
	p.mu.Lock()
	waiting := p.answers[id]
	delete(p.answers, id)
	p.mu.Unlock()
	if waiting == nil {
		p.l.Log.DebugContext(ctx, "an answer nobody waits for")
		return
	}
	waiting <- bytes.Clone(data)
}

// refuse fails the only call that waits when a message cannot be read: it was its
// answer, as far as anybody can tell. With several, each waits for its own.
func (p *SSE) refuse(data []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) != 1 {
		return false
	}
	for id, waiting := range p.answers {
		delete(p.answers, id)
		waiting <- bytes.Clone(data[:min(len(data), maxUnreadable)])
	}
	return true
}

// Info is what initialize told.
func (p *SSE) Info() backend.Info { return p.info }

// Close ends the stream, and with it the session.
func (p *SSE) Close(ctx context.Context) error {
	p.cancel()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Watch takes what belongs to no call. The stream is there already.
func (p *SSE) Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error {
	c, err := p.beginWatch(ctx, sink)
	if err != nil {
		return err
	}
	defer p.endWatch(c)
	ready(honoured(p.info, f))
	return p.Wait(ctx)
}

// Serve sends one call. When ctx ends, the backend is told.
func (p *SSE) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	p.adjust(ctx, req.Caller)
	return p.call(ctx, req, sink)
}

// adjust makes the session log what a caller wants. That it fails does not end
// what it is made for.
func (p *SSE) adjust(ctx context.Context, caller *mcpwire.Caller) {
	p.prefs.lower(ctx, caller, p.info.Capabilities, func(level string) {
		o := p.call(ctx, setting(mcpwire.MethodSetLevel, "level", level), nobody{})
		o.Close()
	})
}

// Tell passes on what a client says, or sets its log level.
func (p *SSE) Tell(ctx context.Context, caller *mcpwire.Caller, n mcpwire.Notification) {
	if n.Method == mcpwire.MethodSetLevel {
		p.adjust(ctx, caller)
		return
	}
	p.reply(ctx, mcpwire.AppendRequest(nil, nil, n.Method, n.Params))
}

func (p *SSE) call(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	c := newCall(ctx, p.l, req, sink)
	a, sent, err := p.exchange(ctx, c, req)
	switch {
	case err != nil:
		if sent && ctx.Err() != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
			defer cancel()
			p.reply(ctx, line.Cancellation(c.ID))
		}
		return p.l.Failed(ctx, err)
	case a.Err != nil:
		return mcpwire.Fail(a.Err)
	}
	p.settled(c, req, a.Result)
	return mcpwire.Outcome{Kind: mcpwire.Complete, Revision: p.info.Revision, Result: a.Result}
}

// exchange posts the request and waits for its answer on the stream.
func (p *SSE) exchange(ctx context.Context, c *call, req *mcpwire.Request) (a answer.Answer, sent bool, err error) {
	waiting := make(chan []byte, 1)
	p.begin(c)
	p.mu.Lock()
	p.answers[c.ID] = waiting
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.answers, c.ID)
		p.mu.Unlock()
		p.end(c)
	}()
	m := line.NewScratch()
	m.Body = p.l.AppendCall(m.Body[:0], p.info.Revision, &c.Call, req)
	err = p.l.Note(ctx, p.target, []byte(line.PostLines), m.Body, p.l.FirstByte) // some take a call only when it has run
	m.Free()
	if err != nil {
		if s, ok := errors.AsType[line.StatusError](err); ok && (s == http.StatusNotFound || s == http.StatusGone) {
			p.cancel() // the backend does not know the session any more
		}
		e, ok := errors.AsType[*rawhttp.Error](err)
		return a, ok && e.Sent, err
	}
	select {
	case data := <-waiting:
		a, err = answer.Parse(data, answer.Options{ID: c.ID, Max: p.l.MaxMessage})
		return a, true, err
	case <-p.Lost():
		return a, true, line.ErrUnknown
	case <-ctx.Done():
		return a, true, ctx.Err()
	}
}
