package remote_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// oldFake is an HTTP+SSE backend written by hand. What on returns goes out on the
// stream; "end" ends it.
type oldFake struct {
	*httptest.Server
	stream chan string
	posts  chan message
}

func newOld(t testing.TB, endpoint string, on func(m message) []string) *oldFake {
	t.Helper()
	f := &oldFake{stream: make(chan string, 100), posts: make(chan message, 100)}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if r.URL.Path == "/sse" {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			var m message
			_ = json.NewDecoder(r.Body).Decode(&m)
			w.WriteHeader(http.StatusAccepted)
			f.posts <- m
			if m.Method == "initialize" {
				f.stream <- fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2024-11-05","capabilities":{"tools":{"listChanged":true}},"serverInfo":{}}}`, m.ID)
				return
			}
			for _, data := range on(m) {
				f.stream <- data
			}
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: endpoint\ndata: %s\n\n", strings.ReplaceAll(endpoint, "SELF", f.URL))
		w.(http.Flusher).Flush()
		for {
			select {
			case data := <-f.stream:
				if data == "end" {
					return
				}
				event(w, "", data)
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func isSSE(c *remote.Config) { c.Transport = backend.HTTPSSE }

func answered(m message, result string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result)
}

func TestOldEndpoints(t *testing.T) {
	t.Parallel()
	for endpoint, ok := range map[string]bool{
		"/message?session=1":               true,
		"message?session=1":                true,
		"SELF/message?session=1":           true,
		"http://other.example/message":     false,
		"//other.example/message":          false,
		"https://SELFHOST/message":         false,
		"":                                 false,
		"http://u:p@127.0.0.1:1/message":   false,
		"file:///etc/passwd":               false,
		"http://169.254.169.254/message?x": false,
	} {
		t.Run(endpoint, func(t *testing.T) {
			t.Parallel()
			f := newOld(t, endpoint, func(m message) []string {
				if m.ID == nil {
					return nil // a notification
				}
				return []string{answered(m, `{}`)}
			})
			p, err := dialer(t, f.URL+"/sse", isSSE).Dial(t.Context(), hello)
			if !ok {
				if fault.CodeOf(err) != fault.Upstream {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, o := serve(t.Context(), p, echo(t, "x"), newSink()); got != "{}" || o.Revision != mcpwire.Rev20241105 || p.Info().Transport != backend.HTTPSSE {
				t.Errorf("got %s, %+v", got, p.Info())
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			receive(t, p.Lost())
		})
	}
}

// TestOldStream mixes answers, notes and questions of several calls on one stream.
func TestOldStream(t *testing.T) {
	t.Parallel()
	var held sync.Map
	f := newOld(t, "/message", func(m message) []string {
		switch {
		case strings.Contains(string(m.Params), "held"):
			held.Store(string(m.ID), m)
			return nil
		case m.Method == "tools/call":
			return []string{
				"garbage that is nobody's",
				`{"jsonrpc":"2.0","id":99999,"result":{}}`,
				fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":%s}}`, m.ID),
				answered(m, `{"n":9007199254740993}`),
			}
		}
		return nil
	})
	p := dial(t, dialer(t, f.URL+"/sse"), mcpwire.Capabilities{}) // found out
	for range 2 {
		_ = receive(t, f.posts) // initialize, notifications/initialized
	}
	done := make(chan string, 1)
	go func() {
		got, _ := serve(t.Context(), p, echo(t, "held"), newSink())
		done <- got
	}()
	waiting := receive(t, f.posts)
	s := newSink()
	got, _ := serve(t.Context(), p, echo(t, "x"), s)
	if notes := s.all(); got != `{"n":9007199254740993}` || len(notes) != 1 || notes[0] != `notifications/progress {"progress":1,"progressToken":"t-x"}` {
		t.Errorf("%s, %q", got, s.all())
	}
	_ = receive(t, f.posts)
	f.stream <- `{"jsonrpc":"2.0","id":"p","method":"ping"}`
	if m := receive(t, f.posts); string(m.ID) != `"p"` || string(m.Result) != "{}" {
		t.Errorf("ping answered with %+v", m)
	}
	f.stream <- `{"jsonrpc":"2.0","id":5,"method":"roots/list"}`
	if m := receive(t, f.posts); string(m.ID) != `5` || !strings.Contains(string(m.Error), "-32601") {
		t.Errorf("a question to a client that cannot answer: %s%s", m.Result, m.Error)
	}
	f.stream <- answered(waiting, `{"late":true}`)
	if got := receive(t, done); got != `{"late":true}` {
		t.Error(got)
	}
}

// TestOldGarbage fails the only call that waits.
func TestOldGarbage(t *testing.T) {
	t.Parallel()
	f := newOld(t, "/message", func(m message) []string {
		if m.Method == "tools/call" {
			return []string{"garbage"}
		}
		return nil
	})
	p := dial(t, dialer(t, f.URL+"/sse", isSSE), mcpwire.Capabilities{})
	if got, _ := serve(t.Context(), p, echo(t, "x"), newSink()); got != "error -32603 its answer breaks the rules of MCP" {
		t.Error(got)
	}
}

// TestOldStreamLost fails the calls that wait, and the session.
func TestOldStreamLost(t *testing.T) {
	t.Parallel()
	f := newOld(t, "/message", func(m message) []string {
		if m.Method == "tools/call" {
			return []string{"end"}
		}
		return nil
	})
	p := dial(t, dialer(t, f.URL+"/sse", isSSE), mcpwire.Capabilities{})
	watch := make(chan error, 1)
	go func() {
		watch <- p.Watch(t.Context(), mcpwire.Filter{ToolsChanged: true}, newSink(), func(mcpwire.Filter) {})
	}()
	if got, _ := serve(t.Context(), p, echo(t, "x"), newSink()); got != "error -32603 the connection was lost before the answer came" {
		t.Error(got)
	}
	receive(t, p.Lost())
	if err := receive(t, watch); err == nil {
		t.Error("Watch outlived the session")
	}
}

func TestOldCancel(t *testing.T) {
	t.Parallel()
	f := newOld(t, "/message", func(message) []string { return nil })
	p := dial(t, dialer(t, f.URL+"/sse", isSSE), mcpwire.Capabilities{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan string, 1)
	go func() {
		got, _ := serve(ctx, p, echo(t, "x"), newSink())
		done <- got
	}()
	var call message
	for call.Method != "tools/call" {
		call = receive(t, f.posts)
	}
	cancel()
	if m := receive(t, f.posts); m.Method != "notifications/cancelled" || !strings.Contains(string(m.Params), `"requestId":`+string(call.ID)+`,`) {
		t.Errorf("got %s %s", m.Method, m.Params)
	}
	if got := receive(t, done); got != "error -32603 the call was cancelled" {
		t.Error(got)
	}
}

// TestOldHandshakes are the ways in which a stream is none.
func TestOldHandshakes(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"no event": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"ends": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/event-stream") },
		"page": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<p>hello") },
		"401":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"silent after its endpoint": func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusAccepted)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: endpoint\ndata: /m\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(handler)
			t.Cleanup(srv.Close)
			_, err := dialer(t, srv.URL, isSSE, func(c *remote.Config) { c.Handshake = 50 * time.Millisecond }).Dial(t.Context(), hello)
			if err == nil || fault.CodeOf(err) == fault.Internal || name == "401" && fault.CodeOf(err) != fault.Forbidden {
				t.Errorf("got %v", err)
			}
		})
	}
}
