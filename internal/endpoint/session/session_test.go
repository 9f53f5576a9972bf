package session_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/sessiontest"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
)

var (
	alice = account.Principal{User: "alice", Credential: "key_1"}
	bob   = account.Principal{User: "bob", Credential: "key_2"}
)

const hello = `{"protocolVersion":"2025-11-25","capabilities":{"roots":{},"sampling":{"tools":{}}},"clientInfo":{"name":"c","version":"2","title":"gone"}}`

func create(t *testing.T, table *session.Table, params string) string {
	t.Helper()
	s, _, err := table.Create(t.Context(), alice, []byte(params))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	return s.ID()
}

func TestTable_sessionSurvivesRestart(t *testing.T) {
	t.Parallel()
	hub, store := sessiontest.NewHub(), sessiontest.NewStore()
	first := sessiontest.NewTable(t, hub, store)
	id := create(t, first, hello)
	was, err := first.Acquire(t.Context(), alice, id)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()

	second := sessiontest.NewTable(t, hub, store)
	s, err := second.Acquire(t.Context(), alice, id)
	if err != nil {
		t.Fatal(err)
	}
	c := s.Caller()
	if c.Revision != mcpwire.Rev20251125 || string(c.Info) != `{"name":"c","version":"2"}` ||
		string(c.Capabilities) != `{"roots":{},"sampling":{"tools":{}}}` || !c.Can.Roots || !c.Can.SamplingTools || c.Can.Elicitation {
		t.Errorf("caller after the restart: %+v", c)
	}
	if c.Session == "" || c.Session != was.Caller().Session || strings.Contains(id, c.Session) {
		t.Errorf("name of the session: %q, was %q", c.Session, was.Caller().Session)
	}
	if again, err := second.Acquire(t.Context(), alice, id); err != nil || again != s {
		t.Errorf("second request: another session or %v", err)
	}
}

func TestTable_notFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub, store := sessiontest.NewHub(), sessiontest.NewStore()
		table := sessiontest.NewTable(t, hub, store)
		id := create(t, table, hello)
		other, err := session.NewSealer(secret.New(strings.Repeat("another key", 3)))
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := session.NewTable(nil, hub, other, store, session.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		defer foreign.Close()
		expect := func(what string, table *session.Table, p account.Principal, id string) {
			t.Helper()
			if _, err := table.Acquire(t.Context(), p, id); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s: %v", what, err)
			}
		}
		expect("another principal", table, bob, id)
		expect("another key of the user", table, account.Principal{User: "alice", Credential: "key_2"}, id)
		expect("owner spelled in another place", table, account.Principal{User: "alice\x00key_1"}, id)
		expect("another installation", foreign, alice, id)
		expect("with a line break", table, alice, id[:9]+"\n"+id[9:])
		expect("nonsense", table, alice, "nonsense")

		time.Sleep(session.DefaultConfig().TTL)
		expect("expired", table, alice, id)
	})
}

func TestTable_brokenStore(t *testing.T) {
	t.Parallel()
	store := sessiontest.NewStore()
	table := sessiontest.NewTable(t, sessiontest.NewHub(), store)
	id := create(t, table, hello)
	awake, _ := table.Acquire(t.Context(), alice, id)
	store.Break()
	if err := table.End(t.Context(), awake); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("end: %v", err)
	}
	fresh := sessiontest.NewTable(t, sessiontest.NewHub(), store)
	_, err := fresh.Acquire(t.Context(), alice, id)
	if fault.CodeOf(err) != fault.Unavailable || strings.Contains(fault.PublicOf(err), "fire") {
		t.Errorf("wake: %v", err)
	}
}

// Idle sessions leave memory and come back; those with a stream or a call stay.
func TestTable_idle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := sessiontest.NewHub()
		table := sessiontest.NewTable(t, hub, sessiontest.NewStore())
		idle, held := create(t, table, hello), create(t, table, hello)
		s, err := table.Acquire(t.Context(), alice, held)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.OpenWatch(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		if n := table.Live(); n != 1 {
			t.Errorf("%d sessions in memory", n)
		}
		again, err := table.Acquire(t.Context(), alice, idle)
		if err != nil {
			t.Fatal(err)
		}
		again.Release()
		s.Release()
		time.Sleep(20 * time.Minute)
		if n := table.Live(); n != 0 || len(hub.Watches()) != 0 {
			t.Errorf("%d sessions in memory, %d watches", n, len(hub.Watches()))
		}
	})
}

func TestTable_full(t *testing.T) {
	t.Parallel()
	table := sessiontest.NewTable(t, sessiontest.NewHub(), sessiontest.NewStore(), func(c *session.Config) { c.MaxLive = 50 })
	first := create(t, table, hello)
	for range 200 {
		create(t, table, hello)
	}
	if n := table.Live(); n > 50 {
		t.Errorf("%d sessions in memory", n)
	}
	if _, err := table.Acquire(t.Context(), alice, first); err != nil {
		t.Errorf("the first one: %v", err)
	}
}

// However requests and the end of a session interleave, a session that was ended
// is not there afterwards.
func TestTable_endAgainstWake(t *testing.T) {
	t.Parallel()
	for range 50 {
		hub, store := sessiontest.NewHub(), sessiontest.NewStore()
		before := sessiontest.NewTable(t, hub, store)
		id := create(t, before, hello)
		table := sessiontest.NewTable(t, hub, store)
		s, err := table.Acquire(t.Context(), alice, id)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if s, err := table.Acquire(context.WithoutCancel(t.Context()), alice, id); err == nil {
					s.Release()
				}
			})
		}
		if err := table.End(t.Context(), s); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if _, err := table.Acquire(t.Context(), alice, id); fault.CodeOf(err) != fault.NotFound {
			t.Fatalf("after the end: %v", err)
		}
	}
}

