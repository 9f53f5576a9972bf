package fake_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/truenas/fake"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{})
	there := func(id string) (ok bool) {
		s.With(func(n *fake.Seed) { ok = n.Dataset(id) != nil })
		return ok
	}
	create := func(p *peer, id string) { p.send("pool.dataset.create", map[string]any{"name": id}) }

	for i, c := range []struct {
		name  string
		fault fake.Fault
		done  bool
		close websocket.StatusCode // -1 for none
	}{
		{"dropped before", fake.Fault{Drop: true}, false, -1},
		{"dropped after", fake.Fault{Drop: true, Late: true}, true, -1},
		{"closed before", fake.Fault{Close: 1011}, false, 1011},
		{"closed after", fake.Fault{Close: 1001, Late: true}, true, 1001},
	} {
		p := admin(t, s)
		id := fmt.Sprintf("tank/new%d", i)
		c.fault.Method, c.fault.Times = "pool.dataset.*", 1
		s.Break(c.fault)
		create(p, id)
		if m, err := p.read(); err == nil || websocket.CloseStatus(err) != c.close {
			t.Errorf("%s: %s %v, want close %d", c.name, m.raw, err, c.close)
		}
		if there(id) != c.done {
			t.Errorf("%s: done is %t", c.name, !c.done)
		}
	}

	p := admin(t, s)
	s.Break(fake.Fault{Method: "pool.query", Skip: 1, Times: 1, Errno: 16, Reason: "busy"})
	if a, b, c := p.call("pool.query"), p.call("pool.query"), p.call("pool.query"); a.code() != 0 || b.reason() != "[EBUSY] busy" || c.code() != 0 {
		t.Errorf("the second of three: %d %q %d", a.code(), b.reason(), c.code())
	}
	s.Break(fake.Fault{Method: "pool.query", Times: 1, Garbled: true})
	p.send("pool.query")
	if m, err := p.read(); err == nil || json.Valid([]byte(m.raw)) {
		t.Errorf("garbled: %s", m.raw)
	}
	s.Break(fake.Fault{Times: 1, Raw: "<html>"})
	p.send("pool.query")
	if m, _ := p.read(); m.raw != "<html>" {
		t.Errorf("raw: %s", m.raw)
	}
	s.Break(fake.Fault{Times: 1, Pad: 5 << 20})
	if m := p.call("pool.query"); len(m.raw) < 5<<20 || m.Result == nil {
		t.Errorf("padded: %d bytes", len(m.raw))
	}
	s.Break(fake.Fault{Method: "pool.query", Drop: true})
	s.Mend()
	p.must("pool.query")

	s.Break(fake.Fault{Path: "/api/versions", Times: 1, Status: 429, Body: "slow down"})
	s.Break(fake.Fault{Path: "/api/versions", Times: 1, Status: 200, Body: "<html>"})
	if a, b, c := get(t, s, "/api/versions", nil), get(t, s, "/api/versions", nil), get(t, s, "/api/versions", nil); a != 429 || b != 200 || c != 200 {
		t.Errorf("HTTP: %d %d %d", a, b, c)
	}
	s.Break(fake.Fault{Path: "/api/current", Times: 1, Status: 502})
	_, resp, err := websocket.Dial(t.Context(), "wss"+strings.TrimPrefix(s.URL(), "https")+"/api/current", &websocket.DialOptions{HTTPClient: client(true)})
	if err == nil || resp == nil || resp.StatusCode != http.StatusBadGateway {
		t.Errorf("opening: %v", err)
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	clock := fake.NewClock(start)
	s := server(t, fake.Options{Clock: clock})
	p := admin(t, s)
	s.Break(fake.Fault{Method: "pool.dataset.create", Times: 1, Delay: time.Minute})
	id := p.send("pool.dataset.create", map[string]any{"name": "tank/slow"})
	if got := p.must("pool.dataset.query", []any{[]any{"id", "=", "tank/slow"}}, map[string]any{"count": true}); got != 1.0 {
		t.Errorf("the deed waits with its answer: %v", got)
	}
	s.Advance(time.Minute)
	if m := p.next(); m.ID != float64(id) || m.code() != 0 {
		t.Errorf("answer: %s", m.raw)
	}
}

