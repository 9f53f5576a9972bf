// Package legacy holds the sessions of the revisions before 2026-07-28: HTTP over
// Streamable HTTP, with POST streams that can be taken up again and a GET stream;
// SSE over the one stream of 2024-11-05. router is what they share: which message
// of the backend belongs to which call.
package legacy

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/backend/remote/rawhttp"
	"drawbridge/internal/mcpwire"
)

// HTTP is a session of Streamable HTTP, 2025-03-26 to 2025-11-25. When the backend
// forgets the session, as it does with every restart, it makes a new one and
// carries on.
type HTTP struct {
	*line.Loss
	router
	info  backend.Info
	hello backend.Hello
	prefs prefs

	now   atomic.Pointer[state]
	renew chan struct{} // holds a token while nobody makes a new session
}

var _ backend.Peer = (*HTTP)(nil)

// state is what the backend knows us by. It is never changed, only replaced.
type state struct {
	id       string
	lines    []byte        // its header lines
	replaced chan struct{} // closed when there is another
}

// OpenHTTP opens a session.
func OpenHTTP(ctx context.Context, l *line.Line, hello backend.Hello) (*HTTP, error) {
	p := &HTTP{Loss: line.NewLoss(), router: newRouter(l), hello: hello, prefs: newPrefs(), renew: make(chan struct{}, 1)}
	p.renew <- struct{}{}
	p.early.Begin(ctx)
	p.send = func(ctx context.Context, msg []byte) error {
		return l.Note(ctx, l.Target(), p.now.Load().post(nil), msg, l.Handshake)
	}
	s, info, err := p.handshake(ctx)
	if err != nil {
		return nil, err
	}
	p.info = info
	p.speak(info.Revision)
	p.now.Store(s)
	return p, nil
}

// handshake sends initialize and notifications/initialized.
func (p *HTTP) handshake(ctx context.Context) (*state, backend.Info, error) {
	l := p.l
	req := &mcpwire.Request{Method: mcpwire.MethodInitialize, Revision: mcpwire.LatestLegacy, Params: l.InitializeParams(p.hello)}
	c := l.NewCall(req, nil)
	resp, err := l.Follow(ctx, []byte(line.PostLines), l.AppendCall(nil, mcpwire.LatestLegacy, &c, req))
	if err != nil {
		return nil, backend.Info{}, err
	}
	a, err := l.HandshakeAnswer(resp, c.ID)
	switch {
	case err != nil:
		return nil, backend.Info{}, err
	case a.Err != nil && resp.Status != http.StatusOK:
		return nil, backend.Info{}, line.StatusError(resp.Status)
	case a.Err != nil:
		return nil, backend.Info{}, line.ErrRefused
	}
	info, err := line.Introduction(a.Result.Bytes, backend.StreamableHTTP)
	if err != nil {
		return nil, info, err
	}
	s, err := newState(resp.Session, info.Revision)
	if err != nil {
		return nil, info, err
	}
	return s, info, l.Note(ctx, l.Target(), s.post(nil), mcpwire.AppendRequest(nil, nil, mcpwire.MethodInitialized, nil), l.Handshake)
}

func newState(id string, rev mcpwire.Revision) (*state, error) {
	s := &state{id: id, replaced: make(chan struct{})}
	if rev >= mcpwire.Rev20250618 {
		s.lines, _ = rawhttp.AppendField(s.lines, "MCP-Protocol-Version", string(rev))
	}
	if id == "" {
		return s, nil
	}
	var ok bool
	if s.lines, ok = rawhttp.AppendField(s.lines, "Mcp-Session-Id", id); !ok || len(id) > 4096 {
		return nil, errors.Join(mcpwire.ErrBadFrame, errors.New("unusable session id"))
	}
	return s, nil
}

// post and get write the header of a request in the session.
func (s *state) post(dst []byte) []byte { return append(append(dst, line.PostLines...), s.lines...) }

func (s *state) get(lastID string) []byte {
	h := append([]byte(line.GetLines), s.lines...)
	if lastID != "" {
		h, _ = rawhttp.AppendField(h, "Last-Event-ID", lastID) // resumable has seen that it can be written
	}
	return h
}

// Info is what initialize told.
func (p *HTTP) Info() backend.Info { return p.info }

// Close ends the session at the backend.
func (p *HTTP) Close(ctx context.Context) error {
	s, gone := p.now.Load(), p.IsLost()
	p.Lose()
	if gone || s.id == "" {
		return nil
	}
	return p.l.Delete(ctx, s.lines)
}

// Serve sends one call. When ctx ends, the backend is told.
func (p *HTTP) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	p.adjust(ctx, req.Caller)
	o := p.call(ctx, req, sink)
	if o.Kind == mcpwire.Complete {
		p.prefs.subscribed(req)
	}
	return o
}

// adjust makes the session log what a caller wants.
func (p *HTTP) adjust(ctx context.Context, caller *mcpwire.Caller) {
	p.prefs.lower(ctx, caller, p.info.Capabilities, func(level string) {
		p.set(ctx, setting(mcpwire.MethodSetLevel, "level", level))
	})
}

