package matrix_test

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
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// fixture is a server made with the Go SDK that speaks exactly one revision and
// offers exactly what that revision defines. What reaches it is noted beneath the
// SDK, as bytes.
type fixture struct {
	revision string
	note     func(note)
	mu       sync.Mutex // guards text
	text     string     // of the resource that changes
}

// URIs of the fixture's resources.
const (
	noteURI     = "matrix://note"
	templateURI = "matrix://items/{id}"
)

func (f *fixture) modern() bool { return f.revision == r2026 }

// words is the argument of every tool.
type words struct {
	Text string `json:"text"`
}

const textSchema = `{"type":"object","properties":{"text":{"type":"string"}}}`

// tool is what a fixture's tool does with its words.
type tool func(ctx context.Context, req *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error)

func (f *fixture) server() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "fixture " + f.revision, Version: "1"}, &mcp.ServerOptions{
		SupportedProtocolVersions: []string{f.revision},
		CompletionHandler:         complete,
		SubscribeHandler:          func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler:        func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	add := func(name string, do tool) {
		s.AddTool(&mcp.Tool{Name: name, InputSchema: json.RawMessage(textSchema)}, handler(do))
	}
	add("echo", func(_ context.Context, _ *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error) {
		return say(w.Text)
	})
	add("steps", f.steps)
	add("hold", f.hold)
	add("log", logAll)
	add("grow", func(_ context.Context, _ *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error) {
		add(w.Text, func(context.Context, *mcp.CallToolRequest, words) (*mcp.CallToolResult, error) { return say("grown") })
		return say("grew " + w.Text)
	})
	add("touch", func(ctx context.Context, _ *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error) {
		f.setText(w.Text)
		if err := s.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: noteURI}); err != nil {
			return nil, err
		}
		return say("touched")
	})
	add("sample", f.asking("sampling"))
	add("roots", f.asking("roots"))
	if f.revision >= r0618 {
		add("elicit", f.asking("form"))
		s.AddTool(&mcp.Tool{Name: "measure", InputSchema: json.RawMessage(textSchema), OutputSchema: json.RawMessage(
			`{"type":"object","properties":{"text":{"type":"string"},"length":{"type":"integer"}},"required":["text","length"]}`)}, handler(measure))
	}
	if f.revision >= r1125 {
		add("elicit_url", f.asking("url"))
	}
	s.AddPrompt(&mcp.Prompt{Name: "greet", Arguments: []*mcp.PromptArgument{{Name: "name"}, {Name: "style"}}}, greet)
	s.AddResource(&mcp.Resource{Name: "note", URI: noteURI, MIMEType: "text/plain"}, f.read)
	s.AddResourceTemplate(&mcp.ResourceTemplate{Name: "item", URITemplate: templateURI}, f.read)
	return s
}

func handler(do tool) mcp.ToolHandler {
	return func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		var w words
		if len(req.Params.Arguments) > 0 {
			if err := json.Unmarshal(req.Params.Arguments, &w); err != nil {
				return nil, err
			}
		}
		return do(ctx, req, w)
	}
}

func say(text string) (*mcp.CallToolResult, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil
}

// measure answers in the way of its output schema, with the same as text.
func measure(_ context.Context, _ *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error) {
	raw, err := json.Marshal(map[string]any{"text": w.Text, "length": len(w.Text)})
	if err != nil {
		return nil, err
	}
	res, err := say(string(raw))
	res.StructuredContent = json.RawMessage(raw)
	return res, err
}

// steps reports progress three times.
func (f *fixture) steps(ctx context.Context, req *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error) {
	for i := range 3 {
		if err := f.progress(ctx, req, float64(i+1), w.Text); err != nil {
			return nil, err
		}
	}
	return say("stepped")
}

func (f *fixture) progress(ctx context.Context, req *mcp.CallToolRequest, done float64, text string) error {
	p := &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: done, Total: 3}
	if p.ProgressToken == nil {
		return errors.New("the call has no progress token")
	}
	if f.revision >= r0326 { // before, progress had no message
		p.Message = text
	}
	return req.Session.NotifyProgress(ctx, p)
}

