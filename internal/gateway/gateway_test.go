package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/audit"
	"drawbridge/internal/backend"
	"drawbridge/internal/gateway"
	"drawbridge/internal/mcpwire"
)

// fakeBackend is a backend with lists that tests may change and calls that it
// remembers.
type fakeBackend struct {
	name string

	mu      sync.Mutex // guards what follows
	lists   backend.Lists
	err     error
	state   backend.State
	reads   int
	calls   []*mcpwire.Request
	serve   func(*mcpwire.Request) mcpwire.Outcome
	watched map[string]int
}

func newFake(name string, tools ...string) *fakeBackend {
	f := &fakeBackend{name: name, state: backend.Ready, watched: map[string]int{}}
	f.setTools(tools...)
	f.lists.Info.Capabilities = []byte(`{"tools":{},"resources":{"subscribe":true}}`)
	return f
}

func (f *fakeBackend) setTools(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists.Tools = nil
	for _, n := range names {
		f.lists.Tools = append(f.lists.Tools, []byte(`{"name":"`+n+`","inputSchema":{"type":"object"}}`))
	}
}

func (f *fakeBackend) Name() string { return f.name }

func (f *fakeBackend) Lists(context.Context) (backend.Lists, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	return f.lists, f.err
}

func (f *fakeBackend) Serve(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, req)
	if f.serve != nil {
		return f.serve(req)
	}
	return mcpwire.Done(mcpwire.Rev20260728, []byte(`{"resultType":"complete","from":"`+f.name+`","name":"`+req.Target+`"}`))
}

func (f *fakeBackend) Subscribe(_ context.Context, _ *mcpwire.Caller, uri string) *mcpwire.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched[uri]++
	return nil
}

func (f *fakeBackend) Unsubscribe(_ context.Context, _ *mcpwire.Caller, uri string) *mcpwire.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched[uri]--
	return nil
}

func (f *fakeBackend) Tell(context.Context, *mcpwire.Caller, mcpwire.Notification) {}

func (f *fakeBackend) Status() backend.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return backend.Status{Name: f.name, State: f.state}
}

// memShelf is a shelf that lives as long as the test.
type memShelf struct{ m sync.Map }

func (s *memShelf) SaveLists(_ context.Context, name string, b []byte) error {
	s.m.Store(name, b)
	return nil
}

func (s *memShelf) LoadLists(_ context.Context, name string) ([]byte, error) {
	if v, ok := s.m.Load(name); ok {
		return v.([]byte), nil
	}
	return nil, nil
}

type recorder struct {
	mu   sync.Mutex // guards rows and full
	rows []account.Record
	full bool
}

func (r *recorder) Digest(arguments []byte) (d [16]byte) {
	copy(d[:], arguments)
	return d
}

func (r *recorder) Call(row account.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, row)
}

func (r *recorder) Intent(_ context.Context, row account.Record) (audit.Intent, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full {
		return audit.Intent{}, errors.New("disk full")
	}
	row.Outcome = account.Pending
	r.rows = append(r.rows, row)
	return audit.Intent{}, nil
}

func (r *recorder) Outcome(_ context.Context, _ audit.Intent, o account.Outcome, _ int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, account.Record{Outcome: o})
	return nil
}

// sink remembers notifications.
type sink struct {
	mu  sync.Mutex // guards got
	got []string
}

func (s *sink) Notify(n mcpwire.Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, n.Method)
}

func (s *sink) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}

func (s *sink) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.got, " ")
}

func newGateway(t *testing.T, cfg gateway.Config, shelf gateway.Shelf, members ...gateway.Member) *gateway.Gateway {
	t.Helper()
	return newAudited(t, &recorder{}, cfg, shelf, members...)
}

