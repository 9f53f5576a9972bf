package streamable_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
)

// The official SDK's client as a peer, over real connections, in both eras.
func TestPeer(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			modern := version == "2026-07-28"
			scriptPeer(d, modern)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				d.ServeHTTP(w, r.WithContext(account.WithPrincipal(r.Context(), alice)))
			}))
			t.Cleanup(srv.Close)
			t.Cleanup(d.table.Close) // first: it ends the streams that srv waits for

			p := &peer{changed: make(chan struct{}, 1), progress: make(chan struct{}, 9), asked: make(chan struct{}, 9)}
			s := p.connect(t, srv.URL+"/mcp", version)
			if got := s.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("agreed on %s", got)
			}
			list, err := s.ListTools(t.Context(), nil)
			if err != nil || len(list.Tools) != 1 || list.Tools[0].Name != "work" {
				t.Fatalf("list: %+v, %v", list, err)
			}
			params := &mcp.CallToolParams{Name: "work", Arguments: map[string]any{"a": 1}}
			params.SetProgressToken("tok")
			res, err := s.CallTool(t.Context(), params)
			if err != nil || len(res.Content) != 1 || res.Content[0].(*mcp.TextContent).Text != "done" {
				t.Fatalf("call: %+v, %v", res, err)
			}
			for range 3 {
				<-p.progress
			}
			if !modern {
				<-p.asked
			}
			if _, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "none"}); err == nil || !strings.Contains(err.Error(), "Unknown tool") {
				t.Errorf("unknown tool: %v", err)
			}
			for len(d.hub.Watches()) == 0 { // the client opens its stream in its own time
				if err := t.Context().Err(); err != nil {
					t.Fatal(err)
				}
				if err := s.Ping(t.Context(), nil); err != nil && !modern {
					t.Fatal(err)
				}
			}
			d.hub.Emit("notifications/tools/list_changed", "")
			<-p.changed
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func scriptPeer(d *door, modern bool) {
	d.hub.On("tools/list", func(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		return mcpwire.Done(req.Revision, []byte(`{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{"name":"work","inputSchema":{"type":"object"}}]}`))
	})
	d.hub.On("work", func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
		for n := range 3 {
			sink.Notify(progress(string(req.ProgressToken()), n+1))
		}
		if !modern {
			if a, err := sink.Ask(ctx, mcpwire.Question{Method: mcpwire.MethodRootsList}); err != nil || a.Err != nil {
				return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "%v %v", err, a.Err))
			}
		}
		return mcpwire.Done(req.Revision, []byte(`{"resultType":"complete","content":[{"type":"text","text":"done"}]}`))
	})
}

// peer is what reaches an SDK client.
type peer struct{ changed, progress, asked chan struct{} }

func (p *peer) connect(t *testing.T, url, version string) *mcp.ClientSession {
	t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "peer", Version: "1"}, &mcp.ClientOptions{
		ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) {
			p.progress <- struct{}{}
		},
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) {
			select {
			case p.changed <- struct{}{}:
			default:
			}
		},
	})
	c.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "roots/list" {
				p.asked <- struct{}{}
			}
			return next(ctx, method, req)
		}
	})
	s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return s
}
