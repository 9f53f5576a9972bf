package vigil_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/gateway/vigil"
	"drawbridge/internal/mcpwire"
)

var (
	phone  = account.Principal{User: "anna", Credential: "key_phone"}
	laptop = account.Principal{User: "anna", Credential: "key_laptop"}
)

// door says which credentials have ended.
type door struct {
	mu    sync.Mutex // guards what follows
	ended map[string]error
	asked int
}

func (d *door) check(_ context.Context, p account.Principal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return d.ended[p.Credential]
}

func (d *door) end(p account.Principal, code fault.Code) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended[p.Credential] = fault.New(code, "The key was revoked.")
}

func (d *door) questions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// newVigil must run in a synctest bubble.
func newVigil(t *testing.T) (*vigil.Vigil, *door) {
	t.Helper()
	d := &door{ended: map[string]error{}}
	v := vigil.New(slog.New(slog.DiscardHandler), d.check, time.Second)
	t.Cleanup(v.Close)
	return v, d
}

// run has a call under watch that ends with its context, or when told.
func run(v *vigil.Vigil, p account.Principal) (end chan mcpwire.Outcome, finish func()) {
	end, stop := make(chan mcpwire.Outcome, 1), make(chan struct{})
	go func() {
		end <- v.Run(context.Background(), p, func(ctx context.Context) mcpwire.Outcome {
			select {
			case <-ctx.Done():
			case <-stop:
			}
			return mcpwire.Done(mcpwire.LatestModern, []byte(`{"secret":1}`))
		})
	}()
	synctest.Wait()
	return end, func() { close(stop); synctest.Wait() }
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// The attack: a key leaks, its thief starts a call that goes on for long, and the
// owner revokes the key.
func TestRun_endsWithItsCredential(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]func(*vigil.Vigil){
		"by itself": func(*vigil.Vigil) { pass(time.Second) },
		"at once":   func(v *vigil.Vigil) { v.Look(); synctest.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v, d := newVigil(t)
				stolen, _ := run(v, phone)
				twin, _ := run(v, phone)
				other, finish := run(v, laptop)
				pass(time.Hour)
				d.end(phone, fault.Unavailable) // that is no news
				look(v)
				if len(stolen)+len(twin)+len(other) > 0 {
					t.Fatal("a call of a good credential was ended")
				}
				d.end(phone, fault.Unauthenticated)
				look(v)
				for _, end := range []chan mcpwire.Outcome{stolen, twin} {
					select {
					case out := <-end:
						if out.Err != vigil.ErrEnded || out.Result.Bytes != nil {
							t.Errorf("it ended with %+v", out)
						}
					default:
						t.Error("it goes on")
					}
				}
				if len(other) > 0 {
					t.Error("a call of the user's other key was ended")
				}
				finish()
				if out := <-other; string(out.Result.Bytes) != `{"secret":1}` {
					t.Errorf("the other key's call ended with %+v", out)
				}
			})
		})
	}
}

// stream is the unread part of a large result.
type stream struct{ closed atomic.Int64 }

func (s *stream) Read([]byte) (int, error) { return 0, io.EOF }
func (s *stream) Close() error             { s.closed.Add(1); return nil }

func TestRun_streams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, d := newVigil(t)
		var life context.Context
		large := func(rest *stream) mcpwire.Outcome {
			return v.Run(t.Context(), phone, func(ctx context.Context) mcpwire.Outcome {
				life = ctx
				return mcpwire.Outcome{Kind: mcpwire.Complete, Result: mcpwire.Result{Bytes: []byte(`{"a`), Rest: rest}}
			})
		}
		var one stream
		out := large(&one)
		if life.Err() != nil {
			t.Fatal("a result that streams lost its call")
		}
		if _ = out.Result.Rest.Close(); life.Err() == nil || one.closed.Load() != 1 {
			t.Error("a result was closed, its call goes on")
		}
		large(&stream{})
		d.end(phone, fault.Unauthenticated)
		if pass(time.Second); life.Err() == nil {
			t.Error("a result goes on streaming to a credential that has ended")
		}
	})
}