func newAudited(t *testing.T, r gateway.Recorder, cfg gateway.Config, shelf gateway.Shelf, members ...gateway.Member) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(cfg, gateway.Deps{
		Log: slog.New(slog.DiscardHandler), SealKey: make([]byte, 32), TaskKey: make([]byte, 32), Shelf: shelf, Recorder: r, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	g.SetMembers(t.Context(), members)
	for _, m := range members {
		g.Refresh(m.Backend.Name())
	}
	t.Cleanup(g.Stop)
	return g
}

var (
	modern = &mcpwire.Caller{Revision: mcpwire.Rev20260728}
	legacy = &mcpwire.Caller{Revision: mcpwire.Rev20251125}
)

func ask(t *testing.T, g *gateway.Gateway, caller *mcpwire.Caller, user, method, params string) mcpwire.Outcome {
	t.Helper()
	var raw []byte
	if params != "" {
		raw = []byte(params)
	}
	req, err := mcpwire.NewRequest(method, caller.Revision, raw)
	if err != nil {
		t.Fatal(err)
	}
	req.Caller = caller
	ctx := account.WithPrincipal(t.Context(), account.Principal{User: user, Credential: "k", Access: account.Everything()})
	return g.Serve(ctx, req, &sink{})
}

func TestList_mergesInConfigurationOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, a := newFake("beta", "echo", "beta_ping"), newFake("alpha", "echo")
		g := newGateway(t, gateway.Config{}, &memShelf{},
			gateway.Member{Backend: b, Prefix: "beta"}, gateway.Member{Backend: a, Prefix: "alpha"})
		synctest.Wait()
		out := ask(t, g, legacy, "u", "tools/list", "")
		want := `{"tools":[{"name":"beta_echo","inputSchema":{"type":"object"}},{"name":"beta_ping","inputSchema":{"type":"object"}},{"name":"alpha_echo","inputSchema":{"type":"object"}}]}`
		if got := string(out.Result.Bytes); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		again := ask(t, g, legacy, "u", "tools/list", "")
		if &again.Result.Bytes[0] != &out.Result.Bytes[0] {
			t.Error("the list was encoded twice for one catalogue")
		}
		if b.reads != 1 {
			t.Errorf("serving lists read the backend %d times, want 1", b.reads)
		}
	})
}

func TestCall_goesToItsOwnerUnderItsOriginalName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := newFake("a", "echo"), newFake("b", "echo")
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: a, Prefix: "a"}, gateway.Member{Backend: b, Prefix: "b"})
		synctest.Wait()
		out := ask(t, g, modern, "u", "tools/call", `{"name":"b_echo"}`)
		if got := string(out.Result.Bytes); !strings.Contains(got, `"from":"b","name":"echo"`) {
			t.Error(got)
		}
		if out := ask(t, g, modern, "u", "tools/call", `{"name":"echo"}`); out.Kind != mcpwire.Failed || out.Err.Code != mcpwire.CodeInvalidParams {
			t.Errorf("an original name is not exposed: %+v", out)
		}
		if len(a.calls) != 0 {
			t.Error("the other backend was called")
		}
	})
}

func TestCollision_isRefusedWithWhatToSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := newFake("a", "echo"), newFake("b", "echo")
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: a}, gateway.Member{Backend: b})
		synctest.Wait()
		if got := g.Refused(); len(got) != 1 || !strings.Contains(got[0], `backend "b" is left out`) || !strings.Contains(got[0], "prefix") {
			t.Errorf("refused: %v", got)
		}
		ask(t, g, modern, "u", "tools/call", `{"name":"echo"}`)
		if len(a.calls) != 1 || len(b.calls) != 0 {
			t.Error("the first in configuration order keeps the name")
		}
	})
}

func TestChange_isToldToWatchers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a", "one")
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: a, Prefix: "a"})
		synctest.Wait()
		s := &sink{}
		ctx := account.WithPrincipal(t.Context(), account.Principal{User: "u", Access: account.Everything()})
		w, err := g.Watch(ctx, legacy, mcpwire.Filter{ToolsChanged: true, ResourcesChanged: true}, s)
		if err != nil {
			t.Fatal(err)
		}
		g.Refresh("a")
		synctest.Wait()
		if got := s.all(); got != "" {
			t.Errorf("told %q though nothing changed", got)
		}
		a.setTools("one", "two")
		g.ListsChanged("a", backend.ToolLists)
		synctest.Wait()
		if got := s.all(); got != mcpwire.MethodToolsChanged {
			t.Errorf("told %q", got)
		}
		g.ListsChanged("a", backend.ToolLists)
		synctest.Wait()
		if got := s.all(); got != mcpwire.MethodToolsChanged+" "+mcpwire.MethodToolsChanged {
			t.Errorf("told %q; the backend's own word is passed on", got)
		}
		w.Close()
		a.setTools("three")
		g.ListsChanged("a", backend.ToolLists)
		synctest.Wait()
		if got := s.all(); strings.Count(got, mcpwire.MethodToolsChanged) != 2 {
			t.Errorf("told %q after Close", got)
		}
	})
}

