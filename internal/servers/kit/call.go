package kit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// Call is what a handler knows of the request it works for. It must not be used
// after the handler has returned.
type Call struct {
	Tool string // name of the tool; "" for a resource or prompt
	Log  *slog.Logger

	server *Server
	user   string
	token  []byte // the client's progress token, raw; nil when it wants none
	sink   mcpwire.Sink
	meta   map[string]string
}

// User is whose state the call works on. It is never empty.
func (c *Call) User() string { return c.user }

// Progress tells the client how far the work is. total 0 is unknown. It costs
// nothing when the client did not ask for it.
func (c *Call) Progress(done, total float64, message string) {
	if c.token == nil {
		return
	}
	p := struct {
		Token    rawJSON `json:"progressToken"`
		Progress float64 `json:"progress"`
		Total    float64 `json:"total,omitempty"`
		Message  string  `json:"message,omitempty"`
	}{rawJSON(c.token), done, total, message}
	c.sink.Notify(mcpwire.Notification{Revision: mcpwire.LatestModern, Method: mcpwire.MethodProgress, Params: mustJSON(p)})
}

// Meta adds a member to the result's _meta, for programs rather than models.
func (c *Call) Meta(key, value string) {
	if c.meta == nil {
		c.meta = map[string]string{}
	}
	c.meta[key] = value
}

// Updated tells the user's watchers that a resource has new content.
func (c *Call) Updated(uri string) { c.server.watchers.updated(c.user, uri) }

// ResourcesChanged tells the user's watchers that the list of resources differs.
func (c *Call) ResourcesChanged() { c.server.watchers.resourcesChanged(c.user) }

// newCall makes the Call of a request, which needs a user.
func (s *Server) newCall(ctx context.Context, tool string, req *mcpwire.Request, sink mcpwire.Sink) (*Call, error) {
	p, ok := account.PrincipalFrom(ctx)
	if !ok || p.User == "" {
		return nil, fault.New(fault.Unauthenticated, "The server %s keeps its state by user, and this request has none. Sign in, or send a key.", s.spec.Name)
	}
	return &Call{Tool: tool, Log: s.deps.Log, server: s, user: p.User, token: req.ProgressToken(), sink: sink}, nil
}

// callTool serves tools/call.
func (s *Server) callTool(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	t, ok := s.tools[req.Target]
	if !ok {
		if text := s.spec.UnknownTool; text != nil {
			return done(result{text: text(req.Target), isError: true})
		}
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "There is no tool %q. tools/list has the names.", req.Target))
	}
	args, ok := arguments(req.Params)
	if !ok {
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "The arguments of %s are not an object. Send an object, or leave them out.", t.Name))
	}
	if err := s.refuses(t); err != nil {
		return done(s.failed(ctx, t.Name, err))
	}
	call, err := s.newCall(ctx, t.Name, req, sink)
	if err != nil {
		return mcpwire.Fail(mcpwire.FromFault(err))
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	res, err := s.guarded(ctx, func() (result, error) { return t.run(ctx, call, t.ready, args) })
	if err != nil {
		return done(s.failed(ctx, t.Name, t.tooSlow(ctx, err)))
	}
	res.meta = call.meta
	return done(res)
}

func done(r result) mcpwire.Outcome {
	return mcpwire.Done(mcpwire.LatestModern, r.append(nil))
}

// arguments finds params.arguments; none is an empty object.
func arguments(params []byte) ([]byte, bool) {
	m, ok := jsonscan.Find(params, "arguments")
	if !ok {
		return nil, true
	}
	raw := m.Value.Of(params)
	return raw, len(raw) > 0 && raw[0] == '{'
}

// failed is the result of a tool that returned an error, whose cause is logged here.
func (s *Server) failed(ctx context.Context, tool string, err error) result {
	s.logFailure(ctx, tool, err)
	return result{text: fault.PublicOf(err), isError: true}
}

func (s *Server) logFailure(ctx context.Context, what string, err error) {
	code := fault.CodeOf(err)
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the caller went away, nothing is wrong here
	}
	level := slog.LevelDebug
	switch code {
	case fault.Internal:
		level = slog.LevelError
	case fault.Upstream, fault.Unavailable, fault.Timeout:
		level = slog.LevelWarn
	}
	s.deps.Log.LogAttrs(ctx, level, "call of a built-in server failed",
		slog.String("server", s.spec.Name), slog.String("what", what), slog.String("code", string(code)), slog.Any("error", err))
}

// guarded runs a piece of a server: within the limit of parallel calls, prepared,
// and with panics turned into errors.
func (s *Server) guarded(ctx context.Context, f func() (result, error)) (res result, err error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return result{}, fault.Wrap(ctx.Err(), fault.Limited, "The server %s is busy with %d calls. Try again in a moment.", s.spec.Name, cap(s.slots))
	}
	defer func() {
		if r := recover(); r != nil {
			res, err = result{}, fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	if err := s.prepare(ctx); err != nil {
		return result{}, fmt.Errorf("prepare: %w", err)
	}
	return f()
}

// rawJSON is a value that is JSON already.
type rawJSON []byte

// MarshalJSON gives the bytes.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }
