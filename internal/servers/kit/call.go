package kit

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/approval"
	"drawbridge/internal/servers/kit/jobs"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/runner"
	"drawbridge/internal/servers/kit/typed"
)

// Call is what a handler knows of the request it works for. It must not be used
// after the handler has returned.
type Call struct {
	Tool string // name of the tool; "" for a resource or prompt
	Log  *slog.Logger

	server    *Server
	user      string
	space     string
	confirmed bool
	pending   approval.Pending
	given     map[string]string // of a completion
	token     []byte            // the client's progress token, raw; nil when it wants none

	meta    map[string]string
	blocks  output.Blocks
	undo    []byte // raw object; nil when none
	marks   output.Marks
	outside bool // something from outside is in the result

	mu   sync.Mutex   // guards sink and job
	sink mcpwire.Sink // nil once the request is over
	job  *job         // of a Long tool
}

// User is whose state the call works on. It is never empty.
func (c *Call) User() string { return c.user }

// Given is the value that a completion's client has already chosen for another
// argument of the same reference; "" where it did not say.
func (c *Call) Given(argument string) string { return c.given[argument] }

// Space is the part of the user's state that the caller chose; "" is the one that
// everybody starts with. State is keyed by both in a server with Spec.Spaces.
func (c *Call) Space() string { return c.space }

// Progress tells the client how far the work is. total 0 is unknown. It costs
// nothing when the client did not ask for it.
func (c *Call) Progress(done, total float64, message string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.job != nil {
		if id := c.job.Note(jobs.Progress{Done: done, Total: total, Message: message}); id != "" {
			c.Updated(c.server.jobURI(id))
		}
	}
	if c.token == nil || c.sink == nil {
		return
	}
	p := struct {
		Token    json.RawMessage `json:"progressToken"`
		Progress float64         `json:"progress"`
		Total    float64         `json:"total,omitempty"`
		Message  string          `json:"message,omitempty"`
	}{json.RawMessage(c.token), done, total, message}
	c.sink.Notify(mcpwire.Notification{Revision: mcpwire.LatestModern, Method: mcpwire.MethodProgress, Params: mustJSON(p)})
}

// noteTo has progress recorded in a job, too.
func (c *Call) noteTo(j *job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.job = j
}

// detach ends the use of the request's sink: the work goes on without it.
func (c *Call) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sink = nil
}

func (c *Call) detached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sink == nil
}

// Meta adds a member to the result's _meta, for programs rather than models.
func (c *Call) Meta(key, value string) {
	if c.meta == nil {
		c.meta = map[string]string{}
	}
	c.meta[key] = value
}

// Updated tells the user's watchers that a resource has new content.
func (c *Call) Updated(uri string) { c.server.watchers.Updated(c.user, uri) }

// ResourcesChanged tells the user's watchers that the list of resources differs.
func (c *Call) ResourcesChanged() { c.server.watchers.ResourcesChanged(c.user) }

// Sleep waits so long. Its error is that of ctx, where it ends before.
func Sleep(ctx context.Context, d time.Duration) error { return runner.Sleep(ctx, d) }

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
			return done(result{Text: text(req.Target), IsError: true})
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
	out, err := s.runTool(ctx, call, &t, req, args)
	if err != nil {
		return done(s.failed(ctx, t.Name, err))
	}
	return out
}

// runTool checks the arguments, has the call approved where it must be, and does
// the work.
func (s *Server) runTool(ctx context.Context, call *Call, t *Tool, req *mcpwire.Request, args []byte) (mcpwire.Outcome, error) {
	if s.spec.Spaces {
		var err error
		if call.space, err = typed.SpaceOf(args); err != nil {
			return mcpwire.Outcome{}, err
		}
	}
	b, err := t.bind(call, t.ready, args)
	if err != nil {
		return mcpwire.Outcome{}, err
	}
	if t.wantsDryRun(args) {
		res, err := s.short(ctx, t, func(ctx context.Context) (result, error) {
			p, err := t.preview(ctx, call, b.in)
			res := t.previewed(p, call)
			res.Meta = call.metadata()
			return res, err
		})
		return done(res), err
	}
	if call.pending, err = s.desk.Brought(req, act(ctx, t, args)); err != nil {
		return mcpwire.Outcome{}, err
	}
	if t.confirms() {
		q, err := s.question(ctx, call, t, req, b)
		if err == nil {
			err = call.Approve(q)
		}
		if _, ok := errors.AsType[*approval.Needed](err); ok {
			return s.ask(ctx, t, req, args, q)
		}
		if err != nil {
			return mcpwire.Outcome{}, err
		}
	}
	run := func(ctx context.Context) (result, error) {
		res, err := b.run(ctx)
		res.Meta = call.metadata()
		return res, err
	}
	var res result
	if t.long {
		res, err = s.runLong(ctx, call, t, run)
	} else {
		res, err = s.short(ctx, t, run)
	}
	if q, ok := errors.AsType[*approval.Needed](err); ok && !call.confirmed {
		return s.ask(ctx, t, req, args, q.Question)
	}
	return done(res), err
}

// question is what a person reads before a call that always needs an approval. The
// preview, which only reads, tells them what it is about.
func (s *Server) question(ctx context.Context, call *Call, t *Tool, req *mcpwire.Request, b bound) (q Question, err error) {
	if !call.pending.There() {
		if err := approval.CanAsk(req, t.Name); err != nil {
			return q, err
		}
	}
	if t.preview == nil {
		return Question{Effect: t.Description}, nil
	}
	_, err = s.short(ctx, t, func(ctx context.Context) (result, error) {
		p, err := t.preview(ctx, call, b.in)
		q = p.Question()
		return result{}, err
	})
	return q, err
}

// short runs work that the request waits for.
func (s *Server) short(ctx context.Context, t *Tool, work func(context.Context) (result, error)) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	var res result
	err := s.runner.Run(ctx, func() (err error) { res, err = work(ctx); return err })
	if err != nil {
		return result{}, t.tooSlow(ctx, err)
	}
	return res, nil
}

// metadata is the result's _meta.
func (c *Call) metadata() map[string]string {
	if c.outside {
		c.Meta(output.MetaUntrusted, "true")
	}
	return c.meta
}

func done(r result) mcpwire.Outcome {
	return mcpwire.Done(mcpwire.LatestModern, r.Append(nil))
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
	return result{Text: fault.PublicOf(err), IsError: true}
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
