package matrix_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

// soon is how long what must happen may take; patience, how long a whole feature
// may.
const (
	soon     = 15 * time.Second
	patience = 40 * time.Second
)

// feature is one column of the matrix.
type feature string

const (
	lifecycle   feature = "lifecycle"
	lists       feature = "lists"
	calls       feature = "call"
	progress    feature = "progress"
	cancelling  feature = "cancel"
	logging     feature = "log"
	listChanges feature = "list changes"
	updates     feature = "resource updates"
	elicitForm  feature = "elicitation form"
	elicitURL   feature = "elicitation URL"
	sampling    feature = "sampling"
	roots       feature = "roots"
	completion  feature = "completion"
	tasks       feature = "tasks"
	taskTools   feature = "task tools"
	structured  feature = "structured output"
)

var features = []feature{lifecycle, lists, calls, progress, cancelling, logging, listChanges, updates,
	elicitForm, elicitURL, sampling, roots, completion, tasks, taskTools, structured}

// cell is one client at one backend.
type cell struct {
	peer
	door
	greeting greeting
	backend  *backend
	ledger   *ledger // of the fixture; nil where a program of others is the backend
	tasks    *ledger // of the tasks fixture
	token    string  // a word that only this attempt uses
}

// probe tries a feature and says what is wrong: nil is that it works, seen at
// both ends.
type probe func(ctx context.Context, c *cell) error

// ofFixture are the probes of the fixtures.
var ofFixture = map[feature]probe{
	lifecycle: probeLifecycle, lists: probeLists(offers{"echo", "greet", noteURI, templateURI}), calls: probeCalls, progress: probeProgress, cancelling: probeCancel,
	logging: probeLog, listChanges: probeListChanges, updates: probeUpdates, completion: probeCompletion, structured: probeStructured,
	elicitForm: asks("elicit", "elicit", func(token string) string { return "accept re:" + token }),
	elicitURL:  asks("elicit_url", "elicit", func(string) string { return "accept" }),
	sampling:   asks("sample", "sample", func(token string) string { return "sampled:" + token }),
	roots:      asks("roots", "", func(string) string { return "file:///ada" }),
	tasks:      probeTasks, taskTools: probeTaskTools,
}

// probeLifecycle: the client got the revision it asked for, and the backend was
// greeted in the way of its own era.
func probeLifecycle(ctx context.Context, c *cell) error {
	if c.greeting.Revision != c.door.revision {
		return fmt.Errorf("the client speaks %q", c.greeting.Revision)
	}
	for _, name := range []string{"tools", "prompts", "resources", "logging"} {
		if c.greeting.Capabilities[name] == nil {
			return fmt.Errorf("the gateway does not offer %s", name)
		}
	}
	if !c.door.modern() {
		if err := c.do(ctx, "ping", nil, nil); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
	}
	mark := c.ledger.mark()
	if _, err := c.call(ctx, "echo", nil); err != nil {
		return err
	}
	n, err := c.ledger.message(mark, "tools/call")
	if err != nil {
		return err
	}
	if c.backend.revision == r2026 {
		return c.declared(n)
	}
	if n, err = c.ledger.message(0, "initialize"); err != nil {
		return err
	}
	var p struct{ ProtocolVersion string }
	if err := n.params(&p); err != nil || p.ProtocolVersion != r1125 {
		return fmt.Errorf("the backend was greeted with %q (%v)", p.ProtocolVersion, err)
	}
	_, err = c.ledger.message(0, "notifications/initialized")
	return err
}

// declared tells whether a modern backend was told with a request who the client
// is and what its revision can answer.
func (c *cell) declared(n note) error {
	var p struct {
		Meta struct {
			Version      string         `json:"io.modelcontextprotocol/protocolVersion"`
			Info         map[string]any `json:"io.modelcontextprotocol/clientInfo"`
			Capabilities map[string]any `json:"io.modelcontextprotocol/clientCapabilities"`
		} `json:"_meta"`
	}
	if err := n.params(&p); err != nil {
		return err
	}
	_, asks := p.Meta.Capabilities["elicitation"]
	name, _ := p.Meta.Info["name"].(string)
	if p.Meta.Version != r2026 || asks != (c.door.revision >= r0618) || !strings.HasPrefix(name, "matrix-") {
		return fmt.Errorf("the backend was told %s", n.Raw)
	}
	return nil
}

// offers are names that lists must have: a tool, a prompt, the URI of a resource
// and of a template.
type offers struct{ tool, prompt, resource, template string }

// probeLists: what the backend offers is listed.
func probeLists(o offers) probe {
	return func(ctx context.Context, c *cell) error {
		for _, l := range []struct{ op, key, want string }{
			{"tools", "name", o.tool}, {"prompts", "name", o.prompt}, {"resources", "uri", o.resource}, {"templates", "uriTemplate", o.template},
		} {
			all, err := c.list(ctx, l.op)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(all, func(item map[string]any) bool { return item[l.key] == l.want }) {
				return fmt.Errorf("%s does not have %s: %v", l.op, l.want, all)
			}
		}
		return nil
	}
}

