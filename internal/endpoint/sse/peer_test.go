package sse_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
)

// The official SDK's client as a peer, over real connections.
func TestPeer(t *testing.T) {
	t.Parallel()
	d := newDoor()
	d.hub.On("work", func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
		if a, err := sink.Ask(ctx, mcpwire.Question{Method: mcpwire.MethodRootsList}); err != nil || a.Err != nil {
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "%v %v", err, a.Err))
		}
		return mcpwire.Done(req.Revision, []byte(`{"content":[{"type":"text","text":"done"}]}`))
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mux.ServeHTTP(w, r.WithContext(account.WithPrincipal(r.Context(), alice)))
	}))
	t.Cleanup(srv.Close)
	changed := make(chan struct{}, 1)
	c := mcp.NewClient(&mcp.Implementation{Name: "peer", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
	})
	s, err := c.Connect(t.Context(), &mcp.SSEClientTransport{Endpoint: srv.URL + "/sse"}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "work"})
	if err != nil || len(res.Content) != 1 {
		t.Errorf("call: %+v, %v", res, err)
	}
	d.hub.Emit("notifications/tools/list_changed", "")
	<-changed
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
