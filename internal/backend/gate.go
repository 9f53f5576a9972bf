package backend

import (
	"context"
	"sync/atomic"
)

// gate limits how many calls run on one backend, so that a slow one holds up
// nobody else's memory. Those that wait go first come, first served.
type gate struct {
	slots   chan struct{}
	running atomic.Int64 // calls inside
	waiting atomic.Int64
	queue   int64
}

func newGate(calls, queue int) *gate {
	return &gate{slots: make(chan struct{}, calls), queue: int64(queue)}
}

// enter waits for a turn. It fails at once when the queue is full, and with
// ctx's cause when ctx ends first.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		g.running.Add(1)
		return nil
	default:
	}
	if g.waiting.Add(1) > g.queue {
		g.waiting.Add(-1)
		return errBusy
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

func (g *gate) leave() {
	g.running.Add(-1)
	<-g.slots
}

// drain waits until no call is inside or ctx ends. Calls that come meanwhile
// wait behind it, since it keeps every slot that it gets.
func (g *gate) drain(ctx context.Context) {
	for range cap(g.slots) {
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}
