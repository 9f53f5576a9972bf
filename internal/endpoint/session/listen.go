package session

import (
	"context"
	"slices"
	"sync"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// Listening is an open subscriptions/listen request.
type Listening struct {
	id    []byte
	out   Outlet
	watch mcpwire.Watch

	mu      sync.Mutex // guards what follows
	acked   bool
	waiting [][]byte // what came before the acknowledgement
}

// Listen opens a subscription for the request with the raw id given. Its
// acknowledgement is the first message that goes to out.
func (d *Dispatcher) Listen(ctx context.Context, req *mcpwire.Request, id []byte, out Outlet) (*Listening, *mcpwire.Error) {
	f, err := filterOf(req.Params)
	if err != nil {
		return nil, err
	}
	l := &Listening{id: append([]byte(nil), id...), out: out}
	if l.watch, err = d.hub.Watch(ctx, req.Caller, f, l); err != nil {
		return nil, err
	}
	params := l.watch.Accepted().Append([]byte(`{"notifications":`))
	params = append(append(params, `,"_meta":`...), l.meta()...)
	out.Push(mcpwire.AppendRequest(nil, nil, mcpwire.MethodListenAck, append(params, '}')))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, frame := range l.waiting {
		out.Push(frame)
	}
	l.acked, l.waiting = true, nil
	return l, nil
}

// Nothing tells that no part of the filter was honoured, so that nothing will
// ever be said.
func (l *Listening) Nothing() bool {
	return l.watch.Accepted().Empty()
}

// Outcome ends the subscription from our side.
func (l *Listening) Outcome() mcpwire.Outcome {
	return mcpwire.Done(mcpwire.LatestModern, append(append([]byte(`{"resultType":"complete","_meta":`), l.meta()...), '}'))
}

// Close ends the watch.
func (l *Listening) Close() { l.watch.Close() }

func (l *Listening) meta() []byte {
	return append(append([]byte(`{"`+mcpwire.MetaSubscriptionID+`":`), l.id...), '}')
}

// Notify passes on a change, marked with the subscription it belongs to.
func (l *Listening) Notify(n mcpwire.Notification) {
	if n.Method == mcpwire.MethodMessage || n.Method == mcpwire.MethodProgress {
		return // they belong to requests only
	}
	frame := mcpwire.AppendRequest(nil, nil, n.Method, l.stamp(n.Params))
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.acked {
		l.waiting = append(l.waiting, frame)
		return
	}
	l.out.Push(frame)
}

// Ask cannot be: a 2026-07-28 client is asked by input required only.
func (l *Listening) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}

// stamp sets the subscription id in params._meta.
func (l *Listening) stamp(params []byte) []byte {
	out, meta := []byte{'{'}, []byte(nil)
	if params != nil {
		for m := range jsonscan.Members(params) {
			if jsonscan.Is(m.Key, "_meta") {
				meta = m.Value.Of(params)
				continue
			}
			out = append(append(out, m.Whole.Of(params)...), ',')
		}
	}
	out = append(append(out, `"_meta":{"`+mcpwire.MetaSubscriptionID+`":`...), l.id...)
	if len(meta) > 0 && meta[0] == '{' {
		for m := range jsonscan.Members(meta) {
			if !jsonscan.Is(m.Key, mcpwire.MetaSubscriptionID) {
				out = append(append(out, ','), m.Whole.Of(meta)...)
			}
		}
	}
	return append(out, '}', '}')
}

// filterOf reads params.notifications.
func filterOf(params []byte) (mcpwire.Filter, *mcpwire.Error) {
	f, there, fit := mcpwire.FilterOf(params)
	if !there {
		return f, mcpwire.Errorf(mcpwire.CodeInvalidParams, "params.notifications is missing. Say which notifications to listen for.")
	}
	long := func(uri string) bool { return len(uri) > maxURI }
	if !fit || len(f.Resources) > maxSubscriptions || slices.ContainsFunc(f.Resources, long) {
		return f, mcpwire.Errorf(mcpwire.CodeInvalidParams, "resourceSubscriptions is not a list of at most %d URIs of at most %d bytes. Name fewer, or shorter ones.", maxSubscriptions, maxURI)
	}
	return f, nil
}
