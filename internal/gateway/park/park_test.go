package park_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/gateway/park"
	"drawbridge/internal/mcpwire"
)

func TestServe_callThatAsksNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var life context.Context
		r := s.serve(t.Context(), s.call(func(ctx context.Context, _ mcpwire.Sink) mcpwire.Outcome {
			life = ctx
			return done("ok")
		}), &client{})
		wantText(t, "the call", r, `{"content":"ok"}`)
		if life.Err() == nil || len(s.lot.List()) != 0 || s.runs.Load() != 1 {
			t.Errorf("context %v, %d parked, %d runs", life.Err(), len(s.lot.List()), s.runs.Load())
		}
	})
}

func TestQuestionAndItsAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		q := mcpwire.Question{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodElicit,
			Params: []byte(`{"mode":"url","message":"m","url":"https://example.com","elicitationId":"e1","_meta":{"progressToken":1}}`)}
		begun := time.Now()
		r := s.parked(asks(q))
		want := []mcpwire.Asked{{Key: "question-1", Question: mcpwire.Question{Revision: mcpwire.LatestModern,
			Method: mcpwire.MethodElicit, Params: []byte(`{"mode":"url","message":"m","url":"https://example.com"}`)}}}
		if diff := cmp.Diff(want, r.asked); diff != "" {
			t.Errorf("the questions (-want +got):\n%s", diff)
		}
		since := begun.Add(10 * time.Millisecond)
		list := []park.Info{{ID: r.ticket.ID, Backend: "files", User: "ann", Method: "tools/call", Target: "book", Since: since, Expires: since.Add(ttl)}}
		if diff := cmp.Diff(list, s.lot.List()); diff != "" {
			t.Errorf("what is parked (-want +got):\n%s", diff)
		}
		time.Sleep(ttl - time.Second)
		// An escaped key is the same key, and what nobody asked for is no matter.
		r = s.resume(t.Context(), r.ticket, `{"other":{},"question\u002d1":{"resultType":"complete","action":"accept","x":1}}`, &client{})
		wantText(t, "the retry", r, `{"action":"accept","x":1}`)
		if len(s.lot.List()) != 0 || s.runs.Load() != 1 {
			t.Errorf("%d parked, %d runs", len(s.lot.List()), s.runs.Load())
		}
	})
}

func TestQuestionsPutTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		texts := []string{"a", "b", "c"}
		got := make([]string, len(texts))
		r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			var all sync.WaitGroup
			for i, text := range texts {
				all.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					a, err := sink.Ask(ctx, elicit(text))
					if err == nil {
						got[i] = string(a.Result)
					}
				})
			}
			all.Wait()
			return done("ok")
		})
		if len(r.asked) != 3 {
			t.Fatalf("%d questions in one map, want 3", len(r.asked))
		}
		inputs := []string{}
		for _, a := range r.asked {
			text, _ := mcpwire.TextMember(a.Params, "message")
			inputs = append(inputs, `"`+a.Key+`":{"action":"accept","content":{"to":"`+text+`"}}`)
		}
		r = s.resume(t.Context(), r.ticket, "{"+inputs[2]+","+inputs[0]+","+inputs[1]+"}", &client{})
		wantText(t, "the retry", r, `{"content":"ok"}`)
		for i, text := range texts {
			if want := `{"action":"accept","content":{"to":"` + text + `"}}`; got[i] != want {
				t.Errorf("question %s was answered with %s", text, got[i])
			}
		}
	})
}

func TestQuestionWhileParkedWaitsForTheNextRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var first, second string
		r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			var all sync.WaitGroup
			all.Go(func() { a, _ := sink.Ask(ctx, elicit("first")); first = string(a.Result) })
			all.Go(func() {
				time.Sleep(time.Minute)
				a, _ := sink.Ask(ctx, elicit("second"))
				second = string(a.Result)
			})
			all.Wait()
			return done("ok")
		})
		time.Sleep(2 * time.Minute)
		if again := s.resume(t.Context(), r.ticket, `{}`, &client{}); len(again.asked) != 1 || again.asked[0].Key != "question-1" {
			t.Fatalf("before its round the client has %v", again.asked)
		}
		// An answer to a question that the client cannot have is no answer.
		r2 := s.resume(t.Context(), r.ticket, `{"question-1":{"action":"accept"},"question-2":{"action":"decline"}}`, &client{})
		if len(r2.asked) != 1 || r2.asked[0].Key != "question-2" || r2.ticket.ID != r.ticket.ID || r2.ticket == r.ticket {
			t.Fatalf("next round: %v, ticket %v after %v", r2.asked, r2.ticket, r.ticket)
		}
		wantErr(t, "a retry of the round before", s.resume(t.Context(), r.ticket, accept, &client{}), park.ErrAnswered)
		if list := s.lot.List(); len(list) != 1 || !list[0].Expires.Equal(time.Now().Add(ttl)) {
			t.Errorf("the next round's time: %v", list)
		}
		wantText(t, "the end", s.resume(t.Context(), r2.ticket, `{"question-2":{"action":"cancel"}}`, &client{}), `{"content":"ok"}`)
		if first != `{"action":"accept"}` || second != `{"action":"cancel"}` {
			t.Errorf("answers %s and %s", first, second)
		}
	})
}

