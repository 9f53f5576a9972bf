package backend_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

func TestPool_eachPrincipalAndFingerprintHasItsOwnSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		d.serve = func(ctx context.Context, p *fakePeer, _ *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			return mcpwire.Done(mcpwire.Rev20251125, []byte(`"`+p.who.User+`"`))
		}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		synctest.Wait()
		serve := func(user string, can mcpwire.Capabilities, rev mcpwire.Revision) string {
			req := toolCall(t)
			req.Caller = &mcpwire.Caller{Revision: rev, Can: can}
			out := b.Serve(as(t, user), req, &deaf{})
			return string(out.Result.Bytes)
		}
		elicit := mcpwire.Capabilities{Elicitation: true}
		for _, tt := range []struct {
			user  string
			can   mcpwire.Capabilities
			rev   mcpwire.Revision
			dials int // in all, the main session included
		}{
			{"ann", mcpwire.Capabilities{}, mcpwire.Rev20251125, 2},
			{"ann", mcpwire.Capabilities{}, mcpwire.Rev20251125, 2},
			{"bob", mcpwire.Capabilities{}, mcpwire.Rev20251125, 3},
			{"ann", elicit, mcpwire.Rev20251125, 4},
			{"ann", elicit, mcpwire.Rev20260728, 4}, // a modern caller's questions are not relayed
			{"bob", elicit, mcpwire.Rev20250618, 5},
		} {
			if got := serve(tt.user, tt.can, tt.rev); got != `"`+tt.user+`"` {
				t.Errorf("%+v was served by the session of %s", tt, got)
			}
			if n := d.count(); n != tt.dials {
				t.Errorf("%+v: %d dials, want %d", tt, n, tt.dials)
			}
		}
		// What is told at one address is not for the same caller's other address.
		office := account.WithPrincipal(t.Context(), account.Principal{User: "ann", Credential: "key_ann", Role: account.RoleMember, Profile: "office"})
		req := toolCall(t)
		req.Caller = &mcpwire.Caller{Revision: mcpwire.Rev20251125}
		if b.Serve(office, req, &deaf{}); d.count() != 6 {
			t.Errorf("another profile: %d dials, want 6", d.count())
		}
		// Some servers offer tools only to clients that can answer what these ask.
		every := mcpwire.Capabilities{Elicitation: true, ElicitationURL: true, Sampling: true, SamplingTools: true, Roots: true}
		if hello := d.peer(t, 0).hello; hello.Capabilities != every {
			t.Errorf("the main session declares %+v", hello)
		}
		if hello := d.peer(t, 3).hello; hello.Capabilities != elicit {
			t.Errorf("ann's session declares %+v", hello)
		}
		if n := d.peer(t, 0).asked("tools/call x"); n != 0 {
			t.Errorf("%d calls ran on the main session", n)
		}
	})
}

func TestPool_openedOnceForManyCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		synctest.Wait()
		d.mu.Lock()
		d.stall = make(chan struct{})
		d.mu.Unlock()
		first, cancel := context.WithCancel(as(t, "ann"))
		outs := make(chan mcpwire.Outcome, 10)
		go func() { outs <- b.Serve(first, toolCall(t), &deaf{}) }()
		synctest.Wait()
		for range 9 {
			go func() { outs <- b.Serve(as(t, "ann"), toolCall(t), &deaf{}) }()
		}
		synctest.Wait()
		cancel() // the one that began it goes away; the others still wait
		<-outs
		close(d.stall)
		for range 9 {
			if out := <-outs; string(out.Result.Bytes) != `{}` {
				t.Errorf("got %s", out.Result.Bytes)
			}
		}
		if n := d.count(); n != 2 {
			t.Errorf("%d dials, want the main one and ann's", n)
		}
	})
}

func TestPool_sharedAndModernUseOneSession(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		d   *fakeDialer
		cfg backend.Config
	}{
		"shared by nature": {&fakeDialer{shared: true, info: legacyInfo}, backend.Config{}},
		"shared by wish":   {&fakeDialer{info: legacyInfo}, backend.Config{Shared: true}},
		"modern":           {&fakeDialer{info: modernInfo}, backend.Config{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, _ := start(t, tt.d, tt.cfg)
			defer b.Stop(t.Context())
			for _, user := range []string{"ann", "bob"} {
				if out := b.Serve(as(t, user), toolCall(t), &deaf{}); out.Kind != mcpwire.Complete {
					t.Errorf("%s: %+v", name, out)
				}
			}
			if n := tt.d.count(); n != 1 {
				t.Errorf("%s: %d dials", name, n)
			}
		})
	}
}

func TestPool_needsAPrincipal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		out := b.Serve(t.Context(), request(t, mcpwire.MethodPromptsGet, `{"name":"x"}`), &deaf{})
		if out.Kind != mcpwire.Failed || d.count() != 1 {
			t.Errorf("nobody got %+v after %d dials", out, d.count())
		}
	})
}

