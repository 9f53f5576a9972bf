package backend_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

// hanging is a backend whose calls end with their context.
func hanging(ctx context.Context, _ *fakePeer, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
	if req.Method != mcpwire.MethodToolsCall {
		return mcpwire.Done(mcpwire.Rev20251125, []byte(`{}`))
	}
	<-ctx.Done()
	return backend.Broken("the call was cancelled")
}

func TestServe_deadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := start(t, &fakeDialer{shared: true, info: legacyInfo, serve: hanging}, backend.Config{})
		defer b.Stop(t.Context())
		for range 6 { // slow tools are no reason to open the breaker
			before := time.Now()
			out := b.Serve(as(t, "ann"), toolCall(t), &deaf{})
			if d := time.Since(before); d != 120*time.Second {
				t.Errorf("ended after %s", d)
			}
			if text := string(out.Result.Bytes); !strings.Contains(text, "no answer within 2m0s") || !strings.Contains(text, "unknown whether") {
				t.Errorf("got %s", text)
			}
		}
		if s := b.Status(); s.State != backend.Ready {
			t.Errorf("state = %s", s.State)
		}
	})
}

// person answers after a while, or never.
type person struct {
	deaf
	thinks time.Duration
}

func (p *person) Ask(ctx context.Context, _ mcpwire.Question) (mcpwire.Answer, error) {
	select {
	case <-time.After(p.thinks):
		return mcpwire.Answer{Result: []byte(`{"action":"accept"}`)}, nil
	case <-ctx.Done():
		return mcpwire.Answer{}, ctx.Err()
	}
}

// A call's time is the backend's: it does not run while people think, who have
// their own.
func TestServe_deadlineWaitsForPeople(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		thinks, runs time.Duration
		want         string
		lasts        time.Duration
	}{
		{"a slow person", 5 * time.Minute, 119 * time.Second, `"accept"`, 5*time.Minute + 119*time.Second},
		{"a slow person and a slow backend", 5 * time.Minute, 121 * time.Second, "no answer within 2m0s", 7 * time.Minute},
		{"nobody there", time.Hour, time.Second, `"none"`, 10*time.Minute + time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asking := func(ctx context.Context, _ *fakePeer, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
					if req.Method != mcpwire.MethodToolsCall {
						return mcpwire.Done(mcpwire.Rev20251125, []byte(`{}`))
					}
					a, err := sink.Ask(ctx, mcpwire.Question{Method: mcpwire.MethodElicit})
					select {
					case <-time.After(tt.runs):
					case <-ctx.Done():
						return backend.Broken("the call was cancelled")
					}
					if err != nil {
						a.Result = []byte(`{"action":"none"}`)
					}
					return mcpwire.Done(mcpwire.Rev20251125, a.Result)
				}
				b, _ := start(t, &fakeDialer{shared: true, info: legacyInfo, serve: asking}, backend.Config{})
				defer b.Stop(t.Context())
				before := time.Now()
				out := b.Serve(as(t, "ann"), toolCall(t), &person{thinks: tt.thinks})
				if text := string(out.Result.Bytes); !strings.Contains(text, tt.want) || time.Since(before) != tt.lasts {
					t.Errorf("after %s: %s", time.Since(before), text)
				}
			})
		})
	}
}

func TestServe_boundsWhatRunsAndWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := start(t, &fakeDialer{shared: true, info: legacyInfo, serve: hanging}, backend.Config{Concurrency: 2, Queue: 3})
		defer b.Stop(t.Context())
		ctx, cancel := context.WithCancel(as(t, "ann"))
		outs := make(chan mcpwire.Outcome, 5)
		for range 5 {
			go func() { outs <- b.Serve(ctx, toolCall(t), &deaf{}) }()
		}
		synctest.Wait()
		if s := b.Status(); s.InFlight != 2 {
			t.Errorf("%d calls in flight", s.InFlight)
		}
		before := time.Now()
		out := b.Serve(as(t, "bob"), toolCall(t), &deaf{})
		if text := string(out.Result.Bytes); !strings.Contains(text, "too many calls wait") || time.Since(before) != 0 {
			t.Errorf("after %s: %s", time.Since(before), text)
		}
		cancel()
		for range 5 {
			<-outs
		}
		if s := b.Status(); s.InFlight != 0 {
			t.Errorf("%d calls in flight after all ended", s.InFlight)
		}
	})
}

type slowRest struct{ closed bool }

func (r *slowRest) Read([]byte) (int, error) { return 0, io.EOF }
func (r *slowRest) Close() error             { r.closed = true; return nil }

