package backend

import (
	"context"
	"slices"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
)

// ackTime is how long a backend has to say what it honours of a filter.
const ackTime = 10 * time.Second

// watcher keeps one session's Watch running. A filter of a modern backend cannot
// be changed: another is opened beside it and takes its place (protocol reference
// 2.4, "resources/subscribe"). Its goroutine ends with the session or by cancel.
type watcher struct {
	b      *Backend
	s      *session
	subs   *subscriptions
	base   mcpwire.Filter // list changes
	wishes chan wish
	cancel context.CancelFunc
	up     chan struct{} // closed when the first Watch is open
	done   chan struct{}
}

// wish asks for another filter. The answer is what is honoured of it; the channel
// is closed without one when the filter could not be opened.
type wish struct {
	filter mcpwire.Filter
	answer chan mcpwire.Filter
}

func startWatcher(b *Backend, s *session, subs *subscriptions, base mcpwire.Filter) *watcher {
	ctx, cancel := context.WithCancel(account.WithPrincipal(b.base, s.who))
	w := &watcher{
		b: b, s: s, subs: subs, base: base, cancel: cancel,
		wishes: make(chan wish), up: make(chan struct{}), done: make(chan struct{}),
	}
	started := b.crew.run(func() {
		w.run(ctx)
		cancel()
		close(w.done)
		if s.slot != nil && s.lost() {
			b.pool.revive(s.slot, s) // its subscriptions need a new session
		}
	})
	if !started {
		cancel()
		close(w.done)
	}
	return w
}

// run opens the Watch, and again after it broke, for as long as the session lives.
func (w *watcher) run(ctx context.Context) {
	var cur *stream
	defer func() { cur.stop() }()
	var wait backoff
	first, retry := true, time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.s.peer.Lost():
			return
		case <-cur.ended():
			cur.stop()
			cur = nil
			retry.Reset(wait.next(nil))
		case <-retry.C:
			if cur == nil { // no wish was faster
				cur = w.restart(ctx)
			}
			if first {
				close(w.up)
				first = false
			} else if cur != nil {
				w.b.missed(w.s.owner)
			}
			w.subscribeAgain(ctx)
		case wish := <-w.wishes:
			cur = w.replace(ctx, cur, wish)
			wait.reset()
		}
	}
}

// restart opens the filter that is wanted now. It returns nil where a modern
// backend has nothing to tell: a listen without a filter would end at once.
func (w *watcher) restart(ctx context.Context) *stream {
	filter := w.base
	if w.s.info.Revision.Modern() {
		filter.Resources = w.subs.uris()
		if isEmpty(filter) {
			return nil
		}
	}
	st := w.openStream(ctx, filter)
	st.wait(ctx) // one that is slow to say what it honours may still be of use
	return st
}

// subscribeAgain makes a new legacy session subscribe to what the one before was
// subscribed to.
func (w *watcher) subscribeAgain(ctx context.Context) {
	if w.s.info.Revision.Modern() || w.subs.none() || w.subs.lock(ctx) != nil {
		return
	}
	defer w.subs.unlock()
	for _, uri := range w.subs.uris() {
		if w.s.hears[uri] {
			continue
		}
		if err := w.s.hear(ctx, uri); err != nil {
			w.b.log.Warn("cannot subscribe again", "backend", w.b.cfg.Name, "code", err.Code)
		}
	}
}

// replace opens a wished filter beside the present one and, when it is
// acknowledged, ends the present one.
func (w *watcher) replace(ctx context.Context, cur *stream, wish wish) *stream {
	defer close(wish.answer)
	if isEmpty(wish.filter) {
		cur.stop()
		wish.answer <- wish.filter
		return nil
	}
	next := w.openStream(ctx, wish.filter)
	got, ok := next.wait(ctx)
	if !ok {
		next.stop()
		return cur
	}
	cur.stop()
	wish.answer <- got
	return next
}

// refilter asks for a filter and returns what the backend honours of it.
func (w *watcher) refilter(ctx context.Context, uris []string) (mcpwire.Filter, bool) {
	filter := w.base
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

func isEmpty(f mcpwire.Filter) bool {
	return !f.ToolsChanged && !f.PromptsChanged && !f.ResourcesChanged && len(f.Resources) == 0
}

// missed says that changes may have gone unheard.
func (b *Backend) missed(owner string) {
	if owner == "" {
		b.events.ListsChanged(b.cfg.Name, AllLists)
	}
}

// stream is one running call of Peer.Watch. A nil stream never ends.
type stream struct {
	cancel context.CancelFunc
	ready  chan mcpwire.Filter // one value, when the backend has told
	done   chan struct{}
}

func (w *watcher) openStream(ctx context.Context, f mcpwire.Filter) *stream {
	ctx, cancel := context.WithCancel(ctx)
	st := &stream{cancel: cancel, ready: make(chan mcpwire.Filter, 1), done: make(chan struct{})}
	f.Resources = slices.Clone(f.Resources)
	go func() { // ends by cancel; stop waits for it
		defer close(st.done)
		err := w.s.peer.Watch(ctx, f, &outside{b: w.b, owner: w.s.owner}, func(got mcpwire.Filter) {
			select {
			case st.ready <- got:
			default: // told twice; the first word counts
			}
		})
		if err != nil && ctx.Err() == nil {
			w.b.log.Debug("watch ended", "backend", w.b.cfg.Name, "error", err)
		}
	}()
	return st
}

// wait returns what the backend honours, once it says so.
func (st *stream) wait(ctx context.Context) (mcpwire.Filter, bool) {
	timer := time.NewTimer(ackTime)
	defer timer.Stop()
	select {
	case got := <-st.ready:
		return got, true
	case <-st.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return mcpwire.Filter{}, false
}

func (st *stream) ended() <-chan struct{} {
	if st == nil {
		return nil
	}
	return st.done
}

func (st *stream) stop() {
	if st == nil {
		return
	}
	st.cancel()
	<-st.done
}
