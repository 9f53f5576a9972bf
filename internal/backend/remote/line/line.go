// Package line is the line to one backend over HTTP: its connections, the address
// its messages go to, the ids of the calls on it, and what is said of a call that
// got no answer. All sessions to a backend share one Line.
//
// It also has what the beginnings of all eras have in common: the first request,
// which may be redirected once within the backend, and the introduction that
// answers it.
package line

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/backend/remote/rawhttp"
)

// Settings are the limits of one line. None is zero.
type Settings struct {
	Name       string
	Self       []byte        // the gateway's clientInfo, raw object
	Handshake  time.Duration // one step of it
	FirstByte  time.Duration // until the answer to a call begins
	MaxMessage int64         // bytes of one answer or event
}

// Line is the line to one backend.
type Line struct {
	Log *slog.Logger
	Settings
	// Changed is called when the backend turns out to be of another era than it was.
	Changed func()

	base   *url.URL
	http   rawhttp.Doer
	lastID atomic.Int64 // ids are unique among all sessions, so none can be taken for another's

	mu     sync.Mutex // guards target
	target string     // path and query; a redirect within the backend changes it
}

// New makes a line to base over http.
func New(log *slog.Logger, s Settings, base *url.URL, http rawhttp.Doer) *Line {
	return &Line{Log: log, Settings: s, Changed: func() {}, base: base, http: http, target: base.RequestURI()}
}

// Lines that every request of a kind carries.
const (
	PostLines = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
	GetLines  = "Accept: text/event-stream\r\nCache-Control: no-store\r\n"
)

// The media types of answers.
const (
	JSON   = "application/json"
	Events = "text/event-stream"
)

// maxRefusal is what is read of a body that comes with an HTTP error.
const maxRefusal = 64 << 10

// Target is the path and query of the MCP endpoint.
func (l *Line) Target() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.target
}

// Post sends one message to the endpoint. Wait is how long its answer may take to
// begin.
func (l *Line) Post(ctx context.Context, head, body []byte, wait time.Duration) (*rawhttp.Response, error) {
	return l.http.Do(ctx, &rawhttp.Request{Method: http.MethodPost, Target: l.Target(), Header: head, Body: body, Wait: wait})
}

// Get opens a stream; a wait of 0 is for ever.
func (l *Line) Get(ctx context.Context, head []byte, wait time.Duration) (*rawhttp.Response, error) {
	return l.http.Do(ctx, &rawhttp.Request{Method: http.MethodGet, Target: l.Target(), Header: head, Wait: wait})
}

// Delete ends a session.
func (l *Line) Delete(ctx context.Context, head []byte) error {
	resp, err := l.http.Do(ctx, &rawhttp.Request{Method: http.MethodDelete, Target: l.Target(), Header: head, Wait: l.Handshake})
	if err != nil {
		return err
	}
	return resp.Close() // 405 says that sessions end by themselves
}

// Note sends a message that has no answer, a notification or the answer to a
// question, or one whose answer comes elsewhere, to a target. It returns how it
// was taken.
func (l *Line) Note(ctx context.Context, target string, head, body []byte, wait time.Duration) error {
	resp, err := l.http.Do(ctx, &rawhttp.Request{Method: http.MethodPost, Target: target, Header: head, Body: body, Wait: wait})
	if err != nil {
		return err
	}
	_ = resp.Close() // what a server says to a notification has no meaning
	if resp.Status < 200 || resp.Status > 299 {
		return StatusError(resp.Status)
	}
	return nil
}

// Refusal reads the body of an answer that is an HTTP error, as far as it is of
// any use, and ends the exchange.
func Refusal(resp *rawhttp.Response) []byte {
	defer resp.Close()
	if resp.Type != JSON && !strings.HasPrefix(resp.Type, "text/") && resp.Type != "" {
		return nil
	}
	b := make([]byte, 0, 1024)
	for len(b) < maxRefusal {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := resp.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			break // what came may do
		}
	}
	return b
}

// Within is the target of a reference that the backend gave, if it stays on the
// backend's own origin.
func (l *Line) Within(ref string) (target string, ok bool) {
	base, err := l.base.Parse(l.Target())
	if err != nil {
		return "", false
	}
	u, err := base.Parse(ref)
	if err != nil || ref == "" || u.User != nil || !sameOrigin(u, l.base) {
		return "", false
	}
	return u.RequestURI(), true
}

// sameOrigin tells whether two addresses are of one scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
