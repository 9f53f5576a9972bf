package backend

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend/pace"
	"drawbridge/internal/backend/watching"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// breakAfter is how many calls in a row may break before the backend is taken
// for dead while its session still looks alive.
const breakAfter = 5

const (
	stableTime = 10 * time.Second // a session that lived so long was no crash loop
	freshTry   = 2 * time.Second  // a call asks for no attempt sooner after one
	freshDeny  = 15 * time.Second // the same where our credential was refused: no lock-out by retries
)

// link keeps the main session of a backend: the one that reads its lists and, of
// a shared or modern backend, serves everybody. It is also the backend's circuit
// breaker. One goroutine (run) makes all attempts to connect, so that a dead
// backend is dialled once per attempt and not once per caller.
//
// open:      session set, not suspect. Calls pass.
// half-open: an attempt runs (trying): a dial, or a probe of a suspect session. Calls wait for it.
// closed:    anything else. Calls fail at once, or ask for an attempt when the last is long enough ago.
type link struct {
	b        *Backend
	wake     chan struct{} // an attempt is wanted now
	doubt    chan struct{} // the breaker opened
	broken   atomic.Int64  // calls that broke in a row
	restarts atomic.Int64
	subs     *watching.Subscriptions

	mu      sync.Mutex // guards what follows
	session *session
	suspect bool
	trying  bool
	tried   chan struct{} // closed when the attempt that runs or comes next has ended
	lastTry time.Time
	lastErr error
	info    Info // of the latest session
	state   State
}

func newLink(b *Backend) *link {
	return &link{
		b: b, subs: watching.NewSubscriptions(),
		wake: make(chan struct{}, 1), doubt: make(chan struct{}, 1), tried: make(chan struct{}),
		trying: true, // until run has made its first attempt, calls wait for it
		state:  Connecting,
	}
}

// run keeps the session until ctx ends.
func (l *link) run(ctx context.Context) {
	var wait pace.Backoff
	for ctx.Err() == nil {
		s, err := l.dial(ctx)
		if err == nil {
			err = l.hold(ctx, s, &wait)
		}
		if ctx.Err() == nil {
			pace.Pause(ctx, wait.Next(err), l.wake)
		}
	}
	l.end()
}

// anything is declared by the session that reads the lists: some servers offer tools
// only to clients that can answer what the tools ask. What is asked of this session
// outside of a call is declined.
var anything = mcpwire.Capabilities{Elicitation: true, ElicitationURL: true, Sampling: true, SamplingTools: true, Roots: true}

// dial makes one attempt to connect and tells those who wait for it.
func (l *link) dial(ctx context.Context) (*session, error) {
	l.begin()
	s, err := l.b.open(ctx, account.Gateway(), anything)
	if err != nil {
		l.failed(ctx, err)
		return nil, err
	}
	l.mu.Lock()
	l.session, l.info = s, s.info
	l.mu.Unlock()
	s.watch(l.b, l.subs)
	l.connected(s)
	return s, nil
}

func (l *link) begin() {
	for _, signal := range []chan struct{}{l.wake, l.doubt} {
		select {
		case <-signal: // this attempt is the answer to it
		default:
		}
	}
	l.mu.Lock()
	l.trying = true
	l.mu.Unlock()
}

// connected ends an attempt well.
func (l *link) connected(s *session) {
	l.broken.Store(0)
	l.mu.Lock()
	l.suspect, l.lastErr = false, nil
	l.mu.Unlock()
	l.finish(Ready)
	l.b.log.Info("backend connected", "revision", string(s.info.Revision))
}

// failed ends an attempt badly.
func (l *link) failed(ctx context.Context, err error) {
	l.mu.Lock()
	news := l.lastErr == nil || fault.PublicOf(l.lastErr) != fault.PublicOf(err)
	l.lastErr = err
	state := Failed
	if l.info.Revision != "" && !pace.PassesSlowly(err) {
		state = Degraded // it was there and may come back: its lists stay on offer
	}
	l.mu.Unlock()
	l.finish(state)
	if news && ctx.Err() == nil {
		l.b.log.Warn("cannot connect to backend", "error", err)
	}
}

// finish wakes those who wait for the attempt and tells of the new state.
func (l *link) finish(state State) {
	l.mu.Lock()
	l.trying, l.lastTry = false, time.Now()
	close(l.tried)
	l.tried = make(chan struct{})
	changed := l.state != state
	l.state = state
	l.mu.Unlock()
	if changed {
		l.b.events.StateChanged(l.b.cfg.Name)
	}
}

