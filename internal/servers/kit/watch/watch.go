// Package watch tells open watches what changed: lists to whoever wants them,
// resources to the watches of their user. Package kit has one registry per server.
package watch

import (
	"slices"
	"sync"

	"drawbridge/internal/mcpwire"
)

// Registry has the open watches of a server. Resource updates go to the watches
// of the user whose resource it is, and to nobody else's. The zero value is ready.
type Registry struct {
	mu  sync.Mutex // guards all
	all []*Watcher
}

// Watcher is one open watch.
type Watcher struct {
	user   string
	filter mcpwire.Filter

	// mu is held while the sink is told, so that nothing reaches the sink after
	// Remove has returned. It guards what follows.
	mu     sync.Mutex
	sink   mcpwire.Sink
	closed bool
}

// Add opens a watch.
func (r *Registry) Add(user string, f mcpwire.Filter, sink mcpwire.Sink) *Watcher {
	w := &Watcher{user: user, filter: f, sink: sink}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, w)
	return w
}

// Remove closes a watch.
func (r *Registry) Remove(w *Watcher) {
	r.mu.Lock()
	r.all = slices.DeleteFunc(r.all, func(o *Watcher) bool { return o == w })
	r.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

func (r *Registry) tell(method string, params []byte, wants func(*Watcher) bool) {
	r.mu.Lock()
	open := slices.Clone(r.all)
	r.mu.Unlock()
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

// Updated tells a user's watches that a resource has new content.
func (r *Registry) Updated(user, uri string) {
	params := append(mcpwire.AppendString([]byte(`{"uri":`), uri), '}')
	r.tell(mcpwire.MethodResourceUpdated, params, func(w *Watcher) bool {
		return w.user == user && slices.Contains(w.filter.Resources, uri)
	})
}

// ResourcesChanged tells a user's watches that the list of resources differs.
func (r *Registry) ResourcesChanged(user string) {
	r.tell(mcpwire.MethodResourcesChanged, nil, func(w *Watcher) bool {
		return w.user == user && w.filter.ResourcesChanged
	})
}