// hooked runs something in the middle of a session's waking.
type hooked struct {
	*sessiontest.Store
	hook func()
}

func (h *hooked) LoadSettings(ctx context.Context, key string) (session.Settings, error) {
	if f := h.hook; f != nil {
		h.hook = nil
		f()
	}
	return h.Store.LoadSettings(ctx, key)
}

// A session that ends after the store was asked about it must not wake.
func TestTable_endsWhileItWakes(t *testing.T) {
	t.Parallel()
	hub, store := sessiontest.NewHub(), &hooked{Store: sessiontest.NewStore()}
	before := sessiontest.NewTable(t, hub, store)
	id := create(t, before, hello)
	s, err := before.Acquire(t.Context(), alice, id)
	if err != nil {
		t.Fatal(err)
	}
	table := sessiontest.NewTable(t, hub, store)
	store.hook = func() {
		if err := table.End(t.Context(), s); err != nil {
			t.Error(err)
		}
	}
	if _, err := table.Acquire(t.Context(), alice, id); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("woke with %v", err)
	}
}

// eager is a hub that has something to say before Watch returns.
type eager struct{ *sessiontest.Hub }

func (e eager) Watch(ctx context.Context, c *mcpwire.Caller, f mcpwire.Filter, sink mcpwire.Sink) (mcpwire.Watch, *mcpwire.Error) {
	sink.Notify(mcpwire.Notification{Method: mcpwire.MethodToolsChanged})
	return e.Hub.Watch(ctx, c, f, sink)
}

type frames []string

func (f *frames) Push(frame []byte) { *f = append(*f, string(frame)) }

func TestListen_acknowledgedFirst(t *testing.T) {
	t.Parallel()
	table := sessiontest.NewTable(t, eager{sessiontest.NewHub()}, sessiontest.NewStore())
	req := &mcpwire.Request{Params: []byte(`{"notifications":{"toolsListChanged":true}}`), Caller: &mcpwire.Caller{Revision: mcpwire.LatestModern}}
	var out frames
	l, err := table.Listen(t.Context(), req, []byte("1"), &out)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if len(out) != 2 || !strings.Contains(out[0], "acknowledged") || !strings.Contains(out[1], "list_changed") {
		t.Errorf("messages %v", out)
	}
}

func TestTable_settingsSurvive(t *testing.T) {
	t.Parallel()
	hub, store := sessiontest.NewHub(), sessiontest.NewStore()
	table := sessiontest.NewTable(t, hub, store)
	id := create(t, table, hello)
	serve := func(table *session.Table, method, params string) {
		t.Helper()
		s, err := table.Acquire(t.Context(), alice, id)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release()
		req, rerr := mcpwire.NewRequest(method, "", []byte(params))
		if rerr != nil {
			t.Fatal(rerr)
		}
		if o := table.Serve(t.Context(), s, req, discard{}); o.Kind != mcpwire.Complete {
			t.Errorf("%s: %v", method, o.Err)
		}
	}
	serve(table, mcpwire.MethodSetLevel, `{"level":"warning"}`)
	serve(table, mcpwire.MethodSubscribe, `{"uri":"a:b"}`)
	table.Close()

	table = sessiontest.NewTable(t, hub, store)
	s, err := table.Acquire(t.Context(), alice, id)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Caller().LogLevel; got != "warning" {
		t.Errorf("log level %q", got)
	}
	if n := len(hub.Watches()); n != 0 {
		t.Errorf("%d watches before anybody listens", n)
	}
	if err := s.OpenWatch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(hub.Watches()[0].Accepted().Resources); got != "[a:b]" {
		t.Errorf("subscriptions %s", got)
	}
}

type discard struct{}

func (discard) Push([]byte) {}

// What a client says of itself must not blow up every header it sends.
func TestCreate_boundsTheID(t *testing.T) {
	t.Parallel()
	table := sessiontest.NewTable(t, sessiontest.NewHub(), sessiontest.NewStore())
	long := strings.Repeat("é", 4000)
	id := create(t, table, `{"protocolVersion":"2025-11-25","capabilities":{"roots":{},"experimental":{"x":"`+long+`"}},"clientInfo":{"name":"`+long+`","version":"`+long+`","icons":[]}}`)
	if len(id) > 1024 {
		t.Errorf("an id of %d bytes", len(id))
	}
	s, err := table.Acquire(t.Context(), alice, id)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Caller().Can.Roots {
		t.Error("the roots capability is lost")
	}
}

func TestNewSealer_shortKey(t *testing.T) {
	t.Parallel()
	if _, err := session.NewSealer(secret.New("short")); err == nil {
		t.Error("taken")
	}
}

func TestConfig_validate(t *testing.T) {
	t.Parallel()
	if err := session.DefaultConfig().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	for name, change := range map[string]func(*session.Config){
		"body":      func(c *session.Config) { c.MaxBody = 0 },
		"ttl":       func(c *session.Config) { c.TTL = 0 },
		"live":      func(c *session.Config) { c.MaxLive = 0 },
		"ring":      func(c *session.Config) { c.RingBytes = -1 },
		"keepalive": func(c *session.Config) { c.KeepAlive = 0 },
	} {
		c := session.DefaultConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
