package matrix_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"drawbridge/test/harness"
)

// goPeer is a client of the Go SDK that does what the driver scripts do.
type goPeer struct {
	s       *mcp.ClientSession
	modern  bool
	level   string
	mu      sync.Mutex // guards what follows
	events  []event
	changed chan struct{}
	stop    context.CancelFunc // of the call to cancel, at its first progress
	holds   any                // token of that call
}

// event is what a client was told outside of results.
type event struct {
	Kind     string          `json:"kind"`
	URI      string          `json:"uri,omitempty"`
	Level    string          `json:"level,omitempty"`
	Data     any             `json:"data,omitempty"`
	Progress float64         `json:"progress,omitempty"`
	Message  string          `json:"message,omitempty"`
	Params   json.RawMessage `json:"params,omitempty"`
}

// request is the arguments of every op.
type request struct {
	Name      string          `json:"name,omitempty"`
	URI       string          `json:"uri,omitempty"`
	Arguments map[string]any  `json:"arguments,omitempty"`
	Level     string          `json:"level,omitempty"`
	Kind      string          `json:"kind,omitempty"`
	MS        int             `json:"ms,omitempty"`
	Ref       json.RawMessage `json:"ref,omitempty"`
	Argument  json.RawMessage `json:"argument,omitempty"`
	Context   json.RawMessage `json:"context,omitempty"`
	Due       *due            `json:"due,omitempty"`
}

// due is how many events of a kind belong to a call. Handlers may run after the
// result is in, so a call waits for them.
type due struct {
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// outcome is what the ops call and cancel give.
type outcome struct {
	Result  json.RawMessage `json:"result"`
	Aborted bool            `json:"aborted"`
	Events  []event         `json:"events"`
}

func openGo(ctx context.Context, t testing.TB, o opening) (peer, greeting, error) {
	p := &goPeer{modern: o.Revision == r2026, changed: make(chan struct{})}
	opts := &mcp.ClientOptions{
		Capabilities:                &mcp.ClientCapabilities{RootsV2: &mcp.RootCapabilities{}},
		CreateMessageHandler:        p.sample,
		LoggingMessageHandler:       p.logged,
		ProgressNotificationHandler: p.progressed,
		ToolListChangedHandler:      func(context.Context, *mcp.ToolListChangedRequest) { p.tell(event{Kind: "tools"}) },
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) {
			p.tell(event{Kind: "updated", URI: r.Params.URI})
		},
	}
	if o.Revision >= r0618 {
		opts.ElicitationHandler = p.elicit
	}
	if o.Revision >= r1125 {
		opts.Capabilities.Elicitation = &mcp.ElicitationCapabilities{Form: &mcp.FormElicitationCapabilities{}, URL: &mcp.URLElicitationCapabilities{}}
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "matrix-go", Version: "1"}, opts)
	client.AddReceivingMiddleware(p.acknowledged)
	client.AddRoots(&mcp.Root{URI: "file:///ada", Name: "ada"})
	w := &watchedTransport{key: o.Key, opened: make(chan struct{})}
	// The session lives as long as the context it was made with.
	s, err := client.Connect(context.WithoutCancel(ctx), goTransport(t, o, w), &mcp.ClientSessionOptions{ProtocolVersion: o.Revision})
	if err != nil {
		return nil, greeting{}, err
	}
	p.s = s
	if err := p.listening(ctx, o, w); err != nil {
		return nil, greeting{}, err
	}
	g := greeting{Revision: s.InitializeResult().ProtocolVersion}
	return p, g, convert(s.InitializeResult().Capabilities, &g.Capabilities)
}

// listening waits until the client would be told of what belongs to no call.
func (p *goPeer) listening(ctx context.Context, o opening, w *watchedTransport) error {
	switch {
	case p.modern:
		return p.acked(ctx, "")
	case o.Command == "":
		select {
		case <-w.opened:
		case <-ctx.Done():
			return fmt.Errorf("%w: no stream", errHang)
		}
	}
	return nil
}

