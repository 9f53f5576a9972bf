package backend_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// fakeDialer gives out fakePeers, as the test says.
type fakeDialer struct {
	shared   bool
	personal bool
	info     backend.Info
	serve    func(ctx context.Context, p *fakePeer, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome
	honour   func(mcpwire.Filter) (mcpwire.Filter, bool) // false: never says

	mu    sync.Mutex
	err   error         // of the next dials
	stall chan struct{} // dials wait for it
	dials []time.Time
	peers []*fakePeer
}

func (d *fakeDialer) Shared() bool   { return d.shared }
func (d *fakeDialer) Personal() bool { return d.personal }

func (d *fakeDialer) Dial(ctx context.Context, hello backend.Hello) (backend.Peer, error) {
	d.mu.Lock()
	d.dials = append(d.dials, time.Now())
	err, stall := d.err, d.stall
	d.mu.Unlock()
	if stall != nil {
		select {
		case <-stall:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	who, _ := account.PrincipalFrom(ctx)
	p := &fakePeer{d: d, hello: hello, who: who, lost: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers = append(d.peers, p)
	return p, nil
}

func (d *fakeDialer) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *fakeDialer) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.dials)
}

// peer is the i-th that was dialled.
func (d *fakeDialer) peer(t *testing.T, i int) *fakePeer {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if i >= len(d.peers) {
		t.Fatalf("only %d peers were dialled, want the one at %d", len(d.peers), i)
	}
	return d.peers[i]
}

type fakePeer struct {
	d      *fakeDialer
	hello  backend.Hello
	who    account.Principal
	lost   chan struct{}
	once   sync.Once
	closed atomic.Bool
	told   atomic.Int64

	mu       sync.Mutex
	requests []string // method and target
	sinks    []mcpwire.Sink
	filters  []mcpwire.Filter // of the watches that are open
	watchers []account.Principal
}

func (p *fakePeer) Info() backend.Info    { return p.d.info }
func (p *fakePeer) Lost() <-chan struct{} { return p.lost }
func (p *fakePeer) die()                  { p.once.Do(func() { close(p.lost) }) }

func (p *fakePeer) Close(context.Context) error {
	p.closed.Store(true)
	p.die()
	return nil
}

func (p *fakePeer) Tell(context.Context, *mcpwire.Caller, mcpwire.Notification) { p.told.Add(1) }

func (p *fakePeer) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	p.mu.Lock()
	p.requests = append(p.requests, req.Method+" "+req.Target)
	p.mu.Unlock()
	if p.d.serve != nil {
		return p.d.serve(ctx, p, req, sink)
	}
	return mcpwire.Done(p.d.info.Revision, []byte(`{}`))
}

func (p *fakePeer) Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error {
	who, _ := account.PrincipalFrom(ctx)
	p.mu.Lock()
	p.sinks = append(p.sinks, sink)
	p.filters = append(p.filters, f)
	p.watchers = append(p.watchers, who)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := slices.Index(p.sinks, sink)
		p.sinks = slices.Delete(p.sinks, i, i+1)
		p.filters = slices.Delete(p.filters, i, i+1)
		p.watchers = slices.Delete(p.watchers, i, i+1)
	}()
	honoured, says := f, true
	if p.d.honour != nil {
		honoured, says = p.d.honour(f)
	}
	if says {
		ready(honoured)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-p.lost:
		return context.Canceled
	}
}

func (p *fakePeer) asked(request string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.requests {
		if r == request {
			n++
		}
	}
	return n
}

func (p *fakePeer) watching() []mcpwire.Filter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.filters)
}

func (p *fakePeer) sink(t *testing.T) mcpwire.Sink {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sinks) != 1 {
		t.Fatalf("%d watches are open, want one", len(p.sinks))
	}
	return p.sinks[0]
}

// fakeEvents remembers what it is told.
type fakeEvents struct {
	mu      sync.Mutex
	lists   []backend.ListSet
	updates []string // owner and URI
	logs    []string // owner and method
	states  int
}

func (e *fakeEvents) note(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *fakeEvents) ListsChanged(_ string, which backend.ListSet) {
	e.note(func() { e.lists = append(e.lists, which) })
}

func (e *fakeEvents) ResourceUpdated(_, owner, uri string, _ []byte) {
	e.note(func() { e.updates = append(e.updates, owner+" "+uri) })
}

func (e *fakeEvents) Log(_, owner string, n mcpwire.Notification) {
	e.note(func() { e.logs = append(e.logs, owner+" "+n.Method) })
}

func (e *fakeEvents) Ask(context.Context, string, string, string, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{Result: []byte(`{"roots":[]}`)}, nil
}

func (e *fakeEvents) StateChanged(string) { e.note(func() { e.states++ }) }

// deaf is a caller's sink.
type deaf struct {
	mu    sync.Mutex
	notes []string
}

func (d *deaf) Notify(n mcpwire.Notification) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes = append(d.notes, n.Method)
}

func (d *deaf) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}

var (
	legacyInfo = backend.Info{Transport: backend.StreamableHTTP, Revision: mcpwire.Rev20251125,
		Capabilities: []byte(`{"tools":{"listChanged":true},"resources":{"subscribe":true}}`)}
	modernInfo = backend.Info{Transport: backend.StreamableHTTP, Revision: mcpwire.Rev20260728,
		Capabilities: []byte(`{"tools":{"listChanged":true},"resources":{"subscribe":true}}`)}
	errDown = fault.New(fault.Unavailable, "The backend cannot be reached.")
)

// start runs a backend under test. The caller is in a synctest bubble and stops it.
func start(t *testing.T, d *fakeDialer, cfg backend.Config) (*backend.Backend, *fakeEvents) {
	t.Helper()
	cfg.Name = "files"
	e := &fakeEvents{}
	b := backend.New(slog.New(slog.DiscardHandler), cfg, d, e)
	b.Start(t.Context())
	return b, e
}

// as is the context of a user with a key.
func as(t *testing.T, user string) context.Context {
	return account.WithPrincipal(t.Context(), account.Principal{User: user, Credential: "key_" + user, Role: account.RoleMember})
}

// request is a call of a legacy client.
func request(t *testing.T, method, params string) *mcpwire.Request {
	t.Helper()
	req, err := mcpwire.NewRequest(method, mcpwire.Rev20251125, []byte(params))
	if err != nil {
		t.Fatal(err)
	}
	req.Caller = &mcpwire.Caller{Revision: mcpwire.Rev20251125, Session: "s"}
	return req
}

func toolCall(t *testing.T) *mcpwire.Request {
	t.Helper()
	return request(t, mcpwire.MethodToolsCall, `{"name":"x","arguments":{}}`)
}
