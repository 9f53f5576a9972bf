package life_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/life"
)

var errWhy = errors.New("why")

// above are the contexts that a Life may be made of, each with what ends it.
func above() map[string]func(t *testing.T) (context.Context, func(cause error)) {
	return map[string]func(t *testing.T) (context.Context, func(cause error)){
		"a Life": func(*testing.T) (context.Context, func(error)) {
			l := life.New(context.Background())
			return l, l.End
		},
		"a child of one": func(*testing.T) (context.Context, func(error)) {
			l := life.New(context.Background())
			return life.New(l), l.End
		},
		"the standard library's": func(t *testing.T) (context.Context, func(error)) {
			ctx, cancel := context.WithCancelCause(t.Context())
			return ctx, cancel
		},
		"one with a value, of a Life": func(*testing.T) (context.Context, func(error)) {
			l := life.New(context.Background())
			return context.WithValue(l, key{}, 1), l.End
		},
	}
}

type key struct{}

// TestLife holds a Life to what the standard library's context does in its place.
func TestLife(t *testing.T) {
	t.Parallel()
	for name, parent := range above() {
		for _, early := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, end := parent(t)
					if early {
						end(errWhy)
					}
					l := life.New(ctx)
					std, cancel := context.WithCancelCause(ctx)
					defer cancel(nil)
					var hook life.Hook
					var ran, after, derived atomic.Int64
					hook.On(l, func() { ran.Add(1) })
					context.AfterFunc(l, func() { after.Add(1) })
					of, cancelOf := context.WithTimeout(l, time.Hour)
					defer cancelOf()
					context.AfterFunc(of, func() { derived.Add(1) })
					synctest.Wait()
					if !early && (l.Err() != nil || context.Cause(l) != nil || ran.Load()+after.Load()+derived.Load() > 0) {
						t.Fatalf("it has ended before its end: %v", l.Err())
					}
					end(errWhy)
					synctest.Wait()
					select {
					case <-l.Done():
					default:
						t.Error("it is not done")
					}
					for what, got := range map[string][2]error{"its error": {l.Err(), std.Err()}, "of what was made of it": {of.Err(), std.Err()}} {
						if !errors.Is(got[0], got[1]) || !errors.Is(got[0], context.Canceled) {
							t.Errorf("%s is %v, of the standard library's %v", what, got[0], got[1])
						}
					}
					for _, c := range []context.Context{l, std, of} {
						if cause := context.Cause(c); !errors.Is(cause, errWhy) || cause.Error() != "why" {
							t.Errorf("cause %v", cause)
						}
					}
					if ran.Load() != 1 || after.Load() != 1 || derived.Load() != 1 || hook.Off() {
						t.Errorf("ran %d, %d and %d times", ran.Load(), after.Load(), derived.Load())
					}
					l.End(errors.New("too late"))
					if !errors.Is(context.Cause(l), errWhy) {
						t.Errorf("a second end counts: %v", context.Cause(l))
					}
				})
			})
		}
	}
}

func TestLife_ends(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	l := life.New(ctx)
	below := life.New(l)
	l.End(nil)
	if err := l.Err(); !errors.Is(err, context.Canceled) || !errors.Is(context.Cause(below), context.Canceled) {
		t.Errorf("got %v, below it %v", err, below.Err())
	}
	if ctx.Err() != nil {
		t.Error("it took the context above with it")
	}
	// What ends above after it is not its cause.
	other, detached := life.New(ctx), life.Detached(ctx)
	other.End(errWhy)
	cancel(errors.New("later"))
	if cause := context.Cause(other); !errors.Is(cause, errWhy) {
		t.Errorf("cause %v", cause)
	}
	if detached.Err() != nil {
		t.Errorf("one that is detached ended with %v", detached.Err())
	}
	detached.End(errWhy)
	if cause := context.Cause(detached); !errors.Is(cause, errWhy) {
		t.Errorf("cause %v", cause)
	}
}

func TestLife_deadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Minute)
		defer cancel()
		l := life.New(life.New(ctx))
		if at, ok := l.Deadline(); !ok || time.Until(at) != time.Minute || l.Value(key{}) != "value" {
			t.Errorf("deadline %v %v, value %v", at, ok, l.Value(key{}))
		}
		if at, ok := life.Detached(l).Deadline(); ok || life.Detached(l).Value(key{}) != "value" {
			t.Errorf("of one that is detached: deadline %v", at)
		}
		<-l.Done()
		if err := l.Err(); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestHook_off takes hooks down in any order, and in the face of the end.
func TestHook_off(t *testing.T) {
	t.Parallel()
	for order := range 6 {
		l := life.New(t.Context())
		var hooks [3]life.Hook
		var ran [3]bool
		for i := range hooks {
			hooks[i].On(l, func() { ran[i] = true })
		}
		first, second := order%3, (order%3+1+order/3)%3
		if !hooks[first].Off() || !hooks[second].Off() || hooks[first].Off() {
			t.Fatalf("order %d", order)
		}
		l.End(nil)
		for i := range ran {
			if ran[i] != (i != first && i != second) {
				t.Errorf("%d off and %d off: %d ran: %v", first, second, i, ran[i])
			}
		}
	}
	var none life.Hook
	none.On(context.Background(), func() { t.Error("it ran") })
	if !none.Off() {
		t.Error("what hangs on nothing was late")
	}
}

// TestLife_race has everything done at once: each hook either runs or comes off.
func TestLife_race(t *testing.T) {
	t.Parallel()
	for range 300 {
		l := life.New(t.Context())
		var all sync.WaitGroup
		var ran, off atomic.Int64
		const hooks = 8
		for range hooks {
			all.Go(func() {
				var h life.Hook
				below := life.New(l)
				h.On(below, func() { ran.Add(1) })
				if h.Off() {
					off.Add(1)
				}
				below.End(nil)
			})
		}
		all.Go(func() { l.End(errWhy) })
		all.Go(func() { <-l.Done() })
		all.Wait()
		if ran.Load()+off.Load() != hooks {
			t.Fatalf("%d ran, %d came off, of %d", ran.Load(), off.Load(), hooks)
		}
	}
}

func TestLife_allocations(t *testing.T) {
	ctx := life.New(t.Context())
	n := testing.AllocsPerRun(1000, func() {
		var h life.Hook
		l := life.New(ctx)
		h.On(l, func() {})
		h.Off()
		l.End(nil)
	})
	if n > 2 {
		t.Errorf("%v allocations for a Life and a hook", n)
	}
}
