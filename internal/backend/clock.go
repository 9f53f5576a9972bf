package backend

import (
	"context"
	"sync"
	"time"
)

// clock is the time a call has. It stands still while a person is asked: that is
// not the backend's time, and people are slower.
type clock struct {
	end func() // ends the call

	mu     sync.Mutex // guards what follows
	timer  *time.Timer
	left   time.Duration // when the timer was last started
	since  time.Time     // when that was, or when the first of the open questions was put
	asking int           // open questions
	asked  time.Duration // how long all of them took
}

// withClock is ctx with a time that ends it with errTimeout.
func withClock(ctx context.Context, limit time.Duration) (context.Context, *clock, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &clock{end: func() { cancel(errTimeout) }, left: limit, since: time.Now()}
	c.timer = time.AfterFunc(limit, c.end)
	return ctx, c, func() {
		c.mu.Lock()
		c.timer.Stop()
		c.mu.Unlock()
		cancel(nil)
	}
}

// stop makes the clock stand still until every stop has had its start.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking++
	if c.asking > 1 || !c.timer.Stop() {
		return
	}
	now := time.Now()
	c.left -= now.Sub(c.since)
	c.since = now
}

// start makes the clock go on.
func (c *clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking--
	if c.asking > 0 {
		return
	}
	now := time.Now()
	c.asked += now.Sub(c.since)
	c.since = now
	c.timer.Reset(max(c.left, 0))
}

// questions is how long the call has waited for people.
func (c *clock) questions() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}
