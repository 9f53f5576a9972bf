package session_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/sessiontest"
	"drawbridge/internal/mcpwire"
)

// outlet keeps what goes toward the client.
type outlet struct {
	mu     sync.Mutex // guards frames
	frames []string
}

func (o *outlet) Push(frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.frames = append(o.frames, string(mcpwire.Member(frame, "params")))
}

func (o *outlet) said() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.frames)
}

// callModern serves a tools/call of 2026-07-28 whose progress token is meta's.
func callModern(t *testing.T, hub *sessiontest.Hub, meta string) []string {
	t.Helper()
	d := session.NewDispatcher(nil, hub, session.DefaultConfig())
	req, err := mcpwire.NewRequest(mcpwire.MethodToolsCall, mcpwire.LatestModern, []byte(`{"name":"slow","_meta":{`+meta+`}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Caller = &mcpwire.Caller{Revision: mcpwire.LatestModern}
	out := &outlet{}
	o := d.Serve(t.Context(), nil, req, out)
	o.Close()
	time.Sleep(time.Hour) // nothing may come after the answer
	return out.said()
}

func TestPulse_silentCallsSayThatTheyRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := sessiontest.NewHub()
		hub.On("slow", func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
			time.Sleep(40 * time.Second)
			return mcpwire.Done(mcpwire.LatestModern, []byte(`{}`))
		})
		want := []string{
			`{"progressToken":"é\"","progress":0.000001,"message":"Still running, 15 s so far."}`,
			`{"progressToken":"é\"","progress":0.000002,"message":"Still running, 30 s so far."}`,
		}
		if diff := cmp.Diff(want, callModern(t, hub, `"progressToken":"é\""`)); diff != "" {
			t.Error(diff)
		}
		if said := callModern(t, hub, ``); len(said) != 0 {
			t.Errorf("a call without a token heard %v", said)
		}
	})
}

// The progress that a client sees always rises, and what the backend says is not
// touched unless it would fall behind.
func TestPulse_amongTheBackendsOwnProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := sessiontest.NewHub()
		hub.On("slow", func(_ context.Context, _ *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			for _, params := range []string{
				`{"progressToken":1,"progress":0,"total":3}`, `{"progressToken":1,"progress":2.50,"total":3,"x":"kept"}`, `{"progressToken":1,"progress":3,"total":3}`,
			} {
				time.Sleep(19 * time.Second)
				sink.Notify(mcpwire.Notification{Revision: mcpwire.LatestModern, Method: mcpwire.MethodProgress, Params: []byte(params)})
				time.Sleep(17 * time.Second)
			}
			return mcpwire.Done(mcpwire.LatestModern, []byte(`{}`))
		})
		want := []string{
			`{"progressToken":1,"progress":0.000001,"message":"Still running, 15 s so far."}`,
			`{"progressToken":1,"progress":0.000002,"total":3}`,
			`{"progressToken":1,"progress":0.000003,"total":3,"message":"Still running, 45 s so far."}`,
			`{"progressToken":1,"progress":2.50,"total":3,"x":"kept"}`,
			`{"progressToken":1,"progress":2.500001,"total":3,"message":"Still running, 75 s so far."}`,
			`{"progressToken":1,"progress":2.500002,"total":3,"message":"Still running, 90 s so far."}`,
			`{"progressToken":1,"progress":3,"total":3}`,
		}
		if diff := cmp.Diff(want, callModern(t, hub, `"progressToken":1`)); diff != "" {
			t.Error(diff)
		}
	})
}
