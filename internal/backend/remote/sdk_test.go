package remote_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote"
	"drawbridge/internal/mcpwire"
)

// sdkServer is a server of the official SDK with tools that use every way back.
func sdkServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "sdk", Version: "1"}, &mcp.ServerOptions{
		Instructions:       "Be nice.",
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	tool := func(name string, f func(ctx context.Context, r *mcp.CallToolRequest) string) {
		s.AddTool(&mcp.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object"}`)},
			func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: f(ctx, r)}}}, nil
			})
	}
	tool("echo", func(_ context.Context, r *mcp.CallToolRequest) string {
		var a struct{ Text string }
		_ = json.Unmarshal(r.Params.Arguments, &a)
		return a.Text
	})
	tool("progress", func(ctx context.Context, r *mcp.CallToolRequest) string {
		for i := range 3 {
			_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i + 1)})
		}
		return "done"
	})
	tool("log", func(ctx context.Context, r *mcp.CallToolRequest) string {
		_ = r.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "warning", Data: "careful"})
		return "logged"
	})
	tool("elicit", func(ctx context.Context, r *mcp.CallToolRequest) string {
		res, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "who?", RequestedSchema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"}}}`)})
		if err != nil {
			return "refused: " + err.Error()
		}
		return fmt.Sprint(res.Action, " ", res.Content["name"])
	})
	tool("change", func(context.Context, *mcp.CallToolRequest) string {
		tool(fmt.Sprintf("new%p", new(int)), func(context.Context, *mcp.CallToolRequest) string { return "" })
		return "changed"
	})
	s.AddResource(&mcp.Resource{URI: "test://one", Name: "one"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "test://one", Text: "uno"}}}, nil
	})
	return s
}

// sdkPeers are the servers of the official SDK over every transport it has.
func sdkPeers(t *testing.T) map[string]struct {
	handler  http.Handler
	revision mcpwire.Revision
	with     func(*remote.Config)
} {
	t.Helper()
	get := func(s *mcp.Server) func(*http.Request) *mcp.Server {
		return func(*http.Request) *mcp.Server { return s }
	}
	type peer = struct {
		handler  http.Handler
		revision mcpwire.Revision
		with     func(*remote.Config)
	}
	none := func(*remote.Config) {}
	return map[string]peer{
		"stateful":       {mcp.NewStreamableHTTPHandler(get(sdkServer()), nil), mcpwire.Rev20251125, none},
		"stateful, JSON": {mcp.NewStreamableHTTPHandler(get(sdkServer()), &mcp.StreamableHTTPOptions{JSONResponse: true}), mcpwire.Rev20251125, none},
		"modern":         {mcp.NewStreamableHTTPHandler(get(sdkServer()), &mcp.StreamableHTTPOptions{Stateless: true}), mcpwire.Rev20260728, none},
		"modern, JSON":   {mcp.NewStreamableHTTPHandler(get(sdkServer()), &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}), mcpwire.Rev20260728, none},
		"SSE, found out": {mcp.NewSSEHandler(get(sdkServer()), nil), mcpwire.Rev20251125, none},
		"SSE":            {mcp.NewSSEHandler(get(sdkServer()), nil), mcpwire.Rev20251125, func(c *remote.Config) { c.Transport = backend.HTTPSSE }},
	}
}

func TestOfficialServers(t *testing.T) {
	t.Parallel()
	for name, tt := range sdkPeers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tt.handler)
			t.Cleanup(srv.Close)
			d := dialer(t, srv.URL+"/mcp", tt.with)
			p := dial(t, d, mcpwire.Capabilities{Elicitation: true, Roots: true})
			info := p.Info()
			if info.Revision != tt.revision || info.Instructions != "Be nice." || !strings.Contains(string(info.Capabilities), `"tools"`) {
				t.Errorf("introduction %+v", info)
			}
			if want := map[bool]backend.Transport{true: backend.HTTPSSE, false: backend.StreamableHTTP}[strings.HasPrefix(name, "SSE")]; info.Transport != want {
				t.Errorf("transport %q, want %q", info.Transport, want)
			}
			for i := range 3 {
				s := newSink()
				want := fmt.Sprintf("text-%d ä", i)
				if got, o := serve(t.Context(), p, echo(t, want), s); !strings.Contains(got, want) || o.Revision != tt.revision || len(s.all()) != 0 {
					t.Fatalf("echo: %s, notes %q", got, s.all())
				}
			}
			if got, _ := serve(t.Context(), p, request(t, "tools/list", ""), newSink()); !strings.Contains(got, `"name":"progress"`) {
				t.Errorf("list: %s", got)
			}
			if got, _ := serve(t.Context(), p, request(t, "resources/read", `{"uri":"test://one"}`), newSink()); !strings.Contains(got, `"uno"`) {
				t.Errorf("read: %s", got)
			}
			if got, o := serve(t.Context(), p, request(t, "tools/call", `{"name":"none"}`), newSink()); o.Err == nil || o.Err.Raw == nil {
				t.Errorf("unknown tool: %s", got)
			}
			second := dial(t, d, mcpwire.Capabilities{})
			if got, _ := serve(t.Context(), second, echo(t, "again"), newSink()); !strings.Contains(got, "again") {
				t.Errorf("second session: %s", got)
			}
		})
	}
}

