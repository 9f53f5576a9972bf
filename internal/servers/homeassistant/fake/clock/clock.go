// Package clock is the time of the fake: it goes on by itself and can be pushed. Only the
// fake uses it.
package clock

import (
	"slices"
	"sync"
	"time"
)

// Clock tells the time and calls back later, when time got there or was pushed there.
type Clock struct {
	now func() time.Time

	mu     sync.Mutex // guards what follows
	ahead  time.Duration
	timers []*timer
	closed bool
	busy   sync.WaitGroup // callbacks under way
}

type timer struct {
	at   time.Time
	run  func()
	wake *time.Timer
}

// New makes a clock on top of another; nil for the real time.
func New(now func() time.Time) *Clock {
	if now == nil {
		now = time.Now
	}
	return &Clock{now: now}
}

// Now is the time, in UTC and whole microseconds, as Home Assistant keeps it.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at()
}

func (c *Clock) at() time.Time { return c.now().UTC().Add(c.ahead).Truncate(time.Microsecond) }

// After calls run once, in d, on a goroutine that Close waits for.
func (c *Clock) After(d time.Duration, run func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return func() {}
	}
	t := &timer{at: c.at().Add(d), run: run}
	t.wake = time.AfterFunc(d, func() { c.fire(t) })
	c.timers = append(c.timers, t)
	return func() { c.take(t, false) }
}

// take claims a timer: whoever gets true runs or drops it.
func (c *Clock) take(t *timer, runs bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.timers, t)
	if i < 0 {
		return false
	}
	c.timers = slices.Delete(c.timers, i, i+1)
	t.wake.Stop()
	if runs {
		c.busy.Add(1)
	}
	return true
}

func (c *Clock) fire(t *timer) {
	if !c.take(t, true) {
		return
	}
	defer c.busy.Done()
	t.run()
}

// Advance pushes the time and runs what was due by then, in order, before it returns.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	end := c.at().Add(d)
	c.mu.Unlock()
	for {
		c.mu.Lock()
		var next *timer
		for _, t := range c.timers {
			if !t.at.After(end) && (next == nil || t.at.Before(next.at)) {
				next = t
			}
		}
		now := c.at()
		goal := end
		if next != nil {
			goal = next.at
		}
		if goal.After(now) {
			c.ahead += goal.Sub(now)
		}
		c.mu.Unlock()
		if next == nil {
			return
		}
		c.fire(next)
	}
}

// Close drops what was to come and waits for what runs.
func (c *Clock) Close() {
	c.mu.Lock()
	c.closed = true
	for _, t := range c.timers {
		t.wake.Stop()
	}
	c.timers = nil
	c.mu.Unlock()
	c.busy.Wait()
}
