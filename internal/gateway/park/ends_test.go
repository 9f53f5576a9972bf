package park_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/gateway/park"
	"drawbridge/internal/mcpwire"
)

func TestCallEndsWhileParked(t *testing.T) {
	t.Parallel()
	lost := mcpwire.Errorf(mcpwire.CodeInternal, "It is unknown whether the call took effect.")
	tests := []struct {
		name string
		out  mcpwire.Outcome
		want string
	}{
		{"with a result", done("ok"), `{"content":"ok"}`},
		{"because its backend went away", mcpwire.Fail(lost), lost.Message},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, roomy)
				r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
					asking, cancel := context.WithTimeout(ctx, time.Second)
					defer cancel()
					asks(elicit("a"))(asking, sink)
					return tt.out
				})
				pass(time.Minute)
				if len(s.lot.List()) != 1 {
					t.Error("the outcome is kept for nobody")
				}
				wantText(t, "the retry", s.resume(t.Context(), r.ticket, accept, &client{}), tt.want)
				wantErr(t, "one more", s.resume(t.Context(), r.ticket, accept, &client{}), park.ErrAnswered)
				if s.runs.Load() != 1 || len(s.lot.List()) != 0 {
					t.Errorf("%d runs, %d parked", s.runs.Load(), len(s.lot.List()))
				}
			})
		})
	}
}

func TestPanicIsTheCallsFailure(t *testing.T) {
	t.Parallel()
	for _, asksFirst := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			do := func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
				if asksFirst {
					asks(elicit("a"))(ctx, sink)
				}
				panic("made-up-secret")
			}
			r := s.serve(t.Context(), s.call(do), &client{})
			if asksFirst {
				r = s.resume(t.Context(), r.ticket, accept, &client{})
			}
			if r.out.Kind != mcpwire.Failed || r.out.Err.Code != mcpwire.CodeInternal || strings.Contains(r.text(), "secret") {
				t.Errorf("the client got %s", r.text())
			}
			if !strings.Contains(s.log.String(), "panic while serving") || len(s.lot.List()) != 0 {
				t.Errorf("%d parked; the log:\n%s", len(s.lot.List()), s.log)
			}
		})
	}
}

// TestClientGone cancels the backend's call, of a first request and of a retry, and
// ends not before it.
func TestClientGone(t *testing.T) {
	t.Parallel()
	gone := errors.New("the client closed its stream")
	for _, retry := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			var why error
			ended := false
			do := func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
				if retry {
					asks(elicit("a"))(ctx, sink)
				}
				<-ctx.Done()
				why = context.Cause(ctx)
				time.Sleep(time.Second)
				ended = true
				return done("too late")
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			var end <-chan reply
			at := park.Ticket{}
			if retry {
				at = s.parked(do).ticket
				end = goes(func() reply { return s.resume(ctx, at, accept, &client{}) })
			} else {
				end = goes(func() reply { return s.serve(ctx, s.call(do), &client{}) })
			}
			cancel(gone)
			r := <-end
			if !ended || why != gone || r.out.Kind != mcpwire.Failed || !strings.Contains(r.text(), "cancelled") {
				t.Errorf("ended %v by %v with %s", ended, why, r.text())
			}
			if r := s.resume(t.Context(), at, accept, &client{}); r.out.Kind != mcpwire.Failed {
				t.Errorf("a retry got %s", r.text())
			}
		})
	}
}

// TestClientGone_withItsQuestion ends the first request's context, as the end of its
// response does: the parked call is not that request's any more.
func TestClientGone_withItsQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		ctx, cancel := context.WithCancel(t.Context())
		r := s.serve(ctx, s.call(asks(elicit("a"))), &client{})
		cancel()
		synctest.Wait()
		wantText(t, "the retry", s.resume(t.Context(), r.ticket, accept, &client{}), `{"action":"accept"}`)
	})
}

