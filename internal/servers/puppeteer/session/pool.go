// Package session gives every user contexts of his own in the one browser: cookies,
// storage, tabs, console and files of a Session are nobody else's.
//
// A Pool starts the browser with the first call that needs it, and again after it has
// ended; it bounds how much is open and closes what nobody uses. One call at a time
// works in a Session and holds it. What a page may be asked and told is package
// page's matter, where it may lead that of the Proxy. The package knows no tools.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/puppeteer/chrome"
)

// The bounds on what is open.
const (
	maxSessions    = 64
	maxSessionName = 64 // bytes
	sweepTime      = 30 * time.Second
	spareTime      = time.Minute // unused for as long, a session may go for another one
)

// IdleTime is how long a session outlives its last call.
const IdleTime = 10 * time.Minute

// MaxOfUser is how many sessions a user may have open.
const MaxOfUser = 5

// Config is how the browser is started.
type Config struct {
	Path      string   // "" looks for one
	NoSandbox bool     // Chromium's own sandbox is off
	Flags     []string // further ones, for tests
}

// Proxy is the browser's only way out.
type Proxy interface {
	Start() (address string, err error)
	Close()
}

// key names a session: whose it is, and the name he gave it, which may be "".
type key struct{ user, name string }

// Pool is the contexts of all users in the one browser.
type Pool struct {
	log *slog.Logger
	now func() time.Time
	cfg Config
	way Proxy

	starting chan struct{} // held while the browser is started

	mu       sync.Mutex // guards the rest
	browser  *chrome.Browser
	proxy    string
	open     map[key]*Session
	contexts map[string]*Session // by the browser's name for a context
	tabs     map[string]*Tab     // by protocol session
	users    map[string]*shelf
	closed   bool
	sweeper  chan struct{} // closed to end the sweeper; nil before it runs
	work     sync.WaitGroup
}

// New makes a Pool; nothing is started yet.
func New(deps kit.Deps, cfg Config, way Proxy) *Pool {
	return &Pool{
		log: deps.Log, now: deps.Now, cfg: cfg, way: way, starting: make(chan struct{}, 1),
		open: map[key]*Session{}, contexts: map[string]*Session{}, tabs: map[string]*Tab{}, users: map[string]*shelf{},
	}
}

