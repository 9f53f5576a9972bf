// Package life is the context of a call, for the packages that a call passes: the
// endpoints begin one, and the gateway, a backend and the connection to it each
// have something to do when it ends.
//
// A tree of the standard library's contexts does the same, but a call would make
// half a dozen of them, each with a channel and a map. A Life is one piece of
// memory, and so is what hangs on it.
package life

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Life is a context that ends once, with a cause: context.Cause tells it. Its
// Value is that of the context it was made of; its Err is context.Canceled, or the
// Err of the context that ended it.
type Life struct {
	parent   context.Context
	detached bool // parent's end is not its own
	above    Hook // on parent

	mu    sync.Mutex // guards what follows
	err   error
	done  chan struct{} // made when somebody asks for it
	first *Hook
}

// New is the life of something that ends no later than ctx. It must be ended.
func New(ctx context.Context) *Life {
	l := &Life{}
	l.Begin(ctx)
	return l
}

// Detached is a life that has the values of ctx and an end of its own.
func Detached(ctx context.Context) *Life { return &Life{parent: ctx, detached: true} }

// Begin makes a Life of one that is part of something else.
func (l *Life) Begin(ctx context.Context) {
	l.parent, l.above.child = ctx, l
	l.above.hang(ctx)
}

// End ends it and runs what hangs on it, unless it has ended before.
func (l *Life) End(cause error) {
	err := context.Canceled
	if cause != nil {
		err = &ended{err: err, cause: cause}
	}
	l.end(err)
	l.above.Off()
}

func (l *Life) end(err error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = err
	if l.done != nil {
		close(l.done)
	}
	hooks := l.first
	for h := hooks; h != nil; h = h.next {
		h.hangs = false
	}
	l.first = nil
	l.mu.Unlock()
	for h := hooks; h != nil; h = h.next {
		h.run(l)
	}
}

// ended is why a Life has ended.
type ended struct{ err, cause error }

func (e *ended) Error() string        { return e.cause.Error() }
func (e *ended) Is(target error) bool { return errors.Is(e.err, target) }
func (e *ended) Unwrap() error        { return e.cause }

// Deadline is that of the context it was made of.
func (l *Life) Deadline() (time.Time, bool) {
	if l.detached {
		return time.Time{}, false
	}
	return l.parent.Deadline()
}

// Value is that of the context it was made of.
func (l *Life) Value(key any) any {
	if _, internal := key.(*int); internal {
		// With such a key package context looks for its own kind. It must not find the
		// ones above, whose cause context.Cause would take for that of this one.
		return nil
	}
	return l.parent.Value(key)
}

// Err is nil until the end.
func (l *Life) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// over is what Done gives after the end where nobody had asked before.
var over = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Done is closed at the end.
func (l *Life) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		if l.err != nil {
			l.done = over
		} else {
			l.done = make(chan struct{})
		}
	}
	return l.done
}

// AfterFunc is what the standard library's contexts look for in others.
func (l *Life) AfterFunc(f func()) (stop func() bool) {
	h := &Hook{}
	h.On(l, func() { go f() }) // as context.AfterFunc promises
	return h.Off
}

// Hook is what is to be done when a context ends. Whoever uses one keeps it where
// it lives itself; each is hung up once.
type Hook struct {
	f     func()
	child *Life       // to be ended, in f's place
	stop  func() bool // where it hangs on a context that is no Life

	on         *Life
	hangs      bool // this and what follows is guarded by on.mu
	prev, next *Hook
}

// On has f called when ctx ends, or at once if it has ended. f must not block.
func (h *Hook) On(ctx context.Context, f func()) {
	h.f = f
	h.hang(ctx)
}

func (h *Hook) hang(ctx context.Context) {
	l, ok := ctx.(*Life)
	if !ok {
		if ctx.Done() != nil {
			h.stop = context.AfterFunc(ctx, func() { h.run(ctx) })
		}
		return
	}
	h.on = l
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		h.run(l)
		return
	}
	h.hangs, h.next = true, l.first
	if l.first != nil {
		l.first.prev = h
	}
	l.first = h
	l.mu.Unlock()
}

// Off takes the hook down. It reports false when that comes too late: what was to be
// done is done, or being done.
func (h *Hook) Off() bool {
	switch {
	case h.stop != nil:
		return h.stop()
	case h.on == nil:
		return true // it hangs on what never ends, or nowhere
	}
	h.on.mu.Lock()
	defer h.on.mu.Unlock()
	if !h.hangs {
		return false
	}
	h.hangs = false
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		h.on.first = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	return true
}

func (h *Hook) run(ctx context.Context) {
	if h.child != nil {
		h.child.end(&ended{err: ctx.Err(), cause: context.Cause(ctx)})
		return
	}
	h.f()
}
