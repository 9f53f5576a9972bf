package rpc_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/fake"
	"drawbridge/internal/servers/truenas/rpc"
)

// now is a clock that a test moves.
type now struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (n *now) Now() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.at
}

func (n *now) pass(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = n.at.Add(d)
}

// dial makes a pool toward a fake.
func dial(t *testing.T, o fake.Options, change func(*kit.Target)) (*fake.Server, *rpc.Pool, *now) {
	t.Helper()
	nas := fake.New(o)
	srv := httptest.NewUnstartedServer(nas)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	sum := sha256.Sum256(srv.Certificate().Raw)
	target := kit.Target{Name: "TrueNAS", URL: srv.URL, SecureOnly: true, Fingerprint: hex.EncodeToString(sum[:])}
	if change != nil {
		change(&target)
	}
	up, err := kit.Deps{Log: slog.New(slog.DiscardHandler), Now: time.Now}.Upstream(target)
	if err != nil {
		t.Fatal(err)
	}
	clock := &now{at: time.Now()}
	pool := rpc.NewPool(up, clock.Now)
	t.Cleanup(func() {
		pool.Close()
		if err := nas.Close(); err != nil {
			t.Errorf("close the fake: %v", err)
		}
		srv.Close()
	})
	return nas, pool, clock
}

func admin() rpc.Key { return rpc.Key{User: fake.AdminUser, Key: secret.New(fake.AdminKey)} }

func get(t *testing.T, p *rpc.Pool, k rpc.Key) *rpc.Line {
	t.Helper()
	line, err := p.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// Each release is spoken to in its own version, with the login it prefers: by SCRAM the
// key stays here.
func TestPool_releases(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		release fake.Version
		api     rpc.Release
		login   string
		key     bool // goes over the wire
	}{
		{fake.V2504, rpc.Release{25, 4, 2}, "API_KEY_PLAIN", true},
		{fake.V2510, rpc.Release{25, 10, 2}, "API_KEY_PLAIN", true},
		{fake.V26, rpc.Release{26, 0, 0}, "SCRAM", false},
	} {
		t.Run(tc.api.String(), func(t *testing.T) {
			t.Parallel()
			nas, pool, _ := dial(t, fake.Options{Version: tc.release}, nil)
			line := get(t, pool, admin())
			if line.API != tc.api || len(line.Roles) == 0 {
				t.Errorf("API %v, roles %v", line.API, line.Roles)
			}
			sent := strings.Join(nas.Frames(), "\n")
			if !strings.Contains(sent, tc.login) || strings.Contains(sent, strings.SplitN(fake.AdminKey, "-", 2)[1]) != tc.key {
				t.Errorf("sent:\n%s", sent)
			}
			var pong string
			if err := line.Call(t.Context(), "core.ping", nil, &pong); err != nil || pong != "pong" {
				t.Errorf("%q %v", pong, err)
			}
			if again := get(t, pool, admin()); again != line || nas.Connections() != 1 {
				t.Errorf("%d connections", nas.Connections())
			}
		})
	}
}

// A server that offers no version we know is spoken to in its own.
func TestPool_versions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ offered, path string }{
		"newer than all":   {`["v27.0.0","v28.0.0"]`, "current"},
		"newer, and known": {`["v25.10.0","v26.0.0","v27.0.0"]`, "v26.0.0"},
		"not for a path":   {`["v26.0.0/../..","v25.10.2"]`, "v25.10.2"},
		"none":             {`[]`, "current"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nas, pool, _ := dial(t, fake.Options{Version: fake.V26}, nil)
			nas.Break(fake.Fault{Path: "/api/versions", Status: 200, Body: tc.offered})
			get(t, pool, admin())
			for _, r := range nas.Requests() {
				if strings.TrimPrefix(r.API, "/api/") != tc.path {
					t.Errorf("%s over %q", r.Method, r.API)
				}
			}
		})
	}
	nas, pool, _ := dial(t, fake.Options{}, nil)
	nas.Break(fake.Fault{Path: "/api/versions", Status: 404})
	if _, err := pool.Get(t.Context(), admin()); err == nil || !strings.Contains(fault.PublicOf(err), "25.04 or newer") {
		t.Errorf("%v", err)
	}
}

