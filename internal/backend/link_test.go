package backend_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

func TestConnect_triesForEverWithGrowingPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo, err: errDown}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		d.mu.Lock()
		dials := d.dials
		d.mu.Unlock()
		for i, base := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
			8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
			gap := dials[i+1].Sub(dials[i])
			if gap < base*3/4 || gap > base*5/4 {
				t.Errorf("pause %d is %s, want about %s", i, gap, base)
			}
		}
		if n := len(dials); n < 20 || n > 35 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		if s := b.Status(); s.State != backend.Failed || s.LastError != "The backend cannot be reached." {
			t.Errorf("status = %+v", s)
		}
		d.fail(nil)
		time.Sleep(40 * time.Second)
		if s := b.Status(); s.State != backend.Ready || s.LastError != "" || s.Era != "legacy" {
			t.Errorf("status after recovery = %+v", s)
		}
	})
}

func TestConnect_faultsOfConfigurationAreProbedSlowly(t *testing.T) {
	t.Parallel()
	for _, code := range []fault.Code{fault.Forbidden, fault.Upstream} {
		synctest.Test(t, func(t *testing.T) {
			d := &fakeDialer{info: legacyInfo, err: fault.New(code, "No.")}
			b, _ := start(t, d, backend.Config{})
			defer b.Stop(t.Context())
			time.Sleep(10 * time.Minute)
			if n := d.count(); n < 8 || n > 14 {
				t.Errorf("%s: %d attempts in ten minutes, want one a minute", code, n)
			}
		})
	}
}

func TestServe_deadBackendFailsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo, err: errDown}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		synctest.Wait()
		before, asked := time.Now(), d.count()
		out := b.Serve(as(t, "ann"), toolCall(t), &deaf{})
		if waited := time.Since(before); waited != 0 || d.count() != asked {
			t.Errorf("the call waited %s and dialled %d times; the last attempt was fresh", waited, d.count()-asked)
		}
		text := string(out.Result.Bytes)
		if out.Kind != mcpwire.Complete || !strings.Contains(text, `"isError":true`) ||
			!strings.Contains(text, "Nothing was run") || !strings.Contains(text, `\"files\"`) {
			t.Errorf("tool call got %+v %s", out, text)
		}
		out = b.Serve(as(t, "ann"), request(t, mcpwire.MethodPromptsGet, `{"name":"x"}`), &deaf{})
		if out.Kind != mcpwire.Failed || out.Err.Code != mcpwire.CodeInternal ||
			string(out.Err.Data) != `{"backend":"files","reason":"The backend cannot be reached"}` {
			t.Errorf("prompt got %+v, data %s", out.Err, out.Err.Data)
		}
	})
}

func TestServe_callAsksForAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo, err: errDown}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		time.Sleep(3 * time.Minute) // pauses are 30 s now
		d.fail(nil)
		d.mu.Lock()
		last := d.dials[len(d.dials)-1]
		d.mu.Unlock()
		time.Sleep(time.Until(last.Add(2100 * time.Millisecond)))
		before := time.Now()
		out := b.Serve(as(t, "ann"), toolCall(t), &deaf{})
		if out.Kind != mcpwire.Complete || string(out.Result.Bytes) != `{}` {
			t.Fatalf("got %+v %s", out, out.Result.Bytes)
		}
		if waited := time.Since(before); waited > time.Second {
			t.Errorf("the call waited %s for an attempt of its own", waited)
		}
	})
}

func TestServe_manyCallsShareOneAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo, stall: make(chan struct{})}
		b, _ := start(t, d, backend.Config{ConnectTimeout: 5 * time.Second, Concurrency: 50})
		defer b.Stop(t.Context())
		before := time.Now()
		outs := make(chan mcpwire.Outcome, 40)
		for range cap(outs) {
			go func() { outs <- b.Serve(as(t, "ann"), toolCall(t), &deaf{}) }()
		}
		for range cap(outs) {
			if out := <-outs; !strings.Contains(string(out.Result.Bytes), "still starting") {
				t.Fatalf("got %s", out.Result.Bytes)
			}
		}
		if waited := time.Since(before); waited != 5*time.Second {
			t.Errorf("the calls waited %s, want the connect timeout", waited)
		}
		if n := d.count(); n != 1 {
			t.Errorf("%d attempts ran, want one", n)
		}
		close(d.stall)
	})
}

func TestLost_isConnectedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{shared: true, info: legacyInfo}
		b, e := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		time.Sleep(time.Minute)
		d.peer(t, 0).die()
		synctest.Wait()
		if s := b.Status(); s.State != backend.Degraded {
			t.Errorf("state = %s right after the loss", s.State)
		}
		out := b.Serve(as(t, "ann"), toolCall(t), &deaf{}) // the last attempt is a minute old
		if out.Kind != mcpwire.Complete || d.count() != 2 {
			t.Errorf("got %+v after %d dials", out, d.count())
		}
		if s := b.Status(); s.State != backend.Ready || s.Restarts != 1 {
			t.Errorf("status = %+v", s)
		}
		if !d.peer(t, 0).closed.Load() {
			t.Error("the lost peer was not closed")
		}
		synctest.Wait()
		if e.states < 3 {
			t.Errorf("%d changes of state were told", e.states)
		}
	})
}

