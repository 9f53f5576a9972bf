package pace

import (
	"context"
	"sync"
	"time"

	"drawbridge/internal/life"
)

// Clock is the time a call has, and the context that ends with it. It stands still
// while a person is asked: that is not the backend's time, and people are slower.
type Clock struct {
	life.Life

	limit *life.Terms
	term  life.Term // until the first question

	mu     sync.Mutex    // guards what follows
	timer  *time.Timer   // from the first answer on
	left   time.Duration // when term or timer was last started
	since  time.Time     // when that was, or when the first of the open questions was put
	asking int           // open questions
	asked  time.Duration // how long all of them took
}

// Set makes the clock the time of a call that ctx is for: when it is up, the Life
// ends with ErrTime. Free must follow.
func (c *Clock) Set(ctx context.Context, limit *life.Terms) {
	c.Begin(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit, c.left = limit, limit.Length()
	c.since = limit.Begin(&c.term, c.up)
}

func (c *Clock) up() { c.End(ErrTime) }

// Free ends what the clock was set for.
func (c *Clock) Free() {
	c.mu.Lock()
	c.pause()
	c.mu.Unlock()
	c.End(nil)
}

// pause stops what measures the time, and reports false where that is up. c.mu is held.
func (c *Clock) pause() bool {
	if c.timer != nil {
		return c.timer.Stop()
	}
	return c.limit.End(&c.term)
}

// Stop makes the clock stand still until every Stop has had its Start.
func (c *Clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking++
	if c.asking > 1 || !c.pause() {
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
	if c.timer == nil {
		c.timer = time.AfterFunc(max(c.left, 0), c.up)
		return
	}
	c.timer.Reset(max(c.left, 0))
}

// Stood is how long the clock has stood still.
func (c *Clock) Stood() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}
