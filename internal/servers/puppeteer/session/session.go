package session

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/puppeteer/chrome"
	"drawbridge/internal/servers/puppeteer/page"
)

type m = map[string]any

// The bounds on one session.
const (
	maxTabs     = 10
	maxLines    = 500 // of the console
	startWidth  = 800
	startHeight = 600
)

// Session is one context: the tabs, cookies and files of a user under a name.
type Session struct {
	key
	all     *Pool
	browser *chrome.Browser
	busy    chan struct{} // held by the one call that works in it

	context string    // guarded by all.mu
	used    time.Time // guarded by all.mu

	mu        sync.Mutex // guards the rest
	tabs      []*Tab
	active    *Tab
	opened    int // by pages, since it was last told
	changed   chan struct{}
	lines     []string
	downloads []*download
	said      int   // lines there were in all
	uploaded  int64 // bytes
	serial    int   // of the next upload

	generation atomic.Int64 // of the last document; atomic, since tabs ask with their own locks held
}

// Tab is one page of a session.
type Tab struct {
	id      string // the target's
	session *chrome.Session
	Page    *page.Page
	closed  atomic.Bool // it is to go
}

// close closes a tab without waiting for it. Chromium forgets to close one that is
// about to show another page, so the end of a load reminds it: see attached.
func (t *Tab) close(b *chrome.Browser) {
	t.closed.Store(true)
	b.Root.Send("Target.closeTarget", m{"targetId": t.id})
}

func newSession(all *Pool, b *chrome.Browser, k key) *Session {
	return &Session{key: k, all: all, browser: b, busy: make(chan struct{}, 1), changed: make(chan struct{}), used: all.now()}
}

// folder is where the downloads of a session go.
func (s *Session) folder() string {
	return filepath.Join(s.browser.Folder(), "downloads", folderName(s.key))
}

// event takes the events of the browser itself. It runs on the goroutine that reads.
func (s *Pool) event(method string, params json.RawMessage) {
	var e struct {
		SessionID  string
		TargetInfo struct{ TargetID, URL, OpenerID, BrowserContextID string }
		TargetID   string
		FrameID    string
		GUID       string
		URL        string
		Name       string  `json:"suggestedFilename"`
		Received   float64 `json:"receivedBytes"`
		Total      float64 `json:"totalBytes"`
		State      string
	}
	if json.Unmarshal(params, &e) != nil {
		return // not what we know under that name
	}
	switch method {
	case "Target.attachedToTarget":
		s.attached(e.SessionID, e.TargetInfo.TargetID, e.TargetInfo.BrowserContextID, e.TargetInfo.OpenerID != "")
	case "Target.detachedFromTarget":
		s.detached(e.SessionID)
	case "Target.targetCrashed":
		s.crashed(e.TargetID)
	case "Browser.downloadWillBegin":
		s.downloadBegins(e.FrameID, e.GUID, e.URL, e.Name)
	case "Browser.downloadProgress":
		s.downloadGoesOn(e.GUID, e.State, int64(max(e.Received, e.Total)), int64(e.Received))
	}
}

// attached takes over a new tab, whoever opened it. It stands still until it is
// prepared, so nothing of it is missed.
func (s *Pool) attached(id, target, in string, byPage bool) {
	s.mu.Lock()
	one, b := s.contexts[in], s.browser
	s.mu.Unlock()
	if one == nil {
		if b != nil { // the first tab, which is nobody's
			b.Session(id, func(string, json.RawMessage) {}).Send("Runtime.runIfWaitingForDebugger", nil)
		}
		return
	}
	t := &Tab{id: target}
	t.session = one.browser.Session(id, func(method string, params json.RawMessage) {
		if method == "Page.frameStoppedLoading" && t.closed.Load() {
			t.close(one.browser)
		}
		t.Page.Event(method, params)
	})
	t.Page = page.New(t.session, page.Options{Frame: target, Generation: one.nextGeneration, Console: one.line, Width: startWidth, Height: startHeight})
	if !one.add(t, byPage) {
		t.session.Send("Page.enable", nil)
		t.close(one.browser)
		return
	}
	s.mu.Lock()
	s.tabs[id] = t
	s.mu.Unlock()
	t.Page.Prepare()
}

func (s *Pool) detached(id string) {
	s.mu.Lock()
	t, b := s.tabs[id], s.browser
	delete(s.tabs, id)
	var owner *Session
	for _, one := range s.contexts {
		if t != nil && one.has(t) {
			owner = one
		}
	}
	s.mu.Unlock()
	if b != nil {
		b.Detached(id)
	}
	if owner != nil {
		owner.remove(t)
	}
}

func (s *Pool) crashed(target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tabs {
		if t.id == target {
			t.Page.Crash()
		}
	}
}

