package park_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/mcpwire"
)

func progress(n int) mcpwire.Notification {
	return mcpwire.Notification{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodProgress, Params: fmt.Appendf(nil, `{"progressToken":"first","progress":%d}`, n)}
}

func message(data string) mcpwire.Notification {
	return mcpwire.Notification{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodMessage, Params: []byte(`{"data":"` + data + `"}`)}
}

// says is a backend that speaks before its question, while it is parked, and after
// the answer.
func says(before, parked, after []mcpwire.Notification) script {
	return func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
		tell := func(list []mcpwire.Notification) {
			for _, n := range list {
				params := append([]byte(nil), n.Params...)
				n.Params = params
				sink.Notify(n)
				clear(params) // they are only valid during the call
			}
		}
		tell(before)
		answer := make(chan mcpwire.Outcome, 1)
		go func() { answer <- asks(elicit("a"))(ctx, sink) }()
		time.Sleep(time.Second)
		tell(parked)
		out := <-answer
		tell(after)
		return out
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	all := []mcpwire.Notification{progress(1), message("a"), progress(2)}
	tests := []struct {
		name          string
		meta          string // of the retry
		first, second []string
	}{
		{"with a token", `"_meta":{"progressToken":7}`,
			[]string{`{"progressToken":"first","progress":1}`, `{"data":"a"}`, `{"progressToken":"first","progress":2}`},
			[]string{`{"progressToken":7,"progress":1}`, `{"data":"a"}`, `{"progressToken":7,"progress":2}`}},
		{"without a token", `"_meta":{}`,
			[]string{`{"progressToken":"first","progress":1}`, `{"data":"a"}`, `{"progressToken":"first","progress":2}`},
			[]string{`{"data":"a"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, roomy)
				first, second := &client{}, &client{}
				r := s.serve(t.Context(), s.call(says(all, all, all)), first)
				pass(time.Minute)
				if end := s.retry(t.Context(), r.ticket, accept, tt.meta, every, second); end.out.Kind != mcpwire.Complete {
					t.Fatal(end.out.Err)
				}
				bare := func(c *client) (list []string) {
					for _, text := range c.has() {
						_, params, _ := strings.Cut(text, " ")
						list = append(list, params)
					}
					return list
				}
				if diff := cmp.Diff(tt.first, bare(first)); diff != "" {
					t.Errorf("the first request heard (-want +got):\n%s", diff)
				}
				want := append(append([]string(nil), tt.second...), tt.second...) // what was kept, then what came
				if diff := cmp.Diff(want, bare(second)); diff != "" {
					t.Errorf("the retry heard (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestNotifications_areBounded while nobody hears them; the oldest go.
func TestNotifications_areBounded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		n, bytes int // said
		want     int // heard
	}{
		{"by number", 1000, 10, 64},
		{"by size", 100, 1 << 10, 15},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var list []mcpwire.Notification
				for i := range tt.n {
					list = append(list, message(fmt.Sprintf("%0*d", tt.bytes, i)))
				}
				s := newStage(t, roomy)
				r := s.serve(t.Context(), s.call(says(nil, list, nil)), &client{})
				pass(time.Minute)
				c := &client{}
				s.resume(t.Context(), r.ticket, accept, c)
				heard := c.has()
				if len(heard) != tt.want {
					t.Fatalf("%d were kept, want %d", len(heard), tt.want)
				}
				for i, text := range heard {
					if want := mcpwire.MethodMessage + " " + string(list[tt.n-tt.want+i].Params); text != want {
						t.Errorf("place %d: %.60s, want %.60s", i, text, want)
					}
				}
			})
		})
	}
}

// TestNotifications_afterTheEnd reach nobody.
func TestNotifications_afterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, roomy)
		var kept mcpwire.Sink
		c := &client{}
		s.serve(t.Context(), s.call(func(_ context.Context, sink mcpwire.Sink) mcpwire.Outcome {
			kept = sink
			return done("ok")
		}), c)
		kept.Notify(message("late"))
		if _, err := kept.Ask(t.Context(), elicit("late")); err != mcpwire.ErrCannotAsk || len(c.has()) != 0 {
			t.Errorf("a late question: %v; the client heard %q", err, c.has())
		}
	})
}
