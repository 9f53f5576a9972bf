// Package page is what can be done with one tab: go somewhere, see what is there,
// act on it.
//
// A Page speaks to its target through a Session and follows its events: which
// document it shows, whether that has loaded, what its console says, which requests
// it makes, which dialogs it opens. Its own scripts run in a world of their own,
// where the page's scripts cannot change what they use. Elements are named by a
// selector or by a reference of a snapshot; a reference carries the generation of
// its document and is refused once the tab shows another one, because the browser
// would take the old number for some other element.
//
// An action waits for what it has started and for nothing else: where a click starts
// no navigation, it costs no waiting. Everything a page says is a stranger's text;
// it is bounded here and marked by the package's user, who also decides where a page
// may go. The error of every method is a *fault.Error.
package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/fault"
)

// Session is the calls to a target; chrome.Session is one.
type Session interface {
	Call(ctx context.Context, method string, params, result any) error
	Send(method string, params any)
}

// Options are what a Page gets from its owner.
type Options struct {
	Frame      string            // id of the main frame, which is the target's
	Generation func() int        // a number that no other document of the session has
	Console    func(line string) // told every line of the console; must be quick
	Width      int               // of the viewport
	Height     int
}

// The bounds on what a page can make us remember.
const (
	maxRequests = 200
	maxDialogs  = 20
	maxLine     = 4 << 10 // of the console, a URL or a dialog
)

// Page is one tab. Its methods must not be called at the same time; Event may come
// at any time.
type Page struct {
	s Session
	o Options

	mu       sync.Mutex // guards the rest
	changed  chan struct{}
	doc      document
	url      string
	width    int
	height   int
	started  int // navigations that the main frame has begun
	diverted int // those that became a download
	frames   map[string]string
	world    int64 // 0: not made yet
	crashed  bool
	dialogs  []Dialog
	answer   *answer
	requests []Request
	serial   int               // of the next reference
	refs     map[string]node   // by reference
	names    map[int64]string  // references by node, so that they stay
	before   []string          // lines of the last snapshot
	stages   map[string]stage  // by loader
	pointer  pointer           // where it was put last
	told     string            // loader of the last document that the browser told of
	redirect map[string]string // last URL of the main frame's requests, by loader
}

// document is what the main frame shows.
type document struct {
	loader     string
	generation int
}

// stage is how far a document has come.
type stage int

const (
	begun stage = iota
	parsed
	loaded // with all its parts
)

// pointer is the place of the mouse in a document.
type pointer struct {
	generation int
	x, y       float64
}

// Dialog is a dialog that a page has opened. It was answered at once, since a page
// with an open dialog stands still.
type Dialog struct {
	Type     string `json:"type"`
	Message  string `json:"message"`
	Accepted bool   `json:"accepted"`
}

type answer struct {
	accept bool
	text   string
}

// Request is one request of a page.
type Request struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Type   string `json:"type"`
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`

	id string
}

type m = map[string]any

// New makes the Page of a target, whose events go to Event from now on. Prepare
// must follow.
func New(s Session, o Options) *Page {
	return &Page{
		s: s, o: o, changed: make(chan struct{}), width: o.Width, height: o.Height, frames: map[string]string{},
		refs: map[string]node{}, names: map[int64]string{}, redirect: map[string]string{}, stages: map[string]stage{"": loaded}, doc: document{generation: o.Generation()}, url: "about:blank",
	}
}

// Prepare sets the tab up and lets it run. It does not wait: what is called next
// comes after it.
func (p *Page) Prepare() {
	p.s.Send("Page.enable", nil)
	p.s.Send("Page.setLifecycleEventsEnabled", m{"enabled": true})
	p.s.Send("Runtime.enable", nil)
	p.s.Send("Log.enable", nil)
	p.s.Send("Network.enable", m{"maxTotalBufferSize": 1 << 20, "maxResourceBufferSize": 1 << 18})
	p.s.Send("Page.setInterceptFileChooserDialog", m{"enabled": true})
	p.s.Send("Emulation.setDeviceMetricsOverride", p.metrics(p.o.Width, p.o.Height))
	p.s.Send("Runtime.runIfWaitingForDebugger", nil)
}

// Ready waits until a new tab has taken in what Prepare sent: Chromium forgets part
// of it where a navigation comes while the tab's process is still starting.
func (p *Page) Ready(ctx context.Context) error {
	return p.call(ctx, "Runtime.evaluate", m{"expression": "0"}, nil)
}

func (p *Page) metrics(width, height int) m {
	return m{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}
}

// Resize sets the viewport.
func (p *Page) Resize(ctx context.Context, width, height int) error {
	if err := p.call(ctx, "Emulation.setDeviceMetricsOverride", p.metrics(width, height), nil); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.width, p.height = width, height
	return nil
}

// Size is the viewport.
func (p *Page) Size() (width, height int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.width, p.height
}

// URL is the address of what the tab shows.
func (p *Page) URL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.url
}

// Crashed tells whether the page's process has ended.
func (p *Page) Crashed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crashed
}

// Crash tells the tab that its process has ended.
func (p *Page) Crash() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crashed = true
	p.wake()
}

// Generation is the number of the document.
func (p *Page) Generation() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doc.generation
}

// HasFrame tells whether a frame is one of the tab.
func (p *Page) HasFrame(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.frames[id]
	return ok || id == p.o.Frame
}

// Dialogs takes the dialogs since it was last asked.
func (p *Page) Dialogs() []Dialog {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.dialogs
	p.dialogs = nil
	return taken
}

// Answer sets how the next dialog is answered.
func (p *Page) Answer(accept bool, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = &answer{accept, text}
}

// Requests are those of the document and of the one before, oldest first.
func (p *Page) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Request(nil), p.requests...)
}

// call is a call whose failure is the browser's or the page's own.
func (p *Page) call(ctx context.Context, method string, params, result any) error {
	return p.failed(ctx, p.s.Call(ctx, method, params, result))
}

// ErrGone is in the errors of a tab that has crashed or was closed.
var ErrGone = errors.New("tab gone")

// failed gives an error of the protocol its public sentence.
func (p *Page) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case p.Crashed():
		return fault.Wrap(fmt.Errorf("%w: %w", ErrGone, err), fault.Unavailable, "The page has crashed. Open it again.")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Timeout, "The page did not answer in time: its scripts may be busy. Try again, or open it anew.")
	case errors.Is(ctx.Err(), context.Canceled):
		return fault.Wrap(err, fault.Timeout, "The call was cancelled. Look at the page before you try again.")
	case strings.Contains(err.Error(), "has ended"):
		return fault.Wrap(fmt.Errorf("%w: %w", ErrGone, err), fault.Unavailable, "The tab is gone: it was closed, or the browser has ended. Open the page again.")
	}
	return fault.Wrap(err, fault.Upstream, "The browser refused this. Take a snapshot and look at what the page shows now.")
}

// wake tells those who wait that something has changed. The lock is held.
func (p *Page) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits until is, which is asked with the lock held, is true.
func (p *Page) await(ctx context.Context, is func() bool) error {
	for {
		p.mu.Lock()
		ok, crashed, changed := is(), p.crashed, p.changed
		p.mu.Unlock()
		switch {
		case ok:
			return nil
		case crashed:
			return p.failed(ctx, errors.New("crashed"))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return p.failed(ctx, ctx.Err())
		}
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bounded is the beginning of s.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

// text reads a JSON string; other values are as they are.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