// What ends a login, and in which words.
func TestPool_login(t *testing.T) {
	t.Parallel()
	key := func(user, text string) rpc.Key { return rpc.Key{User: user, Key: secret.New(text)} }
	for name, tc := range map[string]struct {
		o    fake.Options
		k    rpc.Key
		says string // "" where it works
	}{
		"wrong key":          {fake.Options{}, key(fake.AdminUser, "1-wrong"), "does not accept the API key"},
		"wrong key on 26":    {fake.Options{Version: fake.V26}, key(fake.AdminUser, "1-wrong"), "does not accept the API key"},
		"wrong user":         {fake.Options{}, key("someone", fake.AdminKey), "does not accept the API key"},
		"expired":            {fake.Options{}, key(fake.AdminUser, fake.ExpiredKey), "expired or was revoked"},
		"revoked":            {fake.Options{}, key(fake.AdminUser, fake.RevokedKey), "expired or was revoked"},
		"expired on 26":      {fake.Options{Version: fake.V26}, key(fake.AdminUser, fake.ExpiredKey), "has not expired"},
		"no roles":           {fake.Options{}, key(fake.NobodyUser, fake.NobodyKey), "may not use the API"},
		"standby":            {fake.Options{Redirect: []string{"https://other.example"}}, admin(), "stands by"},
		"no form":            {fake.Options{}, key(fake.AdminUser, "letmein"), "not of the form"},
		"no user, 25.04":     {fake.Options{Version: fake.V2504}, key("", fake.AdminKey), ""},
		"no user, 26":        {fake.Options{Version: fake.V26}, key("", fake.AdminKey), ""},
		"no user, wrong key": {fake.Options{}, key("", "1-wrong"), "does not accept the API key"},
		"26 without SCRAM":   {fake.Options{Version: fake.V26, Mechanisms: []string{"API_KEY_PLAIN"}}, admin(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nas, pool, _ := dial(t, tc.o, nil)
			_, err := pool.Get(t.Context(), tc.k)
			if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(fault.PublicOf(err), tc.says) {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), tc.k.Key.Reveal()) {
				t.Errorf("the error has the key: %v", err)
			}
			_ = nas
		})
	}
}

// A server that has dropped the old login wants a user name.
func TestPool_oldLoginGone(t *testing.T) {
	t.Parallel()
	nas, pool, _ := dial(t, fake.Options{Version: fake.V26}, nil)
	nas.Break(fake.Fault{Method: "auth.login_with_api_key", Raw: `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method does not exist"}}`})
	_, err := pool.Get(t.Context(), rpc.Key{Key: secret.New(fake.AdminKey)})
	if err == nil || !strings.Contains(fault.PublicOf(err), "TRUENAS_USERNAME") {
		t.Errorf("%v", err)
	}
}