func (c *cell) list(ctx context.Context, op string) ([]map[string]any, error) {
	var all []map[string]any
	if err := c.do(ctx, op, nil, &all); err != nil {
		return nil, fmt.Errorf("list %s: %w", op, err)
	}
	return all, nil
}

// result is what probes read of a tool's result.
type result struct {
	Content []struct {
		Text string `json:"text"`
	} `json:"content"`
	StructuredContent any             `json:"structuredContent"`
	IsError           bool            `json:"isError"`
	Type              string          `json:"resultType"`
	Task              json.RawMessage `json:"task"`
}

func (r result) text() string {
	var all []string
	for _, c := range r.Content {
		all = append(all, c.Text)
	}
	return strings.Join(all, "\n")
}

// called is a finished call.
type called struct {
	result
	events []event
}

// call calls a tool of the fixture with the token, and wants it to succeed.
func (c *cell) call(ctx context.Context, name string, d *due) (called, error) {
	return c.callWith(ctx, name, map[string]any{"text": c.token}, d)
}

func (c *cell) callWith(ctx context.Context, name string, args map[string]any, d *due) (called, error) {
	var o outcome
	if err := c.do(ctx, "call", request{Name: name, Arguments: args, Due: d}, &o); err != nil {
		return called{}, fmt.Errorf("call %s: %w", name, err)
	}
	out := called{events: o.Events}
	if err := json.Unmarshal(o.Result, &out.result); err != nil {
		return called{}, err
	}
	if out.IsError {
		return called{}, fmt.Errorf("%s answered with an error: %s", name, out.text())
	}
	return out, nil
}

// reached waits for the call of a tool with the token at the backend.
func (c *cell) reached(l *ledger, mark int, name string) (note, error) {
	return l.find(mark, "the call of "+name, func(n note) bool {
		var p struct {
			Name      string
			Arguments words
		}
		return n.Kind == arrived && n.Method == "tools/call" && n.params(&p) == nil && p.Name == name && p.Arguments.Text == c.token
	})
}

// probeCalls: a tool, a prompt, a resource and one of a template answer.
func probeCalls(ctx context.Context, c *cell) error {
	mark := c.ledger.mark()
	got, err := c.call(ctx, "echo", nil)
	if err != nil {
		return err
	}
	if got.text() != c.token {
		return fmt.Errorf("echo says %q", got.text())
	}
	if _, err := c.reached(c.ledger, mark, "echo"); err != nil {
		return err
	}
	var prompt struct {
		Messages []struct{ Content struct{ Text string } }
	}
	if err := c.do(ctx, "prompt", request{Name: "greet", Arguments: map[string]any{"name": c.token}}, &prompt); err != nil {
		return fmt.Errorf("prompt: %w", err)
	}
	if len(prompt.Messages) != 1 || prompt.Messages[0].Content.Text != "Greet "+c.token {
		return fmt.Errorf("the prompt says %+v", prompt)
	}
	text, err := c.read(ctx, "matrix://items/"+c.token)
	if err == nil && text != "item "+c.token {
		err = fmt.Errorf("the resource says %q", text)
	}
	return err
}

func (c *cell) read(ctx context.Context, uri string) (string, error) {
	var res struct{ Contents []struct{ Text string } }
	if err := c.do(ctx, "read", request{URI: uri}, &res); err != nil {
		return "", fmt.Errorf("read %s: %w", uri, err)
	}
	if len(res.Contents) != 1 {
		return "", fmt.Errorf("%s has %d contents", uri, len(res.Contents))
	}
	return res.Contents[0].Text, nil
}

// probeProgress: each report came, in order, before the result.
func probeProgress(ctx context.Context, c *cell) error {
	got, err := c.call(ctx, "steps", &due{"progress", 3})
	if err != nil {
		return err
	}
	want := []event{{Kind: "progress", Progress: 1}, {Kind: "progress", Progress: 2}, {Kind: "progress", Progress: 3}}
	if c.backend.revision >= r0326 {
		for i := range want {
			want[i].Message = c.token
		}
	}
	return differ("progress", want, of(got.events, "progress"))
}

func of(events []event, kind string) []event {
	return slices.DeleteFunc(slices.Clone(events), func(e event) bool { return e.Kind != kind })
}

func differ(what string, want, got any) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("%s (-want +got):\n%s", what, diff)
	}
	return nil
}

// probeCancel: the backend was told in the way of its own era, and stopped.
func probeCancel(ctx context.Context, c *cell) error {
	mark := c.ledger.mark()
	var o outcome
	if err := c.do(ctx, "cancel", request{Name: "hold", Arguments: map[string]any{"text": c.token}}, &o); err != nil {
		return err
	}
	if !o.Aborted {
		return errors.New("the call ended by itself")
	}
	start, err := c.reached(c.ledger, mark, "hold")
	if err != nil {
		return err
	}
	if c.backend.revision == r2026 && c.backend.transport == overHTTP {
		_, err = c.ledger.find(mark, "the end of the request", func(n note) bool {
			return n.Kind == hungUp && n.id() == start.id()
		})
	} else {
		_, err = c.ledger.find(mark, "notifications/cancelled with the id of the call", func(n note) bool { return n.cancels(start) })
	}
	if err != nil {
		return err
	}
	_, err = c.ledger.find(mark, "the tool's end", func(n note) bool { return n.Kind == did && n.Method == "hold cancelled" })
	return err
}

