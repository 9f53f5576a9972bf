package gatewaytest

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/app"
)

// Person is who sits behind a raw client.
type Person struct {
	Capabilities string // of the client, raw; "" for none
	// Answer gives the member of the response to a question: "result":{...} or
	// "error":{...}. "" is no answer at all. It may be called concurrently.
	Answer func(method, params string) string
}

func (p Person) capabilities() string {
	if p.Capabilities == "" {
		return "{}"
	}
	return p.Capabilities
}

// Able is a person whose client has every capability of questions, and who
// answers each with name.
func Able(name string) Person {
	return Person{
		Capabilities: `{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{"listChanged":true}}`,
		Answer: func(method, _ string) string {
			switch method {
			case "elicitation/create":
				return `"result":{"action":"accept","content":{"name":"` + name + `","n":9007199254740993}}`
			case "sampling/createMessage":
				return `"result":{"role":"assistant","model":"m","content":{"type":"text","text":"` + name + `"}}`
			}
			return `"result":{"roots":[{"uri":"file:///` + name + `","x":1.0}]}`
		},
	}
}

// questions are what a client was asked.
type questions struct {
	mu  sync.Mutex // guards raw
	raw []string
}

// Questions is what the client was asked so far, raw.
func (c *Client) Questions() []string {
	c.questions.mu.Lock()
	defer c.questions.mu.Unlock()
	return slices.Clone(c.questions.raw)
}

// Greeting is the raw result of initialize.
func (c *Client) Greeting() string { return c.greeting }

// With is the same client with more headers on its POSTs.
func (c *Client) With(header map[string]string) *Client {
	other := c.At(c.base)
	other.extraHeader = header
	return other
}

// Post is Call that hands the events over as they come: the last is the response.
func (c *Client) Post(ctx context.Context, method, params string) <-chan string {
	c.t.Helper()
	id := strconv.FormatInt(c.nextID.Add(1), 10)
	if c.Revision == R2026 {
		params = c.withMeta(params)
	}
	req := c.post(ctx, method, params, `{"jsonrpc":"2.0","id":`+id+`,"method":`+strconv.Quote(method)+`,"params":`+params+`}`)
	res, err := c.http.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("POST: %v %v", res, err)
	}
	return c.follow(res.Body)
}

// asked answers a message that is a request.
func (c *Client) asked(msg string) {
	method, id := member(msg, "method"), member(msg, "id")
	if method == "" || id == "" {
		return
	}
	c.questions.mu.Lock()
	c.questions.raw = append(c.questions.raw, msg)
	c.questions.mu.Unlock()
	if c.person.Answer == nil {
		return
	}
	method, _ = strconv.Unquote(method)
	go func() { // ends when the answer is away
		if answer := c.person.Answer(method, member(msg, "params")); answer != "" {
			c.Reply(id, answer)
		}
	}()
}

// Reply sends a response with a raw id: "result":{...} or "error":{...}. It
// returns the status, 0 where the transport has none. Nobody waits for most replies, so
// one may be on its way when the test ends: that is no failure.
func (c *Client) Reply(id, answer string) int {
	body := `{"jsonrpc":"2.0","id":` + id + `,` + answer + `}`
	if c.messages != "" || c.pipe != nil {
		a, _ := c.hand(c.t.Context(), body)
		return a.Status
	}
	return c.do(c.post(c.t.Context(), "", "", body)).Status
}

// RunStdio is the program as drawbridge serve --stdio runs it, in process, and
// the client at the other end of its pipes.
func RunStdio(t testing.TB, text, revision string, p Person) (*Gateway, *Client) {
	t.Helper()
	g, in, out := runStdio(t, text)
	c := &Client{t: t, Revision: revision, person: p, pipe: &lineWriter{w: in}, waiting: map[string]chan []byte{}, streams: []io.Closer{in}}
	var work sync.WaitGroup
	work.Go(func() { // ends with the program's output
		lines := bufio.NewReaderSize(out, 1<<20)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			c.route(strings.TrimSpace(line))
		}
	})
	t.Cleanup(func() {
		_ = in.Close() // the end of the client
		work.Wait()
	})
	if revision != R2026 {
		c.initialize()
	}
	return g, c
}

// Pipe is the two ends that a client of drawbridge serve --stdio holds.
func Pipe(t testing.TB, text string) (in io.WriteCloser, out io.ReadCloser) {
	t.Helper()
	_, in, out = runStdio(t, text)
	return in, out
}

// runStdio runs the program until its input ends, at the end of the test at the
// latest.
func runStdio(t testing.TB, text string) (*Gateway, io.WriteCloser, io.ReadCloser) {
	t.Helper()
	dir := t.TempDir()
	g := &Gateway{t: t, Dir: filepath.Join(dir, "state"), file: filepath.Join(dir, "drawbridge.yaml")}
	if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if g.App, err = app.New(t.Context(), slog.New(slog.DiscardHandler), g.config(), app.Options{Version: "test", Environ: os.Environ()}); err != nil {
		t.Fatal(err)
	}
	toGateway, in := io.Pipe()
	out, fromGateway := io.Pipe()
	var work sync.WaitGroup
	work.Go(func() { // ends with in
		if err := g.App.ServeStdio(context.Background(), toGateway, fromGateway); err != nil {
			t.Errorf("serve --stdio: %v", err)
		}
		_ = fromGateway.Close() // only to wake the reader
	})
	t.Cleanup(func() {
		_, _ = in.Close(), out.Close() // the end of the client
		work.Wait()
		g.Stop()
	})
	return g, in, out
}

// lineWriter writes whole messages, from several goroutines.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// WaitToolsOf is WaitTools as a client of the test's own sees them.
func (g *Gateway) WaitToolsOf(c *Client, names ...string) {
	g.t.Helper()
	g.WaitFor("tools to be listed", func() bool {
		list := c.Call("tools/list", "").Result()
		for _, n := range names {
			if !containsName(list, n) {
				return false
			}
		}
		return true
	})
}

// Hangup ends the client's streams.
func (c *Client) Hangup() {
	c.mu.Lock()
	all := c.streams
	c.streams = nil
	c.mu.Unlock()
	for _, s := range all {
		_ = s.Close() // that is the point
	}
}