// TestClientGone_beforeItIsParked has a question in its gathering time when the
// client goes.
func TestClientGone_beforeItIsParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		r := s.serve(ctx, s.call(asks(elicit("a"))), &client{})
		if r.out.Kind != mcpwire.Failed || len(s.lot.List()) != 0 {
			t.Errorf("%d parked, the client got %s", len(s.lot.List()), r.text())
		}
	})
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	sample := mcpwire.Question{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodSample, Params: []byte(`{"messages":[]}`)}
	roots := mcpwire.Question{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodRootsList}
	tests := []struct {
		name string
		q    mcpwire.Question
		want string
	}{
		{"elicitation", elicit("a"), `{"action":"cancel"}`},
		{"sampling", sample, "User rejected sampling request"},
		{"roots", roots, `{"roots":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, roomy)
				var end mcpwire.Outcome
				var at time.Time
				var cut error
				r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
					end, at, cut = asks(tt.q, elicit("and then"))(ctx, sink), time.Now(), ctx.Err()
					return end
				})
				begun := time.Now()
				pass(ttl - time.Nanosecond)
				if len(s.lot.List()) != 1 {
					t.Fatal("it is gone before its time")
				}
				pass(time.Nanosecond)
				if got := string(end.Result.Bytes); got != tt.want+mcpwire.ErrCannotAsk.Error() || at.Sub(begun) != ttl || cut != nil {
					t.Errorf("the backend got %q after %s, cut off by %v", got, at.Sub(begun), cut)
				}
				if len(s.lot.List()) != 0 || !strings.Contains(s.log.String(), "reason=expired") {
					t.Errorf("%d parked; the log:\n%s", len(s.lot.List()), s.log)
				}
				wantErr(t, "a late retry", s.resume(t.Context(), r.ticket, accept, &client{}), park.ErrGone)
			})
		})
	}
}

// TestExpiry_backendThatGoesOn is cancelled when it has had its last word's time.
func TestExpiry_backendThatGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var cut time.Time
		said := &client{}
		r := s.serve(t.Context(), s.call(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			asks(elicit("a"))(ctx, sink)
			sink.Notify(mcpwire.Notification{Method: mcpwire.MethodMessage, Params: []byte(`{}`)})
			<-ctx.Done()
			cut = time.Now()
			return done("too late")
		}), said)
		begun := time.Now()
		pass(ttl + time.Minute)
		if took := cut.Sub(begun); took != ttl+2*time.Second || len(said.has()) != 0 {
			t.Errorf("cut off after %s; the client of the first request heard %q", took, said.has())
		}
		wantErr(t, "a late retry", s.resume(t.Context(), r.ticket, accept, &client{}), park.ErrGone)
	})
}

// TestExpiry_ofARoundThatIsOver must not touch the next one.
func TestExpiry_ofARoundThatIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		r := s.parked(asks(elicit("a"), elicit("b")))
		time.Sleep(ttl - 20*time.Millisecond)
		r = s.resume(t.Context(), r.ticket, accept, &client{})
		if len(r.asked) != 1 {
			t.Fatalf("no second question: %s", r.text())
		}
		time.Sleep(ttl - time.Second)
		wantText(t, "the second answer", s.resume(t.Context(), r.ticket, `{"question-2":{"action":"decline"}}`, &client{}), `{"action":"accept"}{"action":"decline"}`)
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		cfg    park.Config
		others string // who asks beyond the bound
		free   string // who may still ask; "" for nobody
	}{
		{"per user", park.Config{TTL: ttl, PerUser: 2, Total: 10}, "ann", "bob"},
		{"in total", park.Config{TTL: ttl, PerUser: 2, Total: 2}, "bob", ""},
		{"none at all", park.Config{TTL: ttl}, "ann", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, tt.cfg)
				serve := func(user string) reply {
					req := request(t, mcpwire.MethodToolsCall, `{"name":"a"}`, every)
					return s.serve(t.Context(), s.callOf(user, req, asks(elicit("a"))), &client{})
				}
				var last reply
				for range tt.cfg.PerUser {
					last = serve("ann")
				}
				wantText(t, "beyond the bound", serve(tt.others), `{"action":"cancel"}`)
				if len(s.lot.List()) != tt.cfg.PerUser || !strings.Contains(s.log.String(), "limits.parked") {
					t.Errorf("%d parked; the log:\n%s", len(s.lot.List()), s.log)
				}
				if tt.free != "" && serve(tt.free).asked == nil {
					t.Error("somebody else may not ask")
				}
				if tt.cfg.PerUser == 0 {
					return
				}
				wantText(t, "the retry", s.resume(t.Context(), last.ticket, accept, &client{}), `{"action":"accept"}`)
				if serve(tt.others).asked == nil {
					t.Error("an answered call still counts")
				}
			})
		})
	}
}

// TestLimits_areGivenBack by every way out of being parked.
func TestLimits_areGivenBack(t *testing.T) {
	t.Parallel()
	any := func(park.Info) bool { return true }
	ways := map[string]func(*stage, reply){
		"answered":  func(s *stage, r reply) { s.resume(s.t.Context(), r.ticket, accept, &client{}) },
		"expired":   func(*stage, reply) { pass(ttl) },
		"cancelled": func(s *stage, r reply) { s.lot.Cancel(r.ticket.ID, any) },
		"twice": func(s *stage, r reply) {
			s.lot.Cancel(r.ticket.ID, any)
			s.lot.Cancel(r.ticket.ID, any)
			time.Sleep(ttl)
		},
	}
	for name, out := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, park.Config{TTL: ttl, PerUser: 1, Total: 1})
				for range 3 {
					out(s, s.parked(asks(elicit("a"))))
					synctest.Wait()
				}
				s.parked(asks(elicit("a")))
				wantText(t, "one too many", s.serve(t.Context(), s.call(asks(elicit("a"))), &client{}), `{"action":"cancel"}`)
			})
		})
	}
}
