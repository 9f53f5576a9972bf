package rpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/truenas/fake"
	"drawbridge/internal/servers/truenas/rpc"
)

// until waits until something is so.
func until(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to it")
		}
	}
}

// Calls that take long say nothing about the connection: they are not cut off when the
// next one finds it silent.
func TestPool_busy(t *testing.T) {
	t.Parallel()
	at := fake.NewClock(time.Now())
	nas, pool, clock := dial(t, fake.Options{Clock: at}, nil)
	line := get(t, pool, admin())
	nas.Break(fake.Fault{Method: "pool.query", Delay: time.Minute})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := line.Call(t.Context(), "pool.query", []any{[]any{}, map[string]any{}}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, func() bool { return at.Waiting() == 8 })
	clock.pass(time.Hour)
	if get(t, pool, admin()) != line {
		t.Error("another connection")
	}
	at.Advance(time.Minute)
	all.Wait()
}

// What counts is when the server last said something, not when it was last asked.
func TestPool_silent(t *testing.T) {
	t.Parallel()
	nas, pool, clock := dial(t, fake.Options{}, nil)
	line := get(t, pool, admin())
	for range 2 {
		clock.pass(15 * time.Second)
		if get(t, pool, admin()) != line {
			t.Error("another connection")
		}
	}
	if n := nas.Called("core.ping"); n != 1 {
		t.Errorf("%d pings", n)
	}
}

// A login has its own time: a call of hours does not keep the others waiting.
func TestPool_silentLogin(t *testing.T) {
	t.Parallel()
	nas, pool, _ := dial(t, fake.Options{Clock: fake.NewClock(time.Now())}, nil)
	pool.Within(200 * time.Millisecond)
	nas.Break(fake.Fault{Method: "auth.login_ex", Delay: time.Hour, Times: 1})
	if _, err := pool.Get(t.Context(), admin()); fault.CodeOf(err) != fault.Unavailable || !strings.Contains(fault.PublicOf(err), "did not finish the login") {
		t.Errorf("%v", err)
	}
	pool.Within(time.Minute)
	get(t, pool, admin())
}

// The server's words about a login stay out of the log: they may quote the key.
func TestPool_loginQuotes(t *testing.T) {
	t.Parallel()
	for _, user := range []string{fake.AdminUser, ""} {
		for _, errno := range []int{16, 22} {
			nas, pool, _ := dial(t, fake.Options{}, nil)
			nas.Break(fake.Fault{Method: "auth.login_*", Errno: errno, Reason: fake.AdminKey})
			if _, err := pool.Get(t.Context(), rpc.Key{User: user, Key: secret.New(fake.AdminKey)}); err == nil || strings.Contains(err.Error(), fake.AdminKey) {
				t.Errorf("%v", err)
			}
		}
	}
}

// Of more credentials than there is room for, those that are not in use give way.
func TestPool_room(t *testing.T) {
	t.Parallel()
	o := fake.Options{RateLimit: -1}
	for i := range 66 {
		o.Keys = append(o.Keys, &fake.Key{ID: 100 + i, Name: "k", User: fake.AdminUser, Secret: "made-up"})
	}
	nas, pool, clock := dial(t, o, nil)
	key := func(i int) rpc.Key {
		return rpc.Key{User: fake.AdminUser, Key: secret.New(fmt.Sprintf("%d-made-up", 100+i))}
	}
	listens := get(t, pool, key(0))
	if _, err := listens.Subscribe(t.Context(), "core.get_jobs"); err != nil {
		t.Fatal(err)
	}
	for i := range 63 {
		get(t, pool, key(i+1))
	}
	if _, err := pool.Get(t.Context(), key(64)); fault.CodeOf(err) != fault.Limited {
		t.Errorf("%v", err)
	}
	clock.pass(time.Hour)
	get(t, pool, key(65))
	if !listens.Alive() {
		t.Error("one that is listened to was closed")
	}
	until(t, func() bool { return nas.Connections() == 2 })
}

// Each reader of a log gets its end, and each line once, also after one whose end could
// not be told.
func TestConn_subscribeWithArguments(t *testing.T) {
	t.Parallel()
	nas, pool, _ := dial(t, fake.Options{Clock: fake.NewClock(time.Now())}, nil)
	line := get(t, pool, admin())
	var id string
	nas.With(func(n *fake.Seed) { id = n.App("plex").Containers[0].ID })
	name := fmt.Sprintf(`app.container_log_follow:{"app_name":"plex","container_id":%q,"tail_lines":1}`, id)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	open := func() *rpc.Subscription {
		t.Helper()
		s, err := line.Subscribe(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	next := func(s *rpc.Subscription) (text string) {
		t.Helper()
		select {
		case e := <-s.Events:
			var line struct{ Data string }
			if err := json.Unmarshal(e.Fields, &line); err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(line.Data)
		case <-time.After(5 * time.Second):
			t.Fatal("no line came")
		}
		return ""
	}
	a, b := open(), open()
	if one, other := next(a), next(b); one == "" || one != other {
		t.Errorf("%q and %q", one, other)
	}
	a.Close(t.Context())
	b.Close(over)
	c := open()
	next(c)
	nas.Log("plex", nasService(nas), "first")
	nas.Log("plex", nasService(nas), "second")
	if one, other := next(c), next(c); one != "first" || other != "second" {
		t.Errorf("%q, then %q", one, other)
	}
	// A collection is subscribed to once, also when its end could not be told.
	jobs, err := line.Subscribe(t.Context(), "alert.list")
	if err != nil {
		t.Fatal(err)
	}
	jobs.Close(over)
	if jobs, err = line.Subscribe(t.Context(), "alert.list"); err != nil {
		t.Fatal(err)
	}
	nas.Tell("added", "alert.list", "7", nil)
	select {
	case <-jobs.Events:
	case <-time.After(5 * time.Second):
		t.Error("no event came")
	}
	jobs.Close(t.Context())
	for _, s := range nas.Subscriptions() {
		if s == "alert.list" {
			t.Error("still subscribed")
		}
	}
}

// nasService is the first container's name.
func nasService(nas *fake.Server) (service string) {
	nas.With(func(n *fake.Seed) { service = n.App("plex").Containers[0].Service })
	return service
}
