package gatewaytest_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
)

// happening is one thing that a quiz saw. What is one of
//
//	initialize  params of the handshake; it has no mark
//	run         params of a call that arrived
//	asked       a question as it left, or all input that is required
//	answer      a response to a question
//	cancelled   params of a notification that cancels a call
//	end         how a call ended
//	listed tasks  a request for all tasks
//	roots changed, by what the client says, in a session
//	told        a status of a task on its way, as it left
type happening struct{ Mark, What, Raw string }

// order tells the call of a mark what to do: go on after its last answer, withdraw
// its questions and complete, or die as a backend does that crashes.
type order struct{ Mark, Do string }

// chronicle is what happened at the quizzes of one test, those in other processes
// included.
type chronicle struct {
	eager bool // of the quizzes that report here

	mu     sync.Mutex // guards what follows
	all    []happening
	obey   map[int]func(order)
	joined int
}

func newChronicle() *chronicle { return &chronicle{obey: map[int]func(order){}} }

func (c *chronicle) tell(h happening) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, h)
}

// join lets a quiz have orders until it leaves.
func (c *chronicle) join(obey func(order)) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined++
	n := c.joined
	c.obey[n] = obey
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.obey, n)
	}
}

// order tells the call of a mark what to do, wherever it runs.
func (c *chronicle) order(mark, do string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, obey := range c.obey {
		obey(order{mark, do})
	}
}

// of is what happened of one kind to the calls of a mark, oldest first.
func (c *chronicle) of(mark, what string) (raw []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.all {
		if h.Mark == mark && h.What == what {
			raw = append(raw, h.Raw)
		}
	}
	return raw
}

// count is how often something of a kind has happened, to whichever call.
func (c *chronicle) count(what string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.all {
		if h.What == what {
			n++
		}
	}
	return n
}

// happened is everything about one mark.
func (c *chronicle) happened(mark string) (all []happening) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.all {
		if h.Mark == mark {
			all = append(all, h)
		}
	}
	return all
}

// listen lets quizzes in other processes report, and have orders.
func (c *chronicle) listen(t *testing.T) (base string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tell", func(_ http.ResponseWriter, r *http.Request) {
		var h happening
		if json.NewDecoder(r.Body).Decode(&h) == nil {
			c.tell(h)
		}
	})
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		orders := make(chan order, 64)
		defer c.join(func(o order) { orders <- o })()
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case o := <-orders:
				_ = json.NewEncoder(w).Encode(o) // it may be gone
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	return listen(t, mux)
}
