package upstreamtest

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Clock tells the time and calls back later, when time got there or was pushed there.
type Clock struct {
	real bool // it goes on by itself

	mu     sync.Mutex // guards what follows
	now    func() time.Time
	ahead  time.Duration
	timers []*timer
	closed bool
	busy   sync.WaitGroup // callbacks under way
}

type timer struct {
	at   time.Time
	run  func()
	wake *time.Timer // nil if only Advance comes to it
}

// NewClock shows the machine's time, or that of the testing/synctest bubble it is used in.
func NewClock() *Clock { return &Clock{real: true, now: time.Now} }

// StillClock shows at until Advance moves it.
func StillClock(at time.Time) *Clock { return SteppingClock(at, 0) }

// SteppingClock goes on by a step with each look, and when Advance moves it.
func SteppingClock(at time.Time, step time.Duration) *Clock {
	return &Clock{now: func() time.Time { at = at.Add(step); return at }}
}

// Now is the time, in UTC and whole microseconds: no system tells it finer.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at()
}

func (c *Clock) at() time.Time { return c.now().UTC().Add(c.ahead).Truncate(time.Microsecond) }

// After calls run once, in d, unless stop is called before. Where time goes on by itself
// that is on a goroutine that Close waits for.
func (c *Clock) After(d time.Duration, run func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return func() {}
	}
	t := &timer{at: c.at().Add(d), run: run}
	if c.real {
		t.wake = time.AfterFunc(d, func() { c.fire(t) })
	}
	c.timers = append(c.timers, t)
	return func() { c.take(t, false) }
}

// Wait is for time to pass: false if ctx ended before.
func (c *Clock) Wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	due := make(chan struct{})
	stop := c.After(d, func() { close(due) })
	select {
	case <-due:
		return true
	case <-ctx.Done():
		stop()
		return false
	}
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
	t.stop()
	if runs {
		c.busy.Add(1)
	}
	return true
}

func (t *timer) stop() {
	if t.wake != nil {
		t.wake.Stop()
	}
}

func (c *Clock) fire(t *timer) {
	if !c.take(t, true) {
		return
	}
	defer c.busy.Done()
	t.run() // may look at the clock and set timers of its own
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
		goal := end
		if next != nil {
			goal = next.at
		}
		if now := c.at(); goal.After(now) {
			c.ahead += goal.Sub(now)
		}
		c.mu.Unlock()
		if next == nil {
			return
		}
		c.fire(next)
	}
}

// Waiting is how many calls are yet to be made: a test waits until there is one before it
// pushes the time.
func (c *Clock) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// Close drops what was to come and waits for what runs.
func (c *Clock) Close() {
	c.mu.Lock()
	c.closed = true
	for _, t := range c.timers {
		t.stop()
	}
	c.timers = nil
	c.mu.Unlock()
	c.busy.Wait()
}
