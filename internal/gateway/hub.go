package gateway

import (
	"context"
	"sync"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/gateway/catalogue"
	"drawbridge/internal/mcpwire"
)

// hub knows who watches.
type hub struct {
	mu       sync.Mutex // guards watchers and closed
	watchers map[*watch]struct{}
	closed   bool
}

// watch is one client's open subscription.
type watch struct {
	g      *Gateway
	owner  string
	access *account.Access
	caller *mcpwire.Caller
	filter mcpwire.Filter
	sink   mcpwire.Sink
	ctx    context.Context // the principal's, without its cancellation: Close has to reach the backends

	moving sync.Mutex         // held while subscriptions move to other backends
	mu     sync.Mutex         // guards uris
	uris   map[string]Backend // nil for one whose backend is not there yet
	stop   func() bool        // ends the wait for the client's context; guarded by the hub's mu
}

// Watch opens a subscription to what happens outside of calls. It lasts until it
// is closed or ctx ends.
func (g *Gateway) Watch(ctx context.Context, caller *mcpwire.Caller, f mcpwire.Filter, sink mcpwire.Sink) (mcpwire.Watch, *mcpwire.Error) {
	p, ok := account.PrincipalFrom(ctx)
	if !ok {
		return nil, mcpwire.FromFault(errNobody)
	}
	w := &watch{g: g, owner: p.Owner(), access: p.Access, caller: caller, filter: f, sink: sink,
		ctx: context.WithoutCancel(ctx), uris: map[string]Backend{}}
	w.filter.Resources = nil
	for _, uri := range f.Resources {
		switch err := w.Subscribe(ctx, uri); {
		case err == nil:
			w.filter.Resources = append(w.filter.Resources, uri)
		case caller.Revision.Legacy():
			w.uris[uri] = nil // of a session that comes back; a backend may come back, too
		}
	}
	g.hub.mu.Lock()
	defer g.hub.mu.Unlock()
	if g.hub.closed {
		return nil, mcpwire.Errorf(mcpwire.CodeInternal, "The server is shutting down. Connect again in a moment.")
	}
	if g.hub.watchers == nil {
		g.hub.watchers = map[*watch]struct{}{}
	}
	g.hub.watchers[w] = struct{}{}
	w.stop = context.AfterFunc(ctx, w.Close)
	return w, nil
}

// Accepted is what this watch is honoured in.
func (w *watch) Accepted() mcpwire.Filter { return w.filter }

// Subscribe asks the owner of uri for its updates.
func (w *watch) Subscribe(ctx context.Context, uri string) *mcpwire.Error {
	w.mu.Lock()
	have := w.uris[uri]
	w.mu.Unlock()
	if have != nil {
		return nil
	}
	c := w.g.current.Load()
	s, ok := c.Owner(uri)
	if !ok || !c.View(w.access).Shows(s) {
		return notFound(w.caller.Revision, uri)
	}
	if err := s.Backend.Subscribe(ctx, w.caller, uri); err != nil {
		return err
	}
	w.mu.Lock()
	w.uris[uri] = s.Backend
	w.mu.Unlock()
	return nil
}

// Unsubscribe ends the updates of uri.
func (w *watch) Unsubscribe(ctx context.Context, uri string) *mcpwire.Error {
	w.mu.Lock()
	b := w.uris[uri]
	delete(w.uris, uri)
	w.mu.Unlock()
	if b == nil {
		return nil
	}
	return b.Unsubscribe(ctx, w.caller, uri)
}

// Close ends the watch and its subscriptions.
func (w *watch) Close() {
	w.g.hub.mu.Lock()
	delete(w.g.hub.watchers, w)
	stop := w.stop
	w.g.hub.mu.Unlock()
	if stop != nil {
		stop()
	}
	w.mu.Lock()
	uris := w.uris
	w.uris = map[string]Backend{}
	w.mu.Unlock()
	for uri, b := range uris {
		if b == nil {
			continue
		}
		_ = b.Unsubscribe(w.ctx, w.caller, uri) // the client is gone; the backend's session ends idle
	}
}

func (w *watch) wants(uri string, b string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	owner := w.uris[uri]
	return owner != nil && owner.Name() == b
}

// astray are the subscriptions that another backend now owns: theirs was set up
// anew, or is there at last.
func (w *watch) astray(c *catalogue.Catalogue) map[string]Backend {
	w.mu.Lock()
	defer w.mu.Unlock()
	var moves map[string]Backend
	for uri, b := range w.uris {
		if s, ok := c.Owner(uri); ok && s.Backend != b && w.access.Backend(s.Backend.Name()) {
			if moves == nil {
				moves = map[string]Backend{}
			}
			moves[uri] = s.Backend
		}
	}
	return moves
}

