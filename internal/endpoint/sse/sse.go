// Package sse serves MCP over HTTP+SSE, the transport of 2024-11-05: a GET opens
// the one stream to the client and tells it where to POST its messages; answers
// come on the stream.
//
// A session lives as long as its stream; a client that reconnects starts anew.
// Messages of 2026-07-28 do not come this way. httpd authenticates and checks
// Host and Origin before anything comes here.
package sse

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
)

// Endpoint is the HTTP+SSE endpoint.
type Endpoint struct {
	log      *slog.Logger
	d        *session.Dispatcher
	cfg      session.Config
	path     string
	messages string

	mu   sync.Mutex // guards open
	open map[string]*connection
}

// connection is one client's stream with the session that lives on it.
type connection struct {
	s      *session.Session
	stream *stream.Stream
	calls  sync.WaitGroup
}

// largest bounds an answer, which has to wait whole for its place on the stream.
const largest = 64 << 20

// New makes the endpoint whose stream is at path, such as "/sse".
func New(log *slog.Logger, d *session.Dispatcher, path string) *Endpoint {
	return &Endpoint{log: log, d: d, cfg: d.Config(), path: path, messages: path + "/message", open: map[string]*connection{}}
}

// Routes are the endpoint's.
func (e *Endpoint) Routes() []route.Route {
	return []route.Route{
		{Pattern: e.path, Methods: []string{http.MethodGet}, Policy: route.Bearer, Resource: oauth.DefaultResource, Handler: http.HandlerFunc(e.listen)},
		{Pattern: e.messages, Methods: []string{http.MethodPost}, Policy: route.Bearer, Resource: oauth.DefaultResource, Handler: http.HandlerFunc(e.post)},
	}
}

// listen opens a session and keeps its stream.
func (e *Endpoint) listen(w http.ResponseWriter, r *http.Request) {
	p, ok := account.PrincipalFrom(r.Context())
	if !ok {
		refuse(w, http.StatusUnauthorized, "Authenticate with a bearer token.")
		return
	}
	c := &connection{stream: stream.NewLarge(largest)}
	c.s = e.d.NewBound(p, c.stream)
	rd := c.stream.Attach(0)
	defer rd.Detach()
	e.mu.Lock()
	e.open[c.s.ID()] = c
	e.mu.Unlock()
	// The calls of a client that went away go on; this handler stays for them.
	defer c.calls.Wait()
	defer c.s.Abandon()
	defer e.forget(c)

	out := stream.NewWriter(w, e.cfg.WriteTimeout, e.cfg.KeepAlive)
	out.Events()
	if out.Send(eventstream.AppendEvent(nil, "", "endpoint", []byte(e.messages+"?sessionId="+c.s.ID()))) != nil {
		return
	}
	ctx, end := e.d.Vouched(r.Context(), p)
	defer end()
	if out.Pump(ctx, rd, e.d.Draining()) != nil {
		return
	}
	// Shutting down: no new messages, but what is in flight is answered.
	e.forget(c)
	idle := make(chan struct{})
	go func() { // ends with the calls, for which this handler waits
		c.calls.Wait()
		close(idle)
	}()
	if out.Pump(ctx, rd, idle) == nil {
		rd.Finish()
		_ = out.Pump(r.Context(), rd, nil) // however it ended, the connection is done
	}
}

func (e *Endpoint) forget(c *connection) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.open, c.s.ID())
}

// find is the connection of a session id that belongs to p. calls is raised, so
// that the connection waits for what the message starts; the caller lowers it.
func (e *Endpoint) find(p account.Principal, id string) *connection {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.open[id]
	if c == nil || !c.s.Owned(p) {
		return nil
	}
	c.calls.Add(1)
	return c
}

// post takes a message; its answer goes to the stream.
func (e *Endpoint) post(w http.ResponseWriter, r *http.Request) {
	p, ok := account.PrincipalFrom(r.Context())
	if !ok {
		refuse(w, http.StatusUnauthorized, "Authenticate with a bearer token.")
		return
	}
	if !stream.IsJSON(r.Header) || len(r.Header["Content-Encoding"]) > 0 {
		refuse(w, http.StatusUnsupportedMediaType, "The body must be plain JSON. Send Content-Type: application/json.")
		return
	}
	c := e.find(p, r.URL.Query().Get("sessionId"))
	if c == nil {
		refuse(w, http.StatusNotFound, "There is no such session: its stream has ended. Open a new one with GET "+e.path+".")
		return
	}
	defer c.calls.Done()
	body, err := stream.ReadBody(r, e.cfg.MaxBody)
	switch {
	case errors.Is(err, stream.ErrBodyTooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "The body is over this server's limit. Send less, or ask the operator to raise the limit.")
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "The body did not arrive whole. Send the message again.")
		return
	}
	msgs, perr := split(c.s, body.B)
	if perr != nil {
		body.Free()
		stream.WriteError(w, http.StatusBadRequest, nil, perr)
		return
	}
	e.take(r.Context(), c, body, msgs)
	w.WriteHeader(http.StatusAccepted)
}

// split checks a body and takes it apart: one message, or the batch that
// revisions before 2025-06-18 allow.
func split(s *session.Session, body []byte) ([]mcpwire.Message, *mcpwire.Error) {
	if err := mcpwire.CheckBody(body); err != nil {
		return nil, err
	}
	if !mcpwire.IsBatch(body) {
		msg, err := mcpwire.ParseChecked(body)
		return []mcpwire.Message{msg}, err
	}
	if session.NoBatches(s.Revision()) {
		return nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "Batches were removed with revision 2025-06-18. Send each message by itself.")
	}
	return session.SplitBatch(body)
}

// take serves messages in their order; requests go on beside those that follow.
// The body is freed with the last of them.
func (e *Endpoint) take(ctx context.Context, c *connection, body *stream.Body, msgs []mcpwire.Message) {
	var users sync.WaitGroup
	for i := range msgs {
		msg := &msgs[i]
		turn, now := e.d.Take(ctx, c.s, msg, false)
		if now != nil {
			c.stream.Push(stream.HeldAnswer(msg.ID, now, largest))
		}
		if turn == nil {
			continue
		}
		users.Add(1)
		c.calls.Go(func() {
			defer users.Done()
			defer turn.Close()
			o := turn.Serve(c.stream)
			if !session.Cancelled(&o) {
				c.stream.Push(stream.HeldAnswer(msg.ID, &o, largest))
			}
			o.Close()
		})
	}
	c.calls.Go(func() {
		users.Wait()
		body.Free()
	})
}

func refuse(w http.ResponseWriter, status int, text string) {
	stream.WriteError(w, status, nil, &mcpwire.Error{Code: mcpwire.CodeInvalidRequest, Message: text})
}