func (s *Session) add(t *Tab, byPage bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tabs) >= maxTabs {
		return false
	}
	s.tabs = append(s.tabs, t)
	if byPage {
		s.opened++
	}
	s.wake()
	return true
}

func (s *Session) has(t *Tab) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.tabs, t)
}

func (s *Session) remove(t *Tab) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tabs = slices.DeleteFunc(s.tabs, func(o *Tab) bool { return o == t })
	if s.active == t {
		s.active = nil
		if n := len(s.tabs); n > 0 {
			s.active = s.tabs[n-1]
		}
	}
	s.wake()
}

// wake tells those who wait that something has changed. The lock is held.
func (s *Session) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until is, which is asked with the lock held, is true.
func (s *Session) await(ctx context.Context, is func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := is(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-s.browser.Gone():
			return s.all.lost(s, chrome.ErrGone)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Session) nextGeneration() int { return int(s.generation.Add(1)) }

// line keeps a line of the console.
func (s *Session) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) >= maxLines {
		s.lines = append(s.lines[:0], s.lines[maxLines/2:]...)
	}
	s.lines = append(s.lines, text)
	s.said++
}

// Console is the kept lines, and how many there were in all.
func (s *Session) Console() (lines []string, said int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines), s.said
}

// Current gives the tab that calls work in, and opens one where there is none. One
// whose page has crashed is replaced.
func (s *Session) Current(ctx context.Context) (*Tab, error) {
	s.mu.Lock()
	t := s.active
	s.mu.Unlock()
	if t != nil && t.Page.Crashed() {
		s.CloseTab(t)
		t = nil
	}
	if t != nil {
		return t, nil
	}
	return s.OpenTab(ctx)
}

// OpenTab opens a tab and makes it the active one.
func (s *Session) OpenTab(ctx context.Context) (*Tab, error) {
	s.mu.Lock()
	n := len(s.tabs)
	s.mu.Unlock()
	if n >= maxTabs {
		return nil, fault.New(fault.Limited, "There are %d tabs open, which is the most. Close one with browser_tabs.", n)
	}
	s.all.mu.Lock()
	in := s.context
	s.all.mu.Unlock()
	var r struct{ TargetID string }
	if err := s.browser.Root.Call(ctx, "Target.createTarget", m{"url": "about:blank", "browserContextId": in}, &r); err != nil {
		return nil, s.all.lost(s, err)
	}
	var t *Tab
	err := s.await(ctx, func() bool {
		if i := slices.IndexFunc(s.tabs, func(o *Tab) bool { return o.id == r.TargetID }); i >= 0 {
			t = s.tabs[i]
			s.active = t
		}
		return t != nil
	})
	if err != nil {
		return nil, fault.Wrap(err, fault.Timeout, "The browser did not open a tab in time. Try again.")
	}
	return t, t.Page.Ready(ctx)
}

// CloseTab closes a tab without waiting for it.
func (s *Session) CloseTab(t *Tab) {
	s.remove(t)
	t.close(s.browser)
}

// Choose finds a tab by its number, and makes it the active one where it should.
func (s *Session) Choose(index int, active bool) (*Tab, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if index < 0 || index >= len(s.tabs) {
		return nil, fault.New(fault.NotFound, "There is no tab %d; there are %d, counted from 0. Ask browser_tabs with action=list.", index, len(s.tabs))
	}
	if active {
		s.active = s.tabs[index]
	}
	return s.tabs[index], nil
}

// Shown is a tab in a list.
type Shown struct {
	Index  int    `json:"index"`
	URL    string `json:"url"`
	Active bool   `json:"active"`
}

// List is the tabs in their order.
func (s *Session) List() []Shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Shown, len(s.tabs))
	for i, t := range s.tabs {
		all[i] = Shown{i, t.Page.URL(), t == s.active}
	}
	return all
}

// TakeOpened tells how many tabs pages have opened since it was last asked.
func (s *Session) TakeOpened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.opened
	s.opened = 0
	return n
}

// Allowed tells whether what a tab shows is something a page may show. Chromium lets
// no page go to its own pages or to files; this is the second lock on that door.
func (s *Session) Allowed(t *Tab) error {
	url := t.Page.URL()
	scheme, _, _ := strings.Cut(url, ":")
	switch scheme {
	case "http", "https", "about", "blob", "chrome-error", "":
		return nil
	}
	s.CloseTab(t)
	return fault.New(fault.Forbidden, "The page went to an address that the browser may not show, and was closed. Open an http or https page.")
}

// Call calls a method of the browser about the session's context.
func (s *Session) Call(ctx context.Context, method string, params m, result any) error {
	s.all.mu.Lock()
	params["browserContextId"] = s.context
	s.all.mu.Unlock()
	if err := s.browser.Root.Call(ctx, method, params, result); err != nil {
		return s.all.lost(s, err)
	}
	return nil
}