// acknowledged notes what a subscription honours: the SDK does not wait for it.
func (p *goPeer) acknowledged(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if a, ok := req.GetParams().(*mcp.SubscriptionsAcknowledgedParams); ok {
			e := event{Kind: "ack"}
			if n := a.Notifications; len(n.ResourceSubscriptions) > 0 {
				e.URI = n.ResourceSubscriptions[0]
			}
			p.tell(e)
		}
		return next(ctx, method, req)
	}
}

// acked waits for the acknowledgement of a subscription to a resource, or to
// lists.
func (p *goPeer) acked(ctx context.Context, uri string) error {
	if !p.await(ctx, soon, func() bool {
		return slices.ContainsFunc(p.events, func(e event) bool { return e.Kind == "ack" && e.URI == uri })
	}) {
		return fmt.Errorf("the subscription to %q was never acknowledged", uri)
	}
	return nil
}

func goTransport(t testing.TB, o opening, w *watchedTransport) mcp.Transport {
	client := &http.Client{Transport: w}
	switch {
	case o.Command != "":
		cmd := exec.Command(o.Command, o.Args...)
		cmd.Env = append(cmd.Environ(), "PATH="+harness.ToolPath(t))
		return &mcp.CommandTransport{Command: cmd}
	case o.SSE:
		return &mcp.SSEClientTransport{Endpoint: o.URL, HTTPClient: client}
	}
	return &mcp.StreamableClientTransport{Endpoint: o.URL, HTTPClient: client}
}

// watchedTransport adds the key and tells when a GET was answered.
type watchedTransport struct {
	key    string
	once   sync.Once
	opened chan struct{}
}

func (w *watchedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+w.key)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet {
		w.once.Do(func() { close(w.opened) })
	}
	return res, err
}

// convert is a value in another shape, by way of JSON.
func convert(from, into any) error {
	if into == nil {
		return nil
	}
	raw, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func (p *goPeer) tell(e event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *goPeer) logged(_ context.Context, r *mcp.LoggingMessageRequest) {
	p.tell(event{Kind: "log", Level: string(r.Params.Level), Data: r.Params.Data})
}

func (p *goPeer) progressed(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
	p.tell(event{Kind: "progress", Progress: r.Params.Progress, Message: r.Params.Message})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil && r.Params.ProgressToken == p.holds {
		p.stop()
	}
}

func (p *goPeer) elicit(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
	var raw json.RawMessage
	if err := convert(r.Params, &raw); err != nil {
		return nil, err
	}
	p.tell(event{Kind: "elicit", Params: raw})
	if r.Params.Mode == "url" {
		return &mcp.ElicitResult{Action: "accept"}, nil
	}
	var schema struct{ Required []string }
	if err := convert(r.Params.RequestedSchema, &schema); err != nil {
		return nil, err
	}
	content := map[string]any{}
	for _, name := range schema.Required {
		content[name] = "re:" + r.Params.Message
	}
	return &mcp.ElicitResult{Action: "accept", Content: content}, nil
}

func (p *goPeer) sample(_ context.Context, r *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	text := spoken(r.Params.Messages[len(r.Params.Messages)-1].Content)
	p.tell(event{Kind: "sample"})
	return &mcp.CreateMessageResult{Role: "assistant", Model: "script", Content: &mcp.TextContent{Text: "sampled:" + text}}, nil
}

func (p *goPeer) do(ctx context.Context, op string, args, into any) error {
	var r request
	if args != nil {
		if err := convert(args, &r); err != nil {
			return err
		}
	}
	got, err := p.op(ctx, op, r)
	if ctx.Err() != nil {
		return fmt.Errorf("%w: the client is still at %s", errHang, op)
	}
	if err != nil {
		return err
	}
	return convert(got, into)
}

func (p *goPeer) op(ctx context.Context, op string, r request) (any, error) {
	switch op {
	case "ping":
		return nil, p.s.Ping(ctx, nil)
	case "tools":
		return collect(p.s.Tools(ctx, nil))
	case "prompts":
		return collect(p.s.Prompts(ctx, nil))
	case "resources":
		return collect(p.s.Resources(ctx, nil))
	case "templates":
		return collect(p.s.ResourceTemplates(ctx, nil))
	case "call":
		return p.call(ctx, r)
	case "cancel":
		return p.cancel(ctx, r)
	case "prompt":
		args := map[string]string{}
		if err := convert(r.Arguments, &args); err != nil {
			return nil, err
		}
		return p.s.GetPrompt(ctx, &mcp.GetPromptParams{Name: r.Name, Arguments: args})
	case "read":
		return p.s.ReadResource(ctx, &mcp.ReadResourceParams{URI: r.URI})
	case "subscribe":
		if err := p.s.Subscribe(ctx, &mcp.SubscribeParams{URI: r.URI}); err != nil || !p.modern {
			return nil, err
		}
		return nil, p.acked(ctx, r.URI)
	case "unsubscribe":
		return nil, p.s.Unsubscribe(ctx, &mcp.UnsubscribeParams{URI: r.URI})
	case "level":
		if p.level = r.Level; p.modern {
			return nil, nil
		}
		return nil, p.s.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: mcp.LoggingLevel(r.Level)})
	case "complete":
		var params mcp.CompleteParams
		if err := convert(r, &params); err != nil {
			return nil, err
		}
		return p.s.Complete(ctx, &params)
	case "forget":
		p.mu.Lock()
		defer p.mu.Unlock()
		p.events = nil
		return nil, nil
	case "until":
		return p.await(ctx, time.Duration(r.MS)*time.Millisecond, func() bool {
			return slices.ContainsFunc(p.events, func(e event) bool { return e.Kind == r.Kind && (r.URI == "" || e.URI == r.URI) })
		}), nil
	case "close":
		return nil, p.s.Close()
	}
	return nil, fmt.Errorf("no op %s", op)
}

