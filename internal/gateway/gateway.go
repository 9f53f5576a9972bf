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
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/audit"
	"drawbridge/internal/backend"
	"drawbridge/internal/gateway/catalogue"
	"drawbridge/internal/gateway/park"
	"drawbridge/internal/gateway/seal"
	"drawbridge/internal/gateway/task"
	"drawbridge/internal/gateway/vigil"
	"drawbridge/internal/mcpwire"
)

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
	RenameGrace   time.Duration // how long a call by a former name works; default 24 h
	StateTTL      time.Duration // life of a sealed requestState; default 1 h
	Version       string        // of Drawbridge, for serverInfo
	Calls         int           // at once, of everybody; 0: no bound but the backends'
	UserCalls     int           // at once, of one user; 0: no bound
	Think         time.Duration // for a person to answer a question in; default 10 min
	Parked        int           // calls that wait for a person's answer, of everybody; default 2,000
	UserParked    int           // the same, of one user; default 100
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
	c.RenameGrace = cmp.Or(c.RenameGrace, 24*time.Hour)
	c.Think = cmp.Or(c.Think, 10*time.Minute)
	c.Parked = cmp.Or(c.Parked, 2000)
	c.UserParked = cmp.Or(c.UserParked, 100)
	return c
}

// Deps are the parts a Gateway is joined to.
type Deps struct {
	Log      *slog.Logger
	SealKey  []byte // 32 bytes, for requestState
	TaskKey  []byte // 32 bytes, for task ids
	Shelf    Shelf
	Recorder Recorder
	Now      func() time.Time
	// Alive fails with fault.Unauthenticated once a principal's credential has ended.
	// Nil: none ever does.
	Alive func(ctx context.Context, p account.Principal) error
}

// Backend, Member and TierRule are those of the catalogue.
type (
	Backend  = catalogue.Backend
	Member   = catalogue.Member
	TierRule = catalogue.TierRule
)

// Gateway merges backends and routes requests to them.
type Gateway struct {
	cfg  Config
	deps Deps
	seal *seal.Sealer
	lot  *park.Lot

	vigil *vigil.Vigil

	taskIDs *task.Ids
	tasks   *task.Runner

	hub  hub
	gate gate

	current atomic.Pointer[catalogue.Catalogue]

	mu      sync.Mutex // guards what follows; held to build a catalogue, never for a call
	members []Member
	parts   map[string]*catalogue.Section // by backend name
	readers map[string]*reader
	former  map[string][]formerPrefix // by backend name
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
	s, err := seal.New(deps.SealKey)
	if err != nil {
		return nil, err
	}
	ids, err := task.NewIds(deps.TaskKey)
	if err != nil {
		return nil, err
	}
	runner, err := task.NewRunner(deps.Log)
	if err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	g := &Gateway{
		taskIDs: ids, tasks: runner,
		cfg: cfg, deps: deps, seal: s, gate: gate{all: cfg.Calls, each: cfg.UserCalls},
		lot:   park.New(deps.Log, park.Config{TTL: cfg.Think, PerUser: cfg.UserParked, Total: cfg.Parked}, deps.Now),
		vigil: vigil.New(deps.Log, deps.Alive, time.Second),
		parts: map[string]*catalogue.Section{}, readers: map[string]*reader{},
	}
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.current.Store(catalogue.Merge(0, nil))
	return g, nil
}

// SetMembers replaces the set of backends, in configuration order. Those that
// stay keep their lists; new ones start with what the shelf knows of them.
func (g *Gateway) SetMembers(ctx context.Context, members []Member) {
	shelved, former := map[string]*catalogue.Section{}, map[string][]formerPrefix{}
	for rank, m := range members {
		if s, ok := g.fromShelf(ctx, m.Backend.Name()); ok {
			shelved[m.Backend.Name()] = catalogue.NewSection(m, rank, s.Lists)
			former[m.Backend.Name()] = g.formerPrefixes(m, s)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.parts
	g.former = former
	g.members, g.parts = members, map[string]*catalogue.Section{}
	for rank, m := range members {
		name := m.Backend.Name()
		switch was := old[name]; {
		case was != nil && was.Rank == rank && was.Member.Same(&m):
			g.parts[name] = was
		case was != nil && was.Backend == m.Backend:
			g.parts[name] = catalogue.NewSection(m, rank, was.Lists)
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
	g.lot.Close()
	g.vigil.Close()
	g.work.Wait()
	g.hub.closeAll()
}

// publish builds a catalogue of the parts and swaps it in. Watchers are told of
// what differs, and of what a backend said. The caller holds mu.
func (g *Gateway) publish(said backend.ListSet) {
	g.gen++
	sections := make([]*catalogue.Section, 0, len(g.members))
	for _, m := range g.members {
		if s := g.parts[m.Backend.Name()]; s != nil {
			sections = append(sections, s)
		}
	}
	next := catalogue.Merge(g.gen, sections)
	next.Partial = len(sections) < len(g.members)
	old := g.current.Load()
	now := g.deps.Now()
	next.Remember(old, now, now.Add(g.cfg.RenameGrace))
	g.remember(next)
	changed := next.Diff(old)
	changed[catalogue.Tools] = changed[catalogue.Tools] || said.Has(backend.ToolLists)
	changed[catalogue.Prompts] = changed[catalogue.Prompts] || said.Has(backend.PromptLists)
	changed[catalogue.Resources] = changed[catalogue.Resources] || said.Has(backend.ResourceLists)
	g.current.Store(next)
	for _, why := range next.Refused {
		g.deps.Log.Warn("catalogue entry left out", "reason", why)
	}
	g.hub.listsChanged(changed)
	g.follow(next)
}

// Recheck ends, at once, what runs for credentials that have ended. Without it that
// takes a second.
func (g *Gateway) Recheck() { g.vigil.Look() }

// Refused says what the catalogue leaves out, and what to set.
func (g *Gateway) Refused() []string { return g.current.Load().Refused }

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
	for _, s := range g.current.Load().View(accessOf(ctx)).Sections {
		s.Backend.Tell(ctx, caller, n)
	}
}
