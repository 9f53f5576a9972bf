package stdio_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// sdkServer is a server of the official SDK, for TestMain: what the fake server
// and this package think of the protocol may be wrong in the same way.
func sdkServer() {
	s := mcp.NewServer(&mcp.Implementation{Name: "sdk", Version: "1"}, &mcp.ServerOptions{
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	for _, uri := range []string{"file:///a", "file:///b"} {
		s.AddResource(&mcp.Resource{URI: uri, Name: uri}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			return &mcp.ReadResourceResult{}, nil
		})
	}
	mcp.AddTool(s, &mcp.Tool{Name: "touch"}, func(ctx context.Context, _ *mcp.CallToolRequest, in struct{ URI string }) (*mcp.CallToolResult, any, error) {
		if in.URI == "tools" {
			mcp.AddTool(s, &mcp.Tool{Name: "another"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
				return &mcp.CallToolResult{}, nil, nil
			})
			return &mcp.CallToolResult{}, nil, nil
		}
		return &mcp.CallToolResult{}, nil, s.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: in.URI})
	})
	_ = s.Run(context.Background(), &mcp.StdioTransport{})
}

// heard passes on what a backend says outside of calls.
type heard struct {
	states
	updates chan string
	lists   chan backend.ListSet
}

func (h heard) ResourceUpdated(_, _, uri string, _ []byte)   { h.updates <- uri }
func (h heard) ListsChanged(_ string, which backend.ListSet) { h.lists <- which }

func newHeard() heard {
	return heard{states{make(chan struct{}, 1)}, make(chan string, 100), make(chan backend.ListSet, 100)}
}

// until receives until it gets want.
func until[T comparable](t *testing.T, from <-chan T, want T) {
	t.Helper()
	late := time.NewTimer(5 * time.Second)
	defer late.Stop()
	for {
		select {
		case got := <-from:
			if got == want {
				return
			}
		case <-late.C:
			t.Fatalf("%v did not come", want)
		}
	}
}

func TestSDKServer(t *testing.T) {
	t.Parallel()
	events := newHeard()
	b := backend.New(slog.New(slog.DiscardHandler), backend.Config{Name: "sdk", Transport: backend.Stdio}, dialer(t, "sdk", ""), events)
	b.Start(t.Context())
	defer b.Stop(t.Context())
	ctx := account.WithPrincipal(t.Context(), account.Local())
	touch := func(what string) {
		t.Helper()
		for len(events.updates) > 0 {
			<-events.updates
		}
		out := b.Serve(ctx, request(t, mcpwire.Rev20251125, "touch", `{"URI":"`+what+`"}`, `{}`), &sink{})
		if out.Kind != mcpwire.Complete || strings.Contains(string(out.Result.Bytes), "isError") {
			t.Fatalf("touch %s: %+v %s", what, out, out.Result.Bytes)
		}
	}
	lists, err := b.Lists(t.Context())
	if err != nil || len(lists.Tools) != 1 || len(lists.Resources) != 2 || lists.Info.Revision != mcpwire.Rev20260728 {
		t.Fatalf("lists = %+v, %v", lists, err)
	}
	caller := &mcpwire.Caller{Revision: mcpwire.Rev20260728}
	subscribe := func(uri string) {
		t.Helper()
		if err := b.Subscribe(ctx, caller, uri); err != nil {
			t.Fatal(err)
		}
	}
	subscribe("file:///a")
	touch("file:///a")
	until(t, events.updates, "file:///a")
	subscribe("file:///b") // opens another listen; the first must not take its subscriptions along
	for range 3 {
		touch("file:///a")
		until(t, events.updates, "file:///a")
		touch("file:///b")
		until(t, events.updates, "file:///b")
	}
	for len(events.lists) > 0 {
		<-events.lists
	}
	touch("tools")
	until(t, events.lists, backend.ToolLists)
	if err := b.Unsubscribe(ctx, caller, "file:///a"); err != nil {
		t.Fatal(err)
	}
	touch("file:///b")
	until(t, events.updates, "file:///b")
}
