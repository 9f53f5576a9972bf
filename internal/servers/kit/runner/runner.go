// Package runner runs pieces of a built-in server: so many at once, after the server
// has prepared itself, and so that a panic ends none but the call it happened in.
//
// It knows neither calls nor tools. Package kit has one Runner for each server.
package runner

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"drawbridge/internal/fault"
)

// Runner bounds the work of one server. Safe for concurrent use.
type Runner struct {
	server  string
	prepare func(ctx context.Context) error // nil: nothing to do
	slots   chan struct{}

	mu       sync.Mutex // held while prepare runs; guards prepared
	prepared bool
}

// New makes a Runner for so many pieces at once. prepare, which may be nil, runs before
// the first of them until it has succeeded once.
func New(server string, parallel int, prepare func(ctx context.Context) error) *Runner {
	return &Runner{server: server, prepare: prepare, slots: make(chan struct{}, parallel)}
}

// Run runs f within the limit. Its error is f's, or says that the server is busy.
func (r *Runner) Run(ctx context.Context, f func() error) error {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Limited, "The server %s is busy with %d calls. Try again in a moment.", r.server, cap(r.slots))
	}
	return r.Protect(ctx, f)
}

// Protect runs f beyond the limit, prepared and with panics turned into errors.
func (r *Runner) Protect(ctx context.Context, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if err := r.ready(ctx); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	return f()
}

// ready prepares the server. Who waits for another's attempt waits no longer than that
// attempt's own time limit.
func (r *Runner) ready(ctx context.Context) error {
	if r.prepare == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prepared {
		return nil
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	r.prepared = true
	return nil
}

// Sleep waits so long. Its error is that of ctx, where it ends before.
func Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil { // however short it is
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
