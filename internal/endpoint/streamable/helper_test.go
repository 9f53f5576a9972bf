package streamable_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/sessiontest"
	"drawbridge/internal/endpoint/streamable"
	"drawbridge/internal/eventstream"
)

// door is an endpoint under test with what is behind it.
type door struct {
	t     testing.TB
	hub   *sessiontest.Hub
	store *sessiontest.Store
	table *session.Table
	http.Handler
}

func newDoor(t testing.TB, change ...func(*session.Config)) *door {
	t.Helper()
	d := &door{t: t, hub: sessiontest.NewHub(), store: sessiontest.NewStore()}
	d.start(change...)
	return d
}

// start makes a table and an endpoint anew, as a restart of the process does.
func (d *door) start(change ...func(*session.Config)) {
	d.table = sessiontest.NewTable(d.t, d.hub, d.store, change...)
	d.Handler = streamable.New(slog.New(slog.DiscardHandler), d.table, "/mcp")
}

var (
	alice = account.Principal{User: "alice", Credential: "key_1", Role: account.RoleMember}
	bob   = account.Principal{User: "bob", Credential: "key_2", Role: account.RoleMember}
)

// headers that a well-behaved client sends with every POST; more are given as
// pairs, and an empty value removes one.
func newRequest(p account.Principal, method, body string, pairs ...string) *http.Request {
	r := httptest.NewRequest(method, "/mcp?v=2", strings.NewReader(body))
	r.Header.Set("Accept", "application/json, text/event-stream")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			r.Header.Del(pairs[i])
			continue
		}
		r.Header.Add(pairs[i], pairs[i+1])
	}
	return r.WithContext(account.WithPrincipal(r.Context(), p))
}

// do sends one request as alice and returns the whole answer.
func (d *door) do(method, body string, pairs ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, newRequest(alice, method, body, pairs...))
	return w
}

// initialize opens a session of a revision for alice.
func (d *door) initialize(revision string, capabilities ...string) string {
	d.t.Helper()
	caps := "{}"
	if len(capabilities) > 0 {
		caps = capabilities[0]
	}
	w := d.do("POST", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+revision+
		`","capabilities":`+caps+`,"clientInfo":{"name":"t","version":"1"}}}`)
	id := w.Header().Get("Mcp-Session-Id")
	if w.Code != http.StatusOK || id == "" {
		d.t.Fatalf("initialize: status %d, session %q, body %s", w.Code, id, w.Body)
	}
	return id
}

// live is an answer that is read while it is written.
type live struct {
	*sessiontest.Wire
	events  *eventstream.Reader
	cancel  context.CancelFunc // the client goes away
	done    chan struct{}      // closed when the handler has returned
	aborted bool               // read once done is closed
}

// open sends a request as p and returns at once.
func (d *door) open(p account.Principal, method, body string, pairs ...string) *live {
	r := newRequest(p, method, body, pairs...)
	ctx, cancel := context.WithCancel(r.Context())
	l := &live{Wire: sessiontest.NewWire(), done: make(chan struct{})}
	l.cancel = func() {
		l.Fail()
		cancel()
	}
	l.events = eventstream.NewReader(l, 16<<20)
	go func() { // the test awaits it by done, or by the end of its bubble
		defer close(l.done)
		defer func() {
			l.aborted = recover() != nil
			l.End()
		}()
		d.ServeHTTP(l, r.WithContext(ctx))
	}()
	return l
}

// event is the next event that has data, with its id.
func (l *live) event(t *testing.T) (data, id string) {
	t.Helper()
	for {
		ev, err := l.events.Next()
		if err != nil {
			t.Fatalf("read event: %v", err)
		}
		if len(ev.Data) > 0 {
			return string(ev.Data), ev.ID
		}
	}
}

// rest is everything up to the end of the answer.
func (l *live) rest() string {
	b, _ := io.ReadAll(l)
	return string(b)
}

// code is the status once the handler has returned.
func (l *live) code() int {
	<-l.done
	return l.Status()
}
