package session

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"

	"drawbridge/internal/mcpwire"
)

// Dispatcher serves what clients send, whichever endpoint brought it: it answers
// what is the endpoint's to answer and passes on the rest.
type Dispatcher struct {
	log   *slog.Logger
	hub   Hub
	store Store // nil where no session outlives its connection
	cfg   Config

	drain     chan struct{} // closed when long streams shall end
	drainOnce sync.Once
}

// NewDispatcher makes a dispatcher for sessions bound to a connection.
func NewDispatcher(log *slog.Logger, hub Hub, cfg Config) *Dispatcher {
	return &Dispatcher{log: log, hub: hub, cfg: cfg, drain: make(chan struct{})}
}

// Drain ends the streams that would never end by themselves. Calls in flight
// are not touched.
func (d *Dispatcher) Drain() { d.drainOnce.Do(func() { close(d.drain) }) }

// Draining is closed once Drain was called.
func (d *Dispatcher) Draining() <-chan struct{} { return d.drain }

// codeCancelled answers a request that its client has cancelled, where the
// transport needs an answer. The specification defines none; the code lies
// outside of JSON-RPC's reserved range, as those of an application must.
const codeCancelled = -32800

// Serve serves one request and returns its outcome in the client's shape. s is
// the legacy session, or nil for 2026-07-28, where req.Caller is set. Messages
// before the outcome go to out.
func (d *Dispatcher) Serve(ctx context.Context, s *Session, req *mcpwire.Request, out Outlet) (o mcpwire.Outcome) {
	c := &call{s: s, out: out, token: req.ProgressToken()}
	if s != nil {
		req.Caller = s.caller.Load()
		req.Revision = req.Caller.Revision
	}
	c.caller = req.Caller
	if c.token != nil {
		c.pulse = newPulse(c, d.cfg.KeepAlive)
	}
	o = d.guarded(ctx, s, req, c)
	c.over.Store(true)
	c.pulse.stop()
	if cause := context.Cause(ctx); errors.Is(cause, errCancelled) {
		o.Close()
		return cancelled()
	}
	d.fit(req, &o)
	return o
}

func cancelled() mcpwire.Outcome {
	return mcpwire.Fail(mcpwire.Errorf(codeCancelled, "The request was cancelled by its client."))
}

// Cancelled tells the outcome of a request that its client has cancelled: where
// the transport can, it is not sent.
func Cancelled(o *mcpwire.Outcome) bool {
	return o.Kind == mcpwire.Failed && o.Err.Code == codeCancelled && o.Err.Raw == nil
}

// guarded turns a panic into the failure of this one request.
func (d *Dispatcher) guarded(ctx context.Context, s *Session, req *mcpwire.Request, c *call) (o mcpwire.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			d.log.ErrorContext(ctx, "panic while serving a request", "method", req.Method, "panic", p, "stack", string(debug.Stack()))
			o = mcpwire.Fail(mcpwire.FromFault(errPanic))
		}
	}()
	if s != nil {
		return d.legacy(ctx, s, req, c)
	}
	return d.modern(ctx, req, c)
}

var errPanic = errors.New("panic while serving a request")

// fit makes the outcome one that the client's revision knows.
func (d *Dispatcher) fit(req *mcpwire.Request, o *mcpwire.Outcome) {
	switch {
	case o.Kind == mcpwire.InputRequired && req.Caller.Revision.Legacy():
		o.Close()
		*o = mcpwire.Fail(mcpwire.FromFault(errors.New("a question of 2026-07-28 came as far as a legacy client")))
	case o.Kind != mcpwire.Complete && o.Kind != mcpwire.InputRequired && o.Err == nil:
		o.Close()
		*o = mcpwire.Fail(mcpwire.FromFault(errors.New("a request ended without outcome")))
	}
	mcpwire.ForClient(req.Caller.Revision, req.Method, o)
}

