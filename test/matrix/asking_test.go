package matrix_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// asking is a tool that puts one question in the way of the fixture's era and
// answers with what it was told.
func (f *fixture) asking(kind string) tool {
	if f.modern() {
		return func(_ context.Context, req *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error) {
			state := kind + " of " + w.Text
			if req.Params.InputResponses == nil {
				return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"it": question(kind, w.Text, "")}, RequestState: state}, nil
			}
			if req.Params.RequestState != state {
				return nil, fmt.Errorf("the state came back as %q", req.Params.RequestState)
			}
			return say(answered(req.Params.InputResponses["it"]))
		}
	}
	return func(ctx context.Context, req *mcp.CallToolRequest, w words) (*mcp.CallToolResult, error) {
		answer, err := ask(ctx, req.Session, question(kind, w.Text, w.Text))
		if err != nil {
			res, _ := say("nobody answered: " + err.Error())
			res.IsError = true
			return res, nil
		}
		return say(answered(answer))
	}
}

// question is a question of a kind about a text. Only legacy revisions give URL
// questions an id.
func question(kind, text, id string) mcp.InputRequest {
	switch kind {
	case "form":
		return &mcp.ElicitParams{Mode: "form", Message: text, RequestedSchema: map[string]any{
			"type": "object", "properties": map[string]any{"word": map[string]any{"type": "string"}}, "required": []string{"word"},
		}}
	case "url":
		return &mcp.ElicitParams{Mode: "url", Message: text, URL: "https://example.com/" + text, ElicitationID: id}
	case "sampling":
		return &mcp.CreateMessageParams{MaxTokens: 10, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: text}}}}
	}
	return &mcp.ListRootsParams{}
}

// ask sends a question as a request of the legacy revisions.
func ask(ctx context.Context, s *mcp.ServerSession, q mcp.InputRequest) (mcp.InputResponse, error) {
	switch q := q.(type) {
	case *mcp.ElicitParams:
		return s.Elicit(ctx, q)
	case *mcp.CreateMessageParams:
		return s.CreateMessage(ctx, q)
	}
	return s.ListRoots(ctx, &mcp.ListRootsParams{})
}

// answered is an answer in words.
func answered(a mcp.InputResponse) string {
	switch a := a.(type) {
	case *mcp.ElicitResult:
		return strings.TrimSpace(fmt.Sprintf("%s %v", a.Action, orEmpty(a.Content["word"])))
	case *mcp.CreateMessageResult:
		return spoken(a.Content)
	case *mcp.CreateMessageWithToolsResult:
		if len(a.Content) == 1 {
			return spoken(a.Content[0])
		}
	case *mcp.ListRootsResult:
		var all []string
		for _, r := range a.Roots {
			all = append(all, r.URI)
		}
		return strings.Join(all, " ")
	}
	return fmt.Sprintf("an answer that is none: %T", a)
}

func orEmpty(v any) any {
	if v == nil {
		return ""
	}
	return v
}

func spoken(c mcp.Content) string {
	if t, ok := c.(*mcp.TextContent); ok {
		return t.Text
	}
	return fmt.Sprintf("%T", c)
}