// hold waits while the session is good. It returns why it no longer is.
func (l *link) hold(ctx context.Context, s *session, wait *pace.Backoff) error {
	defer func() {
		l.lose(s)
		s.close(ctx)
	}()
	good := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.peer.Lost():
			if s.served.Load() || time.Since(good) >= stableTime {
				wait.Reset()
			}
			l.restarts.Add(1)
			l.b.log.Warn("backend lost")
			return nil
		case <-l.doubt:
			if time.Since(good) >= stableTime {
				wait.Reset()
			}
			if err := l.probe(ctx, s, wait); err != nil {
				return err
			}
			good = time.Now()
		}
	}
}

// lose takes a session out of use; its calls are not touched.
func (l *link) lose(s *session) {
	l.mu.Lock()
	mine := l.session == s
	if mine {
		l.session = nil
		l.suspect = false
		l.state = Degraded
	}
	l.mu.Unlock()
	if mine {
		l.b.events.StateChanged(l.b.cfg.Name)
	}
}

// probe is the half-open breaker: after a pause it asks the suspect session for a
// sign of life.
func (l *link) probe(ctx context.Context, s *session, wait *pace.Backoff) error {
	l.b.log.Warn("backend stopped answering")
	l.b.events.StateChanged(l.b.cfg.Name)
	if !pace.Pause(ctx, wait.Next(nil), l.wake) {
		return ctx.Err()
	}
	l.begin()
	if err := s.ping(ctx, l.b.cfg.ConnectTimeout); err != nil {
		l.lose(s)
		l.failed(ctx, err)
		return err
	}
	l.connected(s)
	return nil
}

// report counts how calls end. Enough broken ones in a row open the breaker.
func (l *link) report(broken bool) {
	if !broken {
		if l.broken.Load() != 0 {
			l.broken.Store(0)
		}
		return
	}
	if l.broken.Add(1) < breakAfter {
		return
	}
	l.mu.Lock()
	opens := l.session != nil && !l.suspect
	if opens {
		l.suspect = true
		l.state = Degraded
		l.lastErr = fault.New(fault.Unavailable, "%d calls in a row got no answer.", breakAfter)
	}
	l.mu.Unlock()
	if opens {
		select {
		case l.doubt <- struct{}{}:
		default:
		}
	}
}

// get returns the main session. Without one it waits for the attempt that runs,
// or asks for one if the last is not fresh, but never longer than ConnectTimeout.
func (l *link) get(ctx context.Context) (*session, *trouble) {
	s, tried := l.ask()
	if tried == nil {
		return l.have(s)
	}
	timer := time.NewTimer(l.b.cfg.ConnectTimeout)
	defer timer.Stop()
	select {
	case <-tried:
		return l.have(nil)
	case <-timer.C:
		return nil, notConnected("it is still starting")
	case <-ctx.Done():
		return nil, unsent(context.Cause(ctx), l.b.cfg.Timeout)
	}
}

// ask returns a good session, or the attempt to wait for, or neither.
func (l *link) ask() (*session, <-chan struct{}) {
	l.mu.Lock()
	s := l.session
	l.mu.Unlock()
	if s != nil && s.lost() {
		l.lose(s) // hold is about to notice the same
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil && !l.suspect {
		return l.session, nil
	}
	if !l.trying && time.Since(l.lastTry) > l.fresh() {
		l.trying = true
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	if l.trying {
		return nil, l.tried
	}
	return nil, nil
}

// have returns s, or the session there is now, or why there is none.
func (l *link) have(s *session) (*session, *trouble) {
	if s != nil {
		return s, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil && !l.suspect {
		return l.session, nil
	}
	return nil, notConnected(reasonOf(l.lastErr))
}

// fresh is how old the last attempt must be for a call to ask for another.
func (l *link) fresh() time.Duration {
	if l.lastErr != nil && fault.CodeOf(l.lastErr) == fault.Forbidden {
		return freshDeny
	}
	return freshTry
}

// end fails everybody who still waits.
func (l *link) end() {
	l.mu.Lock()
	l.trying, l.state = false, Disabled
	l.lastErr = fault.Wrap(errStopping, fault.Unavailable, "The backend is being stopped.")
	l.lastTry = time.Now()
	close(l.tried)
	l.tried = make(chan struct{})
	l.mu.Unlock()
}
