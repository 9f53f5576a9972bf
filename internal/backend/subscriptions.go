package backend

import (
	"context"
	"errors"
	"fmt"

	"drawbridge/internal/account"
	"drawbridge/internal/backend/pace"
	"drawbridge/internal/backend/watching"
	"drawbridge/internal/mcpwire"
)

// watch starts the session's Watch unless it runs. subs are those of the
// session's place.
func (s *session) watch(b *Backend, subs *watching.Subscriptions) *watching.Watcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watcher != nil {
		return s.watcher
	}
	cfg := watching.Config{
		Log: b.log, Peer: s.peer, Sink: &outside{b: b, owner: s.owner, client: s.client()}, Base: s.listFilter(), Subs: subs,
		// The official Go SDK (v1.8.0, Server.subscriptionsListen) keeps one listen
		// per process, and the end of an old one takes the new one's
		// subscriptions along.
		Alone: s.info.Transport == Stdio,
		Missed: func() {
			if s.slot == nil {
				b.events.ListsChanged(b.cfg.Name, AllLists)
			}
		},
	}
	if s.info.Revision.Legacy() {
		cfg.Request = s.resource
	}
	w := watching.New(cfg)
	ctx, cancel := context.WithCancel(account.WithPrincipal(b.base, s.who))
	s.watcher, s.unwatch = w, cancel
	started := b.crew.run(func() {
		w.Run(ctx)
		cancel()
		if s.slot != nil && s.lost() {
			b.pool.revive(s.slot, s) // its subscriptions need a new session
		}
	})
	if !started { // the backend is being stopped
		cancel()
		w.Run(ctx)
	}
	return w
}

// listFilter is which list changes the backend says it tells.
func (s *session) listFilter() mcpwire.Filter {
	return mcpwire.Filter{
		ToolsChanged:     s.info.Can("tools", "listChanged"),
		PromptsChanged:   s.info.Can("prompts", "listChanged"),
		ResourcesChanged: s.info.Can("resources", "listChanged"),
	}
}

// resource makes a request about one resource.
func (s *session) resource(ctx context.Context, method, uri string) *mcpwire.Error {
	params := append(mcpwire.AppendString([]byte(`{"uri":`), uri), '}')
	_, err := s.request(ctx, method, params, 1<<20)
	return err
}

// Subscribe asks to hear of a resource on behalf of a caller; ctx carries its
// principal. The updates come as Events.ResourceUpdated. Each Subscribe needs one
// Unsubscribe by the same principal and caller. It survives reconnects.
func (b *Backend) Subscribe(ctx context.Context, caller *mcpwire.Caller, uri string) *mcpwire.Error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.Timeout, pace.ErrTime)
	defer cancel()
	s, subs, sl, t := b.acquire(ctx, caller, b.personal())
	if t != nil {
		return t.err(b.cfg.Name)
	}
	defer sl.release()
	if !s.info.Can("resources", "subscribe") {
		return mcpwire.Errorf(mcpwire.CodeInvalidParams,
			"Backend %q does not offer subscriptions to resources. Read the resource again instead.", b.cfg.Name)
	}
	return b.explain(s.watch(b, subs).Subscribe(ctx, uri))
}

// Unsubscribe takes one Subscribe back.
func (b *Backend) Unsubscribe(ctx context.Context, caller *mcpwire.Caller, uri string) *mcpwire.Error {
	s, subs := b.present(ctx, caller)
	switch {
	case subs == nil:
		return nil
	case s == nil || s.lost():
		subs.Forget(uri)
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.Timeout, pace.ErrTime)
	defer cancel()
	return b.explain(s.watch(b, subs).Unsubscribe(ctx, uri))
}

// explain names the backend in an error of a subscription; one that the backend
// sent stays as it is.
func (b *Backend) explain(err error) *mcpwire.Error {
	if err == nil {
		return nil
	}
	if errors.Is(err, watching.ErrNotOffered) {
		return mcpwire.Errorf(mcpwire.CodeInvalidParams,
			"Backend %q does not offer updates of this resource. Read it again instead.", b.cfg.Name)
	}
	reason := err.Error()
	if e, ok := errors.AsType[*mcpwire.Error](err); ok {
		if e.Raw != nil || e.Code != mcpwire.CodeInternal {
			return e
		}
		reason = e.Message
	} else if !errors.Is(err, watching.ErrSilent) {
		return unsent(err, b.cfg.Timeout).err(b.cfg.Name)
	}
	t := trouble{reason: reason, advice: fmt.Sprintf("Try again once the status page shows %q as ready.", b.cfg.Name)}
	return t.err(b.cfg.Name)
}