// A server that cannot sign what only one who knows the key can is not believed.
func TestPool_notGenuine(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"bad signature": `{"jsonrpc":"2.0","id":3,"result":{"response_type":"SCRAM_RESPONSE","scram_type":"SERVER_FINAL_RESPONSE","rfc_str":"v=AAAA","user_info":null}}`,
		"no signature":  `{"jsonrpc":"2.0","id":3,"result":{"response_type":"SUCCESS","user_info":null}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nas, pool, _ := dial(t, fake.Options{Version: fake.V26}, nil)
			nas.Break(fake.Fault{Method: "auth.login_ex", Skip: 1, Raw: raw})
			_, err := pool.Get(t.Context(), admin())
			if err == nil || !strings.Contains(fault.PublicOf(err), "could not prove") {
				t.Errorf("%v", err)
			}
		})
	}
}

// The certificate counts before anything is sent.
func TestPool_certificate(t *testing.T) {
	t.Parallel()
	nas, pool, _ := dial(t, fake.Options{}, func(target *kit.Target) { target.Fingerprint = strings.Repeat("ab", 32) })
	if _, err := pool.Get(t.Context(), admin()); err == nil || !strings.Contains(fault.PublicOf(err), "certificate") || len(nas.Frames()) > 0 {
		t.Errorf("%v, sent %v", err, nas.Frames())
	}
	nas, pool, _ = dial(t, fake.Options{}, func(target *kit.Target) { target.Fingerprint = "" })
	if _, err := pool.Get(t.Context(), admin()); err == nil || !strings.Contains(fault.PublicOf(err), "certificate") || len(nas.Frames()) > 0 {
		t.Errorf("%v, sent %v", err, nas.Frames())
	}
}

// A call of which nothing was sent, one whose answer was lost, and what follows.
func TestConn_lost(t *testing.T) {
	t.Parallel()
	nas, pool, _ := dial(t, fake.Options{}, nil)
	line := get(t, pool, admin())
	nas.Break(fake.Fault{Method: "core.ping", Drop: true, Late: true, Times: 1})
	if err := line.Call(t.Context(), "core.ping", nil, nil); !errors.Is(err, rpc.ErrLost) {
		t.Errorf("lost: %v", err)
	}
	<-line.Done()
	if err := line.Call(t.Context(), "core.ping", nil, nil); !errors.Is(err, rpc.ErrUnsent) || line.Alive() {
		t.Errorf("unsent: %v", err)
	}
	if n := nas.Called("core.ping"); n != 1 {
		t.Errorf("%d pings arrived", n)
	}
	next := get(t, pool, admin())
	if next == line || next.Call(t.Context(), "core.ping", nil, nil) != nil {
		t.Error("no new connection")
	}
	nas.Restart(fake.Restart{})
	<-next.Done()
	if err := get(t, pool, admin()).Call(t.Context(), "core.ping", nil, nil); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// A connection that was idle is tried before it is used: nothing but a ping can be lost.
func TestPool_idle(t *testing.T) {
	t.Parallel()
	nas, pool, clock := dial(t, fake.Options{}, nil)
	line := get(t, pool, admin())
	clock.pass(time.Hour)
	if get(t, pool, admin()) != line || nas.Called("core.ping") != 1 {
		t.Errorf("%d pings", nas.Called("core.ping"))
	}
	clock.pass(time.Hour)
	nas.Break(fake.Fault{Method: "core.ping", Drop: true, Times: 1})
	if get(t, pool, admin()) == line {
		t.Error("a dead connection is used")
	}
}

// The end of the caller's patience ends the call and nothing else.
func TestConn_patience(t *testing.T) {
	t.Parallel()
	clock := fake.NewClock(time.Now())
	nas, pool, _ := dial(t, fake.Options{Clock: clock}, nil)
	line := get(t, pool, admin())
	nas.Break(fake.Fault{Method: "core.ping", Delay: time.Hour, Times: 1})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- line.Call(ctx, "core.ping", nil, nil) }() // ends with ctx
	until(t, func() bool { return nas.Called("core.ping") > 0 })
	cancel()
	if err := <-over; !errors.Is(err, rpc.ErrLost) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := line.Call(t.Context(), "core.ping", nil, nil); err != nil {
		t.Errorf("the connection is spoilt: %v", err)
	}
	if err := line.Call(ctx, "core.ping", nil, nil); !errors.Is(err, rpc.ErrUnsent) {
		t.Errorf("over before it began: %v", err)
	}
}

// The limits of the middleware are kept: it would end the connection, or refuse.
func TestConn_limits(t *testing.T) {
	t.Parallel()
	clock := fake.NewClock(time.Now())
	nas, pool, _ := dial(t, fake.Options{Clock: clock}, nil)
	line := get(t, pool, admin())
	if err := line.Call(t.Context(), "core.ping", []any{strings.Repeat("x", 70_000)}, nil); fault.CodeOf(err) != fault.Limited {
		t.Errorf("%v", err)
	}
	nas.Break(fake.Fault{Method: "core.ping", Delay: time.Minute}) // so that they pile up
	over := make(chan struct{})
	defer func() { <-over }()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // ends when the calls have
		defer close(over)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				clock.Advance(time.Minute)
			}
		}
	}()
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() {
			if err := line.Call(t.Context(), "core.ping", nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if nas.Connections() != 1 {
		t.Errorf("%d connections", nas.Connections())
	}
}

// Subscribers of one collection share a subscription; the last one ends it.
func TestConn_subscribe(t *testing.T) {
	t.Parallel()
	nas, pool, _ := dial(t, fake.Options{}, nil)
	line := get(t, pool, admin())
	a, err := line.Subscribe(t.Context(), "alert.list")
	if err != nil {
		t.Fatal(err)
	}
	b, err := line.Subscribe(t.Context(), "alert.list")
	if err != nil {
		t.Fatal(err)
	}
	nas.Tell("added", "alert.list", "7", map[string]any{"uuid": "7"})
	for _, s := range []*rpc.Subscription{a, b} {
		e := <-s.Events
		var fields struct{ UUID string }
		if json.Unmarshal(e.Fields, &fields) != nil || fields.UUID != "7" || e.Kind != "added" {
			t.Errorf("%+v", e)
		}
	}
	if n := nas.Called("core.subscribe"); n != 1 {
		t.Errorf("%d subscriptions", n)
	}
	a.Close(t.Context())
	if _, open := <-a.Events; open || len(nas.Subscriptions()) != 1 {
		t.Errorf("%v", nas.Subscriptions())
	}
	b.Close(t.Context())
	b.Close(t.Context())
	if len(nas.Subscriptions()) != 0 {
		t.Errorf("%v", nas.Subscriptions())
	}
	c, err := line.Subscribe(t.Context(), "alert.list")
	if err != nil {
		t.Fatal(err)
	}
	nas.Restart(fake.Restart{})
	if _, open := <-c.Events; open {
		t.Error("an event after the end")
	}
	if _, err := line.Subscribe(t.Context(), "alert.list"); !errors.Is(err, rpc.ErrUnsent) {
		t.Errorf("%v", err)
	}
}

// What is not the API ends the connection: nothing on it can be believed.
func TestConn_garbage(t *testing.T) {
	t.Parallel()
	nas, pool, _ := dial(t, fake.Options{}, nil)
	line := get(t, pool, admin())
	nas.Break(fake.Fault{Method: "core.ping", Raw: "<html>", Times: 1})
	if err := line.Call(t.Context(), "core.ping", nil, nil); !errors.Is(err, rpc.ErrLost) {
		t.Errorf("%v", err)
	}
	line = get(t, pool, admin())
	var n int
	if err := line.Call(t.Context(), "core.ping", nil, &n); err == nil || strings.Contains(err.Error(), "pong") {
		t.Errorf("another type: %v", err)
	}
}

// A closed pool opens nothing.
func TestPool_closed(t *testing.T) {
	t.Parallel()
	nas, pool, _ := dial(t, fake.Options{}, nil)
	line := get(t, pool, admin())
	pool.Close()
	<-line.Done()
	before := len(nas.Frames())
	defer func() {
		if len(nas.Frames()) != before {
			t.Error("something was sent")
		}
	}()
	if _, err := pool.Get(t.Context(), admin()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}
