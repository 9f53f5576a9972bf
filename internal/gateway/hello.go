package gateway

import (
	"context"

	"drawbridge/internal/mcpwire"
)

// Hello is what the gateway says of itself: the union of what the backends can that
// its caller may see, and list changes always, since backends come and go.
func (g *Gateway) Hello(ctx context.Context, rev mcpwire.Revision) mcpwire.Hello {
	c := g.current.Load().View(accessOf(ctx))
	info := []byte(`{"name":"drawbridge"`)
	if rev >= mcpwire.Rev20250618 {
		info = append(info, `,"title":"Drawbridge"`...)
	}
	info = append(mcpwire.AppendString(append(info, `,"version":`...), g.cfg.Version), '}')
	return mcpwire.Hello{Capabilities: c.Capabilities(rev), ServerInfo: info, Instructions: c.Instructions()}
}
