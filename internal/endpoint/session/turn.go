package session

import (
	"context"

	"drawbridge/internal/life"
	"drawbridge/internal/mcpwire"
)

// Turn is a request that came over a connection's session, registered and ready
// to be served.
type Turn struct {
	d    *Dispatcher
	s    *Session
	id   []byte
	req  *mcpwire.Request
	call *life.Life // it ends by Close or by the client's cancelling, not with the message's arrival
	key  string
}

// Take takes a message of a session bound to a connection. A request comes back
// as a Turn, to be served beside the messages that follow; what is answered at
// once, as its answer; a notification or a response as neither. Messages must be
// taken in the order they came. modern says whether 2026-07-28 requests may come
// this way.
func (d *Dispatcher) Take(ctx context.Context, s *Session, msg *mcpwire.Message, modern bool) (*Turn, *mcpwire.Outcome) {
	switch {
	case msg.IsResponse():
		s.Resolve(msg)
		return nil, nil
	case msg.IsNotification():
		d.Notified(ctx, s, s.Caller(), msg)
		return nil, nil
	case msg.Method == mcpwire.MethodInitialize:
		o := d.Introduce(ctx, s, msg.Params)
		return nil, &o
	}
	req, err := d.read(s, msg, modern)
	if err != nil {
		o := mcpwire.Fail(err)
		return nil, &o
	}
	call, key, ok := s.Enter(ctx, msg.ID)
	if !ok {
		o := mcpwire.Fail(ErrTwice)
		return nil, &o
	}
	return &Turn{d: d, s: s, id: msg.ID, req: req, call: call, key: key}, nil
}

// ErrTwice answers a request whose id is in flight already.
var ErrTwice = mcpwire.Errorf(mcpwire.CodeInvalidRequest, "A request with this id is in flight already. Use another id.")

// read tells the era of a request by the request alone.
func (d *Dispatcher) read(s *Session, msg *mcpwire.Message, modern bool) (*mcpwire.Request, *mcpwire.Error) {
	req, err := mcpwire.NewRequest(msg.Method, s.Revision(), msg.Params)
	if version, named := Version(msg.Params); named && modern {
		if err != nil {
			return nil, err
		}
		return req, AcceptModern(req, version)
	}
	switch {
	case err != nil:
		return nil, err
	case s.Caller() != nil:
		return req, nil
	case msg.Method == mcpwire.MethodPing:
		req.Caller = &mcpwire.Caller{Revision: mcpwire.LatestLegacy}
		return req, nil
	case msg.Method == mcpwire.MethodDiscover:
		return nil, mcpwire.Errorf(mcpwire.CodeMethodNotFound, "server/discover belongs to revision 2026-07-28. Name it in params._meta, or send initialize.")
	}
	return nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "Send initialize before %q, or the revision with every request.", msg.Method)
}

// Serve serves the request, once; messages before its outcome go to out. Close
// must follow.
func (t *Turn) Serve(out Outlet) mcpwire.Outcome {
	defer t.s.Settle(t.key)
	switch {
	case t.req.Caller == nil: // legacy, from here on the session's
		return t.d.Serve(t.call, t.s, t.req, out)
	case t.req.Caller.Revision.Legacy():
		return mcpwire.Done(t.req.Caller.Revision, []byte("{}")) // a ping before initialize
	case t.req.Method == mcpwire.MethodListen:
		return t.listen(out)
	}
	return t.d.Serve(t.call, nil, t.req, out)
}

// listen serves subscriptions/listen until the client cancels it or the
// dispatcher drains.
func (t *Turn) listen(out Outlet) mcpwire.Outcome {
	l, err := t.d.Listen(t.call, t.req, t.id, out)
	if err != nil {
		return mcpwire.Fail(err)
	}
	defer l.Close()
	if l.Nothing() {
		return l.Outcome()
	}
	select {
	case <-t.call.Done():
		return cancelled()
	case <-t.d.drain:
		return l.Outcome()
	}
}

// Close ends the turn, after its answer was written.
func (t *Turn) Close() { t.call.End(nil) }
