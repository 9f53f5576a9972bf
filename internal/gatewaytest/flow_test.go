package gatewaytest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
)

// every lists the client revisions.
var every = []string{gatewaytest.R2024, gatewaytest.R0326, gatewaytest.R0618, gatewaytest.R1125, gatewaytest.R2026}

// next waits for a message that holds text.
func next(t *testing.T, stream <-chan string, text string) string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case msg, ok := <-stream:
			if !ok {
				t.Fatalf("the stream ended before %q", text)
			}
			if strings.Contains(msg, text) {
				return msg
			}
		case <-deadline:
			t.Fatalf("waited too long for %q", text)
		}
	}
}

// Every client revision with every backend revision: lists, calls, prompts,
// resources, templates.
func TestEveryPair_listsCallsPromptsResources(t *testing.T) {
	t.Parallel()
	var entries, tools []string
	for i, rev := range every {
		f := gatewaytest.NewFake(fmt.Sprintf("h%d", i), rev)
		url := f.HTTP(t)
		if rev == gatewaytest.R2024 {
			url = f.HTTPSSE(t)
		}
		p := gatewaytest.NewFake(fmt.Sprintf("p%d", i), rev)
		entries = append(entries, fmt.Sprintf(`"h%d":{"url":%q}`, i, url), fmt.Sprintf(`"p%d":%s`, i, p.Stdio(t)))
		tools = append(tools, fmt.Sprintf("h%d_echo", i), fmt.Sprintf("p%d_echo", i))
	}
	g := gatewaytest.Run(t, `{"mcpServers":{`+strings.Join(entries, ",")+`}}`)
	g.WaitTools(tools...)
	for _, client := range every {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			c := gatewaytest.Dial(t, g.Base, gatewaytest.Key, client)
			for i := range every {
				for _, name := range []string{fmt.Sprintf("h%d", i), fmt.Sprintf("p%d", i)} {
					for _, tt := range []struct{ method, params, want string }{
						{"tools/call", `{"name":"` + name + `_echo","arguments":{"text":"hi"}}`, `"text":"hi"`},
						{"prompts/get", `{"name":"` + name + `_greet"}`, "hello from " + name},
						{"resources/read", `{"uri":"fake://` + name + `/doc"}`, `"text":"` + name + `"`},
						{"resources/read", `{"uri":"fake://` + name + `/items/7"}`, `fake://` + name + `/items/7`},
						{"resources/list", ``, `fake://` + name + `/doc`},
						{"prompts/list", ``, name + `_greet`},
						{"resources/templates/list", ``, `fake://` + name + `/items/{id}`},
					} {
						a := c.Call(tt.method, tt.params)
						if !strings.Contains(a.Result(), tt.want) {
							t.Errorf("%s %s: %d %s", tt.method, tt.params, a.Status, a.Message)
						}
						if modern := strings.Contains(a.Result(), `"resultType"`); client == gatewaytest.R2026 && !modern {
							t.Errorf("%s %s has no resultType: %s", tt.method, tt.params, a.Message)
						}
					}
				}
			}
			if a := c.Call("tools/call", `{"name":"nobody_has_this"}`); !strings.Contains(a.Error(), `-32602`) {
				t.Errorf("unknown tool: %s", a.Message)
			}
			if a := c.Call("no/such", ``); !strings.Contains(a.Error(), `-32601`) {
				t.Errorf("unknown method: %s", a.Message)
			}
		})
	}
}