func TestOfficialProgressAndLogs(t *testing.T) {
	t.Parallel()
	for name, tt := range sdkPeers(t) {
		if strings.Contains(name, "JSON") {
			continue // that mode has no stream for them
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tt.handler)
			t.Cleanup(srv.Close)
			p := dial(t, dialer(t, srv.URL+"/mcp", tt.with), mcpwire.Capabilities{})
			s := newSink()
			got, _ := serve(t.Context(), p, request(t, "tools/call", `{"name":"progress","arguments":{},"_meta":{"progressToken":"mine"}}`), s)
			want := []string{
				`notifications/progress {"progressToken":"mine","progress":1}`,
				`notifications/progress {"progressToken":"mine","progress":2}`,
				`notifications/progress {"progressToken":"mine","progress":3}`,
			}
			if diff := cmp.Diff(want, s.all()); diff != "" || !strings.Contains(got, "done") {
				t.Errorf("%s\nprogress (-want +got):\n%s", got, diff)
			}
			s = newSink()
			r := request(t, "tools/call", `{"name":"log","arguments":{}}`)
			r.Caller.LogLevel = "info"
			if got, _ = serve(t.Context(), p, r, s); !strings.Contains(got, "logged") || len(s.all()) != 1 || !strings.Contains(s.all()[0], "careful") {
				t.Errorf("%s, logs %q", got, s.all())
			}
		})
	}
}

func TestOfficialQuestions(t *testing.T) {
	t.Parallel()
	for name, tt := range sdkPeers(t) {
		if tt.revision.Modern() || strings.Contains(name, "JSON") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tt.handler)
			t.Cleanup(srv.Close)
			p := dial(t, dialer(t, srv.URL+"/mcp", tt.with), mcpwire.Capabilities{Elicitation: true})
			for answer, want := range map[string]string{
				`{"action":"accept","content":{"name":"Ada"}}`: "accept Ada",
				`{"action":"decline"}`:                         "decline ",
				"":                                             "refused",
			} {
				s := newSink()
				s.answer = func(_ context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
					if q.Method != "elicitation/create" || !strings.Contains(string(q.Params), "who?") || q.Revision != mcpwire.Rev20251125 {
						t.Errorf("question %s %s", q.Method, q.Params)
					}
					if answer == "" {
						return mcpwire.Answer{}, mcpwire.ErrCannotAsk
					}
					return mcpwire.Answer{Result: []byte(answer)}, nil
				}
				if got, _ := serve(t.Context(), p, request(t, "tools/call", `{"name":"elicit","arguments":{}}`), s); !strings.Contains(got, want) {
					t.Errorf("answer %q: %s", answer, got)
				}
			}
		})
	}
}

func TestOfficialWatch(t *testing.T) {
	t.Parallel()
	for name, tt := range sdkPeers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(tt.handler)
			t.Cleanup(srv.Close)
			p := dial(t, dialer(t, srv.URL+"/mcp", tt.with), mcpwire.Capabilities{})
			ctx, cancel := context.WithCancel(t.Context())
			s, ready, done := newSink(), make(chan mcpwire.Filter, 1), make(chan error, 1)
			wanted := mcpwire.Filter{ToolsChanged: true, Resources: []string{"test://one"}}
			go func() { done <- p.Watch(ctx, wanted, s, func(f mcpwire.Filter) { ready <- f }) }()
			if diff := cmp.Diff(wanted, receive(t, ready)); diff != "" {
				t.Errorf("honoured (-want +got):\n%s", diff)
			}
			if got, _ := serve(t.Context(), p, request(t, "tools/call", `{"name":"change","arguments":{}}`), newSink()); !strings.Contains(got, "changed") {
				t.Fatal(got)
			}
			if got := receive(t, s.note); !strings.HasPrefix(got, "notifications/tools/list_changed") || strings.Contains(got, "subscriptionId") {
				t.Errorf("got %q", got)
			}
			cancel()
			if err := receive(t, done); err != nil {
				t.Errorf("Watch ended with %v", err)
			}
		})
	}
}
