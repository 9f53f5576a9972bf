// Package sdk_test talks to the gateway with the client of the official Go SDK,
// over every transport, while the SDK's own server is behind it: two peers that
// share no code with us on both sides of the door.
package sdk_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"drawbridge/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// door is one way in.
type door struct {
	name string
	// modern tells whether the SDK's client speaks 2026-07-28 there.
	modern bool
	open   func(t *testing.T, backends harness.Servers) mcp.Transport
}

var doors = []door{
	{"Streamable HTTP", true, func(t *testing.T, backends harness.Servers) mcp.Transport {
		return &mcp.StreamableClientTransport{Endpoint: harness.Serve(t, backends).URL, HTTPClient: withKey()}
	}},
	{"HTTP+SSE", false, func(t *testing.T, backends harness.Servers) mcp.Transport {
		return &mcp.SSEClientTransport{Endpoint: "http://" + harness.Serve(t, backends).Addr + "/sse", HTTPClient: withKey()}
	}},
	{"stdio", true, func(t *testing.T, backends harness.Servers) mcp.Transport {
		settings := harness.Configure(t, backends)
		meet(t, settings)
		args := append([]string{"serve", "--stdio"}, settings...)
		return &mcp.CommandTransport{Command: harness.Command(t, harness.Binary(t), args)}
	}},
}

func TestDoors(t *testing.T) {
	t.Parallel()
	for _, d := range doors {
		for _, backend := range []struct {
			name      string
			stateless bool
		}{{"legacy backend", false}, {"modern backend", true}} {
			t.Run(d.name+", "+backend.name, func(t *testing.T) {
				t.Parallel()
				everything := harness.EverythingServer(t, backend.stateless)
				transport := d.open(t, harness.Servers{"everything": {"url": everything, "prefix": ""}})
				s, asked := connect(t, transport)
				defer func() { // not in Cleanup: the test's context has ended by then
					if err := s.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				}()
				use(t, s)
				// The same question, as each era's test tool puts it.
				switch {
				case d.modern && backend.stateless:
					question(t, s, "test_input_required_result_elicitation", asked)
				case !d.modern && !backend.stateless:
					question(t, s, "test_elicitation", asked)
				}
			})
		}
	}
}

// connect opens a session whose client accepts every form put to it, and tells
// on the channel what it was asked.
func connect(t *testing.T, transport mcp.Transport) (*mcp.ClientSession, <-chan string) {
	t.Helper()
	asked := make(chan string, 10)
	client := mcp.NewClient(&mcp.Implementation{Name: "sdk-test", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			asked <- req.Params.Message
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada", "username": "ada", "email": "ada@example.com"}}, nil
		},
	})
	s, err := client.Connect(t.Context(), transport, nil) // the context lives as long as the session
	if err != nil {
		t.Fatal(err)
	}
	return s, asked
}

// use does what every client does.
func use(t *testing.T, s *mcp.ClientSession) {
	t.Helper()
	ctx := t.Context()
	var names []string
	for tool, err := range s.Tools(ctx, nil) {
		if err != nil {
			t.Fatalf("tools/list: %v", err)
		}
		names = append(names, tool.Name)
	}
	if !slices.Contains(names, "test_simple_text") {
		t.Errorf("tools/list has only %v", names)
	}
	if got := text(t, s, "test_simple_text"); got != "This is a simple text response for testing." {
		t.Errorf("test_simple_text says %q", got)
	}
	read, err := s.ReadResource(ctx, &mcp.ReadResourceParams{URI: "test://static-text"})
	if err != nil || len(read.Contents) != 1 || read.Contents[0].Text == "" {
		t.Errorf("resources/read: %+v, %v", read, err)
	}
	prompt, err := s.GetPrompt(ctx, &mcp.GetPromptParams{Name: "test_simple_prompt"})
	if err != nil || len(prompt.Messages) == 0 {
		t.Errorf("prompts/get: %+v, %v", prompt, err)
	}
	if _, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "no_such_tool"}); err == nil {
		t.Error("a tool that does not exist was called")
	}
}

// question calls a tool that asks the client before it answers.
func question(t *testing.T, s *mcp.ClientSession, tool string, asked <-chan string) {
	t.Helper()
	text(t, s, tool)
	select {
	case <-asked:
	default:
		t.Errorf("%s answered without asking", tool)
	}
}

func text(t *testing.T, s *mcp.ClientSession, tool string) string {
	t.Helper()
	got, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{"message": "Who are you?"}})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	if got.IsError || len(got.Content) == 0 {
		t.Fatalf("%s: %+v", tool, got)
	}
	if c, ok := got.Content[0].(*mcp.TextContent); ok {
		return c.Text
	}
	return ""
}

// meet lets the gateway see its backends once, so that the next start on the same
// state offers their tools from the first list on.
func meet(t *testing.T, settings []string) {
	t.Helper()
	args := append([]string{"tool", "list"}, settings...)
	out, err := harness.Command(t, harness.Binary(t), args).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "test_simple_text") {
		t.Fatalf("drawbridge tool list: %v\n%s", err, out)
	}
}

// withKey is a client that sends the key.
func withKey() *http.Client { return &http.Client{Transport: keyed{}} }

type keyed struct{}

func (keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+harness.Key)
	return http.DefaultTransport.RoundTrip(r)
}
