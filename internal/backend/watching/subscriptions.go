package watching

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"drawbridge/internal/mcpwire"
)

// Subscriptions counts who wants to hear of which resource through one upstream
// session. They outlive the session: the Watcher of the next one subscribes again.
type Subscriptions struct {
	turn chan struct{} // held while a change is on its way to the backend

	mu    sync.Mutex // guards count
	count map[string]int
}

// NewSubscriptions has none yet.
func NewSubscriptions() *Subscriptions {
	return &Subscriptions{turn: make(chan struct{}, 1), count: map[string]int{}}
}

func (u *Subscriptions) lock(ctx context.Context) error {
	select {
	case u.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (u *Subscriptions) unlock() { <-u.turn }

// URIs are the subscribed URIs in order.
func (u *Subscriptions) URIs() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.count))
}

// Has tells whether somebody is subscribed to a URI.
func (u *Subscriptions) Has(uri string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.count[uri] > 0
}

// None tells that nobody is subscribed to anything.
func (u *Subscriptions) None() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.count) == 0
}

// change adds n to a count and returns the new one.
func (u *Subscriptions) change(uri string, n int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := max(u.count[uri]+n, 0)
	if u.count[uri] = now; now == 0 {
		delete(u.count, uri)
	}
	return now
}

// Subscribe adds one who wants to hear of a resource, and asks the backend if it
// is the first. The error is the context's cause, ErrSilent, ErrNotOffered, or
// the *mcpwire.Error of the request.
func (w *Watcher) Subscribe(ctx context.Context, uri string) error {
	if err := w.cfg.Subs.lock(ctx); err != nil {
		return err
	}
	defer w.cfg.Subs.unlock()
	if !w.cfg.Subs.Has(uri) {
		if err := w.begin(ctx, uri); err != nil {
			return err
		}
	}
	w.cfg.Subs.change(uri, 1)
	return nil
}

// begin makes the session hear of one more resource.
func (w *Watcher) begin(ctx context.Context, uri string) error {
	if w.modern() {
		got, ok := w.refilter(ctx, append(w.cfg.Subs.URIs(), uri))
		switch {
		case !ok:
			return ErrSilent
		case !slices.Contains(got.Resources, uri):
			return ErrNotOffered
		}
		return nil
	}
	w.Await(ctx)
	if err := w.cfg.Request(ctx, mcpwire.MethodSubscribe, uri); err != nil {
		return err
	}
	w.hears[uri] = true
	return nil
}

// Await waits a little for the first Watch, so that nothing that the backend says
// on it falls between: updates after a subscription, questions after a call.
func (w *Watcher) Await(ctx context.Context) {
	select {
	case <-w.up:
		return
	default:
	}
	timer := time.NewTimer(firstTime)
	defer timer.Stop()
	select {
	case <-w.up:
	case <-w.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Unsubscribe takes one Subscribe back, and tells the backend if it was the last.
func (w *Watcher) Unsubscribe(ctx context.Context, uri string) error {
	if err := w.cfg.Subs.lock(ctx); err != nil {
		return err
	}
	defer w.cfg.Subs.unlock()
	if !w.cfg.Subs.Has(uri) || w.cfg.Subs.change(uri, -1) > 0 {
		return nil
	}
	if w.modern() {
		w.refilter(ctx, w.cfg.Subs.URIs())
		return nil
	}
	delete(w.hears, uri)
	if err := w.cfg.Request(ctx, mcpwire.MethodUnsubscribe, uri); err != nil {
		return err
	}
	return nil
}

// Forget is Unsubscribe without a session to tell.
func (u *Subscriptions) Forget(uri string) { u.change(uri, -1) }
