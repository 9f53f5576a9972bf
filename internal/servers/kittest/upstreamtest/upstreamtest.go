// Package upstreamtest is what stand-ins for upstream systems share, whatever system they
// pass for: a clock that tests can push, faults, a record of what arrived, and a port that
// can be closed and opened again.
//
// It knows no system: what a fault of one does beside HTTP, what is on record of a call,
// and everything that is refused, is that stand-in's own. Fakes of built-in servers use it,
// and tests that use those.
package upstreamtest

import (
	"context"
	"slices"
	"sync"
)

// Log is what arrived at a stand-in, oldest first.
type Log[E any] struct {
	lock    sync.Locker
	entries []E
	news    chan struct{} // closed when something arrives, and replaced
}

// NewLog makes one that belongs to the state behind lock: whoever reads it sees all that
// came of what is on it.
func NewLog[E any](lock sync.Locker) *Log[E] { return &Log[E]{lock: lock, news: make(chan struct{})} }

// Add puts something on record, and says where. Called with the lock held.
func (l *Log[E]) Add(e E) (at int) {
	l.entries = append(l.entries, e)
	close(l.news)
	l.news = make(chan struct{})
	return len(l.entries) - 1
}

// At is an entry, to tell more of. Called with the lock held, and good until it is not.
func (l *Log[E]) At(i int) *E { return &l.entries[i] }

// All is what there is.
func (l *Log[E]) All() []E {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Clone(l.entries)
}

// Count is how many there are of a kind.
func (l *Log[E]) Count(is func(E) bool) (n int) {
	for _, e := range l.All() {
		if is(e) {
			n++
		}
	}
	return n
}

// Await waits until something has arrived that is looked for; false if ctx ended before.
func (l *Log[E]) Await(ctx context.Context, is func(E) bool) bool {
	for {
		l.lock.Lock()
		found, news := slices.ContainsFunc(l.entries, is), l.news
		l.lock.Unlock()
		if found {
			return true
		}
		select {
		case <-news:
		case <-ctx.Done():
			return false
		}
	}
}
