package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/mcpwire"
)

func TestFirstLine(t *testing.T) {
	t.Parallel()
	if got := firstLine("\n one\ntwo"); got != "one" {
		t.Errorf("got %q", got)
	}
	if got := []rune(firstLine(strings.Repeat("ä", 200))); len(got) != 100 {
		t.Errorf("%d characters", len(got))
	}
}

func TestToolArguments(t *testing.T) {
	t.Parallel()
	cmd := &cli.Command{Name: "call"}
	for given, want := range map[string]string{
		"a=b c":                   `{"a":"b c"}`,
		"a:=[1,9007199254740993]": `{"a":[1,9007199254740993]}`,
		`{"a":1.0}`:               `{"a":1.0}`,
		"url=http://h/?q=1":       `{"url":"http://h/?q=1"}`,
		"a:=tru":                  "",
		"{":                       "",
		"=x":                      "",
		"plain":                   "",
	} {
		got, err := toolArguments(cmd, []string{given})
		if string(got) != want || (err == nil) == (want == "") {
			t.Errorf("%s: got %s, %v", given, got, err)
		}
		if _, ok := errors.AsType[*shell.UsageError](err); err != nil && !ok {
			t.Errorf("%s: %v is not about usage", given, err)
		}
	}
}

func TestShowProgress(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, n := range [][2]string{
		{"notifications/progress", `{"progress":1,"total":4,"message":"one\u001b[2J"}`},
		{"notifications/progress", `{"progress":0.5}`},
		{"notifications/message", `{"level":"info","data":{"a":1}}`},
		{"notifications/message", `[`},
		{"notifications/other", `{}`},
	} {
		showProgress(&b, mcpwire.Notification{Method: n[0], Params: []byte(n[1])})
	}
	if got, want := b.String(), "  1 of 4 one�[2J\n  0.5 \n  info: {\"a\":1}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// pages is a peer whose list of tools comes in pages; it fails like peers fail.
type pages struct {
	calls   int
	endless bool
}

func (h *pages) Serve(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
	h.calls++
	switch {
	case req.Method == "tools/call":
		return mcpwire.Outcome{Kind: mcpwire.InputRequired}
	case h.endless || req.Cursor == "":
		return mcpwire.Done(mcpwire.LatestModern, []byte(`{"tools":[{"name":"a"}],"nextCursor":"ä\"2"}`))
	case req.Cursor == `ä"2`:
		return mcpwire.Done(mcpwire.LatestModern, []byte(`{"tools":[{"name":"b","x":1.0}]}`))
	}
	return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "no page %s", req.Cursor))
}

func TestClient(t *testing.T) {
	t.Parallel()
	c := &client{handler: &pages{}, say: func(mcpwire.Notification) {}}
	tools, err := c.list(t.Context())
	got, _ := json.Marshal(tools)
	if err != nil || string(got) != `[{"name":"a"},{"name":"b","x":1.0}]` {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := c.call(t.Context(), "a", []byte(`{}`)); !errors.Is(err, errCannotAnswer) {
		t.Errorf("a question gives %v", err)
	}
	endless := &pages{endless: true}
	if _, err := (&client{handler: endless}).list(t.Context()); err == nil || endless.calls != maxPages {
		t.Errorf("a list without end gives %v after %d pages", err, endless.calls)
	}
}
