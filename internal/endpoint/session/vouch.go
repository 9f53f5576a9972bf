package session

import (
	"context"
	"errors"

	"drawbridge/internal/account"
)

var errRevoked = errors.New("the credential has ended")

// Vouched is ctx for a stream of p, which outlives the check of its request: it
// also ends when p's credential does. The function that comes with it ends the
// watch over the credential, and must be called.
func (d *Dispatcher) Vouched(ctx context.Context, p account.Principal) (context.Context, context.CancelFunc) {
	if d.cfg.Watch == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	leave := d.cfg.Watch(p, func() { cancel(errRevoked) })
	return ctx, func() {
		leave()
		cancel(nil)
	}
}