func TestLost_crashLoopIsSlowedDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{shared: true, info: legacyInfo}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		for i, end := 0, time.Now().Add(10*time.Minute); time.Now().Before(end); {
			synctest.Wait()
			for ; i < d.count(); i++ {
				d.peer(t, i).die()
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := d.count(); n > 35 {
			t.Errorf("a backend that dies at once was started %d times in ten minutes", n)
		}
	})
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := true
		d := &fakeDialer{shared: true, info: legacyInfo}
		d.serve = func(context.Context, *fakePeer, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
			if broken {
				return backend.Broken("the connection was reset")
			}
			return mcpwire.Done(mcpwire.Rev20251125, []byte(`{"ok":true}`))
		}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		time.Sleep(time.Minute)
		p := d.peer(t, 0)
		for range 5 {
			out := b.Serve(as(t, "ann"), toolCall(t), &deaf{})
			if !strings.Contains(string(out.Result.Bytes), "connection was reset") ||
				!strings.Contains(string(out.Result.Bytes), "unknown whether") {
				t.Fatalf("got %s", out.Result.Bytes)
			}
		}
		synctest.Wait()
		if s := b.Status(); s.State != backend.Degraded {
			t.Fatalf("state = %s after five broken calls", s.State)
		}
		// Half-open: the next call waits for one probe, which fails, and for the dial
		// after it no longer.
		d.fail(errDown)
		out := b.Serve(as(t, "ann"), toolCall(t), &deaf{})
		if n := p.asked("tools/call x"); n != 5 {
			t.Errorf("%d calls reached a backend that is taken for dead", n)
		}
		if !strings.Contains(string(out.Result.Bytes), "Nothing was run") {
			t.Errorf("got %s", out.Result.Bytes)
		}
		synctest.Wait()
		if p.asked("ping ") != 1 || !p.closed.Load() {
			t.Errorf("%d probes, closed %v", p.asked("ping "), p.closed.Load())
		}
		broken = false
		d.fail(nil)
		time.Sleep(time.Minute)
		if out := b.Serve(as(t, "ann"), toolCall(t), &deaf{}); string(out.Result.Bytes) != `{"ok":true}` {
			t.Errorf("after recovery: %s", out.Result.Bytes)
		}
	})
}

// Answers that are of no use come from a backend that is there: one caller's must
// not keep the others from it.
func TestBreaker_garbledAnswersDoNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{shared: true, info: legacyInfo}
		d.serve = func(context.Context, *fakePeer, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
			return backend.Garbled("its answer breaks the rules")
		}
		b, _ := start(t, d, backend.Config{Name: "files"})
		defer b.Stop(t.Context())
		time.Sleep(time.Minute)
		p := d.peer(t, 0)
		for range 20 {
			out := b.Serve(as(t, "ann"), toolCall(t), &deaf{})
			if want := `Backend \"files\" gave no answer: its answer breaks the rules. It is unknown`; !strings.Contains(string(out.Result.Bytes), want) {
				t.Fatalf("got %s", out.Result.Bytes)
			}
		}
		synctest.Wait()
		if s := b.Status(); s.State != backend.Ready || p.asked("tools/call x") != 20 {
			t.Errorf("%d of 20 calls were sent; state %s", p.asked("tools/call x"), s.State)
		}
	})
}

func TestBreaker_probeClosesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{shared: true, info: modernInfo}
		d.serve = func(_ context.Context, _ *fakePeer, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			if req.Method == mcpwire.MethodToolsCall {
				return backend.Broken("the connection was reset")
			}
			return mcpwire.Done(mcpwire.Rev20260728, []byte(`{}`))
		}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		for range 5 {
			out := b.Serve(as(t, "ann"), toolCall(t), &deaf{})
			out.Close()
		}
		synctest.Wait()
		if s := b.Status(); s.State != backend.Degraded {
			t.Fatalf("state = %s", s.State)
		}
		time.Sleep(time.Second)
		if s := b.Status(); s.State != backend.Ready {
			t.Errorf("state = %s after a probe that was answered", s.State)
		}
		if p := d.peer(t, 0); p.asked("server/discover ") != 1 || p.closed.Load() || d.count() != 1 {
			t.Error("the session had to survive its probe")
		}
	})
}

func TestBreaker_backendsOwnErrorsDoNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{shared: true, info: legacyInfo}
		d.serve = func(context.Context, *fakePeer, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
			raw := []byte(`{"code":-32603,"message":"mine"}`)
			return mcpwire.Fail(&mcpwire.Error{Code: mcpwire.CodeInternal, Message: "mine", Raw: raw})
		}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		for range 20 {
			out := b.Serve(as(t, "ann"), toolCall(t), &deaf{})
			if out.Kind != mcpwire.Failed || string(out.Err.Append(nil)) != `{"code":-32603,"message":"mine"}` {
				t.Fatalf("the backend's error arrived as %+v", out)
			}
		}
		if s := b.Status(); s.State != backend.Ready {
			t.Errorf("state = %s", s.State)
		}
	})
}
