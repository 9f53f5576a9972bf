package kit

import (
	"context"
	"slices"
	"sync"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
)

// watchers are the open watches. Resource updates go to the watches of the user
// whose resource it is, and to nobody else's.
type watchers struct {
	mu  sync.Mutex // guards all
	all []*watcher
}

// watcher is one open watch. Its lock is held while the sink is told, so that
// nothing reaches the sink after Watch has returned.
type watcher struct {
	user   string
	filter mcpwire.Filter

	mu     sync.Mutex
	sink   mcpwire.Sink
	closed bool
}

// Watch delivers what changes outside of calls until ctx ends. ready is called
// once with what is honoured: all that was asked for. Updates are those of the
// principal in ctx.
func (s *Server) Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error {
	p, _ := account.PrincipalFrom(ctx)
	f.Resources = slices.DeleteFunc(slices.Clone(f.Resources), func(uri string) bool {
		read, _ := s.reader(uri)
		return read == nil
	})
	w := &watcher{user: p.User, filter: f, sink: sink}
	s.watchers.add(w)
	defer s.watchers.remove(w)
	ready(f)
	<-ctx.Done()
	return nil
}

func (ws *watchers) add(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.all = append(ws.all, w)
}

func (ws *watchers) remove(w *watcher) {
	ws.mu.Lock()
	ws.all = slices.DeleteFunc(ws.all, func(o *watcher) bool { return o == w })
	ws.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

func (ws *watchers) tell(method string, params []byte, wants func(*watcher) bool) {
	ws.mu.Lock()
	open := slices.Clone(ws.all)
	ws.mu.Unlock()
	for _, w := range open {
		if !wants(w) {
			continue
		}
		w.mu.Lock()
		if !w.closed {
			w.sink.Notify(mcpwire.Notification{Revision: mcpwire.LatestModern, Method: method, Params: params})
		}
		w.mu.Unlock()
	}
}

func (ws *watchers) updated(user, uri string) {
	params := append(mcpwire.AppendString([]byte(`{"uri":`), uri), '}')
	ws.tell(mcpwire.MethodResourceUpdated, params, func(w *watcher) bool {
		return w.user == user && slices.Contains(w.filter.Resources, uri)
	})
}

func (ws *watchers) resourcesChanged(user string) {
	ws.tell(mcpwire.MethodResourcesChanged, nil, func(w *watcher) bool {
		return w.user == user && w.filter.ResourcesChanged
	})
}