// hold says by progress that it began, and ends when the call is cancelled.
func (f *fixture) hold(ctx context.Context, req *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error) {
	if err := f.progress(ctx, req, 1, w.Text); err != nil {
		return nil, err
	}
	<-ctx.Done()
	f.note(note{Kind: did, Method: "hold cancelled"})
	return nil, ctx.Err()
}

// logAll logs at four levels; the SDK holds back what nobody asked for.
func logAll(ctx context.Context, req *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error) {
	for _, level := range []mcp.LoggingLevel{"debug", "info", "warning", "error"} {
		if err := req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: level, Data: w.Text}); err != nil {
			return nil, err
		}
	}
	return say("logged")
}

func greet(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	text := "Greet " + req.Params.Arguments["name"]
	return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: text}}}}, nil
}

// complete offers what it was given, and what it was told of other arguments.
func complete(_ context.Context, req *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	values := []string{req.Params.Ref.Name + " " + req.Params.Argument.Name + " " + req.Params.Argument.Value}
	if c := req.Params.Context; c != nil {
		for name, value := range c.Arguments {
			values = append(values, name+" is "+value)
		}
	}
	return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: values, Total: len(values)}}, nil
}

func (f *fixture) setText(text string) { f.mu.Lock(); defer f.mu.Unlock(); f.text = text }

func (f *fixture) read(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := f.text
	if req.Params.URI != noteURI {
		text = "item " + strings.TrimPrefix(req.Params.URI, "matrix://items/")
	}
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: req.Params.URI, MIMEType: "text/plain", Text: text}}}, nil
}

// http serves the fixture over the HTTP transport of its revision.
func (f *fixture) http(t testing.TB) string {
	t.Helper()
	s := f.server()
	get := func(*http.Request) *mcp.Server { return s }
	if f.revision == r2024 {
		return serve(t, f.note, mcp.NewSSEHandler(get, nil)) + "/sse"
	}
	opts := &mcp.StreamableHTTPOptions{Stateless: f.modern(), PropagateRequestCancellation: true}
	return serve(t, f.note, mcp.NewStreamableHTTPHandler(get, opts)) + "/mcp"
}

// serve listens on loopback and notes what reaches h.
func serve(t testing.TB, write func(note), h http.Handler) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			h.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		n := noted(body)
		write(n)
		stop := context.AfterFunc(r.Context(), func() { write(note{Kind: hungUp, Method: n.Method, Raw: n.Raw}) })
		defer stop()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL
}

// fixtureVariable makes the test binary play a fixture on its standard input and
// output: a spec, as JSON.
const fixtureVariable = "MATRIX_FIXTURE"

// spec says which fixture a process plays.
type spec struct {
	Revision string
	Tasks    bool
	Ledger   string // URL
}

// stdio is the configuration of a backend that is a fixture in a process of its own.
func (s spec) stdio(t testing.TB) map[string]any {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"command": exe, "env": map[string]string{fixtureVariable: string(raw)}}
}

// play is the process of a fixture. It ends with its standard input.
func play(raw string) error {
	var s spec
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return err
	}
	write := func(n note) {
		body, err := json.Marshal(n)
		if err != nil {
			panic(err) // made of what was JSON before
		}
		res, err := http.Post(s.Ledger, "application/json", bytes.NewReader(body))
		if err == nil { // else the test is over
			_ = res.Body.Close()
		}
	}
	in, lines := io.Pipe()
	go func() { // ends with the standard input
		r := bufio.NewReaderSize(os.Stdin, 1<<20)
		for {
			line, err := r.ReadBytes('\n')
			if len(bytes.TrimSpace(line)) > 0 {
				write(noted(line))
				_, _ = lines.Write(line) // fails only after the end
			}
			if err != nil {
				_ = lines.CloseWithError(io.EOF) // it never fails
				return
			}
		}
	}()
	if s.Tasks {
		return newTaskFixture(s.Revision).lines(in, os.Stdout)
	}
	f := &fixture{revision: s.Revision, note: write}
	return f.server().Run(context.Background(), &mcp.IOTransport{Reader: in, Writer: os.Stdout})
}

func mainFixture(raw string) int {
	if err := play(raw); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
