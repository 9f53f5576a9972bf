package pace

import (
	"context"
	"math/rand/v2"
	"time"

	"drawbridge/internal/fault"
)

// How connections are tried again (security reference 7.1). There is no last try.
const (
	firstDelay = 500 * time.Millisecond
	lastDelay  = 30 * time.Second
	slowDelay  = 60 * time.Second // faults that do not pass by themselves
)

// Backoff counts failures in a row. The zero value is ready.
type Backoff struct{ failures int }

// Reset says that the last try was good.
func (b *Backoff) Reset() { b.failures = 0 }

// Next is how long to wait after err; nil stands for a lost session.
func (b *Backoff) Next(err error) time.Duration {
	d := lastDelay
	if b.failures < 6 {
		d = firstDelay << b.failures
	}
	b.failures++
	if PassesSlowly(err) {
		d = slowDelay
	}
	// Jitter, so that what died together does not come back together.
	return time.Duration(float64(d) * (0.75 + 0.5*rand.Float64()))
}

// PassesSlowly tells a fault that somebody has to repair.
func PassesSlowly(err error) bool {
	if err == nil {
		return false
	}
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Timeout, fault.Limited, fault.Internal:
		return false
	}
	return true
}

// Pause waits for d. It ends early, with true, when wake is sent to, and with
// false when ctx ends.
func Pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-wake:
		return true
	case <-ctx.Done():
		return false
	}
}