// legacy serves a request of a session.
func (d *Dispatcher) legacy(ctx context.Context, s *Session, req *mcpwire.Request, c *call) mcpwire.Outcome {
	switch req.Method {
	case mcpwire.MethodPing:
		return empty(req)
	case mcpwire.MethodSetLevel:
		level, ok := levelOf(req.Params)
		if !ok {
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "params.level is not a log level. Use one of debug, info, notice, warning, error, critical, alert and emergency."))
		}
		err := s.setLevel(ctx, level)
		if err == nil { // what is said outside of calls is to be of that level, too
			d.hub.Tell(ctx, s.caller.Load(), mcpwire.Notification{Revision: req.Revision, Method: req.Method, Params: req.Params})
		}
		return emptyOr(req, err)
	case mcpwire.MethodSubscribe:
		return emptyOr(req, s.subscribe(ctx, req.Target))
	case mcpwire.MethodUnsubscribe:
		return emptyOr(req, s.unsubscribe(ctx, req.Target))
	case mcpwire.MethodDiscover, mcpwire.MethodListen:
		return mcpwire.Fail(unknownMethod(req))
	}
	return d.hub.Serve(ctx, req, c)
}

// modern serves a 2026-07-28 request. subscriptions/listen has a stream of its
// own: see Listen.
func (d *Dispatcher) modern(ctx context.Context, req *mcpwire.Request, c *call) mcpwire.Outcome {
	switch req.Method {
	case mcpwire.MethodDiscover:
		return mcpwire.Done(req.Revision, d.discover(ctx, req.Revision))
	case mcpwire.MethodInitialize, mcpwire.MethodPing, mcpwire.MethodSetLevel, mcpwire.MethodSubscribe, mcpwire.MethodUnsubscribe, mcpwire.MethodListen:
		return mcpwire.Fail(unknownMethod(req))
	}
	return d.hub.Serve(ctx, req, c)
}

func unknownMethod(req *mcpwire.Request) *mcpwire.Error {
	return mcpwire.Errorf(mcpwire.CodeMethodNotFound, "There is no method %q in revision %s. Look it up in the specification, or use another revision.", req.Method, req.Caller.Revision)
}

func empty(req *mcpwire.Request) mcpwire.Outcome { return mcpwire.Done(req.Revision, []byte("{}")) }

func emptyOr(req *mcpwire.Request, err *mcpwire.Error) mcpwire.Outcome {
	if err != nil {
		return mcpwire.Fail(err)
	}
	return empty(req)
}

// Notified takes a client's notification. s is nil for 2026-07-28 over HTTP,
// where caller may be nil too. A request whose id was left out is none: passed on
// as one it would come to a backend past every rule about calls.
func (d *Dispatcher) Notified(ctx context.Context, s *Session, caller *mcpwire.Caller, msg *mcpwire.Message) {
	switch msg.Method {
	case mcpwire.MethodInitialized, mcpwire.MethodProgress:
		return
	case mcpwire.MethodCancelled:
		if id := mcpwire.Member(msg.Params, "requestId"); id != nil && s != nil {
			s.cancel(id)
		}
		return
	}
	if caller != nil && mcpwire.IsNotificationMethod(msg.Method) {
		d.hub.Tell(ctx, caller, mcpwire.Notification{Revision: caller.Revision, Method: msg.Method, Params: msg.Params})
	}
}

// save keeps a session's settings where they outlive it.
func (d *Dispatcher) save(ctx context.Context, s *Session, set Settings) *mcpwire.Error {
	if d.store == nil || s.bound != nil {
		return nil
	}
	if err := d.store.SaveSettings(ctx, s.key, set, s.expires); err != nil {
		d.log.ErrorContext(ctx, "session settings not saved", "error", err)
		return mcpwire.Errorf(mcpwire.CodeInternal, "The session's settings could not be saved. Try again in a moment.")
	}
	return nil
}