func TestListChanges_reachEveryClient(t *testing.T) {
	t.Parallel()
	l, m := gatewaytest.NewFake("l", gatewaytest.R1125), gatewaytest.NewFake("m", gatewaytest.R2026)
	g := gatewaytest.Run(t, `{"mcpServers":{"l":{"url":"`+l.HTTP(t)+`"},"m":{"url":"`+m.HTTP(t)+`"}}}`)
	g.WaitTools("l_echo", "m_echo")
	g.WaitFor("the gateway to listen", func() bool { return l.Listening() > 0 && m.Listening() > 0 })
	old, stream := g.Dial(gatewaytest.R2024), g.Dial(gatewaytest.R1125).Stream()
	listen := g.Dial(gatewaytest.R2026).Listen(`{"toolsListChanged":true}`)
	next(t, listen, "notifications/subscriptions/acknowledged")
	for _, f := range []*gatewaytest.Fake{l, m} {
		f.SetTools(`{"name":"fresh","inputSchema":{"type":"object"}}`)
		next(t, stream, "notifications/tools/list_changed")
		if msg := next(t, listen, "notifications/tools/list_changed"); !strings.Contains(msg, "io.modelcontextprotocol/subscriptionId") {
			t.Errorf("without its subscription's id: %s", msg)
		}
		g.WaitTools(f.Name + "_fresh")
	}
	g.WaitFor("the old client to be told", func() bool {
		return strings.Contains(strings.Join(old.Outside(), ""), "notifications/tools/list_changed")
	})
}

func TestResourceUpdates_reachSubscribersOnly(t *testing.T) {
	t.Parallel()
	l, m := gatewaytest.NewFake("l", gatewaytest.R1125), gatewaytest.NewFake("m", gatewaytest.R2026)
	g := gatewaytest.Run(t, `{"mcpServers":{"l":{"url":"`+l.HTTP(t)+`"}}}`)
	g.WaitTools("l_echo")
	_ = m
	a, b := g.Dial(gatewaytest.R1125), g.Dial(gatewaytest.R1125)
	sa, sb := a.Stream(), b.Stream()
	if got := a.Call("resources/subscribe", `{"uri":"fake://l/doc"}`); got.Error() != "" {
		t.Fatalf("subscribe: %s", got.Message)
	}
	listen := g.Dial(gatewaytest.R2026).Listen(`{"resourceSubscriptions":["fake://l/doc"]}`)
	if ack := next(t, listen, "acknowledged"); !strings.Contains(ack, "fake://l/doc") {
		t.Errorf("acknowledged: %s", ack)
	}
	update := `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"fake://l/doc","x":9007199254740993}}`
	l.Say(update)
	if got := next(t, sa, "resources/updated"); got != update {
		t.Errorf("got %s, want it as it was sent", got)
	}
	next(t, listen, "resources/updated")
	a.Call("resources/unsubscribe", `{"uri":"fake://l/doc"}`)
	l.SetTools() // the next thing both streams hear of
	next(t, sa, "tools/list_changed")
	for msg := range drain(sb, "tools/list_changed") {
		if strings.Contains(msg, "resources/updated") {
			t.Error("a client that never subscribed was told")
		}
	}
}

// drain yields messages up to the first that holds text.
func drain(stream <-chan string, text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for msg := range stream {
			if !yield(msg) || strings.Contains(msg, text) {
				return
			}
		}
	}
}

// A session survives a restart of the gateway; DELETE ends it for good.
func TestSession_survivesARestart(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake("b", gatewaytest.R1125)
	g := gatewaytest.Run(t, `{"listen":"127.0.0.1:0","mcpServers":{"b":{"url":"`+f.HTTP(t)+`"}}}`)
	g.WaitTools("b_echo")
	c := g.Dial(gatewaytest.R1125)
	g.Restart()
	c = c.At(g.Base)
	if a := c.Call("tools/call", `{"name":"b_echo","arguments":{"text":"back"}}`); !strings.Contains(a.Result(), "back") {
		t.Fatalf("after the restart: %d %s", a.Status, a.Message)
	}
	if status := c.Delete(); status != 204 {
		t.Errorf("DELETE: %d", status)
	}
	if a := c.Call("tools/list", ""); a.Status != 404 {
		t.Errorf("after DELETE: %d", a.Status)
	}
	g.Restart()
	if a := c.At(g.Base).Call("tools/list", ""); a.Status != 404 {
		t.Errorf("after DELETE and a restart: %d", a.Status)
	}
}

