// Package kittest is the contract that every built-in server must pass, and the
// small client its own tests drive it with.
//
// Run checks what no server may get wrong: the golden tool list, schemas, hints,
// what the default tool set costs, modes and toolsets, approvals, one good and one
// bad call of every tool, cancellation, goroutines, secrets in output and logs, and
// what a failing upstream does to it. Compare holds a drop-in's
// surface against the server it stands in for, and Peer drives the original.
// Only tests import it.
package kittest

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
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

	// Caller is the program that calls; nil is one of no known revision that can
	// be asked nothing.
	Caller *mcpwire.Caller
	// Person answers what the server asks: the message of a form becomes the raw
	// result of the elicitation. nil: the test fails when it is asked.
	Person func(message string) string

	asked atomic.Int64
}

// NewClient makes a client for a user. It can be asked nothing.
func NewClient(s *kit.Server, user string) *Client {
	return &Client{Server: s, User: user, Sink: &Sink{}}
}

// Approving is a copy of the client that shows forms to a person who approves.
func (c *Client) Approving() *Client { return c.With(mcpwire.LatestModern, Approves) }

// With is a copy of the client as a program of a revision that shows forms to a
// person.
func (c *Client) With(rev mcpwire.Revision, person func(message string) string) *Client {
	return &Client{Server: c.Server, User: c.User, Sink: c.Sink, Person: person,
		Caller: &mcpwire.Caller{Revision: rev, Can: mcpwire.Capabilities{Elicitation: true}}}
}

// Asked counts the questions that the person behind the client got.
func (c *Client) Asked() int { return int(c.asked.Load()) }

// Approves is a person who approves everything.
func Approves(string) string { return `{"action":"accept","content":{"approve":true}}` }

// Declines is a person who approves nothing.
func Declines(string) string { return `{"action":"decline"}` }

// Result is the result of a tool call, taken apart.
type Result struct {
	Text       string
	Structured json.RawMessage
	IsError    bool
	Meta       map[string]string
	Blocks     []Block // content beside the first text
}

// Block is one content block.
type Block struct {
	Type, Text, MIMEType string
	Data                 []byte
}

// Context is a context with the client's principal.
func (c *Client) Context(ctx context.Context) context.Context {
	return account.WithPrincipal(ctx, account.Principal{User: c.User, Credential: "key_" + c.User, Role: account.RoleMember})
}

// Outcome sends a request as it is and gives what comes, questions too. The
// caller closes it.
func (c *Client) Outcome(ctx context.Context, t testing.TB, method, params string) mcpwire.Outcome {
	t.Helper()
	req, werr := mcpwire.NewRequest(method, mcpwire.LatestModern, []byte(params))
	if werr != nil {
		t.Fatalf("%s %s: not a request: %v", method, params, werr)
	}
	req.Caller = c.Caller
	return c.Server.Serve(c.Context(ctx), req, c.Sink)
}

// maxRounds is how often a request is sent again with answers, as the gateway does.
const maxRounds = 10

// Serve sends any request; params is a JSON object or "". What the server asks
// goes to the client's person, and the request again to the server with the answer.
func (c *Client) Serve(ctx context.Context, t testing.TB, method, params string) (json.RawMessage, *mcpwire.Error) {
	t.Helper()
	next := params
	for range maxRounds {
		out := c.Outcome(ctx, t, method, next)
		switch {
		case out.Kind == mcpwire.Failed:
			return nil, out.Err
		case !json.Valid(out.Result.Bytes):
			t.Fatalf("%s %s: not JSON: %q", method, params, out.Result.Bytes)
		case out.Kind == mcpwire.Complete:
			defer out.Close()
			return json.RawMessage(out.Result.Bytes), nil
		}
		next = c.Retry(t, params, out)
		out.Close()
	}
	t.Fatalf("%s %s: asks again and again", method, params)
	return nil, nil
}

// Retry has the person answer an input required outcome and gives the params of
// the retry.
func (c *Client) Retry(t testing.TB, params string, out mcpwire.Outcome) string {
	t.Helper()
	asked, state, has, err := mcpwire.ParseInputRequired(out.Result.Bytes)
	if err != nil || !has || len(asked) != 1 || asked[0].Method != mcpwire.MethodElicit {
		t.Fatalf("%s: what is asked is %s: %v", params, out.Result.Bytes, err)
	}
	if c.Person == nil {
		t.Fatalf("%s: a client that cannot be asked was asked %s", params, asked[0].Params)
	}
	message, ok := mcpwire.TextMember(asked[0].Params, "message")
	if !ok || message == "" || mcpwire.ObjectMember(asked[0].Params, "requestedSchema") == nil {
		t.Fatalf("the form is %s", asked[0].Params)
	}
	c.asked.Add(1)
	answers, _ := json.Marshal(map[string]json.RawMessage{asked[0].Key: json.RawMessage(c.Person(message))})
	quoted, _ := json.Marshal(state) // a string always encodes
	return strings.TrimSuffix(params, "}") + `,"inputResponses":` + string(answers) + `,"requestState":` + string(quoted) + `}`
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
		Content    []Block
		Structured json.RawMessage   `json:"structuredContent"`
		IsError    bool              `json:"isError"`
		Meta       map[string]string `json:"_meta"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatalf("result %s: %v", raw, err)
	}
	if len(r.Content) == 0 || r.Content[0].Type != "text" {
		t.Fatalf("result %s: want a text block first", raw)
	}
	return Result{Text: r.Content[0].Text, Blocks: r.Content[1:], Structured: r.Structured, IsError: r.IsError, Meta: r.Meta}
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
