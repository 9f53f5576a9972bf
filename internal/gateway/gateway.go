// Package gateway is the heart: the merged catalogue of all backends, and the way
// from a name in it to the backend that owns it.
//
// Endpoints hand it requests; it renames, routes, seals what has to travel
// through the client, and hands them to a backend. It listens to the backends'
// events, rebuilds the catalogue when their lists change, and tells whoever
// watches. The catalogue is immutable and swapped in by one atomic pointer, so a
// call takes no lock. The package knows neither HTTP nor SQL.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/audit"
	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

// Backend is what the gateway needs of one backend.
type Backend interface {
	mcpwire.Handler
	Name() string
	Lists(ctx context.Context) (backend.Lists, error)
	Subscribe(ctx context.Context, caller *mcpwire.Caller, uri string) *mcpwire.Error
	Unsubscribe(ctx context.Context, caller *mcpwire.Caller, uri string) *mcpwire.Error
	Tell(ctx context.Context, caller *mcpwire.Caller, n mcpwire.Notification)
	Status() backend.Status
}

// Shelf keeps the last known lists of backends over a restart.
type Shelf interface {
	SaveLists(ctx context.Context, backend string, lists []byte) error
	LoadLists(ctx context.Context, backend string) ([]byte, error) // nil when there are none
}

// Recorder takes audit records.
type Recorder interface {
	// Call takes one record per call that has ended. It does not block.
	Call(r account.Record)
	// Intent writes, durably, that a call is about to run; Outcome how it ended.
	Intent(ctx context.Context, r account.Record) (audit.Intent, error)
	Outcome(ctx context.Context, of audit.Intent, outcome account.Outcome, sizeOut int64) error
	// Digest is what a record keeps of a call's arguments.
	Digest(arguments []byte) [16]byte
}

// Config is what an operator may set.
type Config struct {
	PageSize      int           // entries per list page; 0: one page
	ListTimeout   time.Duration // for reading one backend's lists; default 30 s
	DegradedGrace time.Duration // how long a dead backend's tools stay listed; default 1 h
	StateTTL      time.Duration // life of a sealed requestState; default 1 h
	Version       string        // of Drawbridge, for serverInfo
	Calls         int           // at once, of everybody; 0: no bound but the backends'
	UserCalls     int           // at once, of one user; 0: no bound
}

func (c Config) withDefaults() Config {
	if c.ListTimeout <= 0 {
		c.ListTimeout = 30 * time.Second
	}
	if c.DegradedGrace <= 0 {
		c.DegradedGrace = time.Hour
	}
	if c.StateTTL <= 0 {
		c.StateTTL = time.Hour
	}
	return c
}

// Deps are the parts a Gateway is joined to.
type Deps struct {
	Log      *slog.Logger
	SealKey  []byte // 32 bytes, for requestState
	Shelf    Shelf
	Recorder Recorder
	Now      func() time.Time
}

// Member is a backend with its place in the gateway.
type Member struct {
	Backend  Backend
	Prefix   string   // of exposed names; "" is none
	Disabled []string // tools that are not offered, by original name
	Trusted  bool     // what it says of its own tools is believed: a built-in server, or an operator's word
	Tiers    []TierRule
}

// same tells whether a member offers its lists in the same way.
func (m *Member) same(other *Member) bool {
	return m.Backend == other.Backend && m.Prefix == other.Prefix && m.Trusted == other.Trusted &&
		slices.Equal(m.Disabled, other.Disabled) && slices.Equal(m.Tiers, other.Tiers)
}

// Gateway merges backends and routes requests to them.
type Gateway struct {
	cfg  Config
	deps Deps
	seal *sealer
	hub  hub
	gate gate

	current atomic.Pointer[catalogue]

	mu      sync.Mutex // guards members, parts, readers, generation and closed; held to build a catalogue, never for a call
	members []Member
	parts   map[string]*section // by backend name
	readers map[string]*reader
	gen     uint64
	closed  bool

	ctx  context.Context // ends with Stop; the life of the readers
	stop context.CancelFunc
	work sync.WaitGroup
}

// New makes a gateway without backends.
func New(cfg Config, deps Deps) (*Gateway, error) {
	if deps.Log == nil || deps.Shelf == nil || deps.Recorder == nil || deps.Now == nil {
		return nil, errors.New("gateway: a dependency is missing")
	}
	s, err := newSealer(deps.SealKey)
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg.withDefaults(), deps: deps, seal: s, gate: gate{all: cfg.Calls, each: cfg.UserCalls}, parts: map[string]*section{}, readers: map[string]*reader{}}
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.current.Store(merge(0, nil))
	return g, nil
}

// SetMembers replaces the set of backends, in configuration order. Those that
// stay keep their lists; new ones start with what the shelf knows of them.
func (g *Gateway) SetMembers(ctx context.Context, members []Member) {
	shelved := map[string]*section{}
	for rank, m := range members {
		if lists, ok := g.fromShelf(ctx, m.Backend.Name()); ok {
			shelved[m.Backend.Name()] = newSection(m, rank, lists)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.parts
	g.members, g.parts = members, map[string]*section{}
	for rank, m := range members {
		name := m.Backend.Name()
		switch was := old[name]; {
		case was != nil && was.rank == rank && was.member.same(&m):
			g.parts[name] = was
		case was != nil && was.backend == m.Backend:
			g.parts[name] = newSection(m, rank, was.lists)
		case shelved[name] != nil:
			g.parts[name] = shelved[name]
		}
	}
	g.publish(0)
}

// Stop ends the reading of lists and every watch.
func (g *Gateway) Stop() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.stop()
	g.work.Wait()
	g.hub.closeAll()
}

// publish builds a catalogue of the parts and swaps it in. Watchers are told of
// what differs, and of what a backend said. The caller holds mu.
func (g *Gateway) publish(said backend.ListSet) {
	g.gen++
	sections := make([]*section, 0, len(g.members))
	for _, m := range g.members {
		if s := g.parts[m.Backend.Name()]; s != nil {
			sections = append(sections, s)
		}
	}
	next := merge(g.gen, sections)
	next.partial = len(sections) < len(g.members)
	old := g.current.Load()
	changed := next.diff(old)
	changed[tools] = changed[tools] || said.Has(backend.ToolLists)
	changed[prompts] = changed[prompts] || said.Has(backend.PromptLists)
	changed[resources] = changed[resources] || said.Has(backend.ResourceLists)
	g.current.Store(next)
	for _, why := range next.refused {
		g.deps.Log.Warn("catalogue entry left out", "reason", why)
	}
	g.hub.listsChanged(changed)
	g.follow(next)
}

// Refused says what the catalogue leaves out, and what to set.
func (g *Gateway) Refused() []string { return g.current.Load().refused }

// Statuses is the state of every backend, in configuration order.
func (g *Gateway) Statuses() []backend.Status {
	g.mu.Lock()
	members := g.members
	g.mu.Unlock()
	out := make([]backend.Status, 0, len(members))
	for _, m := range members {
		out = append(out, m.Backend.Status())
	}
	return out
}

// Tell passes a client's notification, or the log level it has set, to the backends
// that keep a session for it; nothing else goes this way.
func (g *Gateway) Tell(ctx context.Context, caller *mcpwire.Caller, n mcpwire.Notification) {
	if !mcpwire.IsNotificationMethod(n.Method) && n.Method != mcpwire.MethodSetLevel {
		return
	}
	for _, s := range g.current.Load().view(accessOf(ctx)).sections {
		s.backend.Tell(ctx, caller, n)
	}
}
