package gatewaytest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// awhile is how long a test waits for what another party does.
const awhile = 30 * time.Second

// The ways to reach a quiz. Each gives the entry of a configuration.

// serveQuiz starts a quiz behind Streamable HTTP.
func serveQuiz(t *testing.T, c *chronicle, revision string) (entry string) {
	t.Helper()
	h := &quizHTTP{quiz: newQuiz(revision, c.tell), life: t.Context(), streams: map[string]map[int]func(...string){}}
	h.eager = c.eager
	t.Cleanup(c.join(h.obey))
	return `{"url":` + strconv.Quote(listen(t, h)+"/mcp") + `}`
}

func listen(t *testing.T, h http.Handler) (base string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = nil
	srv.Start()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL
}

// quizHTTP is a quiz behind Streamable HTTP. Its streams are those of its sessions.
// To a legacy server a connection that is lost is no cancellation (2025-11-25,
// transports, "Sending Messages"), so its calls go on.
type quizHTTP struct {
	*quiz
	life    context.Context // of the calls
	mu      sync.Mutex      // guards what follows
	streams map[string]map[int]func(...string)
	next    int
}

func (h *quizHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	session := r.Header.Get("Mcp-Session-Id")
	h.mu.Lock()
	_, known := h.streams[session]
	h.mu.Unlock()
	switch {
	case r.Method == http.MethodPost:
		h.post(w, r, session, known)
	case r.Method == http.MethodGet && known:
		h.stream(w, r, session)
	case r.Method == http.MethodDelete && known:
		h.mu.Lock()
		delete(h.streams, session)
		h.mu.Unlock()
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (h *quizHTTP) post(w http.ResponseWriter, r *http.Request, session string, known bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	m, ok := readQuizMessage(body)
	switch {
	case !ok:
		w.WriteHeader(http.StatusBadRequest)
		return
	case m.Method == "initialize" && !h.modern():
		h.mu.Lock()
		h.next++
		id := "quiz" + strconv.Itoa(h.next)
		h.streams[id] = map[int]func(...string){}
		h.mu.Unlock()
		w.Header().Set("Mcp-Session-Id", id)
	case !known && !h.modern():
		w.WriteHeader(http.StatusNotFound)
		return
	}
	events := &eventWriter{w: w}
	response, err := h.hear(h.life, session, m, mouth{events.say, func(messages ...string) { h.outside(session, messages) }})
	switch {
	case err != nil:
		panic(http.ErrAbortHandler) // cuts the connection
	case response == "":
		w.WriteHeader(http.StatusAccepted)
	case events.begun():
		events.say(response)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, response) // the caller may be gone
	}
}

// outside says something on the streams of a session that belong to no call.
func (h *quizHTTP) outside(session string, messages []string) {
	h.mu.Lock()
	var all []func(...string)
	for _, say := range h.streams[session] {
		all = append(all, say)
	}
	h.mu.Unlock()
	for _, say := range all {
		say(messages...)
	}
}

func (h *quizHTTP) stream(w http.ResponseWriter, r *http.Request, session string) {
	events := &eventWriter{w: w}
	h.mu.Lock()
	all := h.streams[session]
	if all == nil { // it has just ended
		h.mu.Unlock()
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h.next++
	n := h.next
	all[n] = events.say
	h.mu.Unlock()
	events.say() // with which the caller counts on it
	h.wonder("eager", events.say)
	<-r.Context().Done()
	events.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(all, n)
}

// eventWriter writes messages as events of one stream, several in one piece.
type eventWriter struct {
	mu     sync.Mutex // guards what follows; held while writing
	w      http.ResponseWriter
	events bool
	ended  bool
}

func (e *eventWriter) say(messages ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return
	}
	if !e.events {
		e.events = true
		e.w.Header().Set("Content-Type", "text/event-stream")
	}
	var b bytes.Buffer
	for _, m := range messages {
		b.WriteString("event: message\ndata: " + m + "\n\n")
	}
	_, _ = e.w.Write(b.Bytes()) // the caller may be gone
	_ = http.NewResponseController(e.w).Flush()
}

// end makes what is said from now on go nowhere.
func (e *eventWriter) end() { e.mu.Lock(); e.ended = true; e.mu.Unlock() }

func (e *eventWriter) begun() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.events }

