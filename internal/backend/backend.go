package backend

import (
	"context"
	"log/slog"
	"sync"

	"drawbridge/internal/backend/pace"
	"drawbridge/internal/life"
)

// Backend supervises one configured backend. It keeps it connected, gives every
// caller the upstream session that is theirs, and bounds what calls may cost.
type Backend struct {
	log     *slog.Logger
	cfg     Config
	dialer  Dialer
	events  Events
	gate    *pace.Gate
	times   *life.Terms // of calls
	latency pace.Meter
	link    *link
	pool    *pool
	counts  counts

	// base is the life of everything the backend starts: sessions, watches,
	// attempts. They outlive the calls that cause them, so no call's context can
	// stand in for it.
	base *life.Life
	crew crew
}

// New makes the supervisor of one backend. Nothing runs before Start.
func New(log *slog.Logger, cfg Config, dialer Dialer, events Events) *Backend {
	if log == nil || dialer == nil || events == nil {
		panic("backend.New: a dependency is missing")
	}
	cfg = cfg.withDefaults()
	b := &Backend{log: log, cfg: cfg, dialer: dialer, events: events, gate: pace.NewGate(cfg.Concurrency, cfg.Queue), times: life.NewTerms(cfg.Timeout)}
	b.base = life.New(context.Background())
	b.link = newLink(b)
	b.pool = newPool(b)
	return b
}

// Name is the configured name.
func (b *Backend) Name() string { return b.cfg.Name }

// Start begins to connect and returns at once: a backend that is down delays
// nothing. It is called once.
func (b *Backend) Start(context.Context) {
	b.crew.run(func() { b.link.run(b.base) })
	b.crew.run(func() { b.pool.expire(b.base) })
}

// Stop lets the calls that run finish until ctx ends, cuts off the others, and
// returns when nothing of the backend is left. Callers send no calls any more.
func (b *Backend) Stop(ctx context.Context) {
	b.gate.Drain(ctx)
	b.base.End(nil)
	b.crew.wait()
}

// Cut ends the calls that run; each is told so. Stop must follow.
func (b *Backend) Cut() { b.base.End(nil) }

// crew is the goroutines of one backend.
type crew struct {
	group  sync.WaitGroup
	mu     sync.Mutex // guards closed
	closed bool
}

// run starts f, unless the backend is being stopped.
func (c *crew) run(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.group.Go(f)
	}
	return !c.closed
}

// wait starts nothing more and waits for what runs.
func (c *crew) wait() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.group.Wait()
}