func TestRun_panicLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, d := newVigil(t)
		func() {
			defer func() { _ = recover() }()
			v.Run(t.Context(), phone, func(context.Context) mcpwire.Outcome { panic("oh") })
		}()
		pass(time.Second)
		if n := d.questions(); n != 0 {
			t.Errorf("it asked %d times about a call that is over", n)
		}
	})
}

// While nothing runs nothing is asked, however much has run.
func TestEnter_leave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, d := newVigil(t)
		var calls atomic.Int64
		var stays []*vigil.Stay
		for range 3 {
			stays = append(stays, v.Enter(phone, func() { calls.Add(1) }))
		}
		for _, i := range []int{1, 1, 0} { // the middle one, again, an outer one
			stays[i].Leave()
		}
		if pass(10 * time.Second); d.questions() != 10 {
			t.Errorf("asked %d times in ten seconds", d.questions())
		}
		d.end(phone, fault.Unauthenticated)
		if pass(3 * time.Second); calls.Load() != 1 {
			t.Errorf("%d were ended, one was there", calls.Load())
		}
		stays[2].Leave()
		before := d.questions()
		if pass(time.Minute); d.questions() != before {
			t.Errorf("asked %d times about nobody", d.questions()-before)
		}
		v.Enter(phone, func() { calls.Add(1) })
		if pass(time.Second); calls.Load() != 2 {
			t.Error("after a pause nobody looks")
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, d := newVigil(t)
		v.Enter(phone, func() { t.Error("ended after Close") })
		v.Close()
		v.Enter(laptop, func() { t.Error("ended after Close") })
		d.end(phone, fault.Unauthenticated)
		d.end(laptop, fault.Unauthenticated)
		v.Look()
		if pass(time.Minute); d.questions() != 0 {
			t.Errorf("asked %d times after Close", d.questions())
		}
	})
}

// TestWatch_rights has a credential lose rights between two streams: a check that looks
// at rights ends the one that was opened before, and not the other.
func TestWatch_rights(t *testing.T) {
	t.Parallel()
	before, after := phone, phone
	before.Access, after.Access = &account.Access{}, &account.Access{}
	check := func(_ context.Context, p account.Principal) error {
		if p.Access == before.Access {
			return fault.New(fault.Unauthenticated, "It may do less now.")
		}
		return nil
	}
	v := vigil.New(slog.New(slog.DiscardHandler), check, time.Hour)
	defer v.Close()
	var ended []string
	leave := v.Watch(before, func() { ended = append(ended, "one that has left") })
	leave()
	v.Watch(after, func() { ended = append(ended, "after") })
	v.Watch(before, func() { ended = append(ended, "before") })
	v.Look()
	v.Look()
	if len(ended) != 1 || ended[0] != "before" {
		t.Errorf("ended: %v", ended)
	}
}

func TestNew_withoutCheck(t *testing.T) {
	t.Parallel()
	v := vigil.New(slog.New(slog.DiscardHandler), nil, time.Second)
	out := v.Run(t.Context(), phone, func(context.Context) mcpwire.Outcome { return mcpwire.Done(mcpwire.LatestModern, []byte(`{}`)) })
	if string(out.Result.Bytes) != "{}" {
		t.Errorf("%+v", out)
	}
	v.Enter(phone, nil).Leave()
	v.Look()
	v.Close()
}

// Calls come, go and are ended at the same time.
func TestVigil_crowd(t *testing.T) {
	t.Parallel()
	d := &door{ended: map[string]error{}}
	v := vigil.New(slog.New(slog.DiscardHandler), d.check, time.Second)
	defer v.Close()
	d.end(phone, fault.Unauthenticated)
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			p := []account.Principal{phone, laptop}[i%2]
			for range 500 {
				out := v.Run(t.Context(), p, func(context.Context) mcpwire.Outcome {
					v.Enter(p, func() {}).Leave()
					return mcpwire.Done(mcpwire.LatestModern, []byte(`{}`))
				})
				if p == laptop && out.Err != nil || out.Err != nil && !strings.Contains(out.Err.Message, "has ended") {
					t.Errorf("%+v", out.Err)
				}
				v.Look()
			}
		})
	}
	work.Wait()
}
