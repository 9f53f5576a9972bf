// Package pace bounds what one backend is asked: how many calls run at once, how
// long each may take, and how soon a connection that failed is tried again. It
// also measures how long calls take.
//
// Package backend is its caller. It knows neither sessions nor messages.
package pace

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Why a call is ended by its pace.
var (
	ErrBusy = errors.New("too many calls wait for this backend")
	ErrTime = errors.New("the call's time is up")
)

// Gate limits how many calls run on one backend, so that a slow one holds up
// nobody else's memory. Those that wait go first come, first served.
type Gate struct {
	slots   chan struct{}
	running atomic.Int64 // calls inside
	waiting atomic.Int64
	queue   int64
}

// NewGate lets calls in at once, and queue wait for their turn.
func NewGate(calls, queue int) *Gate {
	return &Gate{slots: make(chan struct{}, calls), queue: int64(queue)}
}

// Enter waits for a turn. It fails with ErrBusy at once when the queue is full, and with
// ctx's cause when ctx ends first.
func (g *Gate) Enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		g.running.Add(1)
		return nil
	default:
	}
	if g.waiting.Add(1) > g.queue {
		g.waiting.Add(-1)
		return ErrBusy
	}
	defer g.waiting.Add(-1)
	select {
	case g.slots <- struct{}{}:
		g.running.Add(1)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Leave gives the turn to the next.
func (g *Gate) Leave() {
	g.running.Add(-1)
	<-g.slots
}

// Turn is one call's place inside a gate. It may step out while a person is asked:
// who waits for an answer costs the backend nothing. The zero Turn is in no gate.
type Turn struct {
	gate *Gate

	mu     sync.Mutex // guards what follows
	asking int        // open questions
	out    bool
}

// Enter waits for a turn, as Gate.Enter does.
func (t *Turn) Enter(ctx context.Context, g *Gate) error {
	if err := g.Enter(ctx); err != nil {
		return err
	}
	t.gate = g
	return nil
}

// StepOut gives the place away until every StepOut has had its StepIn.
func (t *Turn) StepOut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asking++
	if t.asking == 1 && !t.out {
		t.out = true
		t.gate.Leave()
	}
}

// StepIn waits for a place again, however many wait, unless ctx ends first: then the
// call takes one if there is one and else goes on without, rather than be held up by
// a question that nobody asks any more.
func (t *Turn) StepIn(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asking--
	if t.asking > 0 || !t.out {
		return
	}
	select {
	case t.gate.slots <- struct{}{}:
	default:
		select {
		case t.gate.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
	t.gate.running.Add(1)
	t.out = false
}

// Leave ends the turn.
func (t *Turn) Leave() {
	if t.gate == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.out {
		t.gate.Leave()
	}
	t.gate = nil
}

// Drain waits until no call is inside or ctx ends. Calls that come meanwhile
// wait behind it, since it keeps every slot that it gets.
func (g *Gate) Drain(ctx context.Context) {
	for range cap(g.slots) {
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// Running is how many calls are inside.
func (g *Gate) Running() int64 { return g.running.Load() }
