package gatewaytest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Rogue is a fake with one more tool, bad: a call of it, or of prompts/get, with
// the argument how is answered wrong in the way that how names. Everything else
// it does as a fake does.
type Rogue struct {
	*Fake
	Lists string // how tools/list goes wrong over HTTP: same, fresh (a cursor without end), hang; "" is well
}

// NewRogue makes a rogue. It leaves out prompts and resources no fake has.
func NewRogue(name, revision string) *Rogue {
	f := NewFake(name, revision)
	f.SetTools(append(f.tools, `{"name":"bad","inputSchema":{"type":"object"}}`)...)
	return &Rogue{Fake: f}
}

// wrong is one request that is to be answered wrong.
type wrong struct {
	id  string
	how string // what to do, and
	n   int    // the number behind its colon
	// events asks for an event stream over HTTP: a plus behind the number.
	events bool
	well   string // the right answer
	note   string // a notification of the fake's that belongs to no call
}

// goesWrong reads from a message whether it is one.
func (r *Rogue) goesWrong(m message) (wrong, bool) {
	var p struct {
		Arguments struct{ How string } `json:"arguments"`
	}
	if m.ID == nil || len(m.Params) == 0 || json.Unmarshal(m.Params, &p) != nil || p.Arguments.How == "" {
		return wrong{}, false
	}
	r.Calls.Add(1)
	how, events := strings.CutSuffix(p.Arguments.How, "+")
	how, number, _ := strings.Cut(how, ":")
	n, _ := strconv.Atoi(number)
	return wrong{
		id: string(m.ID), how: how, n: n, events: events,
		well: `{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":` + r.complete(`"content":[{"type":"text","text":"well"}],"messages":[]`) + `}`,
		note: `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"` + strings.Repeat("x", 100) + `"}}`,
	}, true
}

// replaced is the right answer with another id.
func (x wrong) replaced(id string) string {
	return strings.Replace(x.well, `"id":`+x.id, `"id":`+id, 1)
}

// spoilt is the right answer with something else for its text.
func (x wrong) spoilt(text string) string { return strings.Replace(x.well, `"well"`, text, 1) }

// messages are the answers that are wrong on every transport, by what how says.
// Nothing else comes for these calls, unless the right answer is in the list.
func (x wrong) messages() (list []string, ok bool) {
	switch x.how {
	case "garbage":
		return []string{"garbage"}, true
	case "html":
		return []string{"<!doctype html><title>502 Bad Gateway</title>"}, true
	case "id": // nobody asked
		return []string{x.replaced("987654321")}, true
	case "textid":
		return []string{x.replaced(`"` + x.id + `"`)}, true
	case "stray":
		return []string{x.replaced("987654321"), x.well}, true
	case "twice":
		return []string{x.well, x.well}, true
	case "utf8":
		return []string{x.spoilt("\"\xff\xfe\"")}, true
	case "deep":
		return []string{x.spoilt(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000))}, true
	case "both":
		return []string{strings.Replace(x.well, `"result":`, `"error":{"code":1,"message":"m"},"result":`, 1)}, true
	case "huge":
		return []string{x.spoilt(`"` + strings.Repeat("x", x.n) + `"`)}, true
	case "flood":
		for range x.n {
			list = append(list, x.note)
		}
		return append(list, x.well), true
	}
	return nil, false
}

