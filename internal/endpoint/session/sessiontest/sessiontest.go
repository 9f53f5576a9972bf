// Package sessiontest has the fakes for tests of the MCP endpoints: a hub that
// does what the test scripts and keeps what it was told, and a store in memory.
package sessiontest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
)

// Serve is what a scripted method or tool does.
type Serve func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome

// Hub is a gateway of which the test says what it does.
type Hub struct {
	mu      sync.Mutex // guards what follows
	scripts map[string]Serve
	served  []string
	told    []string
	watches map[*Watch]bool
	refused map[string]bool
}

// Watch is an open watch of a Hub.
type Watch struct {
	hub    *Hub
	Caller *mcpwire.Caller
	Sink   mcpwire.Sink

	filter mcpwire.Filter // guarded by hub.mu
}

// NewHub returns a hub with one tool, echo, which answers with its arguments.
func NewHub() *Hub {
	h := &Hub{scripts: map[string]Serve{}, watches: map[*Watch]bool{}, refused: map[string]bool{}}
	h.On("echo", func(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		args := req.Arguments()
		if args == nil {
			args = []byte("{}")
		}
		head := `{"content":[],"structuredContent":`
		if req.Revision.Modern() {
			head = `{"resultType":"complete","content":[],"structuredContent":`
		}
		return mcpwire.Done(req.Revision, slices.Concat([]byte(head), args, []byte("}")))
	})
	return h
}

// On scripts a tool, by its name, or a method.
func (h *Hub) On(name string, f Serve) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scripts[name] = f
}

// RefuseURI makes subscriptions to a resource fail.
func (h *Hub) RefuseURI(uri string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused[uri] = true
}

// Serve runs the script of the tool or method; there is no method without one.
func (h *Hub) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	h.mu.Lock()
	name := req.Method
	if req.Method == mcpwire.MethodToolsCall {
		name = req.Target
	}
	h.served = append(h.served, name)
	f := h.scripts[name]
	h.mu.Unlock()
	switch {
	case f != nil:
		return f(ctx, req, sink)
	case req.Method == mcpwire.MethodToolsCall:
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "Unknown tool: %s.", name))
	}
	return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeMethodNotFound, "Unknown method: %s.", name))
}

// Served are the names of the tools and methods that were called.
func (h *Hub) Served() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.served)
}

// Hello says what the hub is, with more in serverInfo than old clients know.
func (h *Hub) Hello(context.Context, mcpwire.Revision) mcpwire.Hello {
	return mcpwire.Hello{
		Capabilities: []byte(`{"tools":{"listChanged":true}}`),
		ServerInfo:   []byte(`{"name":"fake","version":"1","title":"T","icons":[],"description":"D","websiteUrl":"W","x":1}`),
		Instructions: "Be kind.",
	}
}

// Watch opens a watch that Emit reaches.
func (h *Hub) Watch(_ context.Context, c *mcpwire.Caller, f mcpwire.Filter, sink mcpwire.Sink) (mcpwire.Watch, *mcpwire.Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f.Resources = slices.DeleteFunc(slices.Clone(f.Resources), func(uri string) bool { return h.refused[uri] })
	w := &Watch{hub: h, Caller: c, Sink: sink, filter: f}
	h.watches[w] = true
	return w, nil
}

// Watches are the open watches.
func (h *Hub) Watches() []*Watch {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []*Watch
	for w := range h.watches {
		list = append(list, w)
	}
	return list
}

// Emit sends a notification to every open watch.
func (h *Hub) Emit(method, params string) {
	n := mcpwire.Notification{Revision: mcpwire.LatestLegacy, Method: method}
	if params != "" {
		n.Params = []byte(params)
	}
	for _, w := range h.Watches() {
		w.Sink.Notify(n)
	}
}

// Tell keeps what it was told.
func (h *Hub) Tell(_ context.Context, _ *mcpwire.Caller, n mcpwire.Notification) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, n.Method)
}

// Told are the methods of the notifications passed on.
func (h *Hub) Told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.told)
}

// Accepted is all that was asked for but refused resources.
func (w *Watch) Accepted() mcpwire.Filter {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	return w.filter
}

// Subscribe adds a resource.
func (w *Watch) Subscribe(_ context.Context, uri string) *mcpwire.Error {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	if w.hub.refused[uri] {
		return mcpwire.Errorf(mcpwire.CodeResourceNotFound, "Unknown resource: %s.", uri)
	}
	w.filter.Resources = append(w.filter.Resources, uri)
	return nil
}

// Unsubscribe takes it away.
func (w *Watch) Unsubscribe(_ context.Context, uri string) *mcpwire.Error {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.filter.Resources = slices.DeleteFunc(w.filter.Resources, func(u string) bool { return u == uri })
	return nil
}

// Close ends the watch.
func (w *Watch) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.hub.watches, w)
}

// Store keeps sessions' ends and settings in memory. It outlives the tables that
// use it, like a database outlives a process.
type Store struct {
	mu       sync.Mutex // guards what follows
	revoked  map[string]time.Time
	settings map[string]session.Settings
	broken   bool
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{revoked: map[string]time.Time{}, settings: map[string]session.Settings{}}
}

// Break makes every call fail from now on.
func (s *Store) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
}

// Rows is how many rows were written.
func (s *Store) Rows() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.revoked) + len(s.settings)
}

func (s *Store) err() error {
	if s.broken {
		return errors.New("disk on fire")
	}
	return nil
}

// Revoke implements session.Store.
func (s *Store) Revoke(_ context.Context, key string, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked[key] = until
	return s.err()
}

// Revoked implements session.Store.
func (s *Store) Revoked(_ context.Context, key string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.revoked[key]
	return ok, s.err()
}

// SaveSettings implements session.Store.
func (s *Store) SaveSettings(_ context.Context, key string, set session.Settings, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.err(); err != nil {
		return err
	}
	s.settings[key] = set
	return nil
}

// LoadSettings implements session.Store.
func (s *Store) LoadSettings(_ context.Context, key string) (session.Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings[key], s.err()
}

// Key is an installation key for tests.
var Key = secret.New("an installation key of 32 bytes or more")

// NewTable makes a table that is closed with the test.
func NewTable(t testing.TB, hub session.Hub, store session.Store, change ...func(*session.Config)) *session.Table {
	t.Helper()
	cfg := session.DefaultConfig()
	for _, f := range change {
		f(&cfg)
	}
	sealer, err := session.NewSealer(Key)
	if err != nil {
		t.Fatal(err)
	}
	table, err := session.NewTable(slog.New(slog.DiscardHandler), hub, sealer, store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(table.Close)
	return table
}