func TestResume_thatCannotGoOnChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		r := s.parked(asks(elicit("a")))
		for _, inputs := range []string{``, `{}`, `{"question-2":{"action":"accept"}}`, `{"QUESTION-1":{"action":"accept"}}`} {
			again := s.resume(t.Context(), r.ticket, inputs, &client{})
			if diff := cmp.Diff(r.asked, again.asked); diff != "" || again.ticket != r.ticket || again.out.Kind != mcpwire.InputRequired {
				t.Errorf("inputs %s: kind %v, ticket %v, questions (-want +got):\n%s", inputs, again.out.Kind, again.ticket, diff)
			}
		}
		for _, answer := range []string{`{}`, `{"action":"yes"}`, `{"action":1}`, `{"action":"accept","content":[]}`} {
			bad := s.resume(t.Context(), r.ticket, `{"question-1":`+answer+`}`, &client{})
			if bad.out.Kind != mcpwire.Failed || bad.out.Err.Code != mcpwire.CodeInvalidParams || !strings.Contains(bad.text(), `"question-1"`) {
				t.Errorf("answer %s: %s", answer, bad.text())
			}
		}
		for _, at := range []park.Ticket{{}, {ID: r.ticket.ID[1:], Round: 1}, {ID: "no", Round: 1}} {
			wantErr(t, "a ticket of nobody", s.resume(t.Context(), at, accept, &client{}), park.ErrGone)
		}
		for _, round := range []int{0, 2, -1} {
			wantErr(t, "another round", s.resume(t.Context(), park.Ticket{ID: r.ticket.ID, Round: round}, accept, &client{}), park.ErrAnswered)
		}
		if len(s.lot.List()) != 1 {
			t.Fatal("the call is not parked any more")
		}
		wantText(t, "the rightful retry", s.resume(t.Context(), r.ticket, accept, &client{}), `{"action":"accept"}`)
	})
}

func TestResume_twice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		work := make(chan struct{})
		r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			out := asks(elicit("a"))(ctx, sink)
			<-work
			return out
		})
		end := goes(func() reply { return s.resume(t.Context(), r.ticket, accept, &client{}) })
		wantErr(t, "while the first runs", s.resume(t.Context(), r.ticket, `{"question-1":{"action":"cancel"}}`, &client{}), park.ErrAnswered)
		still(t, end, "after a second retry")
		close(work)
		wantText(t, "the first", <-end, `{"action":"accept"}`)
		wantErr(t, "after the first has ended", s.resume(t.Context(), r.ticket, accept, &client{}), park.ErrAnswered)
		if s.runs.Load() != 1 {
			t.Errorf("%d runs", s.runs.Load())
		}
	})
}

// TestResume_manyAtOnce has one winner, and tells the others of it: who is told to
// send the call again would run it twice.
func TestResume_manyAtOnce(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			r := s.parked(asks(elicit("a")))
			got := make([]reply, 10)
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() { got[i] = s.resume(t.Context(), r.ticket, accept, &client{}) })
			}
			all.Wait()
			won := 0
			for _, g := range got {
				switch {
				case g.text() == `{"action":"accept"}`:
					won++
				case g.out.Err != park.ErrAnswered:
					t.Errorf("a retry was told %q", g.text())
				}
			}
			if won != 1 {
				t.Errorf("%d retries went on", won)
			}
		})
	}
}