// Tell passes on what a client says, or sets its log level.
func (p *HTTP) Tell(ctx context.Context, caller *mcpwire.Caller, n mcpwire.Notification) {
	if n.Method == mcpwire.MethodSetLevel {
		p.adjust(ctx, caller)
		return
	}
	p.reply(ctx, mcpwire.AppendRequest(nil, nil, n.Method, n.Params))
}

// call is Serve without what the session remembers of it.
func (p *HTTP) call(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	c := newCall(ctx, p.l, req, sink)
	p.begin(c)
	a, sent, err := p.exchange(ctx, c, req)
	p.end(c)
	switch {
	case err != nil:
		if sent && ctx.Err() != nil {
			p.takeBackCall(ctx, c.ID)
		}
		if errors.Is(err, line.ErrChanged) {
			p.l.Changed()
			p.Lose()
		}
		return p.l.Failed(ctx, err)
	case a.Err != nil && (a.Err.Code == mcpwire.CodeHeaderMismatch || a.Err.Code == mcpwire.CodeUnsupportedVersion):
		p.l.Changed()
		p.Lose()
		return p.l.Failed(ctx, line.ErrChanged)
	case a.Err != nil:
		return mcpwire.Fail(a.Err)
	}
	p.settled(c, req, a.Result)
	return mcpwire.Outcome{Kind: mcpwire.Complete, Revision: p.info.Revision, Result: a.Result}
}

// noteTime bounds how long a call that has ended tells the backend so.
const noteTime = 2 * time.Second

// takeBackCall tells the backend that nobody waits any more.
func (p *HTTP) takeBackCall(ctx context.Context, id int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	p.reply(ctx, line.Cancellation(id))
}

// exchange sends the request and reads its answer. A backend that does not know
// the session has not touched the request: it goes out once more in a new one.
func (p *HTTP) exchange(ctx context.Context, c *call, req *mcpwire.Request) (a answer.Answer, sent bool, err error) {
	m := line.NewScratch()
	defer m.Free()
	m.Body = p.l.AppendCall(m.Body[:0], p.info.Revision, &c.Call, req)
	for again := false; ; again = true {
		s := p.now.Load()
		m.Head = s.post(m.Head[:0])
		resp, err := p.l.Post(ctx, m.Head, m.Body, p.l.FirstByte)
		if err != nil {
			e, ok := errors.AsType[*rawhttp.Error](err)
			return a, ok && e.Sent, err
		}
		if resp.Status == http.StatusOK {
			a, err = p.answer(ctx, c, s, resp)
			return a, true, err
		}
		status, body := resp.Status, line.Refusal(resp)
		if again || !unknownSession(s, status, body, req.Method) {
			return p.refused(s, status, body)
		}
		if err := p.restart(ctx, s); err != nil {
			return a, false, err
		}
	}
}

// unknownSession tells an answer that means that the session is gone and the
// request was not looked at: 404, or for requests that change nothing the wrong
// but common 400.
func unknownSession(s *state, status int, body []byte, method string) bool {
	switch {
	case s.id == "":
		return false
	case status == http.StatusNotFound:
		e := answer.Error(body)
		return e == nil || e.Code != mcpwire.CodeMethodNotFound
	case status == http.StatusBadRequest && isRead(method):
		return bytes.Contains(bytes.ToLower(body), []byte("session")) || bytes.Contains(body, []byte("not initialized"))
	}
	return false
}

// isRead tells the methods that may run twice.
func isRead(method string) bool {
	switch method {
	case mcpwire.MethodToolsList, mcpwire.MethodPromptsList, mcpwire.MethodResourcesList, mcpwire.MethodTemplatesList,
		mcpwire.MethodResourcesRead, mcpwire.MethodPromptsGet, mcpwire.MethodComplete, mcpwire.MethodPing,
		mcpwire.MethodSubscribe, mcpwire.MethodUnsubscribe, mcpwire.MethodSetLevel:
		return true
	}
	return false
}

// refused reads an HTTP error that is not about the session.
func (p *HTTP) refused(s *state, status int, body []byte) (a answer.Answer, sent bool, err error) {
	if e := answer.Error(body); e != nil && status >= 400 && !line.IsCredential(status) {
		return answer.Answer{Err: e}, true, nil
	}
	if status == http.StatusMethodNotAllowed || status == http.StatusNotFound && s.id == "" {
		return a, false, line.ErrChanged
	}
	return a, false, line.StatusError(status)
}

// answer reads what came, in whichever form.
func (p *HTTP) answer(ctx context.Context, c *call, s *state, resp *rawhttp.Response) (answer.Answer, error) {
	switch resp.Type {
	case line.JSON:
		return answer.Read(resp, answer.Options{ID: c.ID, Max: p.l.MaxMessage})
	case line.Events:
		return p.stream(ctx, c, s, resp)
	}
	_ = resp.Close() // nothing in it can be understood
	return answer.Answer{}, line.StatusError(resp.Status)
}
