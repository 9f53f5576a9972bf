package matrix_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// The kinds of a note.
const (
	arrived = "arrived" // a message reached the backend; Raw is the whole message
	hungUp  = "hung up" // the HTTP request of a message ended before its answer did
	did     = "did"     // a tool of the backend says what became of it
)

// note is one thing that happened at a backend.
type note struct {
	Kind   string          `json:"kind"`
	Method string          `json:"method"` // of the message; what the tool did
	Raw    json.RawMessage `json:"raw,omitempty"`
}

// params reads the params of a noted message.
func (n note) params(into any) error {
	var m struct {
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(n.Raw, &m); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	if m.Params == nil {
		return nil
	}
	return json.Unmarshal(m.Params, into)
}

// id is the raw id of a noted message.
func (n note) id() string {
	var m struct {
		ID json.RawMessage `json:"id"`
	}
	_ = json.Unmarshal(n.Raw, &m) // what is no message has no id
	return string(m.ID)
}

// cancels tells whether a note takes back a request.
func (n note) cancels(request note) bool {
	var p struct {
		RequestID json.RawMessage `json:"requestId"`
	}
	return n.Kind == arrived && n.Method == "notifications/cancelled" && n.params(&p) == nil && string(p.RequestID) == request.id()
}

// ledger is what a backend's end saw, in order. Backends in a process of their
// own write it over HTTP.
type ledger struct {
	mu      sync.Mutex // guards notes and changed
	notes   []note
	changed chan struct{}
}

func newLedger() *ledger { return &ledger{changed: make(chan struct{})} }

func (l *ledger) write(n note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, n)
	close(l.changed)
	l.changed = make(chan struct{})
}

// mark is where the ledger ends now.
func (l *ledger) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.notes)
}

// since is what was noted after a mark, and a channel that ends with the next note.
func (l *ledger) since(mark int) ([]note, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.notes[mark:]), l.changed
}

// find waits for a note that satisfies f, among those after a mark.
func (l *ledger) find(mark int, what string, f func(note) bool) (note, error) {
	limit := time.NewTimer(soon)
	defer limit.Stop()
	for {
		notes, more := l.since(mark)
		if i := slices.IndexFunc(notes, f); i >= 0 {
			return notes[i], nil
		}
		select {
		case <-more:
		case <-limit.C:
			return note{}, fmt.Errorf("the backend never saw %s", what)
		}
	}
}

// message waits for a message of a method, after a mark.
func (l *ledger) message(mark int, method string) (note, error) {
	return l.find(mark, method, func(n note) bool { return n.Kind == arrived && n.Method == method })
}

// has tells whether a message of a method arrived after a mark.
func (l *ledger) has(mark int, method string) bool {
	notes, _ := l.since(mark)
	return slices.ContainsFunc(notes, func(n note) bool { return n.Kind == arrived && n.Method == method })
}

// url is where a backend in another process writes the ledger.
func (l *ledger) url(t testing.TB) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n note
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &n) != nil {
			http.Error(w, "not a note", http.StatusBadRequest)
			return
		}
		l.write(n)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// noted is the note of a message that arrived.
func noted(raw []byte) note {
	var m struct {
		Method string `json:"method"`
	}
	_ = json.Unmarshal(raw, &m) // what is no message has no method
	return note{Kind: arrived, Method: m.Method, Raw: slices.Clone(raw)}
}
