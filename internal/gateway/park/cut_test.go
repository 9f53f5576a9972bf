package park_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/gateway/park"
	"drawbridge/internal/mcpwire"
)

var errCut = mcpwire.Errorf(mcpwire.CodeInternal, "The key has ended. Get another one.")

// guarded is a call with what its guard knows of it.
type guarded struct {
	park.Call
	cut  func(*mcpwire.Error)
	left atomic.Int64
}

func (s *stage) guarded(do script) *guarded {
	s.t.Helper()
	g := &guarded{Call: s.call(do)}
	g.Guard = func(cut func(*mcpwire.Error)) func() {
		g.cut = cut
		return func() { g.left.Add(1) }
	}
	return g
}

// stubborn asks, and then goes on whatever the answer is, until it is cancelled.
func stubborn(ended *atomic.Int64) script {
	return func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
		_, _ = sink.Ask(ctx, elicit("who"))
		<-ctx.Done()
		ended.Add(1)
		return done("secret")
	}
}

// A call whose credential has ended is not kept for anybody, and not given the
// moment to end by itself that an expired one gets.
func TestCut_parked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var ended atomic.Int64
		g := s.guarded(stubborn(&ended))
		r := s.serve(t.Context(), g.Call, &client{})
		if g.left.Load() != 0 || len(s.lot.List()) != 1 {
			t.Fatalf("it is not parked: %s", r.text())
		}
		g.cut(errCut)
		synctest.Wait() // and no time goes by
		if ended.Load() != 1 || len(s.lot.List()) != 0 || g.left.Load() != 1 {
			t.Errorf("ended at the backend: %d, parked: %d, left: %d", ended.Load(), len(s.lot.List()), g.left.Load())
		}
		wantErr(t, "a retry", s.resume(t.Context(), r.ticket, accept, &client{}), park.ErrGone)
		g.cut(errCut)
		s.lot.Close()
		if g.left.Load() != 1 {
			t.Errorf("it left %d times", g.left.Load())
		}
	})
}

func TestCut_waitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var ended atomic.Int64
		first := s.guarded(func(ctx context.Context, _ mcpwire.Sink) mcpwire.Outcome { <-ctx.Done(); return done("secret") })
		end := goes(func() reply { return s.serve(t.Context(), first.Call, &client{}) })
		still(t, end, "before the cut")
		first.cut(errCut)
		wantErr(t, "the first request", <-end, errCut)

		second := s.guarded(stubborn(&ended))
		r := s.serve(t.Context(), second.Call, &client{})
		end = goes(func() reply { return s.resume(t.Context(), r.ticket, accept, &client{}) })
		still(t, end, "the retry")
		second.cut(errCut)
		wantErr(t, "the retry", <-end, errCut)
		if first.left.Load() != 1 || second.left.Load() != 1 {
			t.Errorf("they left %d and %d times", first.left.Load(), second.left.Load())
		}
	})
}

// One that asks at the moment of its end is not parked.
func TestCut_whileItAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		g := s.guarded(nil)
		g.Run = func(ctx context.Context, _ *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			ask, cancel := context.WithCancel(context.WithoutCancel(ctx))
			go func() { _, _ = sink.Ask(ask, elicit("who")) }() // ends with ask
			<-ctx.Done()
			time.Sleep(time.Second) // as slow as it can be
			cancel()
			return done("secret")
		}
		end := goes(func() reply { return s.serve(t.Context(), g.Call, &client{}) })
		g.cut(errCut)
		r := <-end
		wantErr(t, "a call that asked", r, errCut)
		if n := len(s.lot.List()); n != 0 {
			t.Errorf("%d calls are parked", n)
		}
	})
}

// A result that waits for its retry is thrown away.
func TestCut_over(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		leave := make(chan struct{})
		var rest stream
		g := s.guarded(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			ask, cancel := context.WithCancel(ctx)
			go func() { <-leave; cancel() }()
			_, _ = sink.Ask(ask, elicit("who")) // taken back
			out := done("secret")
			out.Result.Rest = &rest
			return out
		})
		r := s.serve(t.Context(), g.Call, &client{})
		close(leave)
		synctest.Wait()
		if len(s.lot.List()) != 1 || g.left.Load() != 0 {
			t.Fatal("its result does not wait")
		}
		g.cut(errCut)
		synctest.Wait()
		if len(s.lot.List()) != 0 || g.left.Load() != 1 || rest.closed.Load() != 1 {
			t.Errorf("parked: %d, left: %d, closed: %d", len(s.lot.List()), g.left.Load(), rest.closed.Load())
		}
		wantErr(t, "a retry", s.resume(t.Context(), r.ticket, accept, &client{}), park.ErrGone)
	})
}

// A call leaves when its result is read, when its client has gone, or with the lot.
func TestGuard_leaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var rest stream
		g := s.guarded(func(context.Context, mcpwire.Sink) mcpwire.Outcome {
			out := done("large")
			out.Result.Rest = &rest
			return out
		})
		r := s.serve(t.Context(), g.Call, &client{})
		if g.left.Load() != 0 {
			t.Error("it left before its result was read")
		}
		if _ = r.out.Result.Rest.Close(); g.left.Load() != 1 {
			t.Errorf("read: it left %d times", g.left.Load())
		}

		gone := s.guarded(func(ctx context.Context, _ mcpwire.Sink) mcpwire.Outcome { <-ctx.Done(); return done("late") })
		ctx, cancel := context.WithCancel(t.Context())
		end := goes(func() reply { return s.serve(ctx, gone.Call, &client{}) })
		cancel()
		<-end
		if gone.left.Load() != 1 {
			t.Errorf("client gone: it left %d times", gone.left.Load())
		}

		var ended atomic.Int64
		left := s.guarded(stubborn(&ended))
		s.serve(t.Context(), left.Call, &client{})
		if pass(ttl + 2*time.Second); left.left.Load() != 1 || ended.Load() != 1 {
			t.Errorf("expired: it left %d times", left.left.Load())
		}
	})
}