// TestConcurrentCalls: ten run, ten wait, the next is refused.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	clock := fake.NewClock(start)
	s := server(t, fake.Options{Clock: clock})
	p := admin(t, s)
	s.Break(fake.Fault{Method: "system.info", Delay: time.Second})
	for range 20 {
		p.send("system.info")
	}
	if m := p.call("system.info"); m.code() != -32000 || m.Error.Message != "Maximum number of concurrent calls (20) has exceeded" || m.Error.Data != nil {
		t.Errorf("the 21st: %s", m.raw)
	}
	if clock.Waiting() != 10 {
		t.Errorf("%d run", clock.Waiting())
	}
	if got := admin(t, s).must("core.ping"); got != "pong" { // another connection has its own
		t.Error(got)
	}
	for range 2 {
		s.Advance(time.Second)
		for range 10 {
			if m := p.next(); m.code() != 0 {
				t.Errorf("answer: %s", m.raw)
			}
		}
	}
	p.must("core.ping")
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	clock := fake.NewClock(start)
	s := server(t, fake.Options{Clock: clock})
	p := admin(t, s)
	id := p.must("core.subscribe", "alert.list").(string)
	s.Tell("added", "alert.list", "x1", map[string]any{"level": "CRITICAL"})
	if e := p.event("alert.list").Params; e.Msg != "added" || e.ID != "x1" || e.Fields.(map[string]any)["level"] != "CRITICAL" {
		t.Errorf("event: %v", e)
	}
	p.must("core.unsubscribe", id)
	p.must("core.unsubscribe", "not there")
	s.Tell("added", "alert.list", "x2", nil)
	p.must("core.ping")
	if len(p.events) != 0 {
		t.Errorf("after unsubscribing: %v", p.events)
	}

	stats := `reporting.realtime:{"interval":3}`
	p.must("core.subscribe", stats)
	first := p.event(stats).Params.Fields.(map[string]any)
	s.Advance(3 * time.Second)
	if second := p.event(stats).Params.Fields.(map[string]any); first["memory"] == nil || second["cpu"] == nil {
		t.Errorf("realtime: %v", second)
	}
	p.must("core.subscribe", `app.stats:{"interval":2}`)
	if rows := p.event(`app.stats:{"interval":2}`).Params.Fields.([]any); len(rows) != 3 {
		t.Errorf("stats: %v", rows)
	}

	var container string
	s.With(func(n *fake.Seed) { container = n.App("plex").Containers[0].ID })
	follow := fmt.Sprintf(`app.container_log_follow:{"app_name":"plex","container_id":%q,"tail_lines":1}`, container)
	p.must("core.subscribe", follow)
	if e := p.event(follow).Params.Fields.(map[string]any); e["data"] != "Library scan <done>.\n" || e["timestamp"] == "" {
		t.Errorf("the end of the log: %v", e)
	}
	s.Log("plex", "plex", "and more")
	if e := p.event(follow).Params.Fields.(map[string]any); e["data"] != "and more\n" {
		t.Errorf("what is written now: %v", e)
	}
	if got := s.Subscriptions(); len(got) != 3 || !slices.Contains(got, follow) {
		t.Errorf("listened to: %v", got)
	}

	for name, says := range map[string]string{
		`app.container_log_follow:{"app_name":"jellyfin","container_id":"x"}`: "[EFAULT] Unable to retrieve logs of stopped 'jellyfin' app",
		`app.container_log_follow:{"app_name":"plex","container_id":"x"}`:     "[ENOENT] Container \"x\" not found in app \"plex\"",
		`app.container_log_follow:{"app_name":"plex"}`:                        "Field required",
		`reporting.realtime:{"interval":1}`:                                   "Input should be greater than or equal to 2",
	} {
		if m := p.call("core.subscribe", name); m.code() != 0 {
			t.Errorf("%s: %s", name, m.raw)
		}
		if e := p.event(name); e.Method != "notify_unsubscribed" || !strings.Contains(fmt.Sprint(e.Params.Error["reason"]), says) {
			t.Errorf("%s: %s", name, e.raw)
		}
	}
}

// TestCrowd: many connections at once, for the race detector; and nothing left after.
func TestCrowd(t *testing.T) {
	t.Parallel()
	s := fake.New(fake.Options{})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	peers := make([]*peer, 8)
	for i := range peers {
		peers[i] = admin(t, s)
	}
	var crowd sync.WaitGroup
	for i, p := range peers {
		crowd.Go(func() {
			p.must("core.subscribe", "core.get_jobs")
			for n := range 5 {
				p.must("pool.dataset.create", map[string]any{"name": fmt.Sprintf("tank/p%d-%d", i, n)})
				p.must("pool.dataset.query", []any{[]any{"id", "^", "tank/p"}}, map[string]any{"select": []any{"id"}, "extra": map[string]any{"properties": []any{}, "retrieve_children": false}})
				p.must("app.redeploy", "plex")
			}
		})
	}
	crowd.Wait()
	n := 0
	s.With(func(seed *fake.Seed) { n = len(seed.Below("tank")) })
	if n < 40 || len(s.Jobs()) != 40 {
		t.Errorf("%d datasets, %d jobs", n, len(s.Jobs()))
	}
	ids := map[int]bool{}
	for _, j := range s.Jobs() {
		ids[j.ID] = true
	}
	if len(ids) != 40 {
		t.Errorf("%d different ids", len(ids))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s.Connections() != 0 {
		t.Errorf("%d connections after Close", s.Connections())
	}
}

// TestClose_leavesNothing is not parallel: it counts goroutines of the fake in the stacks
// of all.
func TestClose_leavesNothing(t *testing.T) {
	before := ours()
	s := fake.New(fake.Options{JobTime: map[string]time.Duration{"": time.Hour}})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	p := admin(t, s)
	p.must("core.subscribe", `reporting.realtime:{"interval":2}`)
	p.must("app.stop", "plex")
	s.Break(fake.Fault{Method: "pool.query", Delay: time.Hour})
	p.send("pool.query")
	p.must("core.ping")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// A goroutine that has said that it is done may still have to return.
	for end := time.Now().Add(10 * time.Second); ours() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines of the fake before, %d after", before, ours())
		}
	}
}

func ours() int {
	buf := make([]byte, 1<<20)
	n := 0
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "truenas/fake.") || strings.Contains(stack, "truenas/fake/") {
			if !strings.Contains(stack, "fake_test.") {
				n++
			}
		}
	}
	return n
}