func TestServe_streamedResultHoldsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var during context.Context
		d := &fakeDialer{shared: true, info: legacyInfo}
		d.serve = func(ctx context.Context, _ *fakePeer, _ *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			during = ctx
			out := mcpwire.Done(mcpwire.Rev20251125, []byte(`{`))
			out.Result.Rest = &slowRest{}
			return out
		}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		out := b.Serve(as(t, "ann"), toolCall(t), &deaf{})
		if b.Status().InFlight != 1 || during.Err() != nil {
			t.Error("the call ended while its result was on its way")
		}
		out.Close()
		if b.Status().InFlight != 0 || during.Err() == nil {
			t.Error("the call did not end with its result")
		}
	})
}

func TestServe_keepsWhatConcernsEverybodyFromTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		d.serve = func(_ context.Context, _ *fakePeer, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			if req.Method == mcpwire.MethodToolsCall {
				sink.Notify(mcpwire.Notification{Method: mcpwire.MethodProgress})
				sink.Notify(mcpwire.Notification{Method: mcpwire.MethodPromptsChanged})
				sink.Notify(mcpwire.Notification{Method: mcpwire.MethodResourceUpdated, Params: []byte(`{"uri":"file:///a"}`)})
			}
			return mcpwire.Done(mcpwire.Rev20251125, []byte(`{}`))
		}
		b, e := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		var sink deaf
		b.Serve(as(t, "ann"), toolCall(t), &sink)
		if len(sink.notes) != 1 || sink.notes[0] != mcpwire.MethodProgress {
			t.Errorf("the caller heard %v", sink.notes)
		}
		if len(e.lists) != 1 || e.lists[0] != backend.PromptLists {
			t.Errorf("list changes = %v", e.lists)
		}
		if len(e.updates) != 1 || e.updates[0] != "ann\x00key_ann file:///a" {
			t.Errorf("updates = %q", e.updates)
		}
	})
}

func TestStop_drainsAndThenCutsOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		d.serve = func(ctx context.Context, p *fakePeer, _ *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			if p.who.User == "slow" {
				<-ctx.Done()
				return backend.Broken("the call was cancelled")
			}
			time.Sleep(3 * time.Second)
			return mcpwire.Done(mcpwire.Rev20251125, []byte(`{"finished":true}`))
		}
		b, _ := start(t, d, backend.Config{})
		quick, slow := make(chan mcpwire.Outcome, 1), make(chan mcpwire.Outcome, 1)
		go func() { quick <- b.Serve(as(t, "quick"), toolCall(t), &deaf{}) }()
		go func() { slow <- b.Serve(as(t, "slow"), toolCall(t), &deaf{}) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		before := time.Now()
		b.Stop(ctx)
		if d := time.Since(before); d != 5*time.Second {
			t.Errorf("stopped after %s", d)
		}
		if out := <-quick; string(out.Result.Bytes) != `{"finished":true}` {
			t.Errorf("the call that had time got %s", out.Result.Bytes)
		}
		if out := <-slow; !strings.Contains(string(out.Result.Bytes), "being stopped") {
			t.Errorf("the call that had none got %s", out.Result.Bytes)
		}
		for i := range d.count() {
			if !d.peer(t, i).closed.Load() {
				t.Errorf("peer %d was left open", i)
			}
		}
		if s := b.Status(); s.State != backend.Disabled || s.InFlight != 0 || s.Sessions != 0 {
			t.Errorf("status = %+v", s)
		}
		out := b.Serve(as(t, "quick"), toolCall(t), &deaf{})
		if !strings.Contains(string(out.Result.Bytes), "being stopped") {
			t.Errorf("a call after the end got %s", out.Result.Bytes)
		}
	})
}

func TestServe_deadBackendDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dead, _ := start(t, &fakeDialer{shared: true, info: legacyInfo, serve: hanging}, backend.Config{Concurrency: 1})
		defer dead.Stop(t.Context())
		good, _ := start(t, &fakeDialer{shared: true, info: legacyInfo}, backend.Config{})
		defer good.Stop(t.Context())
		ctx, cancel := context.WithCancel(as(t, "ann"))
		for range 10 {
			go dead.Serve(ctx, toolCall(t), &deaf{})
		}
		synctest.Wait()
		before := time.Now()
		for range 100 {
			if out := good.Serve(as(t, "bob"), toolCall(t), &deaf{}); string(out.Result.Bytes) != `{}` {
				t.Fatalf("got %s", out.Result.Bytes)
			}
		}
		if d := time.Since(before); d != 0 {
			t.Errorf("the good backend's calls took %s", d)
		}
		cancel()
	})
}
