// Package kittest is the contract that every built-in server must pass, and the
// small client its own tests drive it with.
//
// Run checks what no server may get wrong: the golden tool list, schemas, hints,
// one good and one bad call of every tool, cancellation, goroutines, secrets in
// output and logs, the size of the default tool set. Compare holds a drop-in's
// surface against the server it stands in for, and Peer drives the original.
// Only tests import it.
package kittest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit"
)

// Client calls a server as one user.
type Client struct {
	Server *kit.Server
	User   string
	Sink   *Sink // what the server said in the middle of calls
}

// NewClient makes a client for a user.
func NewClient(s *kit.Server, user string) *Client {
	return &Client{Server: s, User: user, Sink: &Sink{}}
}

// Result is the result of a tool call, taken apart.
type Result struct {
	Text       string
	Structured json.RawMessage
	IsError    bool
	Meta       map[string]string
}

// Context is a context with the client's principal.
func (c *Client) Context(ctx context.Context) context.Context {
	return account.WithPrincipal(ctx, account.Principal{User: c.User, Credential: "key_" + c.User, Role: account.RoleMember})
}

// Serve sends any request; params is a JSON object or "".
func (c *Client) Serve(ctx context.Context, t testing.TB, method, params string) (json.RawMessage, *mcpwire.Error) {
	t.Helper()
	req, werr := mcpwire.NewRequest(method, mcpwire.LatestModern, []byte(params))
	if werr != nil {
		t.Fatalf("%s %s: not a request: %v", method, params, werr)
	}
	out := c.Server.Serve(c.Context(ctx), req, c.Sink)
	defer out.Close()
	if out.Kind == mcpwire.Failed {
		return nil, out.Err
	}
	if out.Kind != mcpwire.Complete || !json.Valid(out.Result.Bytes) {
		t.Fatalf("%s %s: outcome %v with %q", method, params, out.Kind, out.Result.Bytes)
	}
	return json.RawMessage(out.Result.Bytes), nil
}

// Ask is Serve for a request that must succeed.
func (c *Client) Ask(t testing.TB, method, params string) json.RawMessage {
	t.Helper()
	raw, err := c.Serve(t.Context(), t, method, params)
	if err != nil {
		t.Fatalf("%s %s: %v", method, params, err)
	}
	return raw
}

// Call calls a tool; args is a JSON object or "" for none.
func (c *Client) Call(t testing.TB, tool, args string) Result {
	t.Helper()
	return ParseResult(t, c.Ask(t, mcpwire.MethodToolsCall, callParams(tool, args)))
}

// Must is Call for a call that must not be an error. It decodes the structured
// result into out unless that is nil.
func (c *Client) Must(t testing.TB, tool, args string, out any) Result {
	t.Helper()
	r := c.Call(t, tool, args)
	if r.IsError {
		t.Fatalf("%s %s: %s", tool, args, r.Text)
	}
	if out != nil {
		if err := json.Unmarshal(r.Structured, out); err != nil {
			t.Fatalf("%s: structured result %s: %v", tool, r.Structured, err)
		}
	}
	return r
}

// Refused is Call for a call that must be an error; it gives the text.
func (c *Client) Refused(t testing.TB, tool, args string) string {
	t.Helper()
	r := c.Call(t, tool, args)
	if !r.IsError {
		t.Fatalf("%s %s was accepted: %s", tool, args, r.Text)
	}
	return r.Text
}

func callParams(tool, args string) string {
	name, _ := json.Marshal(tool) // a string always encodes
	if args == "" {
		return `{"name":` + string(name) + `}`
	}
	return `{"name":` + string(name) + `,"arguments":` + args + `}`
}

// ParseResult takes a CallToolResult apart.
func ParseResult(t testing.TB, raw json.RawMessage) Result {
	t.Helper()
	var r struct {
		ResultType string
		Content    []struct{ Type, Text string }
		Structured json.RawMessage   `json:"structuredContent"`
		IsError    bool              `json:"isError"`
		Meta       map[string]string `json:"_meta"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatalf("result %s: %v", raw, err)
	}
	if len(r.Content) != 1 || r.Content[0].Type != "text" {
		t.Fatalf("result %s: want exactly one text block", raw)
	}
	return Result{Text: r.Content[0].Text, Structured: r.Structured, IsError: r.IsError, Meta: r.Meta}
}

// Resource reads a resource's text.
func (c *Client) Resource(t testing.TB, uri string) (string, *mcpwire.Error) {
	t.Helper()
	params, _ := json.Marshal(map[string]string{"uri": uri})
	raw, werr := c.Serve(t.Context(), t, mcpwire.MethodResourcesRead, string(params))
	if werr != nil {
		return "", werr
	}
	var r struct{ Contents []struct{ URI, Text string } }
	if err := json.Unmarshal(raw, &r); err != nil || len(r.Contents) != 1 || r.Contents[0].URI != uri {
		t.Fatalf("resource %s: %s", uri, raw)
	}
	return r.Contents[0].Text, nil
}

// Sink collects notifications.
type Sink struct {
	mu   sync.Mutex // guards said and told
	said []string
	told chan string // set by Watch
}

// Notify keeps the notification.
func (s *Sink) Notify(n mcpwire.Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, n.Method+" "+string(n.Params))
	if s.told != nil {
		s.told <- n.Method + " " + string(n.Params)
	}
}

// Ask never gets an answer.
func (s *Sink) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}

// Said is all that was said so far: the method, a space, the params.
func (s *Sink) Said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.said...)
}

// Watch opens a watch until the test ends and gives its notifications in order,
// each as method, space, params.
func (c *Client) Watch(t testing.TB, f mcpwire.Filter) <-chan string {
	t.Helper()
	sink := &Sink{told: make(chan string, 64)}
	ctx, cancel := context.WithCancel(c.Context(context.Background()))
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() { // ends with cancel, awaited in the cleanup
		defer close(ended)
		if err := c.Server.Watch(ctx, f, sink, func(mcpwire.Filter) { close(ready) }); err != nil {
			t.Errorf("watch: %v", err)
		}
	}()
	<-ready
	t.Cleanup(func() { cancel(); <-ended })
	return sink.told
}