func TestPool_idleSessionsExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		b.Serve(as(t, "ann"), toolCall(t), &deaf{})
		if err := b.Subscribe(as(t, "bob"), toolCall(t).Caller, "file:///a"); err != nil {
			t.Fatal(err)
		}
		if s := b.Status(); s.Sessions != 3 {
			t.Errorf("%d sessions", s.Sessions)
		}
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if d.peer(t, 1).closed.Load() {
			t.Error("closed before its time")
		}
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if !d.peer(t, 1).closed.Load() {
			t.Error("ann's session is idle and was kept")
		}
		if d.peer(t, 2).closed.Load() || d.peer(t, 0).closed.Load() {
			t.Error("a session that somebody is subscribed through was closed, or the main one")
		}
		if s := b.Status(); s.Sessions != 2 {
			t.Errorf("%d sessions", s.Sessions)
		}
	})
}

func TestPool_roomIsMadeForNewCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := &fakeDialer{info: legacyInfo}
		d.serve = func(_ context.Context, p *fakePeer, _ *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			if p.who.User == "busy" {
				<-release
			}
			return mcpwire.Done(mcpwire.Rev20251125, []byte(`{}`))
		}
		b, _ := start(t, d, backend.Config{MaxSessions: 2})
		defer b.Stop(t.Context())
		busy := make(chan mcpwire.Outcome, 2)
		go func() { busy <- b.Serve(as(t, "busy"), toolCall(t), &deaf{}) }()
		synctest.Wait()
		for _, user := range []string{"ann", "bob"} { // bob takes the place of ann
			if out := b.Serve(as(t, user), toolCall(t), &deaf{}); string(out.Result.Bytes) != `{}` {
				t.Errorf("%s got %s", user, out.Result.Bytes)
			}
			time.Sleep(time.Second)
		}
		if !d.peer(t, 2).closed.Load() || d.peer(t, 1).closed.Load() {
			t.Error("not the session that was idle for longest was closed")
		}
		go func() {
			req := toolCall(t)
			req.Caller.Can.Roots = true
			busy <- b.Serve(as(t, "busy"), req, &deaf{}) // takes the place of bob
		}()
		synctest.Wait()
		out := b.Serve(as(t, "eve"), toolCall(t), &deaf{})
		if !strings.Contains(string(out.Result.Bytes), "too many clients") {
			t.Errorf("eve got %s", out.Result.Bytes)
		}
		close(release)
		<-busy
		<-busy
	})
}

func TestPool_lostSessionIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		b.Serve(as(t, "ann"), toolCall(t), &deaf{})
		d.peer(t, 1).die()
		if out := b.Serve(as(t, "ann"), toolCall(t), &deaf{}); string(out.Result.Bytes) != `{}` {
			t.Errorf("got %s", out.Result.Bytes)
		}
		if d.count() != 3 || !d.peer(t, 1).closed.Load() {
			t.Errorf("%d dials", d.count())
		}
	})
}

func TestPool_watchesForClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		b, e := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		own := toolCall(t)
		own.Caller = &mcpwire.Caller{}
		b.Serve(as(t, "ann"), own, &deaf{})
		synctest.Wait()
		ann := d.peer(t, 1)
		if n := len(ann.watching()); n != 0 {
			t.Errorf("%d watches for a request of the gateway's own", n)
		}
		// Even the progress of a call may come on the session's stream.
		modern := toolCall(t)
		modern.Caller = &mcpwire.Caller{Revision: mcpwire.Rev20260728}
		b.Serve(as(t, "ann"), modern, &deaf{})
		b.Serve(as(t, "ann"), toolCall(t), &deaf{}) // the same place, now with a session id
		synctest.Wait()
		owner := ann.who.Owner()
		ann.sink(t).Notify(mcpwire.Notification{Method: mcpwire.MethodMessage})
		ann.sink(t).Notify(mcpwire.Notification{Method: mcpwire.MethodToolsChanged})
		d.peer(t, 0).sink(t).Notify(mcpwire.Notification{Method: mcpwire.MethodToolsChanged})
		if len(e.logs) != 1 || e.logs[0] != owner+" notifications/message" {
			t.Errorf("logs = %q", e.logs)
		}
		if len(e.lists) != 1 || e.lists[0] != backend.ToolLists {
			t.Errorf("list changes = %v, want the main session's one", e.lists)
		}
	})
}

func TestTell_reachesOnlyOnesOwnSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		note := mcpwire.Notification{Method: mcpwire.MethodRootsChanged}
		b.Tell(as(t, "ann"), toolCall(t).Caller, note) // no session, nothing is opened
		b.Serve(as(t, "ann"), toolCall(t), &deaf{})
		b.Serve(as(t, "bob"), toolCall(t), &deaf{})
		b.Tell(as(t, "ann"), toolCall(t).Caller, note)
		synctest.Wait()
		for i, want := range []int64{0, 1, 0} {
			if got := d.peer(t, i).told.Load(); got != want {
				t.Errorf("peer %d was told %d times, want %d", i, got, want)
			}
		}
	})
}