// A modern client that goes away cancels its call; a legacy client that goes
// away does not, but can say so.
func TestCancellation_meansWhatEachEraSays(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake("b", gatewaytest.R1125)
	g := gatewaytest.Run(t, `{"mcpServers":{"b":{"url":"`+f.HTTP(t)+`"}}}`)
	g.WaitTools("b_slow")
	leave := func(c *gatewaytest.Client) {
		before := f.Calls.Load()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.CallContext(ctx, "tools/call", `{"name":"b_slow","arguments":{"ms":60000}}`)
		}()
		g.WaitFor("the call to arrive", func() bool { return f.Calls.Load() > before })
		cancel()
		<-done
	}
	legacy := g.Dial(gatewaytest.R1125)
	leave(legacy)
	leave(g.Dial(gatewaytest.R2026))
	g.WaitFor("the cancellation to arrive", func() bool { return len(f.Cancelled()) > 0 })
	if got := f.Cancelled(); len(got) != 1 {
		t.Errorf("cancelled: %v; only the modern client's going means that", got)
	}
	legacy.Notify("notifications/cancelled", `{"requestId":2,"reason":"enough"}`)
	g.WaitFor("the second cancellation to arrive", func() bool { return len(f.Cancelled()) > 1 })
}

// Calls in flight finish while the gateway drains, and the next start finds its
// state in order.
func TestStop_letsCallsFinish(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake("b", gatewaytest.R2026)
	g := gatewaytest.Run(t, `{"mcpServers":{"b":{"url":"`+f.HTTP(t)+`"}}}`)
	g.WaitTools("b_slow")
	const calls = 20
	answers := make(chan gatewaytest.Answer, calls)
	c, held := g.Dial(gatewaytest.R2026), g.Dial(gatewaytest.R1125).Stream()
	for range calls {
		go func() { answers <- c.Call("tools/call", `{"name":"b_slow","arguments":{"ms":500}}`) }()
	}
	g.WaitFor("all calls to arrive", func() bool { return f.Calls.Load() == calls })
	g.Stop()
	for range calls {
		if a := <-answers; !strings.Contains(a.Result(), "slow") {
			t.Errorf("%d %s", a.Status, a.Message)
		}
	}
	for range held { // ends because the stream was ended
	}
	g.Restart()
	g.WaitTools("b_slow")
}

// A start with a dead backend offers its last known tools at once.
func TestStart_knowsTheToolsOfADeadBackend(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake("b", gatewaytest.R1125)
	g := gatewaytest.Run(t, `{"mcpServers":{"b":{"url":"`+f.HTTP(t)+`"}}}`)
	g.WaitTools("b_echo")
	if err := g.Reload(`{"mcpServers":{"b":{"url":"http://127.0.0.1:1/mcp"}}}`); err != nil {
		t.Fatal(err)
	}
	g.Restart()
	c := g.Dial(gatewaytest.R1125)
	if got := c.Call("tools/list", "").Result(); !strings.Contains(got, "b_echo") {
		t.Errorf("list: %s", got)
	}
	a := c.Call("tools/call", `{"name":"b_echo","arguments":{}}`)
	if !strings.Contains(a.Result(), `"isError":true`) {
		t.Errorf("a call to a dead backend: %s", a.Message)
	}
}

func TestReload_isAllOrNothing(t *testing.T) {
	t.Parallel()
	a, b := gatewaytest.NewFake("a", gatewaytest.R1125), gatewaytest.NewFake("b", gatewaytest.R2026)
	entryA, entryB := `"a":{"url":"`+a.HTTP(t)+`"}`, `"b":{"url":"`+b.HTTP(t)+`"}`
	g := gatewaytest.Run(t, `{"mcpServers":{`+entryA+`}}`)
	g.WaitTools("a_echo")
	c := g.Dial(gatewaytest.R2026)
	slow := make(chan gatewaytest.Answer, 1)
	go func() { slow <- c.Call("tools/call", `{"name":"a_slow","arguments":{"ms":1000}}`) }()
	g.WaitFor("the call to arrive", func() bool { return a.Calls.Load() == 1 })
	if err := g.Reload(`{"mcpServers":{` + entryB + `}}`); err != nil {
		t.Fatal(err)
	}
	g.WaitTools("b_echo")
	if got := c.Call("tools/list", "").Result(); strings.Contains(got, "a_echo") {
		t.Errorf("a removed backend is listed: %s", got)
	}
	if got := <-slow; !strings.Contains(got.Result(), "slow") {
		t.Errorf("a call of the removed backend did not finish: %s", got.Message)
	}
}
