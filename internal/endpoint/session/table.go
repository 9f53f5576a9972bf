package session

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// Table holds the legacy sessions that are awake and wakes those that are not.
type Table struct {
	*Dispatcher
	sealer *Sealer

	mu     sync.RWMutex // guards what follows
	live   map[string]*Session
	ended  uint64 // counts calls of End
	sweep  *time.Timer
	closed bool
}

// NewTable makes an empty table. Close ends it.
func NewTable(log *slog.Logger, hub Hub, sealer *Sealer, store Store, cfg Config) (*Table, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("read session settings: %w", err)
	}
	d := NewDispatcher(log, hub, cfg)
	d.store = store
	return &Table{Dispatcher: d, sealer: sealer, live: map[string]*Session{}}, nil
}

// Config are the settings the table was made with.
func (d *Dispatcher) Config() Config { return d.cfg }

// Create serves initialize: it makes a session for p and returns the result.
// The session is held; Release lets go.
func (t *Table) Create(ctx context.Context, p account.Principal, params []byte) (*Session, []byte, *mcpwire.Error) {
	c, result, err := t.introduce(ctx, params)
	if err != nil {
		return nil, nil, err
	}
	s := newSession(t.Dispatcher, p, nil)
	s.expires = time.Now().Add(t.cfg.TTL)
	s.token = t.sealer.seal(p.Owner(), ticket{expires: s.expires, revision: c.Revision, info: c.Info, capabilities: c.Capabilities})
	s.key = keyOf(s.token)
	c.Session = s.key
	s.caller.Store(&c)
	if t.admit(s, nil) == nil {
		return nil, nil, mcpwire.Errorf(mcpwire.CodeInternal, "The server is shutting down. Connect again in a moment.")
	}
	return s, result, nil
}

// The public reasons why there is no session.
var (
	errNotFound = fault.New(fault.NotFound, "There is no such session: it expired or was ended. Send initialize to start a new one.")
	errNoStore  = fault.New(fault.Unavailable, "The session cannot be looked up right now. Try again in a moment.")
)

// Acquire finds the session of a token that belongs to p, waking it where
// needed. Unknown, expired, revoked and foreign ids all give fault.NotFound. The
// session is held; Release lets go.
func (t *Table) Acquire(ctx context.Context, p account.Principal, token string) (*Session, error) {
	t.mu.RLock()
	s := t.live[token]
	if s != nil {
		s.refs.Add(1)
	}
	t.mu.RUnlock()
	if s == nil {
		return t.wake(ctx, p, token)
	}
	if !s.Owned(p) || !time.Now().Before(s.expires) {
		s.Release()
		return nil, errNotFound
	}
	return s, nil
}

// Release lets go of a held session.
func (s *Session) Release() {
	s.used.Store(time.Now().UnixNano())
	s.refs.Add(-1)
}

// wake makes a session anew from its id and what the store kept.
func (t *Table) wake(ctx context.Context, p account.Principal, token string) (*Session, error) {
	tk, err := t.sealer.open(p.Owner(), token)
	if err != nil || !time.Now().Before(tk.expires) {
		return nil, errNotFound
	}
	for range wakeTries {
		t.mu.RLock()
		ended := t.ended
		t.mu.RUnlock()
		s, err := t.restore(ctx, p, token, tk)
		if err != nil {
			return nil, err
		}
		if s = t.admit(s, &ended); s != nil {
			return s, nil
		}
	}
	return nil, errNoStore
}

// wakeTries is how often the store is asked anew because sessions ended
// meanwhile.
const wakeTries = 5

// restore asks the store about a session.
func (t *Table) restore(ctx context.Context, p account.Principal, token string, tk ticket) (*Session, error) {
	key := keyOf(token)
	revoked, err := t.store.Revoked(ctx, key)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "%s", errNoStore.Public)
	}
	if revoked {
		return nil, errNotFound
	}
	set, err := t.store.LoadSettings(ctx, key)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "%s", errNoStore.Public)
	}
	s := newSession(t.Dispatcher, p, &mcpwire.Caller{
		Revision: tk.revision, Info: tk.info, Capabilities: tk.capabilities,
		Can: mcpwire.DecodeCapabilities(tk.capabilities), LogLevel: set.LogLevel, Session: key,
	})
	s.token, s.key, s.expires, s.wanted = token, key, tk.expires, set.Subscriptions
	return s, nil
}

// admit puts a session into the table, held, or takes the one that was faster.
// ended, where given, is how many sessions had been ended when the store was
// asked: if it was another number since, the answer may be out of date.
func (t *Table) admit(s *Session, ended *uint64) *Session {
	t.mu.Lock()
	if t.closed || ended != nil && *ended != t.ended {
		t.mu.Unlock()
		return nil
	}
	have := t.live[s.token]
	if have == nil {
		have = s
		t.live[s.token] = s
	}
	have.refs.Add(1)
	have.used.Store(time.Now().UnixNano())
	var dropped []*Session
	if len(t.live) > t.cfg.MaxLive {
		dropped = t.drop(time.Now(), 0, 1+t.cfg.MaxLive/10)
	}
	if t.sweep == nil {
		t.sweep = time.AfterFunc(t.cfg.IdleAfter/2, t.tidy)
	}
	t.mu.Unlock()
	closeAll(dropped)
	return have
}

// tidy drops what is idle, and comes back as long as there are sessions.
func (t *Table) tidy() {
	t.mu.Lock()
	now := time.Now()
	dropped := t.drop(now, t.cfg.IdleAfter, len(t.live))
	for _, s := range t.live {
		s.mu.Lock()
		s.prune(now)
		s.mu.Unlock()
	}
	t.sweep = nil
	if len(t.live) > 0 && !t.closed {
		t.sweep = time.AfterFunc(t.cfg.IdleAfter/2, t.tidy)
	}
	t.mu.Unlock()
	closeAll(dropped)
}

// drop takes up to n sessions out of the table that nobody holds and nobody used
// for idle; the caller closes them. Their ids stay good. t.mu is held, so nobody
// can take hold of one meanwhile.
func (t *Table) drop(now time.Time, idle time.Duration, n int) (dropped []*Session) {
	for token, s := range t.live {
		if len(dropped) == n {
			break
		}
		if s.refs.Load() == 0 && now.UnixNano()-s.used.Load() >= int64(idle) {
			delete(t.live, token)
			dropped = append(dropped, s)
		}
	}
	return dropped
}

// closeAll closes sessions without t.mu: a watch that ends may talk to backends.
func closeAll(list []*Session) {
	for _, s := range list {
		s.Close()
	}
}

// End ends a session for good: its id will not be found again.
func (t *Table) End(ctx context.Context, s *Session) error {
	if err := t.store.Revoke(ctx, s.key, s.expires); err != nil {
		return fault.Wrap(err, fault.Unavailable, "The session could not be ended. Try again in a moment.")
	}
	t.mu.Lock()
	t.ended++
	awake := t.live[s.token]
	delete(t.live, s.token)
	t.mu.Unlock()
	s.Close()
	if awake != nil && awake != s {
		awake.Close()
	}
	return nil
}

// Live is how many sessions are in memory.
func (t *Table) Live() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.live)
}

// Close drains and ends all sessions in memory; calls in flight are cancelled.
func (t *Table) Close() {
	t.Drain()
	t.mu.Lock()
	t.closed = true
	if t.sweep != nil {
		t.sweep.Stop()
	}
	live := t.live
	t.live = map[string]*Session{}
	t.mu.Unlock()
	for _, s := range live {
		s.Close()
	}
}
