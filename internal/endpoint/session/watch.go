package session

import (
	"context"
	"slices"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/mcpwire"
)

// OpenWatch makes sure that the session hears what happens outside of calls, as far
// as its caller may. Subscriptions from before the session slept are made again.
func (s *Session) OpenWatch(ctx context.Context) *mcpwire.Error {
	s.watching.Lock()
	defer s.watching.Unlock()
	return s.openWatch(ctx)
}

func (s *Session) openWatch(ctx context.Context) *mcpwire.Error {
	p, _ := account.PrincipalFrom(ctx)
	if s.watch != nil && s.heard == p.Access.Key() {
		return nil
	}
	if s.watch != nil { // its rights have changed: what it may hear begins anew
		s.watch.Close()
		s.watch = nil
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return mcpwire.Errorf(mcpwire.CodeInternal, "The session has ended. Send initialize to start a new one.")
	}
	f := mcpwire.Filter{ToolsChanged: true, PromptsChanged: true, ResourcesChanged: true, Resources: slices.Clone(s.wanted)}
	// The watch outlives the request that opened it; Close ends it.
	w, err := s.d.hub.Watch(context.WithoutCancel(ctx), s.caller.Load(), f, &outside{s: s, out: s.outlet()})
	if err != nil {
		return err
	}
	s.watch, s.heard = w, p.Access.Key()
	return nil
}

// reopenWatch replaces the watch after the client introduced itself anew.
func (s *Session) reopenWatch(ctx context.Context) *mcpwire.Error {
	s.watching.Lock()
	defer s.watching.Unlock()
	if s.watch != nil {
		s.watch.Close()
		s.watch, s.wanted = nil, nil
	}
	return s.openWatch(ctx)
}

// subscribe asks for the updates of a resource.
func (s *Session) subscribe(ctx context.Context, uri string) *mcpwire.Error {
	s.watching.Lock()
	defer s.watching.Unlock()
	if len(uri) > maxURI {
		return mcpwire.Errorf(mcpwire.CodeInvalidParams, "The URI is longer than %d bytes. Subscribe to a shorter one.", maxURI)
	}
	if len(s.wanted) >= maxSubscriptions && !slices.Contains(s.wanted, uri) {
		return mcpwire.Errorf(mcpwire.CodeInvalidParams, "This session has %d subscriptions already. Unsubscribe from some first.", maxSubscriptions)
	}
	if err := s.openWatch(ctx); err != nil || slices.Contains(s.wanted, uri) {
		return err
	}
	if err := s.watch.Subscribe(ctx, uri); err != nil {
		return err
	}
	wanted := append(slices.Clone(s.wanted), uri)
	if err := s.d.save(ctx, s, Settings{LogLevel: s.caller.Load().LogLevel, Subscriptions: wanted}); err != nil {
		_ = s.watch.Unsubscribe(ctx, uri) // the error to tell is the store's
		return err
	}
	s.wanted = wanted
	return nil
}

// unsubscribe ends the updates of a resource. One that was never subscribed to
// is no error.
func (s *Session) unsubscribe(ctx context.Context, uri string) *mcpwire.Error {
	s.watching.Lock()
	defer s.watching.Unlock()
	i := slices.Index(s.wanted, uri)
	if i < 0 {
		return nil
	}
	wanted := slices.Delete(slices.Clone(s.wanted), i, i+1)
	if err := s.d.save(ctx, s, Settings{LogLevel: s.caller.Load().LogLevel, Subscriptions: wanted}); err != nil {
		return err
	}
	s.wanted = wanted
	if s.watch == nil {
		return nil
	}
	return s.watch.Unsubscribe(ctx, uri)
}

// setLevel keeps the least severity the client wants to hear of.
func (s *Session) setLevel(ctx context.Context, level string) *mcpwire.Error {
	s.watching.Lock()
	defer s.watching.Unlock()
	if err := s.d.save(ctx, s, Settings{LogLevel: level, Subscriptions: s.wanted}); err != nil {
		return err
	}
	c := *s.caller.Load()
	c.LogLevel = level
	s.caller.Store(&c)
	return nil
}

// outside is the sink of a session's watch.
type outside struct {
	s   *Session
	out Outlet
}

// outlet is where what belongs to no call goes.
func (s *Session) outlet() Outlet {
	if s.bound != nil {
		return s.bound
	}
	return s.Outside()
}

// Notify passes on what the watch tells.
func (o *outside) Notify(n mcpwire.Notification) {
	if n.Method == mcpwire.MethodMessage && !severe(n.Params, o.s.caller.Load()) {
		return
	}
	if n.Method == mcpwire.MethodElicitDone && !knowsElicitDone(o.s.caller.Load()) {
		return
	}
	o.out.Push(mcpwire.AppendRequest(nil, nil, n.Method, n.Params))
}

// Heard tells whether the client has a stream open to hear a question on.
func (o *outside) Heard() bool {
	st, ok := o.out.(*stream.Stream)
	return !ok || st.Heard()
}

// Ask puts a question that belongs to no call, if the client would hear it.
func (o *outside) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	if !o.Heard() {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	return o.s.ask(ctx, o.out, q)
}