// serveQuizSSE starts a quiz behind HTTP+SSE.
func serveQuizSSE(t *testing.T, c *chronicle, revision string) (entry string) {
	t.Helper()
	h := &quizSSE{quiz: newQuiz(revision, c.tell), streams: map[string]quizStream{}}
	h.eager = c.eager
	t.Cleanup(c.join(h.obey))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sse", h.open)
	mux.HandleFunc("POST /message", h.message)
	return `{"type":"sse","url":` + strconv.Quote(listen(t, mux)+"/sse") + `}`
}

// quizSSE is a quiz behind HTTP+SSE: one stream a session, which ends when a call on
// it is to die.
type quizSSE struct {
	*quiz
	mu      sync.Mutex // guards what follows
	streams map[string]quizStream
	next    int
}

type quizStream struct {
	ctx context.Context
	say func(...string)
	cut context.CancelFunc
}

func (h *quizSSE) open(w http.ResponseWriter, r *http.Request) {
	events := &eventWriter{w: w}
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	h.mu.Lock()
	h.next++
	id := strconv.Itoa(h.next)
	h.streams[id] = quizStream{ctx, events.say, cut}
	h.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "event: endpoint\ndata: /message?id=%s\n\n", id)
	events.say()
	<-ctx.Done()
	events.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, id)
}

func (h *quizSSE) message(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	h.mu.Lock()
	s, ok := h.streams[id]
	h.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	m, valid := readQuizMessage(body)
	if err != nil || !ok || !valid {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	go func() { // ends with the session's stream at the latest
		response, err := h.hear(s.ctx, id, m, mouth{s.say, s.say})
		switch {
		case err != nil:
			s.cut()
		case response != "":
			s.say(response)
		}
	}()
}

// quizVariable makes the test binary a quiz on standard input and output.
const quizVariable = "GATEWAYTEST_QUIZ"

// quizProcess is the quiz in a process of its own, and where it reports to.
type quizProcess struct {
	Revision, Chronicle string
	Eager               bool
}

// quizCommand is the entry of a quiz that the gateway starts, with more settings.
func quizCommand(t *testing.T, c *chronicle, revision, more string) (entry string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(quizProcess{revision, c.listen(t), c.eager})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"command":%q,"args":["-test.run=^TestBridge_process$"],"env":{%q:%q}%s}`, exe, quizVariable, spec, more)
}

// TestBridge_process is no test but a quiz on standard input and output, in the
// process that quizCommand has the gateway start. Where it is not started so, it has
// nothing to do.
func TestBridge_process(t *testing.T) {
	raw := os.Getenv(quizVariable)
	if raw == "" {
		return
	}
	var p quizProcess
	if err := json.Unmarshal([]byte(raw), &p); err != nil {
		t.Fatal(err)
	}
	if err := p.serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	_ = os.Stdout.Close() // what the test would say is no message
}

func (p quizProcess) serve(in io.Reader, out io.Writer) error {
	q := newQuiz(p.Revision, func(h happening) {
		body, err := json.Marshal(h)
		if err != nil {
			panic(err) // strings always can be
		}
		if res, err := http.Post(p.Chronicle+"/tell", "application/json", bytes.NewReader(body)); err == nil {
			_ = res.Body.Close()
		}
	})
	q.eager = p.Eager
	res, err := http.Get(p.Chronicle + "/orders")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	go func() { // ends with the process
		for dec := json.NewDecoder(res.Body); ; {
			var o order
			if dec.Decode(&o) != nil {
				return
			}
			q.obey(o)
		}
	}()
	var mu sync.Mutex
	say := func(messages ...string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(out, strings.Join(messages, "\n")+"\n") // the end of in tells that nobody reads
	}
	lines := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m, ok := readQuizMessage(line)
		if !ok {
			continue
		}
		go func() { // ends with the process
			response, err := q.hear(context.Background(), "stdio", m, mouth{say, say})
			if err != nil {
				os.Exit(3)
			}
			if response != "" {
				say(response)
			}
			if m.Method == "tools/call" {
				q.wonder("after", say)
			}
		}()
	}
}