// HTTP serves the rogue over Streamable HTTP and returns its URL.
func (r *Rogue) HTTP(t testing.TB) string {
	t.Helper()
	good := &httpFake{Fake: r.Fake, sessions: map[string]bool{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(body, &m) == nil {
			if x, ok := r.goesWrong(m); ok {
				x.overHTTP(w, req)
				return
			}
			if m.Method == "tools/list" && r.Lists != "" {
				r.list(w, req, string(m.ID))
				return
			}
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		good.ServeHTTP(w, req)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL + "/mcp"
}

// list answers tools/list with one tool and a cursor that never ends.
func (r *Rogue) list(w http.ResponseWriter, req *http.Request, id string) {
	cursor := "again"
	switch n := r.Fake.Lists.Add(1); r.Lists {
	case "hang":
		<-req.Context().Done()
		return
	case "fresh":
		cursor = strconv.FormatInt(n, 10)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, id,
		r.complete(`"tools":[{"name":"echo","inputSchema":{"type":"object"}}],"nextCursor":"`+cursor+`"`))
}

// drip is how long apart the bytes of a slow answer are.
const drip = 45 * time.Millisecond

// overHTTP answers one POST wrong.
func (x wrong) overHTTP(w http.ResponseWriter, r *http.Request) {
	if list, ok := x.messages(); ok {
		x.say(w, list)
		return
	}
	h := w.Header()
	switch x.how {
	case "hang":
		<-r.Context().Done()
	case "status":
		h.Set("Content-Type", "application/json")
		h.Set("Location", "http://169.254.169.254/latest")
		h.Set("WWW-Authenticate", `Bearer resource_metadata="https://evil.example/"`)
		w.WriteHeader(x.n)
		fmt.Fprintf(w, `{"error":"internal-secret-of-the-backend"}`)
	case "gzip":
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"))
	case "page":
		h.Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>502 Bad Gateway</title>")
	case "drip":
		h.Set("Content-Type", "application/json")
		slowly(r, x.well, func(b byte) error {
			_, err := w.Write([]byte{b})
			w.(http.Flusher).Flush()
			return err
		})
	case "comments":
		h.Set("Content-Type", "text/event-stream")
		slowly(r, strings.Repeat(":", 10_000), func(byte) error {
			_, err := io.WriteString(w, ": still here\n\n")
			w.(http.Flusher).Flush()
			return err
		})
	case "endless": // one event that never ends
		h.Set("Content-Type", "text/event-stream")
		pour(w, "data: \"", x.n)
	case "body": // the same as JSON
		h.Set("Content-Type", "application/json")
		pour(w, x.well[:strings.Index(x.well, `well`)], x.n)
	default:
		x.onTheWire(w)
	}
}

// say sends messages, as JSON or as events.
func (x wrong) say(w http.ResponseWriter, list []string) {
	if !x.events {
		body := strings.Join(list, "\n")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, m := range list {
		fmt.Fprintf(w, "data: %s\n\n", m)
	}
}

// slowly writes a byte at a time until the other side goes.
func slowly(r *http.Request, text string, write func(byte) error) {
	tick := time.NewTicker(drip)
	defer tick.Stop()
	for i := range len(text) {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
		if write(text[i]) != nil {
			return
		}
	}
}

// pour writes head and n MiB behind it that never close the string they are in.
func pour(w io.Writer, head string, n int) {
	_, err := io.WriteString(w, head)
	block := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for i := 0; i < n && err == nil; i++ {
		_, err = w.Write(block)
	}
}

// onTheWire answers below HTTP: reset and cut end the connection after n bytes of
// a right answer, nohttp speaks something else.
func (x wrong) onTheWire(w http.ResponseWriter) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	answer := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(x.well)) + "\r\n\r\n" + x.well
	switch {
	case x.events:
		event := "data: " + x.well + "\n\n"
		answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
			strconv.FormatInt(int64(len(event)), 16) + "\r\n" + event + "\r\n0\r\n\r\n"
	case x.how == "nohttp":
		answer, x.n = "220 smtp.example ESMTP\r\n\r\n", 1<<10
	}
	_, _ = buf.WriteString(answer[:min(x.n, len(answer)-1)])
	_ = buf.Flush()
	if x.how == "reset" {
		_ = conn.(*net.TCPConn).SetLinger(0) // closing resets
	}
}

// HTTPSSE serves the rogue over HTTP+SSE of 2024-11-05 and returns its URL.
func (r *Rogue) HTTPSSE(t testing.TB) string {
	t.Helper()
	s := &sseFake{Fake: r.Fake, pipes: map[string]chan string{}}
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	mux.HandleFunc("GET /sse", s.open)
	mux.HandleFunc("POST /message", func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(body, &m) == nil {
			if x, ok := r.goesWrong(m); ok {
				s.mu.Lock()
				out := s.pipes[req.URL.Query().Get("id")]
				s.mu.Unlock()
				x.overSSE(w, out, srv.CloseClientConnections)
				return
			}
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		s.message(w, req)
	})
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL + "/sse"
}

// overSSE answers one POST of HTTP+SSE wrong; out is the client's stream.
func (x wrong) overSSE(w http.ResponseWriter, out chan<- string, cut func()) {
	if x.how == "status" {
		w.WriteHeader(x.n)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	if list, ok := x.messages(); ok {
		for _, m := range list {
			out <- m
		}
		return
	}
	switch x.how {
	case "late":
		time.AfterFunc(time.Duration(x.n)*time.Millisecond, func() { out <- x.well })
	case "die":
		w.(http.Flusher).Flush()
		go cut() // ends at once; the connection of this request is one of those it closes
	}
}

// rogueVariable is to rogues what stdioVariable is to fakes.
const rogueVariable = "GATEWAYTEST_ROGUE"

// Stdio is the configuration of a backend that is this rogue in a process of its
// own, without its braces.
func (r *Rogue) Stdio(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`"command":%q,"env":{%q:%q}`, exe, rogueVariable, r.Name+" "+r.Revision)
}

// PlayRogue makes the process the rogue that its environment asks for, and does
// not return then.
func PlayRogue() {
	name, revision, ok := strings.Cut(os.Getenv(rogueVariable), " ")
	if !ok {
		return
	}
	r := NewRogue(name, revision)
	var mu sync.Mutex // guards standard output
	send := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(os.Stdout, line+"\n")
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			os.Exit(0)
		}
		var m message
		if json.Unmarshal(line, &m) != nil {
			continue
		}
		go func() { // ends with the process
			if x, ok := r.goesWrong(m); ok {
				x.overStdio(send, &mu)
			} else if response := r.answer(context.Background(), m, send); response != "" {
				send(response)
			}
		}()
	}
}

// overStdio answers one line wrong. mu guards standard output.
func (x wrong) overStdio(send func(string), mu *sync.Mutex) {
	if list, ok := x.messages(); ok {
		for _, m := range list {
			send(m)
		}
		return
	}
	switch x.how {
	case "late":
		time.Sleep(time.Duration(x.n) * time.Millisecond)
		send(x.well)
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit":
		os.Exit(3)
	case "silence":
		_ = os.Stdout.Close()
	case "orphan": // leaves a process behind that is in no group of ours
		cmd := exec.Command("sleep", "300")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if cmd.Start() == nil {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	case "line": // n MiB without a line's end
		mu.Lock()
		defer mu.Unlock()
		pour(os.Stdout, x.well[:strings.Index(x.well, `well`)], x.n)
	case "stderr": // n MiB, then the right answer
		block := bytes.Repeat([]byte("a stack trace of many lines, over and over again: at main.go:1\n"), 1<<14)
		for range x.n {
			_, _ = os.Stderr.Write(block)
		}
		send(x.well)
	case "drip":
		mu.Lock()
		defer mu.Unlock()
		for _, b := range []byte(x.well + "\n") {
			_, _ = os.Stdout.Write([]byte{b})
			time.Sleep(drip)
		}
	}
}
