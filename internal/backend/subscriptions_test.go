package backend_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"

	"github.com/google/go-cmp/cmp"
)

const (
	fileA = "file:///a"
	fileB = "file:///b"
)

func TestSubscribe_legacyIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{shared: true, info: legacyInfo}
		b, e := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		caller := toolCall(t).Caller
		for _, user := range []string{"ann", "bob"} {
			if err := b.Subscribe(as(t, user), caller, fileA); err != nil {
				t.Fatal(err)
			}
		}
		p := d.peer(t, 0)
		if n := p.asked("resources/subscribe " + fileA); n != 1 {
			t.Errorf("subscribed %d times", n)
		}
		p.sink(t).Notify(mcpwire.Notification{Method: mcpwire.MethodResourceUpdated, Params: []byte(`{"uri":"file:///a"}`)})
		if len(e.updates) != 1 || e.updates[0] != " "+fileA {
			t.Errorf("updates = %q", e.updates)
		}
		for i, user := range []string{"ann", "bob", "eve"} { // eve never subscribed
			if err := b.Unsubscribe(as(t, user), caller, fileA); err != nil {
				t.Fatal(err)
			}
			if n := p.asked("resources/unsubscribe " + fileA); n != min(i, 1) {
				t.Errorf("after %s: unsubscribed %d times", user, n)
			}
		}
	})
}

func TestSubscribe_legacyAgainAfterReconnect(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"main session": true, "session of a principal": false} {
		synctest.Test(t, func(t *testing.T) {
			d := &fakeDialer{shared: shared, info: legacyInfo}
			b, _ := start(t, d, backend.Config{})
			defer b.Stop(t.Context())
			if err := b.Subscribe(as(t, "ann"), toolCall(t).Caller, fileA); err != nil {
				t.Fatal(err)
			}
			last := d.count() - 1
			d.peer(t, last).die()
			time.Sleep(time.Minute)
			next := d.peer(t, last+1)
			if n := next.asked("resources/subscribe " + fileA); n != 1 {
				t.Errorf("%s: the next session subscribed %d times", name, n)
			}
			if len(next.watching()) != 1 {
				t.Errorf("%s: the next session does not watch", name)
			}
		})
	}
}

func TestSubscribe_modernOpensTheLargerFilterFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: modernInfo}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		synctest.Wait()
		p := d.peer(t, 0)
		open := func() []mcpwire.Filter { synctest.Wait(); return p.watching() }
		filter := func(uris ...string) []mcpwire.Filter {
			return []mcpwire.Filter{{ToolsChanged: true, Resources: uris}}
		}
		if diff := cmp.Diff(filter(), open()); diff != "" {
			t.Errorf("at first (-want +got):\n%s", diff)
		}
		caller := toolCall(t).Caller
		for _, step := range []struct {
			user, uri string
			do        func(context.Context, *mcpwire.Caller, string) *mcpwire.Error
			want      []string
		}{
			{"ann", fileB, b.Subscribe, []string{fileB}},
			{"bob", fileA, b.Subscribe, []string{fileB, fileA}},
			{"bob", fileB, b.Subscribe, []string{fileB, fileA}},
			{"ann", fileB, b.Unsubscribe, []string{fileB, fileA}},
			{"bob", fileB, b.Unsubscribe, []string{fileA}},
		} {
			if err := step.do(as(t, step.user), caller, step.uri); err != nil {
				t.Fatal(err)
			}
			got := open()
			for i := range got {
				slices.Sort(got[i].Resources)
			}
			slices.Sort(step.want)
			if diff := cmp.Diff(filter(step.want...), got); diff != "" {
				t.Errorf("after %s %s (-want +got):\n%s", step.user, step.uri, diff)
			}
		}
		d.peer(t, 0).die()
		time.Sleep(time.Minute)
		p = d.peer(t, 1)
		if diff := cmp.Diff(filter(fileA), open()); diff != "" {
			t.Errorf("after a reconnect (-want +got):\n%s", diff)
		}
	})
}

func TestSubscribe_notAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := false
		d := &fakeDialer{info: modernInfo}
		d.honour = func(f mcpwire.Filter) (mcpwire.Filter, bool) {
			f.Resources = nil
			return f, !silent
		}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		caller := toolCall(t).Caller
		if err := b.Subscribe(as(t, "ann"), caller, fileA); err == nil || err.Code != mcpwire.CodeInvalidParams {
			t.Errorf("err = %v", err)
		}
		silent = true
		before := time.Now()
		if err := b.Subscribe(as(t, "ann"), caller, fileA); err == nil || err.Code != mcpwire.CodeInternal {
			t.Errorf("err = %v", err)
		}
		if waited := time.Since(before); waited > 15*time.Second {
			t.Errorf("waited %s for an acknowledgement", waited)
		}
		synctest.Wait()
		if n := len(d.peer(t, 0).watching()); n != 1 {
			t.Errorf("%d watches are open", n)
		}
	})
}

func TestSubscribe_notOffered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		info := legacyInfo
		info.Capabilities = []byte(`{"resources":{}}`)
		d := &fakeDialer{shared: true, info: info}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		if err := b.Subscribe(as(t, "ann"), toolCall(t).Caller, fileA); err == nil || err.Code != mcpwire.CodeInvalidParams {
			t.Errorf("err = %v", err)
		}
		if n := d.peer(t, 0).asked("resources/subscribe " + fileA); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestSubscribe_personalBackendsTellEachPrincipal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{shared: true, personal: true, info: modernInfo}
		b, e := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		caller := &mcpwire.Caller{Revision: mcpwire.Rev20260728}
		for _, user := range []string{"ann", "bob"} {
			if err := b.Subscribe(as(t, user), caller, fileA); err != nil {
				t.Fatal(err)
			}
			b.Serve(as(t, user), toolCall(t), &deaf{})
		}
		synctest.Wait()
		for i, user := range []string{"", "ann", "bob"} {
			p := d.peer(t, i)
			if len(p.watchers) != 1 || p.watchers[0].User != user {
				t.Errorf("peer %d watches for %v, want %q", i, p.watchers, user)
			}
		}
		if n := d.peer(t, 0).asked("tools/call x"); n != 2 {
			t.Errorf("%d calls ran on the main session", n)
		}
		d.peer(t, 1).sink(t).Notify(mcpwire.Notification{Method: mcpwire.MethodResourceUpdated, Params: []byte(`{"uri":"file:///a"}`)})
		if len(e.updates) != 1 || e.updates[0] != "ann\x00key_ann "+fileA {
			t.Errorf("updates = %q", e.updates)
		}
		if err := b.Unsubscribe(as(t, "ann"), caller, fileA); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if f := d.peer(t, 1).watching(); len(f) != 1 || len(f[0].Resources) != 0 {
			t.Errorf("ann's filter is %+v", f)
		}
	})
}
