package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
)

var errRevoked = errors.New("the credential has ended")

// Vouched is ctx for a stream of p, which outlives the check of its request: it
// also ends when p's credential does. The function that comes with it ends the
// watch over the credential, and must be called. Where the credential cannot be
// looked up the stream goes on: it is no news that it has ended.
func (d *Dispatcher) Vouched(ctx context.Context, p account.Principal) (context.Context, context.CancelFunc) {
	if d.cfg.Recheck == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var (
		mu    sync.Mutex // held while timer is set or stopped
		timer *time.Timer
	)
	check := func() {
		if err := d.cfg.Recheck(ctx, p); fault.CodeOf(err) == fault.Unauthenticated {
			cancel(errRevoked)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil {
			timer.Reset(d.cfg.RecheckEvery)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(d.cfg.RecheckEvery, check)
	return ctx, func() {
		cancel(nil)
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
	}
}
