// Package clock is the time of the fake: the machine's, or one that stands still until a
// test moves it. Only the fake uses it.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time and calls back later.
type Clock struct {
	manual bool

	mu     sync.Mutex // guards what follows, of a manual clock
	now    time.Time
	timers []*timer
}

type timer struct {
	at time.Time
	do func()
}

// Real is the machine's time, or that of a testing/synctest bubble it is used in.
func Real() *Clock { return &Clock{} }

// New is a clock that shows at until Advance moves it.
func New(at time.Time) *Clock { return &Clock{manual: true, now: at} }

// Now is the time, in UTC as everything the real system sends.
func (c *Clock) Now() time.Time {
	if !c.manual {
		return time.Now().UTC()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After calls do in d from now, unless stop is called before.
func (c *Clock) After(d time.Duration, do func()) (stop func()) {
	if !c.manual {
		t := time.AfterFunc(d, do)
		return func() { t.Stop() }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{at: c.now.Add(d), do: do}
	c.timers = append(c.timers, t)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.drop(t)
	}
}

// drop is called with the lock held.
func (c *Clock) drop(gone *timer) {
	for i, t := range c.timers {
		if t == gone {
			c.timers = append(c.timers[:i], c.timers[i+1:]...)
			return
		}
	}
}

// Advance moves a manual clock on and does, in order, all that falls due on the way.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	end := c.now.Add(d)
	for {
		var next *timer
		for _, t := range c.timers {
			if !t.at.After(end) && (next == nil || t.at.Before(next.at)) {
				next = t
			}
		}
		if next == nil {
			break
		}
		c.drop(next)
		if next.at.After(c.now) {
			c.now = next.at
		}
		c.mu.Unlock() // do may look at the clock and set timers of its own
		next.do()
		c.mu.Lock()
	}
	c.now = end
	c.mu.Unlock()
}

// Waiting is how many calls a manual clock has yet to make: a test waits until there is
// one before it moves the clock.
func (c *Clock) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}
