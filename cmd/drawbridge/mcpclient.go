package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// client asks a gateway or a backend as one more MCP client, one call at a time.
type client struct {
	handler mcpwire.Handler
	say     func(mcpwire.Notification)
}

// maxPages bounds a list whose cursor never ends.
const maxPages = 1000

// list gives all tools, each as it came.
func (c *client) list(ctx context.Context) ([]json.RawMessage, error) {
	var all []json.RawMessage
	params := c.params("")
	for range maxPages {
		raw, err := c.request(ctx, mcpwire.MethodToolsList, params)
		if err != nil {
			return nil, err
		}
		var page struct {
			Tools      []json.RawMessage
			NextCursor *string
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return nil, fmt.Errorf("read list of tools: %w", err)
		}
		all = append(all, page.Tools...)
		if page.NextCursor == nil {
			return all, nil
		}
		params = c.params(`"cursor":` + string(mcpwire.AppendString(nil, *page.NextCursor)))
	}
	return nil, fault.New(fault.Upstream, "The list of tools has no end. Check the backend that pages it.")
}

// call calls a tool and gives its raw result.
func (c *client) call(ctx context.Context, name string, arguments []byte) ([]byte, error) {
	target := mcpwire.AppendString([]byte(`"name":`), name)
	return c.request(ctx, mcpwire.MethodToolsCall, c.params(string(target)+`,"arguments":`+string(arguments)))
}

// params are members and what every request of the newest revision says of its
// client. Only calls make progress, but the token hurts nobody.
func (c *client) params(members string) []byte {
	if members != "" {
		members += ","
	}
	return fmt.Appendf(nil, `{%s"_meta":{"progressToken":1,"%s":"%s","%s":%s,"%s":{}}}`, members,
		mcpwire.MetaVersion, mcpwire.LatestModern, mcpwire.MetaClientInfo, c.info(), mcpwire.MetaCapabilities)
}

func (c *client) info() []byte {
	return []byte(`{"name":"drawbridge-cli","version":"` + version + `"}`)
}

func (c *client) request(ctx context.Context, method string, params []byte) ([]byte, error) {
	req, wrong := mcpwire.NewRequest(method, mcpwire.LatestModern, params)
	if wrong != nil {
		return nil, wrong
	}
	req.Caller = &mcpwire.Caller{Revision: mcpwire.LatestModern, Info: c.info()}
	out := c.handler.Serve(ctx, req, c)
	defer out.Close()
	switch out.Kind {
	case mcpwire.Failed:
		return nil, errors.New(out.Err.Message)
	case mcpwire.InputRequired:
		return nil, errCannotAnswer
	}
	raw := append([]byte{}, out.Result.Bytes...)
	if out.Result.Rest == nil {
		return raw, nil
	}
	rest, err := io.ReadAll(out.Result.Rest)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return append(raw, rest...), nil
}

var errCannotAnswer = errors.New("the tool asks a question, which this command cannot answer; call it from an MCP client that can")

// Notify shows what is said during the call.
func (c *client) Notify(n mcpwire.Notification) { c.say(n) }

// Ask refuses: a script has nobody to ask.
func (c *client) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}