// probeLog: the messages came from the level on that was asked for, and the
// backend was asked in its own way.
func probeLog(ctx context.Context, c *cell) error {
	for _, level := range []string{"warning", "error"} {
		mark := c.ledger.mark()
		if err := c.do(ctx, "level", request{Level: level}, nil); err != nil {
			return fmt.Errorf("set level: %w", err)
		}
		want := []event{{Kind: "log", Level: "warning", Data: c.token}, {Kind: "log", Level: "error", Data: c.token}}
		if level == "error" {
			want = want[1:]
		}
		got, err := c.call(ctx, "log", &due{"log", len(want)})
		if err != nil {
			return err
		}
		if err := differ("messages at "+level, want, of(got.events, "log")); err != nil {
			return err
		}
		if err := c.leveled(mark, level); err != nil {
			return err
		}
	}
	return nil
}

// leveled tells whether a modern backend was asked with the call. A legacy one
// may have been at that level before.
func (c *cell) leveled(mark int, level string) error {
	if c.backend.revision != r2026 {
		_, err := c.ledger.message(0, "logging/setLevel")
		return err
	}
	n, err := c.reached(c.ledger, mark, "log")
	if err != nil {
		return err
	}
	var p struct {
		Meta struct {
			Level string `json:"io.modelcontextprotocol/logLevel"`
		} `json:"_meta"`
	}
	if err := n.params(&p); err != nil || p.Meta.Level != level {
		return fmt.Errorf("the backend was asked for %q (%v)", p.Meta.Level, err)
	}
	return nil
}

// probeListChanges: a new tool is told of, and is in the list then. Another change
// may have been told of before.
func probeListChanges(ctx context.Context, c *cell) error {
	if err := c.do(ctx, "forget", nil, nil); err != nil {
		return err
	}
	mark := c.ledger.mark()
	if _, err := c.call(ctx, "grow", nil); err != nil {
		return err
	}
	for {
		if err := c.until(ctx, request{Kind: "tools"}); err != nil {
			return fmt.Errorf("the new tool is not in the list: %w; the backend was asked for its list since: %v", err, c.ledger.has(mark, "tools/list"))
		}
		if err := c.do(ctx, "forget", nil, nil); err != nil {
			return err
		}
		all, err := c.list(ctx, "tools")
		if err != nil || slices.ContainsFunc(all, func(item map[string]any) bool { return item["name"] == c.token }) {
			return err
		}
	}
}

func (c *cell) until(ctx context.Context, r request) error {
	r.MS = int(soon.Milliseconds())
	var seen bool
	if err := c.do(ctx, "until", r, &seen); err != nil {
		return err
	}
	if !seen {
		return fmt.Errorf("no notification came (%s)", r.Kind)
	}
	return nil
}

// probeUpdates: a change to a resource is told of after it was made. The backend
// is asked for it when the client subscribes, and told when nobody does any more.
func probeUpdates(ctx context.Context, c *cell) error {
	if err := c.do(ctx, "forget", nil, nil); err != nil {
		return err
	}
	mark := c.ledger.mark()
	if err := c.do(ctx, "subscribe", request{URI: noteURI}, nil); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	asked, err := c.ledger.find(mark, "a subscription", func(n note) bool {
		return n.Kind == arrived && (n.Method == "resources/subscribe" || n.Method == "subscriptions/listen") && strings.Contains(string(n.Raw), noteURI)
	})
	if err != nil {
		return err
	}
	if _, err := c.call(ctx, "touch", nil); err != nil {
		return err
	}
	if err := c.until(ctx, request{Kind: "updated", URI: noteURI}); err != nil {
		return err
	}
	text, err := c.read(ctx, noteURI)
	if err != nil {
		return err
	}
	if text != c.token {
		return fmt.Errorf("the resource still says %q", text)
	}
	if err := c.do(ctx, "unsubscribe", request{URI: noteURI}, nil); err != nil {
		return fmt.Errorf("unsubscribe: %w", err)
	}
	_, err = c.ledger.find(mark, "the end of the subscription", func(n note) bool { return c.ends(asked, n) })
	return err
}

// ends tells whether a note is the end of a subscription.
func (c *cell) ends(asked, n note) bool {
	switch {
	case asked.Method == "resources/subscribe":
		return n.Kind == arrived && n.Method == "resources/unsubscribe" && strings.Contains(string(n.Raw), noteURI)
	case c.backend.transport == overHTTP:
		return n.Kind == hungUp && n.id() == asked.id()
	}
	return n.cancels(asked)
}