func TestDeadBackend_keepsItsToolsForTheGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a", "one")
		shelf := &memShelf{}
		g := newGateway(t, gateway.Config{DegradedGrace: time.Hour}, shelf, gateway.Member{Backend: a, Prefix: "a"})
		synctest.Wait()
		a.mu.Lock()
		a.state, a.err = backend.Failed, context.DeadlineExceeded
		a.mu.Unlock()
		g.StateChanged("a")
		time.Sleep(59 * time.Minute)
		if got := string(ask(t, g, legacy, "u", "tools/list", "").Result.Bytes); !strings.Contains(got, "a_one") {
			t.Errorf("before the grace ends: %s", got)
		}

		// A start in the meantime knows the tools from the shelf.
		g2 := newGateway(t, gateway.Config{}, shelf, gateway.Member{Backend: a, Prefix: "a"})
		if got := string(ask(t, g2, legacy, "u", "tools/list", "").Result.Bytes); !strings.Contains(got, "a_one") {
			t.Errorf("after a start: %s", got)
		}

		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := string(ask(t, g, legacy, "u", "tools/list", "").Result.Bytes); got != `{"tools":[]}` {
			t.Errorf("after the grace: %s", got)
		}
	})
}

func TestPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a", "one", "two", "three")
		g := newGateway(t, gateway.Config{PageSize: 2}, &memShelf{}, gateway.Member{Backend: a})
		synctest.Wait()
		first := string(ask(t, g, legacy, "u", "tools/list", "").Result.Bytes)
		_, rest, ok := strings.Cut(first, `"nextCursor":"`)
		if !ok || strings.Contains(first, "three") {
			t.Fatalf("first page: %s", first)
		}
		cursor, _, _ := strings.Cut(rest, `"`)
		second := string(ask(t, g, legacy, "u", "tools/list", `{"cursor":"`+cursor+`"}`).Result.Bytes)
		if !strings.Contains(second, "three") || strings.Contains(second, "nextCursor") {
			t.Errorf("second page: %s", second)
		}
		for _, bad := range []string{"x", "MS4y", cursor + "="} {
			if out := ask(t, g, legacy, "u", "tools/list", `{"cursor":"`+bad+`"}`); out.Kind != mcpwire.Failed || out.Err.Code != mcpwire.CodeInvalidParams {
				t.Errorf("cursor %q: %+v", bad, out)
			}
		}
		a.setTools("four", "five", "six")
		g.ListsChanged("a", backend.ToolLists)
		synctest.Wait()
		if out := ask(t, g, legacy, "u", "tools/list", `{"cursor":"`+cursor+`"}`); out.Kind != mcpwire.Failed {
			t.Error("a cursor of an older list was taken")
		}
	})
}

func TestRequestState_isBoundToTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a", "echo", "other")
		a.serve = func(r *mcpwire.Request) mcpwire.Outcome {
			if r.HasRetryState {
				return mcpwire.Done(mcpwire.Rev20260728, []byte(`{"resultType":"complete","state":"`+r.RetryState+`"}`))
			}
			return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: mcpwire.Rev20260728,
				Result: mcpwire.Result{Bytes: []byte(`{"resultType":"input_required","inputRequests":{},"requestState":"s3cret"}`)}}
		}
		g := newGateway(t, gateway.Config{StateTTL: time.Minute}, &memShelf{}, gateway.Member{Backend: a, Prefix: "a"})
		synctest.Wait()
		out := ask(t, g, modern, "u", "tools/call", `{"name":"a_echo","arguments":{"x":1,"y":2}}`)
		text := string(out.Result.Bytes)
		if out.Kind != mcpwire.InputRequired || strings.Contains(text, "s3cret") {
			t.Fatalf("outcome %d %s", out.Kind, text)
		}
		_, rest, _ := strings.Cut(text, `"requestState":"`)
		state, _, _ := strings.Cut(rest, `"`)
		retry := func(user, name, args, state string) mcpwire.Outcome {
			return ask(t, g, modern, user, "tools/call", `{"name":"`+name+`","arguments":`+args+`,"requestState":"`+state+`","inputResponses":{}}`)
		}
		if got := retry("u", "a_echo", `{"y":2, "x":1}`, state); !strings.Contains(string(got.Result.Bytes), "s3cret") {
			t.Errorf("the honest retry failed: %+v", got)
		}
		for name, got := range map[string]mcpwire.Outcome{
			"another user":      retry("v", "a_echo", `{"x":1,"y":2}`, state),
			"another tool":      retry("u", "a_other", `{"x":1,"y":2}`, state),
			"other arguments":   retry("u", "a_echo", `{"x":1,"y":3}`, state),
			"a changed state":   retry("u", "a_echo", `{"x":1,"y":2}`, state[:len(state)-2]+"AA"),
			"an invented state": retry("u", "a_echo", `{"x":1,"y":2}`, "s3cret"),
		} {
			if got.Kind != mcpwire.Failed || got.Err.Code != mcpwire.CodeInvalidParams {
				t.Errorf("%s was accepted: %+v", name, got)
			}
		}
		time.Sleep(2 * time.Minute)
		if got := retry("u", "a_echo", `{"x":1,"y":2}`, state); got.Kind != mcpwire.Failed {
			t.Error("an expired state was accepted")
		}
	})
}

func TestResources_ownerByListThenTemplateThenOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := newFake("a"), newFake("b")
		a.lists.Templates = [][]byte{[]byte(`{"name":"t","uriTemplate":"x://{id}/data"}`)}
		b.lists.Resources = [][]byte{[]byte(`{"name":"r","uri":"x://1/data"}`)}
		a.serve = func(r *mcpwire.Request) mcpwire.Outcome {
			if strings.HasPrefix(r.Target, "unlisted:b") {
				return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeResourceNotFound, "no"))
			}
			return mcpwire.Done(mcpwire.Rev20251125, []byte(`{"from":"a"}`))
		}
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: a}, gateway.Member{Backend: b})
		synctest.Wait()
		for uri, want := range map[string]string{
			"x://1/data": "b", "x://2/data": "a", "unlisted:a": "a", "unlisted:b": "b",
			// The attack: a URI of megabytes, which takes seconds to hold against a
			// template. It is for nobody by template, and goes round like an unlisted one.
			"x://" + strings.Repeat("a", 2<<20) + "/data": "a",
		} {
			out := ask(t, g, legacy, "u", "resources/read", `{"uri":"`+uri+`"}`)
			if got := string(out.Result.Bytes); !strings.Contains(got, `"from":"`+want+`"`) {
				t.Errorf("%.40s: %s, want it from %s", uri, got, want)
			}
		}
	})
}

func TestAudit_destructiveCallsNeedTheirRowFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, r := newFake("a", "read"), &recorder{}
		a.lists.Tools = append(a.lists.Tools, []byte(`{"name":"wipe","annotations":{"destructiveHint":true}}`))
		g := newAudited(t, r, gateway.Config{}, &memShelf{}, gateway.Member{Backend: a})
		synctest.Wait()
		ask(t, g, modern, "u", "tools/call", `{"name":"read","arguments":{"of":"this"}}`)
		ask(t, g, modern, "u", "tools/call", `{"name":"wipe","arguments":{"of":"that"}}`)
		if one, two := string(r.rows[0].Digest[:]), string(r.rows[1].Digest[:]); !strings.HasPrefix(one, `{"of":"this"}`) || !strings.HasPrefix(two, `{"of":"that"}`) {
			t.Errorf("the rows have digests of %q and %q", one, two)
		}
		var got []account.Outcome
		for _, row := range r.rows {
			got = append(got, row.Outcome)
		}
		if len(got) != 3 || got[0] != account.Succeeded || got[1] != account.Pending || got[2] != account.Succeeded {
			t.Errorf("rows: %v", got)
		}
		r.full = true
		out := ask(t, g, modern, "u", "tools/call", `{"name":"wipe"}`)
		if out.Kind != mcpwire.Failed || len(a.calls) != 2 {
			t.Errorf("a destructive call ran without its audit row: %+v, %d calls", out, len(a.calls))
		}
		if out := ask(t, g, modern, "u", "tools/call", `{"name":"read"}`); out.Kind != mcpwire.Complete {
			t.Error("a reading call needs no row")
		}
	})
}

// The attack: a stolen key is used to try what tools there are, and somebody
// else's requestState; none of it reaches a backend, so nothing would show it.
func TestAudit_refusedCallsAreRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, r := newFake("a", "read"), &recorder{}
		g := newAudited(t, r, gateway.Config{}, &memShelf{}, gateway.Member{Backend: a})
		synctest.Wait()
		ask(t, g, modern, "u", "tools/call", `{"name":"ssh_exec"}`)
		ask(t, g, modern, "u", "tools/call", `{"name":"read","requestState":"forged"}`)
		if len(a.calls) != 0 || len(r.rows) != 2 {
			t.Fatalf("%d calls, rows %+v", len(a.calls), r.rows)
		}
		for i, target := range []string{"ssh_exec", "read"} {
			if row := r.rows[i]; row.Decision != account.Denied || row.Target != target || row.User == "" {
				t.Errorf("row %d: %+v", i, row)
			}
		}
	})
}
