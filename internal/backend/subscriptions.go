package backend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"drawbridge/internal/mcpwire"
)

// watchTime is how long a subscription waits for its session's first Watch.
const watchTime = 2 * time.Second

// subscriptions counts who wants to hear of which resource through one upstream
// session. They outlive the session: the next one subscribes again.
type subscriptions struct {
	turn chan struct{} // held while a change is on its way to the backend

	mu    sync.Mutex // guards count
	count map[string]int
}

func newSubscriptions() *subscriptions {
	return &subscriptions{turn: make(chan struct{}, 1), count: map[string]int{}}
}

func (u *subscriptions) lock(ctx context.Context) error {
	select {
	case u.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (u *subscriptions) unlock() { <-u.turn }

// uris are the subscribed URIs in order.
func (u *subscriptions) uris() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.count))
}

// change adds n to a count and returns the new one.
func (u *subscriptions) change(uri string, n int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.count[uri] + n
	if now <= 0 {
		delete(u.count, uri)
		return 0
	}
	u.count[uri] = now
	return now
}

func (u *subscriptions) has(uri string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.count[uri] > 0
}

func (u *subscriptions) none() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.count) == 0
}

// Subscribe asks to hear of a resource on behalf of a caller; ctx carries its
// principal. The updates come as Events.ResourceUpdated. Each Subscribe needs one
// Unsubscribe by the same principal and caller. It survives reconnects.
func (b *Backend) Subscribe(ctx context.Context, caller *mcpwire.Caller, uri string) *mcpwire.Error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.Timeout, errTimeout)
	defer cancel()
	s, subs, done, t := b.acquire(ctx, caller, b.personal())
	if t != nil {
		return t.err(b.cfg.Name)
	}
	defer done.release()
	if !s.info.capability("resources", "subscribe") {
		return mcpwire.Errorf(mcpwire.CodeInvalidParams,
			"Backend %q does not offer subscriptions to resources. Read the resource again instead.", b.cfg.Name)
	}
	if err := subs.lock(ctx); err != nil {
		return unsent(err, b.cfg.Timeout).err(b.cfg.Name)
	}
	defer subs.unlock()
	if !subs.has(uri) {
		if err := b.subscribe(ctx, s, subs, uri); err != nil {
			return err
		}
	}
	subs.change(uri, 1)
	return nil
}

// subscribe makes the session subscribe to one more URI.
func (b *Backend) subscribe(ctx context.Context, s *session, subs *subscriptions, uri string) *mcpwire.Error {
	w := s.watch(b, subs, s.listFilter())
	if s.info.Revision.Legacy() {
		w.await(ctx)
		if err := s.hear(ctx, uri); err != nil {
			return b.explain(err)
		}
		return nil
	}
	got, ok := w.refilter(ctx, append(subs.uris(), uri))
	switch {
	case !ok:
		return notConnected("it did not acknowledge the subscription").err(b.cfg.Name)
	case !slices.Contains(got.Resources, uri):
		return mcpwire.Errorf(mcpwire.CodeInvalidParams,
			"Backend %q does not offer updates of this resource. Read it again instead.", b.cfg.Name)
	}
	return nil
}

// Unsubscribe takes one Subscribe back.
func (b *Backend) Unsubscribe(ctx context.Context, caller *mcpwire.Caller, uri string) *mcpwire.Error {
	s, subs := b.present(ctx, caller)
	if subs == nil || !subs.has(uri) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.Timeout, errTimeout)
	defer cancel()
	if err := subs.lock(ctx); err != nil {
		return unsent(err, b.cfg.Timeout).err(b.cfg.Name)
	}
	defer subs.unlock()
	if subs.change(uri, -1) > 0 || s == nil || s.lost() {
		return nil
	}
	if s.info.Revision.Legacy() {
		delete(s.hears, uri)
		if err := s.resource(ctx, mcpwire.MethodUnsubscribe, uri); err != nil {
			return b.explain(err)
		}
		return nil
	}
	s.watch(b, subs, s.listFilter()).refilter(ctx, subs.uris())
	return nil
}

// await waits a little for the first Watch, so that no update falls between it and
// a subscription.
func (w *watcher) await(ctx context.Context) {
	timer := time.NewTimer(watchTime)
	defer timer.Stop()
	select {
	case <-w.up:
	case <-w.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// hear subscribes a legacy session. The caller holds the subscriptions' turn.
func (s *session) hear(ctx context.Context, uri string) *mcpwire.Error {
	if err := s.resource(ctx, mcpwire.MethodSubscribe, uri); err != nil {
		return err
	}
	if s.hears == nil {
		s.hears = map[string]bool{}
	}
	s.hears[uri] = true
	return nil
}

// resource makes a request about one resource.
func (s *session) resource(ctx context.Context, method, uri string) *mcpwire.Error {
	params := append(mcpwire.AppendString([]byte(`{"uri":`), uri), '}')
	_, err := s.request(ctx, method, params, 1<<20)
	return err
}

// explain names the backend in an error of our own; one of the backend's stays.
func (b *Backend) explain(err *mcpwire.Error) *mcpwire.Error {
	if err.Raw != nil || err.Code != mcpwire.CodeInternal {
		return err
	}
	return (&trouble{reason: err.Message, advice: fmt.Sprintf("Try again once the status page shows %q as ready.", b.cfg.Name)}).err(b.cfg.Name)
}
