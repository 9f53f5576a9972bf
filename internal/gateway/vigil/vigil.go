// Package vigil ends what runs for a credential when the credential ends: a key or
// grant that is revoked or has run out, or whose user is disabled or deleted. The
// door refuses such a credential from its next request on; this is for the calls
// that it has let in before.
//
// What counts is the credential, not its user: of two keys of one user, the calls of
// the other go on. The Check of calls does not look at rights. Who may do less than
// before finishes what was begun, since an admin who edits a profile must not cut off
// everybody's calls at unknown points; a retry of a parked call is judged anew by the
// gateway. That of streams toward clients does: they tell for as long as they are open.
//
// Whether a credential has ended is asked now and then while something runs, and at
// once when Look is called. Where nobody can tell, it goes on. The packages gateway and
// park enter their calls, and app hands Watch to the sessions.
package vigil

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/life"
	"drawbridge/internal/mcpwire"
)

// lookTime is for all credentials, should the store be slow.
const lookTime = 5 * time.Second

// Check fails with fault.Unauthenticated once a principal's credential has ended.
type Check func(ctx context.Context, p account.Principal) error

// ErrEnded is the error of a call whose credential ended while it ran.
var ErrEnded = mcpwire.Errorf(mcpwire.CodeInternal, "The call was cancelled: the key or grant that it was made with has ended. It is unknown whether the call took effect: look before you repeat it.")

var errEnded = errors.New("the credential has ended")

// Vigil knows what runs for whom. A nil Vigil watches over nothing.
type Vigil struct {
	log   *slog.Logger
	check Check
	every time.Duration

	looking sync.Mutex // held during a look, so that Close awaits it

	mu      sync.Mutex // guards what follows, and the fields of every watch
	watches map[key]*watch
	timer   *time.Timer
	armed   bool // the timer runs, or its look does
	closed  bool
}

// key tells principals apart, as account.Principal.Owner does, for nothing. What the
// same credential was allowed at another time is another.
type key struct {
	user, credential, profile string
	role                      account.Role
	access                    *account.Access
}

func keyOf(p account.Principal) key {
	return key{p.User, p.Credential, p.Profile, p.Role, p.Access}
}

// watch is what runs for one principal. It stays until a look finds it empty, so that
// a call after another costs nothing.
type watch struct {
	p     account.Principal
	first *Stay
}

// Stay is one thing that runs, until it leaves.
type Stay struct {
	v          *Vigil
	w          *watch
	end        func()
	call       *life.Life // to be ended, in end's place
	prev, next *Stay
	told, left bool
}

// New makes a vigil that looks that often. Without a check there is none: nil.
func New(log *slog.Logger, check Check, every time.Duration) *Vigil {
	if check == nil {
		return nil
	}
	return &Vigil{log: log, check: check, every: every, watches: map[key]*watch{}}
}

// Enter has end called, once and by another goroutine, if p's credential ends before
// the stay leaves. end must not block.
func (v *Vigil) Enter(p account.Principal, end func()) *Stay {
	if v == nil {
		return nil
	}
	s := &Stay{end: end}
	v.enter(p, s)
	return s
}

// Watch is Enter for those who need no more of a Stay than its end.
func (v *Vigil) Watch(p account.Principal, end func()) (leave func()) { return v.Enter(p, end).Leave }

func (v *Vigil) enter(p account.Principal, s *Stay) {
	s.v = v
	k := keyOf(p)
	v.mu.Lock()
	defer v.mu.Unlock()
	w := v.watches[k]
	if w == nil {
		w = &watch{p: p}
		v.watches[k] = w
	}
	if !v.armed && !v.closed {
		v.armed = true
		v.timer = time.AfterFunc(v.every, v.tick)
	}
	s.w, s.next = w, w.first
	if w.first != nil {
		w.first.prev = s
	}
	w.first = s
}

// Leave ends a stay. More than once is as good as once.
func (s *Stay) Leave() {
	if s == nil {
		return
	}
	s.v.mu.Lock()
	defer s.v.mu.Unlock()
	if s.left {
		return
	}
	s.left = true
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		s.w.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
}

// Run is the outcome of f, or ErrEnded in its place when p's credential ended first: f's
// context is cancelled then. A result that is still streaming stays under watch until
// it is closed.
func (v *Vigil) Run(ctx context.Context, p account.Principal, f func(ctx context.Context) mcpwire.Outcome) mcpwire.Outcome {
	if v == nil {
		return f(ctx)
	}
	call, lives := ctx.(*life.Life)
	if !lives {
		call = life.New(ctx)
	}
	s := &Stay{call: call}
	v.enter(p, s)
	streams := false
	leave := func() {
		s.Leave()
		if !lives {
			call.End(nil)
		}
	}
	defer func() {
		if !streams {
			leave()
		}
	}()
	out := f(call)
	switch {
	case errors.Is(context.Cause(call), errEnded):
		out.Close()
		return mcpwire.Fail(ErrEnded)
	case out.Result.Rest != nil:
		streams = true
		out.Result.Rest = mcpwire.OnClose(out.Result.Rest, leave)
	}
	return out
}

func (v *Vigil) tick() {
	v.Look()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.armed = len(v.watches) > 0 && !v.closed; v.armed {
		v.timer.Reset(v.every)
	}
}

// Look ends what runs for credentials that have ended, now.
func (v *Vigil) Look() {
	if v == nil {
		return
	}
	v.looking.Lock()
	defer v.looking.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	for _, p := range v.present() {
		if err := v.check(ctx, p); fault.CodeOf(err) == fault.Unauthenticated {
			v.end(p)
		}
	}
}

// present are those for whom something runs; all others are forgotten.
func (v *Vigil) present() []account.Principal {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []account.Principal
	for k, w := range v.watches {
		if w.first == nil || v.closed {
			delete(v.watches, k)
			continue
		}
		all = append(all, w.p)
	}
	return all
}

func (v *Vigil) end(p account.Principal) {
	v.mu.Lock()
	var ends []*Stay
	if w := v.watches[keyOf(p)]; w != nil {
		for s := w.first; s != nil; s = s.next {
			if !s.told {
				ends, s.told = append(ends, s), true
			}
		}
	}
	v.mu.Unlock()
	for _, s := range ends {
		if s.call != nil {
			s.call.End(errEnded)
		} else {
			s.end()
		}
	}
	if len(ends) > 0 {
		v.log.Info("ended with its credential", "user", p.User, "credential", p.Credential, "count", len(ends))
	}
}

// Close ends the watching, not what runs.
func (v *Vigil) Close() {
	if v == nil {
		return
	}
	v.looking.Lock() // a look that runs is awaited
	defer v.looking.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	if v.timer != nil {
		v.timer.Stop()
	}
}
