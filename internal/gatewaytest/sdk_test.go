package gatewaytest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/gatewaytest"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// sdkVariable makes the test binary a server of the official SDK over stdio.
const sdkVariable = "GATEWAYTEST_SDK"

// playSDK serves, where the variable says so, and does not return.
func playSDK() {
	if os.Getenv(sdkVariable) != "" {
		_ = sdkServer().Run(context.Background(), &mcp.StdioTransport{}) // it ends with its input
		os.Exit(0)
	}
}

// sdkServer asks for everything that can be asked for at once, in the way of
// whichever revision it is spoken to, and talks in between.
func sdkServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "sdk", Version: "1"}, &mcp.ServerOptions{
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
		CompletionHandler: func(_ context.Context, r *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
			return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{r.Params.Ref.Name + r.Params.Ref.URI}}}, nil
		},
	})
	schema := json.RawMessage(`{"type":"object"}`)
	s.AddTool(&mcp.Tool{Name: "ask", InputSchema: schema}, func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if len(r.Params.InputResponses) > 0 {
			text, err := json.Marshal(r.Params.InputResponses)
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(text) + r.Params.RequestState}}}, err
		}
		return &mcp.CallToolResult{
			Content: []mcp.Content{},
			InputRequests: mcp.InputRequestMap{
				"form":   &mcp.ElicitParams{Mode: "form", Message: "who?", RequestedSchema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"}}}`)},
				"sample": &mcp.CreateMessageParams{MaxTokens: 5, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: "hi"}}}},
				"roots":  &mcp.ListRootsParams{},
			},
			RequestState: "state of the server",
		}, nil
	})
	s.AddTool(&mcp.Tool{Name: "talk", InputSchema: schema}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for i := range 3 {
			_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i + 1)})
		}
		_ = r.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "warning", Data: "careful"})
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "talked"}}}, nil
	})
	s.AddPrompt(&mcp.Prompt{Name: "greet"}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{}}, nil
	})
	s.AddResource(&mcp.Resource{URI: "sdk://one", Name: "one"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "sdk://one", Text: "uno"}}}, nil
	})
	return s
}

// sdkBackends is the configuration of the SDK's servers over every transport; the
// value of each tells whether it is of 2026-07-28.
func sdkBackends(t *testing.T) (names map[string]bool, config string) {
	t.Helper()
	serve := func(h http.Handler) string {
		srv := httptest.NewServer(h)
		t.Cleanup(func() {
			srv.CloseClientConnections()
			srv.Close()
		})
		return srv.URL
	}
	get := func(s *mcp.Server) func(*http.Request) *mcp.Server {
		return func(*http.Request) *mcp.Server { return s }
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config = fmt.Sprintf(`{"mcpServers":{"legacy":{"url":%q},"modern":{"url":%q},"sse":{"url":%q,"type":"sse"},"pipe":{"command":%q,"env":{%q:"1"}}}}`,
		serve(mcp.NewStreamableHTTPHandler(get(sdkServer()), nil)),
		serve(mcp.NewStreamableHTTPHandler(get(sdkServer()), &mcp.StreamableHTTPOptions{Stateless: true})),
		serve(mcp.NewSSEHandler(get(sdkServer()), nil)), exe, sdkVariable)
	return map[string]bool{"legacy": false, "modern": true, "sse": false, "pipe": true}, config
}

// bearer adds the key to every request.
type bearer struct{}

func (bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+gatewaytest.Key)
	return http.DefaultTransport.RoundTrip(r)
}

// sdkClient is a client of the SDK that can answer everything, and what it heard.
type sdkClient struct {
	*mcp.ClientSession
	progress, logs chan string
}

func connectSDK(t *testing.T, transport mcp.Transport, revision string) *sdkClient {
	t.Helper()
	c := &sdkClient{progress: make(chan string, 100), logs: make(chan string, 100)}
	client := mcp.NewClient(&mcp.Implementation{Name: "sdk", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "ann"}}, nil
		},
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Role: "assistant", Model: "m", Content: &mcp.TextContent{Text: "sampled"}}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			c.progress <- fmt.Sprint(r.Params.ProgressToken, " ", r.Params.Progress)
		},
		LoggingMessageHandler: func(_ context.Context, r *mcp.LoggingMessageRequest) {
			c.logs <- fmt.Sprint(r.Params.Level, " ", r.Params.Data)
		},
	})
	client.AddRoots(&mcp.Root{URI: "file:///ann"})
	var err error
	if c.ClientSession, err = client.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: revision}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if got := c.InitializeResult().ProtocolVersion; got != revision {
		t.Errorf("the client speaks %s, not %s", got, revision)
	}
	return c
}