func collect[T any](seq func(func(T, error) bool)) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (p *goPeer) params(r request) *mcp.CallToolParams {
	params := &mcp.CallToolParams{Name: r.Name, Arguments: r.Arguments}
	if r.Arguments == nil {
		params.Arguments = map[string]any{} // a nil map would be null
	}
	if p.modern && p.level != "" {
		params.Meta = mcp.Meta{mcp.MetaKeyLogLevel: p.level}
	}
	params.SetProgressToken("token of " + r.Name)
	return params
}

func (p *goPeer) call(ctx context.Context, r request) (outcome, error) {
	from := p.mark()
	res, err := p.s.CallTool(ctx, p.params(r))
	if err != nil {
		return outcome{}, err
	}
	if d := r.Due; d != nil {
		p.await(ctx, 5*time.Second, func() bool { return count(p.events[from:], d.Kind) >= d.Count })
	}
	out := outcome{Events: p.since(from)}
	return out, convert(res, &out.Result)
}

// cancel runs a call and aborts it at its first progress.
func (p *goPeer) cancel(ctx context.Context, r request) (outcome, error) {
	from := p.mark()
	call, stop := context.WithCancel(ctx)
	defer stop()
	p.mu.Lock()
	params := p.params(r)
	p.stop, p.holds = stop, params.GetProgressToken()
	p.mu.Unlock()
	_, err := p.s.CallTool(call, params)
	p.mu.Lock()
	p.stop = nil
	p.mu.Unlock()
	return outcome{Aborted: errors.Is(err, context.Canceled), Events: p.since(from)}, nil
}

func (p *goPeer) mark() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.events) }

func (p *goPeer) since(mark int) []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events[mark:])
}

// await waits until enough is true, which is asked with the events locked.
func (p *goPeer) await(ctx context.Context, patience time.Duration, enough func() bool) bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		p.mu.Lock()
		done, more := enough(), p.changed
		p.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-more:
		case <-limit.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

func count(events []event, kind string) int {
	n := 0
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}
