package gatewaytest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// HTTP serves the fake over Streamable HTTP and returns its URL.
func (f *Fake) HTTP(t testing.TB) string {
	t.Helper()
	h := &httpFake{Fake: f, sessions: map[string]bool{}}
	srv := httptest.NewServer(h)
	f.onRestart(func() {
		h.mu.Lock()
		clear(h.sessions)
		h.mu.Unlock()
		srv.CloseClientConnections()
	})
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL + "/mcp"
}

// httpFake is a fake behind Streamable HTTP, of its one revision.
type httpFake struct {
	*Fake
	mu       sync.Mutex // guards sessions and next
	sessions map[string]bool
	next     int
}

func (h *httpFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		h.post(w, r)
	case http.MethodGet:
		if h.modern() || !h.known(r) {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		h.stream(w, r, "", nil)
	case http.MethodDelete:
		h.mu.Lock()
		delete(h.sessions, r.Header.Get("Mcp-Session-Id"))
		h.mu.Unlock()
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (h *httpFake) known(r *http.Request) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[r.Header.Get("Mcp-Session-Id")]
}

// post answers one message. A legacy fake insists on its session, a modern one
// on its headers.
func (h *httpFake) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var m message
	if json.Unmarshal(body, &m) != nil {
		http.Error(w, "parse error", http.StatusBadRequest)
		return
	}
	switch {
	case h.modern() && (r.Header.Get("MCP-Protocol-Version") != R2026 || r.Header.Get("Mcp-Method") != m.Method):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		id := m.ID
		if id == nil {
			id = json.RawMessage("null")
		}
		fmt.Fprint(w, failure(id, `{"code":-32020,"message":"headers do not match"}`))
		return
	case !h.modern() && m.Method == "initialize":
		h.mu.Lock()
		h.next++
		id := h.Name + "-" + strconv.Itoa(h.next)
		h.sessions[id] = true
		h.mu.Unlock()
		w.Header().Set("Mcp-Session-Id", id)
	case !h.modern() && !h.known(r):
		w.WriteHeader(http.StatusNotFound)
		return
	}
	r = r.WithContext(cameFrom(r.Context(), r.Header.Get("Mcp-Session-Id"), r.Header))
	h.note(r.Context(), m)
	if m.ID == nil || m.Method == "" {
		h.answer(r.Context(), m, nil)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if m.Method == "subscriptions/listen" && h.modern() {
		h.stream(w, r, string(m.ID), m.Params)
		return
	}
	h.respond(w, r, m)
}

// respond answers as JSON, or as events when something is said before the result.
func (h *httpFake) respond(w http.ResponseWriter, r *http.Request, m message) {
	streaming := false
	begin := func() {
		if !streaming {
			streaming = true
			w.Header().Set("Content-Type", "text/event-stream")
		}
	}
	event := func(msg string) {
		begin()
		fmt.Fprintf(w, "data: %s\n\n", msg)
		w.(http.Flusher).Flush()
	}
	response := h.answer(r.Context(), m, event)
	if h.SSE || streaming {
		event(response)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, response)
}

// stream holds a GET stream, or a subscription when listenID is set.
func (h *httpFake) stream(w http.ResponseWriter, r *http.Request, listenID string, params json.RawMessage) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := make(chan string, 64)
	stop := h.attach(r.Header.Get("Mcp-Session-Id"), func(msg string) {
		select {
		case out <- msg:
		case <-r.Context().Done():
		}
	})
	defer stop()
	if listenID != "" {
		fmt.Fprintf(w, `data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s},"notifications":%s}}`+"\n\n", listenID, h.honours(params))
	}
	w.(http.Flusher).Flush()
	for {
		select {
		case msg := <-out:
			fmt.Fprintf(w, "data: %s\n\n", msg)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// HTTPSSE serves the fake over HTTP+SSE of 2024-11-05 and returns its URL.
func (f *Fake) HTTPSSE(t testing.TB) string {
	t.Helper()
	s := &sseFake{Fake: f, pipes: map[string]chan string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sse", s.open)
	mux.HandleFunc("POST /message", s.message)
	srv := httptest.NewServer(mux)
	f.onRestart(srv.CloseClientConnections)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL + "/sse"
}

type sseFake struct {
	*Fake
	mu    sync.Mutex // guards pipes and next
	pipes map[string]chan string
	next  int
}

func (s *sseFake) open(w http.ResponseWriter, r *http.Request) {
	out := make(chan string, 256)
	s.mu.Lock()
	s.next++
	id := strconv.Itoa(s.next)
	s.pipes[id] = out
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pipes, id)
		s.mu.Unlock()
	}()
	stop := s.attach(id, func(msg string) { out <- msg })
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "event: endpoint\ndata: /message?id=%s\n\n", id)
	w.(http.Flusher).Flush()
	for {
		select {
		case msg := <-out:
			fmt.Fprintf(w, "event: message\ndata: %s\n\n", msg)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (s *sseFake) message(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	out := s.pipes[r.URL.Query().Get("id")]
	s.mu.Unlock()
	var m message
	if out == nil || json.NewDecoder(r.Body).Decode(&m) != nil {
		http.Error(w, "bad message", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	ctx := cameFrom(context.Background(), r.URL.Query().Get("id"), r.Header)
	s.note(ctx, m)
	go func() { // ends with the call; the pipe outlives every test call
		if response := s.answer(ctx, m, func(msg string) { out <- msg }); response != "" {
			out <- response
		}
	}()
}

// Variables that make a test binary play a fake backend, and what its tools
// answer: see Main.
const (
	stdioVariable   = "GATEWAYTEST_FAKE"
	exactVariable   = "GATEWAYTEST_EXACT"
	failureVariable = "GATEWAYTEST_FAILURE"
	notesVariable   = "GATEWAYTEST_NOTES" // one a line
)

// Main is TestMain for packages that use stdio fakes: the test binary, started
// again by Stdio, is the fake.
func Main(m *testing.M) {
	if spec := os.Getenv(stdioVariable); spec != "" {
		var s struct {
			Name, Revision, Capabilities string
			Asking                       bool
		}
		if json.Unmarshal([]byte(spec), &s) != nil {
			os.Exit(2)
		}
		f := NewFake(s.Name, s.Revision)
		if s.Asking {
			f = NewAsking(s.Name, s.Revision)
		}
		f.SetCapabilities(s.Capabilities)
		f.SetExact(os.Getenv(exactVariable))
		f.SetFailure(os.Getenv(failureVariable))
		if n := os.Getenv(notesVariable); n != "" {
			f.SetNotes(strings.Split(n, "\n")...)
		}
		f.serveLines(os.Stdin, os.Stdout)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Stdio is the configuration of a backend that is this fake, as it is now, in a
// process of its own: {"command": ..., "env": ...}.
func (f *Fake) Stdio(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	spec, err := json.Marshal(map[string]any{"Name": f.Name, "Revision": f.Revision, "Capabilities": f.capabilities, "Asking": f.script != nil})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := json.Marshal(map[string]any{"command": exe, "env": map[string]string{
		stdioVariable: string(spec), exactVariable: f.exact, failureVariable: f.failure,
		notesVariable: strings.Join(f.notes, "\n"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	// "$$" is how the configuration writes a dollar sign.
	return strings.ReplaceAll(string(entry), "$", "$$")
}

// serveLines speaks newline-delimited JSON until in ends.
func (f *Fake) serveLines(in io.Reader, out io.Writer) {
	var mu sync.Mutex
	send := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		io.WriteString(out, line+"\n")
	}
	f.attach("stdio", send)
	ctx := cameFrom(context.Background(), "stdio", nil)
	r := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(line, &m) != nil {
			continue
		}
		f.note(ctx, m)
		go func() { // ends with the process
			if response := f.answer(ctx, m, send); response != "" {
				send(response)
			}
		}()
	}
}