// sdkTransports are the ways in which the SDK's clients reach a gateway.
func sdkTransports(t *testing.T, g *gatewaytest.Gateway, config string) map[string]mcp.Transport {
	h := &http.Client{Transport: bearer{}}
	pipe := func() mcp.Transport {
		in, out := gatewaytest.Pipe(t, config)
		return &mcp.IOTransport{Reader: out, Writer: in}
	}
	return map[string]mcp.Transport{
		"HTTP " + gatewaytest.R1125:  &mcp.StreamableClientTransport{Endpoint: g.Base + "/mcp", HTTPClient: h},
		"HTTP " + gatewaytest.R2026:  &mcp.StreamableClientTransport{Endpoint: g.Base + "/mcp", HTTPClient: h},
		"SSE " + gatewaytest.R1125:   &mcp.SSEClientTransport{Endpoint: g.Base + "/sse", HTTPClient: h},
		"stdio " + gatewaytest.R1125: pipe(),
		"stdio " + gatewaytest.R2026: pipe(),
	}
}

// The official SDK on both sides, over every transport, both eras: what it thinks
// of the protocol and what the fakes think may differ.
func TestOfficialSDK(t *testing.T) {
	t.Parallel()
	backends, config := sdkBackends(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("legacy_ask", "modern_ask", "sse_ask", "pipe_ask")
	for way, transport := range sdkTransports(t, g, config) {
		_, revision, _ := strings.Cut(way, " ")
		c := connectSDK(t, transport, revision)
		g.WaitFor("the tools", func() bool {
			l, err := c.ListTools(t.Context(), nil)
			if err != nil {
				return false
			}
			n := 0
			for _, tool := range l.Tools {
				if strings.HasSuffix(tool.Name, "_ask") {
					n++
				}
			}
			return n == len(backends)
		})
		// One after the other: a shared process does not say whose call it logs for.
		t.Run(way, func(t *testing.T) {
			for backend := range backends {
				sdkAsks(t, c, backend)
				sdkTalks(t, c, backend, revision == gatewaytest.R2026)
				r, err := c.Complete(t.Context(), &mcp.CompleteParams{Ref: &mcp.CompleteReference{Type: "ref/prompt", Name: backend + "_greet"}, Argument: mcp.CompleteParamsArgument{Name: "a"}})
				if err != nil || r.Completion.Values[0] != "greet" {
					t.Errorf("completion by %s: %v, %v", backend, r, err)
				}
			}
		})
	}
}

// sdkAsks calls the tool that asks three questions; across eras that is an error.
func sdkAsks(t *testing.T, c *sdkClient, backend string) {
	t.Helper()
	r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: backend + "_ask"})
	if err != nil {
		t.Errorf("a question of %s: %v", backend, err)
		return
	}
	for _, want := range []string{`"name":"ann"`, `"sampled"`, `file:///ann`, "state of the server"} {
		if !strings.Contains(text(r), want) {
			t.Errorf("%s got %s", backend, text(r))
		}
	}
}

// sdkTalks calls the tool that reports and logs.
func sdkTalks(t *testing.T, c *sdkClient, backend string, modern bool) {
	t.Helper()
	params := &mcp.CallToolParams{Name: backend + "_talk"}
	params.SetProgressToken("tok")
	if modern {
		params.Meta["io.modelcontextprotocol/logLevel"] = "info"
	} else if err := c.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "info"}); err != nil {
		t.Error(err)
	}
	if _, err := c.CallTool(t.Context(), params); err != nil {
		t.Errorf("%s: %v", backend, err)
	}
	for i := range 3 {
		if got := next(t, c.progress, "tok"); got != fmt.Sprintf("tok %d", i+1) {
			t.Errorf("%s: %s", backend, got)
		}
	}
	next(t, c.logs, "warning careful")
}

func text(r *mcp.CallToolResult) string {
	for _, c := range r.Content {
		if tc, ok := c.(*mcp.TextContent); ok {
			return tc.Text
		}
	}
	return ""
}

// A pipe whose client is gone can be asked nothing: what is open is told so and
// the program ends without waiting.
func TestQuestions_pipesThatEnd(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewAsking("h", gatewaytest.R1125)
	g, c := gatewaytest.RunStdio(t, `{"mcpServers":{"h":{"url":"`+f.HTTP(t)+`"}}}`, gatewaytest.R1125, silent())
	g.WaitToolsOf(c, "h_ask")
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		c.CallContext(ctx, "tools/call", `{"name":"h_ask","arguments":`+askArgs("", "sampling/createMessage", sample)+`}`)
	})
	g.WaitFor("the client to be asked", func() bool { return len(c.Questions()) == 1 })
	c.Hangup()
	g.WaitFor("the backend to be told", func() bool { return len(f.Heard("")) == 1 })
	if got := f.Heard("")[0].Raw; !strings.Contains(got, `"error":{"code":-32603`) {
		t.Errorf("it got %s", got)
	}
	cancel()
	work.Wait()
}
