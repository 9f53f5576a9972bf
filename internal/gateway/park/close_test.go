package park_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/gateway/park"
	"drawbridge/internal/mcpwire"
)

func TestCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var got string
		r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			out := asks(elicit("a"))(ctx, sink)
			got = string(out.Result.Bytes)
			return out
		})
		owner := func(user string) func(park.Info) bool { return func(i park.Info) bool { return i.User == user } }
		if s.lot.Cancel("no", owner("ann")) || s.lot.Cancel(r.ticket.ID, owner("bob")) || len(s.lot.List()) != 1 {
			t.Fatal("cancelled by whom it does not belong to")
		}
		if !s.lot.Cancel(r.ticket.ID, owner("ann")) || s.lot.Cancel(r.ticket.ID, owner("ann")) {
			t.Error("the owner has to cancel it once")
		}
		synctest.Wait()
		if got != `{"action":"cancel"}` || len(s.lot.List()) != 0 {
			t.Errorf("the backend got %q, %d parked", got, len(s.lot.List()))
		}
		wantErr(t, "the retry", s.resume(t.Context(), r.ticket, accept, &client{}), park.ErrGone)
	})
}

// TestCancel_andRetryAtOnce lets one of the two have the call.
func TestCancel_andRetryAtOnce(t *testing.T) {
	t.Parallel()
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			r := s.parked(asks(elicit("a")))
			end := make(chan reply, 1)
			go func() { end <- s.resume(t.Context(), r.ticket, accept, &client{}) }()
			if s.lot.Cancel(r.ticket.ID, func(park.Info) bool { return true }) {
				wantErr(t, "the retry", <-end, park.ErrGone)
			} else {
				wantText(t, "the retry", <-end, `{"action":"accept"}`)
			}
		})
	}
}

// TestCancel_ofACallThatRuns leaves it alone: its own request can end it.
func TestCancel_ofACallThatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		work := make(chan struct{})
		r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			defer func() { <-work }()
			return asks(elicit("a"))(ctx, sink)
		})
		end := goes(func() reply { return s.resume(t.Context(), r.ticket, accept, &client{}) })
		if s.lot.Cancel(r.ticket.ID, func(park.Info) bool { return true }) {
			t.Error("it is not parked")
		}
		close(work)
		wantText(t, "the retry", <-end, `{"action":"accept"}`)
	})
}

func TestList_isSorted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var want []string
		for range 8 {
			want = append(want, s.parked(asks(elicit("a"))).ticket.ID)
			time.Sleep(time.Second)
		}
		for i, info := range s.lot.List() {
			if info.ID != want[i] {
				t.Errorf("place %d holds %s, want %s", i, info.ID, want[i])
			}
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var causes sync.Map
		do := func(name string, qs ...mcpwire.Question) park.Call {
			return s.call(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
				asks(qs...)(ctx, sink)
				<-ctx.Done()
				time.Sleep(time.Second)
				causes.Store(name, context.Cause(ctx).Error())
				return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "It was cut off."))
			})
		}
		parked := s.serve(t.Context(), do("parked", elicit("a")), &client{})
		released := s.serve(t.Context(), do("released", elicit("a")), &client{})
		attached := goes(func() reply { return s.serve(t.Context(), do("attached"), &client{}) })
		s.lot.Cancel(released.ticket.ID, func(park.Info) bool { return true })
		begun := time.Now()
		s.lot.Close()
		if took := time.Since(begun); took != time.Second {
			t.Errorf("closing took %s", took)
		}
		for _, name := range []string{"parked", "attached", "released"} {
			if why, _ := causes.Load(name); why != "the server stops" {
				t.Errorf("the call that was %s ended by %v when Close returned", name, why)
			}
		}
		wantText(t, "who waited", <-attached, "It was cut off.")
		wantErr(t, "a retry", s.resume(t.Context(), parked.ticket, accept, &client{}), park.ErrGone)
		r := s.serve(t.Context(), do("late"), &client{})
		if r.out.Kind != mcpwire.Failed || !strings.Contains(r.text(), "not run") || s.runs.Load() != 3 {
			t.Errorf("a late call: %s, %d runs", r.text(), s.runs.Load())
		}
		if len(s.lot.List()) != 0 {
			t.Errorf("%d parked", len(s.lot.List()))
		}
		s.lot.Close()
	})
}

// TestClose_callThatHasEndedWhileParked closes its streamed result.
func TestClose_callThatHasEndedWhileParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		rest := &stream{}
		var life context.Context
		s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			life = ctx
			asking, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			asks(elicit("a"))(asking, sink)
			out := done("large")
			out.Result.Rest = rest
			return out
		})
		pass(time.Minute)
		s.lot.Close()
		if synctest.Wait(); rest.closed.Load() != 1 || life.Err() == nil || len(s.lot.List()) != 0 {
			t.Errorf("closed %d times, call %v, %d parked", rest.closed.Load(), life.Err(), len(s.lot.List()))
		}
	})
}

