package talk_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend/talk"
	"drawbridge/internal/mcpwire"
)

// waiting holds questions as a peer does.
type waiting struct {
	mu    sync.Mutex // guards what follows
	early talk.Early[string]
	late  []string
}

func (w *waiting) hold(method, q string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.early.Hold(method, q, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.late = append(w.late, w.early.End()...)
	})
}

// put is what was put late.
func (w *waiting) put() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.late
}

func (w *waiting) call(c *mcpwire.Caller) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.early.Call(c)
}

// idle lets time go by in the test's bubble.
func idle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEarly(t *testing.T) {
	t.Parallel()
	const roots = mcpwire.MethodRootsList
	open := func(who account.Principal) *waiting {
		w := &waiting{}
		w.early.Begin(account.WithPrincipal(t.Context(), who))
		return w
	}
	client := &mcpwire.Caller{Revision: mcpwire.Rev20251125}
	synctest.Test(t, func(t *testing.T) {
		if open(account.Gateway()).hold(roots, "q") || (&waiting{}).hold(roots, "q") {
			t.Error("a question of the gateway's own session was held")
		}
		w := open(account.Local())
		if w.hold(mcpwire.MethodElicit, "e") || !w.hold(roots, "1") || !w.hold(roots, "2") || !w.hold(roots, "3") {
			t.Error("not those questions were held that shall be")
		}
		w.early.Drop(func(q string) bool { return q == "2" })
		if got := w.call(&mcpwire.Caller{}); got != nil {
			t.Errorf("a request of the gateway's own got %q", got)
		}
		if got := w.call(client); !slices.Equal(got, []string{"1", "3"}) {
			t.Errorf("the first call got %q", got)
		}
		if w.hold(roots, "4") || w.call(client) != nil {
			t.Error("after the first call something is held")
		}
		if idle(time.Hour); w.put() != nil {
			t.Errorf("put twice: %q", w.put())
		}

		w = open(account.Local())
		w.hold(roots, "1")
		idle(time.Second)
		w.hold(roots, "2")
		if idle(999 * time.Millisecond); w.put() != nil {
			t.Error("given up early")
		}
		if idle(time.Millisecond); !slices.Equal(w.put(), []string{"1", "2"}) || w.hold(roots, "3") {
			t.Errorf("no call came; put: %q", w.put())
		}

		w = open(account.Local())
		for range 8 {
			w.hold(roots, "q")
		}
		if w.hold(roots, "one too many") {
			t.Error("any number is held")
		}
		w.early.End()
	})
}
