package gatewaytest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Client is a raw MCP client of one revision. It keeps every message as bytes.
type Client struct {
	t        testing.TB
	base     string // without a path
	key      string
	Revision string
	Session  string
	http     *http.Client
	nextID   atomic.Int64
	greeting string // the raw result of initialize

	extraHeader map[string]string // of every POST

	person    Person
	questions questions

	// of the transports with one stream for all answers
	messages string     // URL to POST to; "" for Streamable HTTP and pipes
	pipe     io.Writer  // of a client over standard input and output
	mu       sync.Mutex // guards waiting, outside and streams
	waiting  map[string]chan []byte
	outside  []string
	streams  []io.Closer // that follow reads
}

// Answer is all that came back for one request.
type Answer struct {
	Status  int
	Header  http.Header
	Events  []string // messages before the response, raw
	Message string   // the response, raw
}

// Result is the raw result of the response, or "".
func (a Answer) Result() string { return member(a.Message, "result") }

// Error is the raw error of the response, or "".
func (a Answer) Error() string { return member(a.Message, "error") }

func member(msg, name string) string {
	var m map[string]json.RawMessage
	if json.Unmarshal([]byte(msg), &m) != nil {
		return ""
	}
	return string(m[name])
}

// Dial connects a client of a revision to a gateway.
func Dial(t testing.TB, base, key, revision string) *Client {
	t.Helper()
	return DialAs(t, base, key, revision, Person{})
}

// DialAs connects a client that can answer questions.
func DialAs(t testing.TB, base, key, revision string, p Person) *Client {
	t.Helper()
	c := &Client{t: t, base: base, key: key, Revision: revision, person: p, waiting: map[string]chan []byte{},
		http: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}}
	t.Cleanup(c.http.CloseIdleConnections)
	switch revision {
	case R2026:
		return c
	case R2024:
		c.openSSE()
	}
	c.initialize()
	return c
}

// initialize does the handshake of the legacy revisions.
func (c *Client) initialize() {
	c.t.Helper()
	a := c.Call("initialize", fmt.Sprintf(`{"protocolVersion":%q,"capabilities":%s,"clientInfo":{"name":"raw","version":"1"}}`, c.Revision, c.person.capabilities()))
	if got := member(a.Result(), "protocolVersion"); got != strconv.Quote(c.Revision) {
		c.t.Fatalf("initialize with %s: status %d, %s", c.Revision, a.Status, a.Message)
	}
	c.greeting = a.Result()
	c.Session = a.Header.Get("Mcp-Session-Id")
	c.Notify("notifications/initialized", "")
}

// Call sends a request with raw params ("" is none) and waits for its response.
func (c *Client) Call(method, params string) Answer {
	return c.CallID(strconv.FormatInt(c.nextID.Add(1), 10), method, params)
}

// CallID is Call with a raw id of the test's choice.
func (c *Client) CallID(id, method, params string) Answer {
	c.t.Helper()
	return c.send(c.t.Context(), id, method, params)
}

// CallContext is Call that ends with ctx.
func (c *Client) CallContext(ctx context.Context, method, params string) Answer {
	return c.send(ctx, strconv.FormatInt(c.nextID.Add(1), 10), method, params)
}

// Notify sends a notification.
func (c *Client) Notify(method, params string) { c.send(c.t.Context(), "", method, params) }

func (c *Client) send(ctx context.Context, id, method, params string) Answer {
	body := `{"jsonrpc":"2.0"`
	if id != "" {
		body += `,"id":` + id
	}
	body += `,"method":` + strconv.Quote(method)
	if c.Revision == R2026 {
		params = c.withMeta(params)
	}
	if params != "" {
		body += `,"params":` + params
	}
	body += `}`
	if c.messages != "" || c.pipe != nil {
		return c.sendAside(ctx, id, body)
	}
	return c.do(c.post(ctx, method, params, body))
}

// post is the request that carries a message over Streamable HTTP.
func (c *Client) post(ctx context.Context, method, params, body string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/mcp", strings.NewReader(body))
	if err != nil {
		panic(err) // the URL is the test's
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.key)
	if c.Session != "" {
		req.Header.Set("Mcp-Session-Id", c.Session)
	}
	if c.Revision == R2026 || (c.Session != "" && c.Revision >= R0618) {
		req.Header.Set("MCP-Protocol-Version", c.Revision)
	}
	if c.Revision == R2026 {
		req.Header.Set("Mcp-Method", method)
		var p struct{ Name, URI string }
		if json.Unmarshal([]byte(params), &p) == nil && p.Name+p.URI != "" {
			req.Header.Set("Mcp-Name", p.Name+p.URI)
		}
	}
	for name, value := range c.extraHeader {
		req.Header.Set(name, value)
	}
	return req
}

// withMeta adds what every 2026-07-28 request carries, at the end of params.
func (c *Client) withMeta(params string) string {
	meta := `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"raw","version":"1"},"io.modelcontextprotocol/clientCapabilities":` + c.person.capabilities()
	switch {
	case params == "" || params == "{}":
		return `{"_meta":{` + meta + `}}`
	case member(params, "_meta") != "":
		own := member(params, "_meta")
		return strings.Replace(params, `"_meta":`+own, `"_meta":{`+meta+`,`+own[1:], 1)
	}
	return strings.TrimSuffix(params, "}") + `,"_meta":{` + meta + `}}`
}

// said is the beginning of a request's body.
func said(req *http.Request) string {
	body, err := req.GetBody()
	if err != nil {
		return err.Error()
	}
	b, _ := io.ReadAll(io.LimitReader(body, 300)) // it is in memory
	return string(b)
}