// Use gives a user's session to one call, which holds it until it calls release.
func (s *Pool) Use(ctx context.Context, user, name string) (one *Session, release func(), err error) {
	if len(name) > maxSessionName {
		return nil, nil, fault.New(fault.Invalid, "session_id has at most %d bytes. Choose a shorter one.", maxSessionName)
	}
	b, err := s.running(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.expire(s.now())
	one, err = s.find(b, key{user, name})
	if err != nil {
		return nil, nil, err
	}
	select {
	case one.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fault.Wrap(ctx.Err(), fault.Timeout, "Another call is still at work in this browser session. Wait for it, or send another session_id.")
	}
	if err := s.prepare(ctx, one); err != nil {
		<-one.busy
		return nil, nil, err
	}
	return one, func() {
		s.mu.Lock()
		one.used = s.now()
		s.mu.Unlock()
		<-one.busy
	}, nil
}

// find finds or makes a session of a browser.
func (s *Pool) find(b *chrome.Browser, k key) (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.open[k]; one != nil && one.browser == b {
		one.used = s.now()
		return one, nil
	}
	mine, spare := 0, (*Session)(nil)
	for other, one := range s.open {
		if other.user == k.user {
			mine++
		}
		if len(one.busy) == 0 && s.now().Sub(one.used) >= spareTime && (spare == nil || one.used.Before(spare.used)) {
			spare = one
		}
	}
	switch {
	case mine >= MaxOfUser:
		return nil, fault.New(fault.Limited, "You have %d browser sessions open, which is the most. Close one with browser_close, or use one of them.", mine)
	case len(s.open) >= maxSessions && spare == nil:
		return nil, fault.New(fault.Limited, "All %d browser sessions of this installation are in use. Try again in a minute.", maxSessions)
	case len(s.open) >= maxSessions:
		s.drop(spare)
	}
	one := newSession(s, b, k)
	s.open[k] = one
	s.shelf(k.user).last = k.name
	return one, nil
}

// prepare makes the context of a session in the browser, once.
func (s *Pool) prepare(ctx context.Context, one *Session) error {
	s.mu.Lock()
	has := one.context != ""
	s.shelf(one.user).last = one.name
	s.mu.Unlock()
	if has {
		return nil
	}
	var r struct {
		ID string `json:"browserContextId"`
	}
	if err := one.browser.Root.Call(ctx, "Target.createBrowserContext", m{"disposeOnDetach": true}, &r); err != nil {
		return s.lost(one, err)
	}
	if err := os.MkdirAll(one.folder(), 0o700); err != nil {
		return fmt.Errorf("make folder of a session: %w", err)
	}
	one.browser.Root.Send("Browser.setDownloadBehavior", m{
		"behavior": "allowAndName", "browserContextId": r.ID, "downloadPath": one.folder(), "eventsEnabled": true,
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	one.context = r.ID
	s.contexts[r.ID] = one
	return nil
}

// lost gives the error of a call to the browser its sentence.
func (s *Pool) lost(one *Session, err error) error {
	if errors.Is(err, chrome.ErrGone) {
		s.mu.Lock()
		s.drop(one)
		s.mu.Unlock()
		return fault.Wrap(err, fault.Unavailable, "The browser has ended, and its tabs with it. Call again: it is started anew.")
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fault.Wrap(err, fault.Timeout, "The browser did not answer in time. Try again.")
	}
	return fault.Wrap(err, fault.Upstream, "The browser refused this. Try again.")
}

// running gives the browser, and starts it where it does not run.
func (s *Pool) running(ctx context.Context) (*chrome.Browser, error) {
	if b := s.alive(); b != nil {
		return b, nil
	}
	select {
	case s.starting <- struct{}{}:
		defer func() { <-s.starting }()
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Timeout, "The browser is still starting. Try again in a moment.")
	}
	if b := s.alive(); b != nil {
		return b, nil
	}
	return s.start(ctx)
}

func (s *Pool) alive() *chrome.Browser {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.browser == nil {
		return nil
	}
	select {
	case <-s.browser.Gone():
		return nil
	default:
		return s.browser
	}
}

func (s *Pool) start(ctx context.Context) (*chrome.Browser, error) {
	path, err := chrome.Find(s.cfg.Path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "There is no browser on this machine. An operator can install chromium, or set BROWSER_PATH to where it is.")
	}
	if err := s.openProxy(); err != nil {
		return nil, err
	}
	noSandbox := s.cfg.NoSandbox || os.Geteuid() == 0 // as root Chromium starts without it only
	b, err := chrome.Start(ctx, s.log, chrome.Config{Path: path, Proxy: s.proxy, NoSandbox: noSandbox, Flags: s.cfg.Flags}, s.event)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "The browser did not start. An operator finds the reason in the log; in a container that forbids user namespaces, servers.puppeteer.no_sandbox helps.")
	}
	filter := []m{{"type": "page"}, {"exclude": true}}
	b.Root.Send("Target.setDiscoverTargets", m{"discover": true, "filter": filter}) // tells of crashes
	if err := b.Root.Call(ctx, "Target.setAutoAttach", m{"autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true, "filter": filter}, nil); err != nil {
		b.Close()
		return nil, fault.Wrap(err, fault.Unavailable, "The browser did not start. Try again.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.work.Go(b.Close) // awaited by close
		return nil, fault.New(fault.Unavailable, "The server is ending. Try again in a minute.")
	}
	for _, one := range s.open { // of a browser that has ended
		s.drop(one)
	}
	s.browser, s.tabs = b, map[string]*Tab{}
	if s.sweeper == nil {
		s.sweeper = make(chan struct{})
		s.work.Go(s.sweep)
	}
	return b, nil
}

// openProxy starts the way out. Only the one who starts the browser calls it.
func (s *Pool) openProxy() error {
	if s.proxy != "" {
		return nil
	}
	address, err := s.way.Start()
	if err != nil {
		return fmt.Errorf("start proxy: %w", err)
	}
	s.proxy = address
	return nil
}

// sweep closes what is idle until Close ends it.
func (s *Pool) sweep() {
	tick := time.NewTicker(sweepTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.expire(s.now())
		case <-s.sweeper:
			return
		}
	}
}

// expire closes the sessions that nobody has used for long.
func (s *Pool) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.open {
		if len(one.busy) == 0 && now.Sub(one.used) >= IdleTime {
			s.drop(one)
		}
	}
	for user, shelf := range s.users {
		if now.Sub(shelf.used) >= shelfTime && !s.has(user) {
			delete(s.users, user)
		}
	}
}

func (s *Pool) has(user string) bool {
	for k := range s.open {
		if k.user == user {
			return true
		}
	}
	return false
}

// drop closes a session. The lock is held.
func (s *Pool) drop(one *Session) {
	if s.open[one.key] == one {
		delete(s.open, one.key)
	}
	if one.context == "" {
		return
	}
	delete(s.contexts, one.context)
	one.browser.Root.Send("Target.disposeBrowserContext", m{"browserContextId": one.context})
	folder := one.folder()
	s.work.Go(func() { // ends by itself
		if err := os.RemoveAll(folder); err != nil {
			s.log.Warn("folder of a browser session not removed", "error", err)
		}
	})
}

// End closes a user's session, if it is open.
func (s *Pool) End(user, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.open[key{user, name}]
	if one == nil {
		return false
	}
	s.drop(one)
	return true
}

// Close ends everything and waits for it.
func (s *Pool) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	b := s.browser
	if s.sweeper != nil {
		close(s.sweeper)
	}
	s.mu.Unlock()
	if b != nil {
		b.Close()
	}
	s.way.Close()
	s.work.Wait()
}
