// Package watching keeps the Watch of one upstream session running and carries
// out its resource subscriptions, which differ between the eras: a legacy session
// subscribes by requests; of a modern one the filter names the resources, and
// cannot be changed but only replaced (protocol reference 2.4).
//
// Package backend has one Watcher for each session that anybody wants to hear
// from. It knows neither backends nor principals.
package watching

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"drawbridge/internal/mcpwire"
)

const (
	ackTime   = 10 * time.Second // a backend has to say what it honours of a filter
	firstTime = 2 * time.Second  // a legacy subscription waits for the session's first Watch
	minDelay  = 500 * time.Millisecond
	maxDelay  = 30 * time.Second
)

// Why a modern backend does not take a subscription.
var (
	ErrSilent     = errors.New("it did not acknowledge the subscription")
	ErrNotOffered = errors.New("it does not offer updates of this resource")
)

// Peer is what is needed of an upstream session; backend.Peer says more of it.
type Peer interface {
	Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error
	Lost() <-chan struct{}
}

// Config is one session and who hears it.
type Config struct {
	Log  *slog.Logger
	Peer Peer
	Sink mcpwire.Sink
	Base mcpwire.Filter // list changes to ask for
	Subs *Subscriptions

	// Request makes a legacy session's request about a resource; nil for a modern one.
	Request func(ctx context.Context, method, uri string) *mcpwire.Error
	// Alone ends one filter before the next is opened, instead of after.
	Alone bool
	// Missed is told when changes may have gone unheard.
	Missed func()
}

// Watcher keeps the Watch of one session. It is no good any more when Run has
// returned.
type Watcher struct {
	cfg    Config
	wishes chan wish
	up     chan struct{}   // closed when the first Watch is open
	done   chan struct{}   // closed when Run has returned
	hears  map[string]bool // what a legacy session is subscribed to; guarded by the turn of Subs
}

// wish asks for another filter. The answer is what is honoured of it; the channel
// is closed without one when the filter could not be opened.
type wish struct {
	filter mcpwire.Filter
	answer chan mcpwire.Filter
}

// New makes a Watcher. Nothing runs before Run.
func New(cfg Config) *Watcher {
	return &Watcher{
		cfg: cfg, wishes: make(chan wish), up: make(chan struct{}), done: make(chan struct{}), hears: map[string]bool{},
	}
}

// Done is closed when Run has returned.
func (w *Watcher) Done() <-chan struct{} { return w.done }

// Run opens the Watch, and again after it broke, until the session is lost or
// ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	defer close(w.done)
	var cur *stream
	defer func() { cur.stop() }()
	delay, first, retry := minDelay, true, time.NewTimer(0)
	defer retry.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-w.cfg.Peer.Lost():
			return
		case <-cur.ended():
			cur.stop()
			cur = nil
			retry.Reset(delay)
			delay = min(2*delay, maxDelay)
		case <-retry.C:
			if cur == nil { // no wish was faster
				cur = w.restart(ctx)
			}
			if first {
				close(w.up)
				first = false
			} else if cur != nil {
				w.cfg.Missed()
			}
			w.subscribeAgain(ctx)
		case wish := <-w.wishes:
			cur = w.replace(ctx, cur, wish)
			delay = minDelay
		}
	}
}

func (w *Watcher) modern() bool { return w.cfg.Request == nil }

// restart opens the filter that is wanted now. It returns nil where a modern
// backend has nothing to tell: a listen without a filter would end at once.
func (w *Watcher) restart(ctx context.Context) *stream {
	filter := w.cfg.Base
	if w.modern() {
		filter.Resources = w.cfg.Subs.URIs()
		if filter.Empty() {
			return nil
		}
	}
	st := w.open(ctx, filter)
	st.wait(ctx) // one that is slow to say what it honours may still be of use
	return st
}

// subscribeAgain makes a new legacy session subscribe to what the one before was
// subscribed to.
func (w *Watcher) subscribeAgain(ctx context.Context) {
	if w.modern() || w.cfg.Subs.None() || w.cfg.Subs.lock(ctx) != nil {
		return
	}
	defer w.cfg.Subs.unlock()
	for _, uri := range w.cfg.Subs.URIs() {
		if w.hears[uri] {
			continue
		}
		if err := w.cfg.Request(ctx, mcpwire.MethodSubscribe, uri); err != nil {
			w.cfg.Log.Warn("cannot subscribe again", "code", err.Code)
			continue
		}
		w.hears[uri] = true
	}
}

// replace opens a wished filter beside the present one and, when it is
// acknowledged, ends the present one.
//
// With Alone the present one ends first, and what may have gone unheard in
// between is told as if it had happened.
func (w *Watcher) replace(ctx context.Context, cur *stream, wish wish) *stream {
	defer close(wish.answer)
	if w.cfg.Alone || wish.filter.Empty() {
		cur.stop()
		cur = nil
	}
	if wish.filter.Empty() {
		wish.answer <- wish.filter
		return nil
	}
	next := w.open(ctx, wish.filter)
	got, ok := next.wait(ctx)
	switch {
	case ok:
		cur.stop()
		wish.answer <- got
	case w.cfg.Alone:
		next.stop()
		next = w.restart(ctx)
	default:
		next.stop()
		return cur
	}
	if w.cfg.Alone {
		w.unheard()
	}
	return next
}

// unheard tells of everything that is watched.
func (w *Watcher) unheard() {
	w.cfg.Missed()
	for _, uri := range w.cfg.Subs.URIs() {
		params := append(mcpwire.AppendString([]byte(`{"uri":`), uri), '}')
		w.cfg.Sink.Notify(mcpwire.Notification{Method: mcpwire.MethodResourceUpdated, Params: params})
	}
}

// refilter asks for a filter and returns what the backend honours of it.
func (w *Watcher) refilter(ctx context.Context, uris []string) (mcpwire.Filter, bool) {
	filter := w.cfg.Base
	filter.Resources = uris
	ask := wish{filter: filter, answer: make(chan mcpwire.Filter, 1)}
	select {
	case w.wishes <- ask:
	case <-w.done:
		return mcpwire.Filter{}, false
	case <-ctx.Done():
		return mcpwire.Filter{}, false
	}
	// The watcher answers in ackTime; leaving sooner would leave the two with
	// different ideas of what is subscribed.
	got, ok := <-ask.answer
	return got, ok
}