func TestQuestionTakenBack(t *testing.T) {
	t.Parallel()
	late := func(wait time.Duration) script {
		return func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			asking, cancel := context.WithTimeoutCause(ctx, wait, errors.New("taken back"))
			defer cancel()
			out := asks(elicit("a"))(asking, sink)
			time.Sleep(time.Minute)
			return out
		}
	}
	t.Run("before it is put", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			wantText(t, "the call", s.serve(t.Context(), s.call(late(time.Millisecond)), &client{}), "taken back")
		})
	})
	t.Run("while parked", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			r := s.parked(late(time.Second))
			time.Sleep(2 * time.Second)
			end := goes(func() reply { return s.resume(t.Context(), r.ticket, accept, &client{}) })
			still(t, end, "the backend goes on")
			wantText(t, "its late answer", <-end, "taken back")
		})
	})
	t.Run("one of two", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
				var all sync.WaitGroup
				all.Go(func() { late(time.Second)(ctx, sink) })
				time.Sleep(time.Millisecond)
				out := asks(elicit("b"))(ctx, sink)
				all.Wait()
				return out
			})
			time.Sleep(2 * time.Second)
			if again := s.resume(t.Context(), r.ticket, accept, &client{}); len(again.asked) != 1 || again.asked[0].Key != "question-2" {
				t.Fatalf("open questions: %v", again.asked)
			}
			wantText(t, "the one that is left", s.resume(t.Context(), r.ticket, `{"question-2":{"action":"decline"}}`, &client{}), `{"action":"decline"}`)
		})
	})
}

func TestAsk_refused(t *testing.T) {
	t.Parallel()
	url := mcpwire.Question{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodElicit, Params: []byte(`{"mode":"url"}`)}
	tools := mcpwire.Question{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodSample, Params: []byte(`{"tools":[]}`)}
	roots := mcpwire.Question{Revision: mcpwire.Rev20241105, Method: mcpwire.MethodRootsList}
	tests := []struct {
		name, method string
		can          mcpwire.Capabilities
		q            mcpwire.Question
	}{
		{"a method that may not ask", mcpwire.MethodComplete, every, elicit("a")},
		{"nothing declared", mcpwire.MethodToolsCall, mcpwire.Capabilities{}, elicit("a")},
		{"forms only", mcpwire.MethodPromptsGet, mcpwire.Capabilities{Elicitation: true}, url},
		{"sampling without tools", mcpwire.MethodToolsCall, mcpwire.Capabilities{Sampling: true}, tools},
		{"no roots", mcpwire.MethodResourcesRead, mcpwire.Capabilities{Elicitation: true, Sampling: true}, roots},
		{"no question at all", mcpwire.MethodToolsCall, every, mcpwire.Question{Revision: mcpwire.Rev20251125, Method: "tools/call"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, roomy)
				req := request(t, tt.method, `{"name":"a","uri":"a","ref":{"type":"ref/prompt","name":"a"}}`, tt.can)
				r := s.serve(t.Context(), s.callOf("ann", req, asks(tt.q)), &client{})
				wantText(t, "the backend", r, mcpwire.ErrCannotAsk.Error())
			})
		})
	}
}

// TestAsk_byWhatTheRetryDeclares: capabilities are declared by request
// (2026-07-28, basic/index "_meta").
func TestAsk_byWhatTheRetryDeclares(t *testing.T) {
	t.Parallel()
	forms := mcpwire.Capabilities{Elicitation: true}
	roots := mcpwire.Question{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodRootsList}
	t.Run("put after it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			r := s.parked(asks(elicit("a"), roots, elicit("b")))
			r = s.retry(t.Context(), r.ticket, accept, `"_meta":{}`, forms, &client{})
			if len(r.asked) != 1 || r.asked[0].Method != mcpwire.MethodElicit {
				t.Fatalf("it was asked %v", r.asked)
			}
			r = s.retry(t.Context(), r.ticket, `{"question-2":{"action":"decline"}}`, `"_meta":{}`, mcpwire.Capabilities{}, &client{})
			wantText(t, "the end", r, `{"action":"accept"}`+mcpwire.ErrCannotAsk.Error()+`{"action":"decline"}`)
		})
	})
	t.Run("put while the call was parked", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, roomy)
			var second mcpwire.Outcome
			r := s.parked(func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
				var all sync.WaitGroup
				all.Go(func() { asks(elicit("a"))(ctx, sink) })
				all.Go(func() { time.Sleep(time.Second); second = asks(roots)(ctx, sink) })
				all.Wait()
				return done("ok")
			})
			pass(time.Minute)
			r = s.retry(t.Context(), r.ticket, accept, `"_meta":{}`, forms, &client{})
			wantText(t, "the end", r, `{"content":"ok"}`)
			if got := string(second.Result.Bytes); got != `{"roots":[]}` {
				t.Errorf("the second question was answered with %s", got)
			}
		})
	})
}
