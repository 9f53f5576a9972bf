package matrix_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"drawbridge/test/harness"
)

// The revisions of MCP, written out: this test does not take the product's word.
const (
	r2024 = "2024-11-05"
	r0326 = "2025-03-26"
	r0618 = "2025-06-18"
	r1125 = "2025-11-25"
	r2026 = "2026-07-28"
)

// The transports, by the names that the specification gives them.
const (
	overSSE   = "HTTP+SSE"
	overHTTP  = "Streamable HTTP"
	overStdio = "stdio"
)

// peer is a client of an SDK that was opened toward the gateway. It does ops, the
// same ones whatever the SDK; errHang means that one never ended.
type peer interface {
	do(ctx context.Context, op string, args, into any) error
}

var errHang = errors.New("hang")

// door is one way in: a client revision over a transport.
type door struct {
	revision, transport string
	programs            []*program
}

func (d door) String() string { return d.revision + " over " + d.transport }

// modern tells whether the client has no handshake.
func (d door) modern() bool { return d.revision == r2026 }

// program is a client made with one SDK.
type program struct {
	letter byte // names it in the cells of the page
	name   string
	tasks  bool // the SDK has tasks
	open   func(ctx context.Context, t testing.TB, o opening) (peer, greeting, error)
}

// opening is what a client needs to come in.
type opening struct {
	URL          string            `json:"url,omitempty"`
	SSE          bool              `json:"sse,omitempty"`
	Key          string            `json:"key,omitempty"`
	Command      string            `json:"command,omitempty"`
	Args         []string          `json:"args,omitempty"`
	Env          map[string]string `json:"env,omitempty"`
	Revision     string            `json:"revision"`
	Capabilities map[string]any    `json:"capabilities"`
}

// greeting is what a client knows once it is in.
type greeting struct {
	Revision     string         `json:"revision"`
	Capabilities map[string]any `json:"capabilities"`
}

// capabilities are those that a client of a revision can declare.
func capabilities(revision string) map[string]any {
	out := map[string]any{"roots": map[string]any{}, "sampling": map[string]any{}}
	switch {
	case revision >= r1125:
		out["elicitation"] = map[string]any{"form": map[string]any{}, "url": map[string]any{}}
	case revision >= r0618:
		out["elicitation"] = map[string]any{}
	}
	return out
}

// conns numbers connections.
type conns struct{ atomic.Int64 }

// scripted is a program that a driver script runs.
func scripted(letter byte, name string, n *node, c *conns) *program {
	return &program{letter: letter, name: name, tasks: true, open: func(ctx context.Context, _ testing.TB, o opening) (peer, greeting, error) {
		p := nodePeer{n, fmt.Sprint(c.Add(1))}
		var g greeting
		err := p.do(ctx, "open", o, &g)
		return p, g, err
	}}
}

// doors are all ways in, each with the official SDKs that speak it.
func doors(t testing.TB) []door {
	t.Helper()
	c := &conns{}
	v1 := scripted('A', "TypeScript SDK v1 (`@modelcontextprotocol/sdk` 1.32.2)", startNode(t, "v1.mjs"), c)
	v2 := scripted('B', "TypeScript SDK v2 (`@modelcontextprotocol/client` 2.4.0)", startNode(t, "v2.mjs"), c)
	golang := &program{letter: 'G', name: "Go SDK 1.8.0", open: openGo}
	return []door{
		{r2024, overSSE, []*program{v1, golang}},
		{r0326, overHTTP, []*program{v1, golang}},
		{r0618, overHTTP, []*program{v1, golang}},
		{r1125, overHTTP, []*program{v1, v2, golang}},
		{r1125, overStdio, []*program{v1, golang}},
		{r2026, overHTTP, []*program{v2, golang}},
		{r2026, overStdio, []*program{v2, golang}},
	}
}

// toward is how a client of a door comes to a gateway.
func (d door) toward(t testing.TB, g *harness.Gateway, stdio []string) opening {
	o := opening{Revision: d.revision, Capabilities: capabilities(d.revision)}
	switch d.transport {
	case overStdio:
		o.Command, o.Args = harness.Binary(t), append([]string{"serve", "--stdio"}, stdio...)
		o.Env = map[string]string{"PATH": harness.ToolPath(t)}
	case overSSE:
		o.URL, o.SSE, o.Key = "http://"+g.Addr+"/sse", true, harness.Key
	default:
		o.URL, o.Key = g.URL, harness.Key
	}
	return o
}
