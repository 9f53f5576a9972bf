package pace

import (
	"context"
	"sync"
	"time"
)

// Clock is the time a call has. It stands still while a person is asked: that is
// not the backend's time, and people are slower.
type Clock struct {
	end func() // ends the call

	mu     sync.Mutex // guards what follows
	timer  *time.Timer
	left   time.Duration // when the timer was last started
	since  time.Time     // when that was, or when the first of the open questions was put
	asking int           // open questions
	asked  time.Duration // how long all of them took
}

// WithClock is ctx with a time that ends it with ErrTime.
func WithClock(ctx context.Context, limit time.Duration) (context.Context, *Clock, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &Clock{end: func() { cancel(ErrTime) }, left: limit, since: time.Now()}
	c.timer = time.AfterFunc(limit, c.end)
	return ctx, c, func() {
		c.mu.Lock()
		c.timer.Stop()
		c.mu.Unlock()
		cancel(nil)
	}
}

// Stop makes the clock stand still until every Stop has had its Start.
func (c *Clock) Stop() {
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

// Start makes the clock go on.
func (c *Clock) Start() {
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

// Stood is how long the clock has stood still.
func (c *Clock) Stood() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}
