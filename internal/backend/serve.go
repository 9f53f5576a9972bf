package backend

import (
	"bytes"
	"context"
	"time"

	"drawbridge/internal/mcpwire"
)

// Serve runs one call on the session that belongs to its caller, whose principal
// is in ctx. A call is sent at most once, and it always ends: with the backend's
// answer, or with what went wrong and whether anything was run.
func (b *Backend) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	call := &callSink{Sink: sink}
	call.clock.Set(ctx, b.times)
	call.stopping.On(b.base, call.stop)
	out := b.serve(&call.clock.Life, req, call)
	if out.Result.Rest != nil {
		// The result is still on its way; its reader ends the call.
		out.Result.Rest = mcpwire.OnClose(out.Result.Rest, call.release)
		return out
	}
	call.release()
	return out
}

// stop ends a call whose backend is stopped.
func (s *callSink) stop() { s.clock.End(errStopping) }

// release ends a call and gives back what it occupies.
func (s *callSink) release() {
	s.slot.release()
	s.turn.Leave()
	s.stopping.Off()
	s.clock.Free()
}

func (b *Backend) serve(ctx context.Context, req *mcpwire.Request, sink *callSink) mcpwire.Outcome {
	if err := sink.turn.Enter(ctx, b.gate); err != nil {
		return unsent(b.cause(ctx, err), b.cfg.Timeout).outcome(b.cfg.Name, req.Method)
	}
	s, _, sl, t := b.acquire(ctx, req.Caller, false)
	if t != nil {
		return t.outcome(b.cfg.Name, req.Method)
	}
	sink.slot = sl
	start := time.Now()
	sink.outside = outside{b: b, owner: s.owner}
	out := s.peer.Serve(ctx, req, sink)
	if !isBroken(s.info.Transport, &out) {
		b.link.report(false)
		s.served.Store(true)
		b.latency.Add(time.Since(start) - sink.clock.Stood())
		return out
	}
	cause := b.cause(ctx, context.Cause(ctx))
	if cause == nil {
		b.link.report(!isGarbled(&out))
	}
	return broken(&out, cause, b.cfg.Timeout).outcome(b.cfg.Name, req.Method)
}

// cause is why a call ended; err is what its context says.
func (b *Backend) cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && b.base.Err() != nil {
		return errStopping
	}
	return err
}

// Teller is a Peer that can pass a client's notification to its backend, or take
// the log level of a caller for its session: logging/setLevel.
type Teller interface {
	Tell(ctx context.Context, caller *mcpwire.Caller, n mcpwire.Notification)
}

// tellTime bounds the telling of one backend.
const tellTime = 10 * time.Second

// Tell passes a client's notification, such as a change of its roots, to the
// caller's own session, if there is one. A session that serves everybody has
// nothing to do with one client's roots. It does not wait for the backend.
func (b *Backend) Tell(ctx context.Context, caller *mcpwire.Caller, n mcpwire.Notification) {
	s, _ := b.present(ctx, caller)
	if s == nil || s.slot == nil {
		return
	}
	peer, ok := s.peer.(Teller)
	if !ok {
		return
	}
	n.Params = bytes.Clone(n.Params)
	ctx = context.WithoutCancel(ctx)
	b.crew.run(func() {
		ctx, cancel := context.WithTimeout(ctx, tellTime)
		defer cancel()
		defer context.AfterFunc(b.base, cancel)()
		peer.Tell(ctx, caller, n)
	})
}
