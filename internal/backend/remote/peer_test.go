package remote_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote"
	"drawbridge/internal/mcpwire"
)

var quiet = slog.New(slog.DiscardHandler)

var hello = backend.Hello{}

// dialer makes a Dialer for an address.
func dialer(t testing.TB, address string, with ...func(*remote.Config)) *remote.Dialer {
	t.Helper()
	cfg := remote.Config{Name: "b", URL: address, Handshake: 5 * time.Second, FirstByte: 20 * time.Second}
	for _, f := range with {
		f(&cfg)
	}
	d, err := remote.New(quiet, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// dial opens a session that ends with the test.
func dial(t testing.TB, d *remote.Dialer, can mcpwire.Capabilities) backend.Peer {
	t.Helper()
	p, err := d.Dial(t.Context(), backend.Hello{Capabilities: can})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	return p
}

// request is a request of a legacy client.
func request(t testing.TB, method, params string) *mcpwire.Request {
	t.Helper()
	var raw []byte
	if params != "" {
		raw = []byte(params)
	}
	r, e := mcpwire.NewRequest(method, mcpwire.LatestLegacy, raw)
	if e != nil {
		t.Fatal(e)
	}
	r.Caller = &mcpwire.Caller{Revision: mcpwire.LatestLegacy}
	return r
}

func echo(t testing.TB, text string) *mcpwire.Request {
	t.Helper()
	return request(t, mcpwire.MethodToolsCall, fmt.Sprintf(`{"name":"echo","arguments":{"text":%q},"_meta":{"progressToken":"t-%s"}}`, text, text))
}

// serve makes a call and reads its whole result. An error is given as its text.
func serve(ctx context.Context, p backend.Peer, r *mcpwire.Request, s mcpwire.Sink) (string, mcpwire.Outcome) {
	o := p.Serve(ctx, r, s)
	defer o.Close()
	if o.Kind == mcpwire.Failed {
		return fmt.Sprintf("error %d %s", o.Err.Code, o.Err.Message), o
	}
	got := string(o.Result.Bytes)
	if o.Result.Rest != nil {
		rest, err := io.ReadAll(o.Result.Rest)
		got += string(rest)
		if err != nil {
			got = "broken: " + err.Error()
		}
	}
	return got, o
}

// sink records what it is told and answers by a function.
type sink struct {
	mu     sync.Mutex
	notes  []string
	note   chan string // every note, for those who wait
	answer func(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error)
}

func newSink() *sink { return &sink{note: make(chan string, 100)} }

func (s *sink) Notify(n mcpwire.Notification) {
	text := n.Method + " " + string(n.Params)
	s.mu.Lock()
	s.notes = append(s.notes, text)
	s.mu.Unlock()
	select {
	case s.note <- text:
	default:
	}
}

func (s *sink) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	if s.answer == nil {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	return s.answer(ctx, q)
}

func (s *sink) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.notes...)
}

// message is what a fake backend is sent.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// fake is a legacy backend written by hand: initialize and its notification are
// answered, the rest is the test's.
type fake struct {
	*httptest.Server
	sessions atomic.Int64 // how many were opened
	calls    atomic.Int64 // tools/call requests seen
	version  string
	caps     string
}

// newFake starts a fake. on is called for every message that is not part of the
// handshake, and with an empty method for every GET and DELETE.
func newFake(t testing.TB, on func(f *fake, w http.ResponseWriter, r *http.Request, m message)) *fake {
	t.Helper()
	f := &fake{version: "2025-11-25", caps: `{"tools":{"listChanged":true},"logging":{},"resources":{"subscribe":true}}`}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m message
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
		}
		switch m.Method {
		case "server/discover":
			http.Error(w, "Bad Request: no valid session", http.StatusBadRequest)
		case "initialize":
			w.Header().Set("Mcp-Session-Id", fmt.Sprintf("s%d", f.sessions.Add(1)))
			reply(w, m.ID, `{"protocolVersion":"`+f.version+`","capabilities":`+f.caps+`,"serverInfo":{"name":"fake","version":"1"}}`)
		case "notifications/initialized":
			w.WriteHeader(http.StatusAccepted)
		default:
			if m.Method == "tools/call" {
				f.calls.Add(1)
			}
			on(f, w, r, m)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// reply answers with a result.
func reply(w http.ResponseWriter, id json.RawMessage, result string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, id, result)
}

// event writes one event and flushes it.
func event(w http.ResponseWriter, id, data string) {
	w.Header().Set("Content-Type", "text/event-stream")
	if id != "" {
		fmt.Fprintf(w, "id: %s\n", id)
	}
	fmt.Fprintf(w, "data: %s\n\n", data)
	w.(http.Flusher).Flush()
}

func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func parse(t testing.TB, b []byte) (m message) {
	t.Helper()
	if err := json.Unmarshal(b, &m); err != nil {
		t.Error(err)
	}
	return m
}
