package backend

import (
	"context"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend/pace"
	"drawbridge/internal/backend/watching"
	"drawbridge/internal/mcpwire"
)

// key is what callers have in common that share a session of a legacy backend:
// the credential, so that no state crosses, and the questions they can answer,
// since a session declares them once. client is the one client that has it, where
// each has their own.
type key struct {
	user, credential, profile string // as in account.Principal.Owner
	can                       mcpwire.Capabilities
	client                    string
}

// slot is the place of one key's session. It stays while it is used, subscribed
// or connected.
type slot struct {
	pool *pool
	key  key
	who  account.Principal
	subs *watching.Subscriptions

	// The pool's mutex guards what follows.
	session *session
	opening chan struct{} // closed when the attempt that runs has ended; nil when none runs
	hears   bool          // the next session runs its Watch
	err     error         // of the last attempt
	failed  time.Time     // when it ended
	users   int           // calls that hold the slot
	idle    time.Time     // since when there are none
}

// pool holds the sessions of one legacy backend that keeps state per session.
type pool struct {
	b      *Backend
	mu     sync.Mutex // guards what follows, and the slots
	slots  map[key]*slot
	closed bool
}

func newPool(b *Backend) *pool { return &pool{b: b, slots: map[key]*slot{}} }

// keyFor is the place of a caller.
func (b *Backend) keyFor(who account.Principal, caller *mcpwire.Caller, backend mcpwire.Revision) key {
	k := key{user: who.User, credential: who.Credential, profile: who.Profile}
	if caller != nil && backend.Legacy() {
		k.can = caller.Askable()
	}
	if d, ok := b.dialer.(PerClient); ok && d.PerClient() && caller != nil && caller.Revision.Legacy() {
		k.client = caller.Session
	}
	return k
}

// PerClient is a Dialer that may want a session for every client, where others
// have one for every principal. Clients of 2026-07-28, who have no session of
// their own, share their principal's.
type PerClient interface{ PerClient() bool }

// acquire returns the session for a caller, opening it if need be. own asks for
// one of the principal's own where calls would do with the main session. The slot
// must be released; it is nil for the main session.
func (b *Backend) acquire(ctx context.Context, caller *mcpwire.Caller, own bool) (*session, *watching.Subscriptions, *slot, *trouble) {
	main, t := b.link.get(ctx)
	if t != nil {
		return nil, nil, nil, t
	}
	who, ok := account.PrincipalFrom(ctx)
	if !ok {
		return nil, nil, nil, notConnected("the caller is nobody")
	}
	if b.servesAll(main.info) && !own || who == account.Gateway() {
		return main, b.link.subs, nil, nil
	}
	sl, t := b.pool.take(who, caller, main.info.Revision)
	if t != nil {
		return nil, nil, nil, t
	}
	s, t := b.pool.connect(ctx, sl)
	if t != nil {
		sl.release()
		return nil, nil, nil, t
	}
	return s, sl.subs, sl, nil
}

// present returns what acquire would, without opening anything; nil where there
// is nothing.
func (b *Backend) present(ctx context.Context, caller *mcpwire.Caller) (*session, *watching.Subscriptions) {
	who, ok := account.PrincipalFrom(ctx)
	if !ok {
		return nil, nil
	}
	b.link.mu.Lock()
	main, info := b.link.session, b.link.info
	b.link.mu.Unlock()
	b.pool.mu.Lock()
	sl := b.pool.slots[b.keyFor(who, caller, info.Revision)]
	b.pool.mu.Unlock()
	switch {
	case sl != nil:
		return sl.current(), sl.subs
	case b.servesAll(info) || who == account.Gateway():
		return main, b.link.subs
	}
	return nil, nil
}

// servesAll tells a backend whose main session serves every caller's calls.
func (b *Backend) servesAll(main Info) bool {
	return b.cfg.Shared || b.dialer.Shared() || main.Revision.Modern()
}

// Personal is a Dialer whose backend tells each principal of their own resources
// only. Its peers watch on behalf of the principal in the context, so that
// subscriptions get a session each where calls share one.
type Personal interface{ Personal() bool }

func (b *Backend) personal() bool {
	d, ok := b.dialer.(Personal)
	return ok && d.Personal()
}

// take holds the slot of a caller.
func (p *pool) take(who account.Principal, caller *mcpwire.Caller, backend mcpwire.Revision) (*slot, *trouble) {
	k := p.b.keyFor(who, caller, backend)
	p.mu.Lock()
	defer p.mu.Unlock()
	sl := p.slots[k]
	if sl == nil {
		if len(p.slots) >= p.b.cfg.MaxSessions && !p.evict() {
			return nil, &trouble{reason: "too many clients use it at once", advice: adviceBusy}
		}
		sl = &slot{pool: p, key: k, who: who, subs: watching.NewSubscriptions()}
		p.slots[k] = sl
	}
	sl.users++
	if caller != nil && caller.Revision != "" {
		sl.hears = true // some servers say on the session's stream what belongs to a call
	}
	return sl, nil
}

// release gives the slot back.
func (sl *slot) release() {
	if sl == nil {
		return
	}
	sl.pool.mu.Lock()
	defer sl.pool.mu.Unlock()
	if sl.users--; sl.users == 0 {
		sl.idle = time.Now()
	}
}