// do sends a POST and takes its answer apart.
func (c *Client) do(req *http.Request) Answer {
	res, err := c.http.Do(req)
	if err != nil {
		if req.Context().Err() == nil {
			c.t.Errorf("%v: %s", err, said(req))
		}
		return Answer{}
	}
	defer res.Body.Close()
	a := Answer{Status: res.StatusCode, Header: res.Header}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		raw, err := io.ReadAll(res.Body)
		if err != nil && req.Context().Err() == nil {
			c.t.Errorf("read answer: %v", err)
		}
		a.Message = string(raw)
		return a
	}
	for msg := range events(res.Body) {
		if msg == "" {
			continue
		}
		if member(msg, "method") == "" {
			if a.Message != "" {
				c.t.Errorf("two responses to one request: %.200s", msg)
			}
			a.Message = msg
			continue
		}
		a.Events = append(a.Events, msg)
		c.asked(msg)
	}
	return a
}

// events yields the data of each event of a stream.
func events(r io.Reader) func(func(string) bool) {
	return func(yield func(string) bool) {
		br := bufio.NewReaderSize(r, 1<<20)
		var data []string
		for {
			line, err := br.ReadString('\n')
			line = strings.TrimRight(line, "\r\n")
			if d, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(d, " "))
			}
			if line == "" && data != nil {
				if !yield(strings.Join(data, "\n")) {
					return
				}
				data = nil
			}
			if err != nil {
				return
			}
		}
	}
}

// Stream opens the session's GET stream and hands its messages over until the
// test ends.
func (c *Client) Stream() <-chan string {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.base+"/mcp", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Mcp-Session-Id", c.Session)
	res, err := c.http.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("GET stream: %v %v", res, err)
	}
	return c.follow(res.Body)
}

// Listen opens a 2026-07-28 subscription and hands its messages over.
func (c *Client) Listen(filter string) <-chan string {
	c.t.Helper()
	id := strconv.FormatInt(c.nextID.Add(1), 10)
	body := `{"jsonrpc":"2.0","id":` + id + `,"method":"subscriptions/listen","params":` + c.withMeta(`{"notifications":`+filter+`}`) + `}`
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.base+"/mcp", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for k, v := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Authorization": "Bearer " + c.key, "MCP-Protocol-Version": R2026, "Mcp-Method": "subscriptions/listen"} {
		req.Header.Set(k, v)
	}
	res, err := c.http.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("listen: %v %v", res, err)
	}
	return c.follow(res.Body)
}

// follow reads a stream until the test ends and closes its request.
func (c *Client) follow(body io.ReadCloser) <-chan string {
	out := make(chan string, 1024)
	c.mu.Lock()
	c.streams = append(c.streams, body)
	c.mu.Unlock()
	var done sync.WaitGroup
	done.Go(func() {
		defer close(out)
		for msg := range events(body) {
			if c.messages == "" {
				c.asked(msg)
			}
			out <- msg
		}
	})
	c.t.Cleanup(func() {
		_ = body.Close()
		done.Wait()
	})
	return out
}

// openSSE opens the stream of HTTP+SSE and waits for its message URL.
func (c *Client) openSSE() {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.base+"/sse", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.key)
	res, err := c.http.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("GET /sse: %v %v", res, err)
	}
	stream := c.follow(res.Body)
	select {
	case first := <-stream:
		u, err := url.Parse(first)
		if err != nil {
			c.t.Fatal(err)
		}
		b, _ := url.Parse(c.base)
		c.messages = b.ResolveReference(u).String()
	case <-time.After(30 * time.Second):
		c.t.Fatal("no endpoint event")
	}
	go func() { // ends when follow closes the stream
		for msg := range stream {
			c.route(msg)
		}
	}()
}

// route hands a message of the HTTP+SSE stream to the request it belongs to.
func (c *Client) route(msg string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := member(msg, "id")
	if ch := c.waiting[id]; ch != nil && member(msg, "method") == "" {
		delete(c.waiting, id)
		ch <- []byte(msg)
		return
	}
	c.outside = append(c.outside, msg)
	c.asked(msg)
}

// Outside is what came on the HTTP+SSE stream beside responses, so far.
func (c *Client) Outside() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.outside...)
}

// sendAside sends a message whose answer comes on another stream.
func (c *Client) sendAside(ctx context.Context, id, body string) Answer {
	ch := make(chan []byte, 1)
	if id != "" {
		c.mu.Lock()
		c.waiting[id] = ch
		c.mu.Unlock()
	}
	a, ok := c.hand(ctx, body)
	if !ok || id == "" {
		return a
	}
	select {
	case msg := <-ch:
		a.Message = string(msg)
	case <-ctx.Done():
	}
	return a
}

// hand gives a message away and tells whether it was taken.
func (c *Client) hand(ctx context.Context, body string) (Answer, bool) {
	if c.pipe != nil {
		_, err := io.WriteString(c.pipe, body+"\n")
		return Answer{}, err == nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.messages, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err) // the server's URL was parsed
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.key)
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			c.t.Error(err)
		}
		return Answer{}, false
	}
	defer res.Body.Close()
	return Answer{Status: res.StatusCode, Header: res.Header}, res.StatusCode == http.StatusAccepted
}

// containsName tells whether a raw list has an entry of that name.
func containsName(list, name string) bool {
	return strings.Contains(list, `"name":`+strconv.Quote(name))
}

// At is the same client, with its session, toward another address.
func (c *Client) At(base string) *Client {
	moved := &Client{t: c.t, base: base, key: c.key, Revision: c.Revision, Session: c.Session, person: c.person, http: c.http, waiting: map[string]chan []byte{}}
	moved.nextID.Store(c.nextID.Load())
	return moved
}

// Delete ends the session and returns the status.
func (c *Client) Delete() int {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodDelete, c.base+"/mcp", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Mcp-Session-Id", c.Session)
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