// move makes subscriptions at other backends than before.
func (w *watch) move(ctx context.Context, c *catalogue.Catalogue) {
	w.moving.Lock()
	defer w.moving.Unlock()
	for uri, b := range w.astray(c) {
		if err := b.Subscribe(ctx, w.caller, uri); err != nil {
			w.g.deps.Log.Warn("subscription not made again", "backend", b.Name(), "code", err.Code)
			continue
		}
		w.mu.Lock()
		was, wanted := w.uris[uri]
		if wanted {
			w.uris[uri] = b
		}
		w.mu.Unlock()
		if !wanted {
			was = b // its client has left meanwhile
		}
		if was != nil {
			_ = was.Unsubscribe(ctx, w.caller, uri) // where that is stopped, there is nothing to end
		}
	}
}

// follow moves the subscriptions that a new catalogue has led astray, in the
// background. The caller holds mu.
func (g *Gateway) follow(c *catalogue.Catalogue) {
	if g.closed {
		return
	}
	g.hub.each("", func(w *watch) {
		if w.astray(c) == nil {
			return
		}
		g.work.Go(func() { // ends with the gateway's life, or in ListTimeout
			ctx, cancel := context.WithTimeout(w.ctx, g.cfg.ListTimeout)
			defer cancel()
			defer context.AfterFunc(g.ctx, cancel)()
			w.move(ctx, c)
		})
	})
}

// each calls f for every watcher that belongs to owner; "" is everybody.
func (h *hub) each(owner string, f func(*watch)) {
	h.mu.Lock()
	list := make([]*watch, 0, len(h.watchers))
	for w := range h.watchers {
		if owner == "" || w.owner == owner {
			list = append(list, w)
		}
	}
	h.mu.Unlock()
	for _, w := range list {
		f(w)
	}
}

func (h *hub) closeAll() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.each("", (*watch).Close)
}

// listsChanged tells every watcher which lists are new.
func (h *hub) listsChanged(changed [catalogue.Kinds]bool) {
	h.each("", func(w *watch) {
		if changed[catalogue.Tools] && w.filter.ToolsChanged {
			w.sink.Notify(mcpwire.Notification{Revision: w.caller.Revision, Method: mcpwire.MethodToolsChanged})
		}
		if changed[catalogue.Prompts] && w.filter.PromptsChanged {
			w.sink.Notify(mcpwire.Notification{Revision: w.caller.Revision, Method: mcpwire.MethodPromptsChanged})
		}
		if (changed[catalogue.Resources] || changed[catalogue.Templates]) && w.filter.ResourcesChanged {
			w.sink.Notify(mcpwire.Notification{Revision: w.caller.Revision, Method: mcpwire.MethodResourcesChanged})
		}
	})
}

// ListsChanged takes a backend's word that its lists are new, and passes it on
// even if the lists then read the same: what else has changed, it knows best.
func (g *Gateway) ListsChanged(name string, which backend.ListSet) { g.refresh(name, which) }

// StateChanged follows a backend's coming and going.
func (g *Gateway) StateChanged(name string) {
	g.mu.Lock()
	b := g.member(name)
	g.mu.Unlock()
	if b == nil {
		return
	}
	switch b.Status().State {
	case backend.Ready:
		g.Refresh(name)
	case backend.Failed, backend.Degraded:
		g.startGrace(name)
	}
}

// ResourceUpdated passes an update to those who subscribed to the URI.
func (g *Gateway) ResourceUpdated(name, owner, uri string, params []byte) {
	g.hub.each(owner, func(w *watch) {
		if w.wants(uri, name) {
			w.sink.Notify(mcpwire.Notification{Revision: w.caller.Revision, Method: mcpwire.MethodResourceUpdated, Params: params})
		}
	})
}

// Log passes a backend's log message, sent outside of any call, to the legacy
// clients of its owner; 2026-07-28 has logs within calls only. What is said in a
// session that serves several may tell one of another's calls, and in the one
// that reads the lists it is about nobody: no client hears that.
func (g *Gateway) Log(name, owner string, n mcpwire.Notification) {
	if owner == "" {
		g.deps.Log.Debug("a backend's message belongs to no client", "backend", name, "method", n.Method, "bytes", len(n.Params))
		return
	}
	g.hub.each(owner, func(w *watch) {
		if w.caller.Revision.Legacy() {
			w.sink.Notify(n)
		}
	})
}

// hearer is a sink that knows whether its client would hear a question.
type hearer interface{ Heard() bool }

// Ask puts a question that belongs to no call to the legacy client of its owner that
// can answer it, or to the one client that the backend's session is for. Where several
// would hear it, none can be told to be the right one.
func (g *Gateway) Ask(ctx context.Context, _, owner, client string, q mcpwire.Question) (mcpwire.Answer, error) {
	var candidates []*watch
	if owner != "" {
		g.hub.each(owner, func(w *watch) {
			if client != "" && w.caller.Session != client {
				return
			}
			if h, ok := w.sink.(hearer); ok && h.Heard() && w.caller.Revision.Legacy() && w.caller.CanAnswer(q) {
				candidates = append(candidates, w)
			}
		})
	}
	if len(candidates) != 1 {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	return candidates[0].sink.Ask(ctx, q)
}
