package backend

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
	stableTime = 10 * time.Second // a session that lived so long was no crash loop
	freshTry   = 2 * time.Second  // a call asks for no attempt sooner after one
	freshDeny  = 15 * time.Second // the same where our credential was refused: no lock-out by retries
)

// backoff counts failures in a row. The zero value is ready.
type backoff struct{ failures int }

func (b *backoff) reset() { b.failures = 0 }

// next is how long to wait after err; nil stands for a lost session.
func (b *backoff) next(err error) time.Duration {
	d := lastDelay
	if b.failures < 6 {
		d = firstDelay << b.failures
	}
	b.failures++
	if passesSlowly(err) {
		d = slowDelay
	}
	// Jitter, so that what died together does not come back together.
	return time.Duration(float64(d) * (0.75 + 0.5*rand.Float64()))
}

// passesSlowly tells a fault that somebody has to repair.
func passesSlowly(err error) bool {
	if err == nil {
		return false
	}
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Timeout, fault.Limited, fault.Internal:
		return false
	}
	return true
}

// pause waits for d. It ends early, with true, when wake is sent to, and with
// false when ctx ends.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
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