func (sl *slot) current() *session {
	sl.pool.mu.Lock()
	defer sl.pool.mu.Unlock()
	return sl.session
}

// connect returns the slot's session. All callers of one slot share one attempt.
func (p *pool) connect(ctx context.Context, sl *slot) (*session, *trouble) {
	p.mu.Lock()
	if s := sl.session; s != nil && !s.lost() {
		hears := sl.hears
		p.mu.Unlock()
		if hears {
			s.watch(p.b, sl.subs).Await(ctx)
		}
		return s, nil
	}
	if t := p.attempt(sl); t != nil {
		p.mu.Unlock()
		return nil, t
	}
	opening := sl.opening
	p.mu.Unlock()
	select {
	case <-opening:
	case <-ctx.Done():
		return nil, unsent(context.Cause(ctx), p.b.cfg.Timeout)
	}
	p.mu.Lock()
	s, err, hears := sl.session, sl.err, sl.hears
	p.mu.Unlock()
	if s == nil {
		return nil, notConnected(reasonOf(err))
	}
	if hears {
		s.watch(p.b, sl.subs).Await(ctx) // what a call makes the backend say may come there
	}
	return s, nil
}

// attempt makes sure that one runs for the slot. The caller holds mu.
func (p *pool) attempt(sl *slot) *trouble {
	if sl.opening != nil {
		return nil
	}
	if sl.err != nil && time.Since(sl.failed) <= freshTry {
		return notConnected(reasonOf(sl.err))
	}
	opening := make(chan struct{})
	if !p.b.crew.run(func() { p.open(sl) }) {
		return notConnected(errStopping.Error())
	}
	sl.opening = opening
	return nil
}

// open makes one attempt for a slot. The caller that asked for it may be gone by
// the time it ends; others wait for it too.
func (p *pool) open(sl *slot) {
	p.mu.Lock()
	old := sl.session
	sl.session = nil
	p.mu.Unlock()
	if old != nil {
		old.close(p.b.base)
	}
	s, err := p.b.open(p.b.base, sl.who, sl.key.can)
	if err != nil && !pace.PassesSlowly(err) {
		p.b.link.report(true)
	}
	p.mu.Lock()
	if s != nil && (p.closed || p.slots[sl.key] != sl) {
		p.mu.Unlock()
		s.close(p.b.base) // nobody would
		p.mu.Lock()
		s, err = nil, errStopping
	}
	defer p.mu.Unlock()
	sl.session, sl.err, sl.failed = s, err, time.Now()
	if s != nil {
		s.slot, s.owner = sl, sl.who.Owner()
		if sl.hears || !sl.subs.None() {
			s.watch(p.b, sl.subs)
		}
	}
	close(sl.opening)
	sl.opening = nil
}

// revive opens a lost session again if somebody is subscribed through it. It is
// the last thing that the session's watcher does.
func (p *pool) revive(sl *slot, lost *session) {
	var wait pace.Backoff
	for !sl.subs.None() && pace.Pause(p.b.base, wait.Next(nil), nil) {
		if sl.current() != lost && sl.current() != nil {
			return // a call was faster
		}
		if _, t := p.b.link.get(p.b.base); t != nil {
			continue
		}
		if _, t := p.connect(p.b.base, sl); t == nil {
			return
		}
	}
}

// evict makes room by closing the session that is idle for longest.
func (p *pool) evict() bool {
	var oldest *slot
	for _, sl := range p.slots {
		if sl.free() && (oldest == nil || sl.idle.Before(oldest.idle)) {
			oldest = sl
		}
	}
	if oldest == nil {
		return false
	}
	if s := p.drop(oldest); s != nil && !p.b.crew.run(func() { s.close(p.b.base) }) {
		s.close(p.b.base)
	}
	return true
}

// free tells a slot that nobody needs.
func (sl *slot) free() bool { return sl.users == 0 && sl.opening == nil && sl.subs.None() }

// drop takes a slot out of the pool and returns its session for closing. The
// caller holds mu.
func (p *pool) drop(sl *slot) *session {
	delete(p.slots, sl.key)
	s := sl.session
	sl.session = nil
	return s
}

// expire closes idle sessions until ctx ends, and then all.
func (p *pool) expire(ctx context.Context) {
	for pace.Pause(ctx, p.b.cfg.SessionIdle/4, nil) {
		p.sweep(func(sl *slot) bool { return sl.free() && time.Since(sl.idle) >= p.b.cfg.SessionIdle })
	}
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.sweep(func(*slot) bool { return true })
}

// sweep drops slots and waits until their sessions are closed.
func (p *pool) sweep(which func(*slot) bool) {
	var closing sync.WaitGroup
	p.mu.Lock()
	for _, sl := range p.slots {
		if !which(sl) {
			continue
		}
		if s := p.drop(sl); s != nil {
			closing.Go(func() { s.close(p.b.base) })
		}
	}
	p.mu.Unlock()
	closing.Wait()
}

// size is how many sessions are open.
func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, sl := range p.slots {
		if sl.session != nil {
			n++
		}
	}
	return n
}