func TestStreamedResult(t *testing.T) {
	t.Parallel()
	gone := errors.New("the client closed its stream")
	for _, reads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			rest := &stream{}
			var life context.Context
			r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
				life = ctx
				out := asks(elicit("a"))(ctx, sink)
				out.Result.Rest = rest
				return out
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			out := s.resume(ctx, r.ticket, accept, &client{}).out
			if synctest.Wait(); life.Err() != nil || rest.closed.Load() != 0 {
				t.Fatal("the call ended before its result was read")
			}
			if !reads {
				cancel(gone)
				if synctest.Wait(); context.Cause(life) != gone {
					t.Errorf("its client has gone, and the call ended by %v", context.Cause(life))
				}
			}
			out.Close()
			out.Close()
			if synctest.Wait(); life.Err() == nil || rest.closed.Load() != 1 {
				t.Errorf("call %v, closed %d times", life.Err(), rest.closed.Load())
			}
		})
	}
}

// TestStreamedResult_asItsClientGoes is closed by the lot or by who gets it.
func TestStreamedResult_asItsClientGoes(t *testing.T) {
	t.Parallel()
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			rest := &stream{}
			ctx, cancel := context.WithCancel(t.Context())
			r := s.serve(ctx, s.call(func(context.Context, mcpwire.Sink) mcpwire.Outcome {
				defer cancel()
				out := done("large")
				out.Result.Rest = rest
				return out
			}), &client{})
			r.out.Close()
			if synctest.Wait(); rest.closed.Load() != 1 {
				t.Errorf("closed %d times", rest.closed.Load())
			}
		})
	}
}

// TestStreamedResult_forNobody is closed, so that what it holds at its backend is
// given back.
func TestStreamedResult_forNobody(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		ends time.Duration // when the backend's call does
		out  func(*stage, reply)
	}{
		{"ended before it expires", time.Second, func(*stage, reply) { time.Sleep(ttl) }},
		{"ends after it has expired", ttl + time.Second, func(*stage, reply) { time.Sleep(ttl + time.Second) }},
		{"ended before it is cancelled", time.Second, func(s *stage, r reply) {
			time.Sleep(time.Minute)
			s.lot.Cancel(r.ticket.ID, func(park.Info) bool { return true })
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, roomy)
				rest, freed := &stream{}, 0
				var life context.Context
				r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
					life = ctx
					asking, cancel := context.WithTimeout(ctx, tt.ends)
					defer cancel()
					asks(elicit("a"))(asking, sink)
					<-asking.Done()
					out := done("large")
					out.Result.Rest, out.Result.Free = rest, func() { freed++ }
					return out
				})
				tt.out(s, r)
				if synctest.Wait(); rest.closed.Load() != 1 || freed != 1 || life.Err() == nil {
					t.Errorf("closed %d times, freed %d times, call %v", rest.closed.Load(), freed, life.Err())
				}
			})
		})
	}
}

// TestCrowd parks 200 calls of 10 users with two questions each and does to each
// what chance says. Nobody gets what is another's, nothing runs twice, nothing stays.
func TestCrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var all sync.WaitGroup
		for i := range 200 {
			chance := rand.New(rand.NewPCG(4, uint64(i)))
			all.Go(func() { s.visitor(fmt.Sprintf("canary-%d", i), fmt.Sprint("user-", i%10), chance) })
		}
		all.Wait()
		time.Sleep(ttl + time.Minute)
		synctest.Wait()
		if list := s.lot.List(); len(list) != 0 || s.runs.Load() != 200 {
			t.Errorf("%d parked at the end, %d runs", len(list), s.runs.Load())
		}
	})
}

// visitor is one call and its client in TestCrowd.
func (s *stage) visitor(canary, user string, chance *rand.Rand) {
	req := request(s.t, mcpwire.MethodToolsCall, `{"name":"a"}`, every)
	r := s.serve(s.t.Context(), s.callOf(user, req, asks(elicit(canary), elicit(canary))), &client{})
	var want strings.Builder
	for round := 1; len(r.asked) > 0; round++ {
		if text, _ := mcpwire.TextMember(r.asked[0].Params, "message"); text != canary {
			s.t.Errorf("%s was asked %s", canary, text)
		}
		time.Sleep(time.Duration(chance.Int64N(int64(2 * time.Second))))
		answer := fmt.Sprintf(`{"action":"accept","content":{"c":"%s","n":%d}}`, canary, round)
		inputs := fmt.Sprintf(`{"question-%d":%s}`, round, answer)
		ctx, cancel := context.WithCancel(s.t.Context())
		switch chance.IntN(6) {
		case 0: // leaves it
			cancel()
			return
		case 1:
			cancel() // the retry's stream breaks at once
		case 2:
			s.lot.Cancel(r.ticket.ID, func(i park.Info) bool { return i.User == user })
		case 3:
			s.resume(ctx, r.ticket, `{}`, &client{})
		}
		want.WriteString(answer)
		r = s.resume(ctx, r.ticket, inputs, &client{})
		cancel()
	}
	if got := r.text(); r.out.Kind == mcpwire.Complete && got != want.String() {
		s.t.Errorf("%s got %s, want %s", canary, got, want.String())
	}
}
