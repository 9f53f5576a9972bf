package gatewaytest_test

import (
	"fmt"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// updated is the notification of a resource's update.
func updated(uri, mark string) string {
	return `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"` + uri + `","mark":"` + mark + `"}}`
}

// A reload that changes what is offered is told to every kind of client.
func TestReload_tellsListChanges(t *testing.T) {
	t.Parallel()
	a, b := gatewaytest.NewFake("a", gatewaytest.R1125), gatewaytest.NewFake("b", gatewaytest.R2026)
	entryA, entryB := `"a":{"url":"`+a.HTTP(t)+`"`, `"b":{"url":"`+b.HTTP(t)+`"`
	g := gatewaytest.Run(t, `{"mcpServers":{`+entryA+`}}}`)
	g.WaitTools("a_echo", "sequentialthinking", "memory_search")
	old, stream := g.Dial(gatewaytest.R2024), g.Dial(gatewaytest.R1125).Stream()
	listen := g.Dial(gatewaytest.R2026).Listen(`{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}`)
	quiet := g.Dial(gatewaytest.R2026).Listen(`{"promptsListChanged":true}`)
	next(t, listen, "acknowledged")
	next(t, quiet, "acknowledged")
	for _, config := range []string{
		entryA + `},` + entryB + `}`,                                        // one more
		entryA + `,"prefix":"x"},` + entryB + `}`,                           // other names
		entryA + `,"prefix":"x","disabled_tools":["echo"]},` + entryB + `}`, // one tool less
		entryB + `}`, // one less
	} {
		if err := g.Reload(`{"mcpServers":{` + config + `}}`); err != nil {
			t.Fatal(err)
		}
		for _, s := range []<-chan string{stream, listen} {
			next(t, s, "notifications/tools/list_changed")
		}
	}
	for _, list := range []string{"prompts", "resources"} {
		if err := g.Reload(`{"mcpServers":{` + map[string]string{"prompts": entryA + `}`, "resources": entryB + `}`}[list] + `}}`); err != nil {
			t.Fatal(err)
		}
		next(t, stream, "notifications/"+list+"/list_changed")
		next(t, listen, "notifications/"+list+"/list_changed")
	}
	next(t, quiet, "notifications/prompts/list_changed")
	g.WaitFor("the old client to be told", func() bool {
		return strings.Count(strings.Join(old.Outside(), ""), "notifications/tools/list_changed") >= 4
	})
}

// What a listen acknowledges, it keeps; what it cannot keep, it does not
// acknowledge.
func TestListen_acknowledgesWhatItKeeps(t *testing.T) {
	t.Parallel()
	l, m, s := gatewaytest.NewAsking("l", gatewaytest.R1125), gatewaytest.NewAsking("m", gatewaytest.R2026), gatewaytest.NewAsking("s", gatewaytest.R2026)
	none := gatewaytest.NewAsking("none", gatewaytest.R1125)
	none.SetCapabilities(`{"tools":{},"resources":{}}`)
	s.SetAck(`{"toolsListChanged":true}`) // it says it can subscribe, and then does not
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q},"m":{"url":%q},"s":{"url":%q},"none":{"url":%q}}}`, l.HTTP(t), m.HTTP(t), s.HTTP(t), none.HTTP(t)))
	g.WaitTools("l_echo", "m_echo", "s_echo", "none_echo")
	for _, tt := range []struct{ filter, want string }{
		{`{"toolsListChanged":true}`, `"notifications":{"toolsListChanged":true}`},
		{`{"toolsListChanged":false,"promptsListChanged":true}`, `"notifications":{"promptsListChanged":true}`},
		{`{"resourceSubscriptions":["fake://l/doc","fake://m/items/1","fake://none/doc","fake://s/doc","nobody://x"],"unknownKind":true}`,
			`"notifications":{"resourceSubscriptions":["fake://l/doc","fake://m/items/1"]}`},
		{`{"resourceSubscriptions":["nobody://x"]}`, `"notifications":{}`},
		{`{}`, `"notifications":{}`},
	} {
		stream := g.Dial(gatewaytest.R2026).Listen(tt.filter)
		ack := next(t, stream, "notifications/subscriptions/acknowledged")
		if !strings.Contains(ack, tt.want) || !strings.Contains(ack, `"_meta":{"io.modelcontextprotocol/subscriptionId":1}`) {
			t.Errorf("%s: %s, want %s", tt.filter, ack, tt.want)
		}
		if tt.want == `"notifications":{}` {
			next(t, stream, `"result"`) // nothing will ever be said
		}
	}
}

// Subscriptions outlive the restart of their backend, and a change of its
// settings.
func TestSubscriptions_surviveTheirBackend(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, revision string
		serve          func(*gatewaytest.Fake, testing.TB) string
	}{
		{"legacy", gatewaytest.R1125, (*gatewaytest.Fake).HTTP},
		{"modern", gatewaytest.R2026, (*gatewaytest.Fake).HTTP},
		{"HTTP+SSE", gatewaytest.R1125, (*gatewaytest.Fake).HTTPSSE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := gatewaytest.NewAsking("b", tt.revision)
			url := tt.serve(f, t)
			g := gatewaytest.Run(t, `{"mcpServers":{"b":{"url":"`+url+`"}}}`)
			g.WaitTools("b_echo")
			c := g.Dial(gatewaytest.R1125)
			stream := c.Stream()
			if a := c.Call("resources/subscribe", `{"uri":"fake://b/doc"}`); a.Error() != "" {
				t.Fatal(a.Message)
			}
			listen := g.Dial(gatewaytest.R2026).Listen(`{"resourceSubscriptions":["fake://b/doc"]}`)
			next(t, listen, `["fake://b/doc"]`)
			told := func(what string) {
				t.Helper()
				mark := "after " + what
				got := make(chan struct{}, 2)
				for _, s := range []<-chan string{stream, listen} {
					go func() {
						for msg := range s {
							if strings.Contains(msg, mark) {
								got <- struct{}{}
								return
							}
						}
					}()
				}
				g.WaitFor("both to be told "+mark, func() bool {
					f.Say(updated("fake://b/doc", mark))
					return len(got) == 2
				})
			}
			told("the start")
			f.Restart()
			g.WaitFor("the subscription to be made again", func() bool { return subscribed(f) >= 2 })
			told("a restart")
			before := subscribed(f)
			if err := g.Reload(`{"mcpServers":{"b":{"url":"` + url + `","timeout":77}}}`); err != nil {
				t.Fatal(err)
			}
			g.WaitFor("the new sessions to subscribe", func() bool { return subscribed(f) > before })
			told("a reload")
		})
	}
}

// subscribed is how often a fake was asked for the updates of a resource.
func subscribed(f *gatewaytest.Fake) int {
	n := len(f.Heard("resources/subscribe"))
	for _, h := range f.Heard("subscriptions/listen") {
		if strings.Contains(h.Params(), "fake://b/doc") {
			n++
		}
	}
	return n
}

// A client's change of its roots reaches the backends' sessions for it.
func TestRootsChanged(t *testing.T) {
	t.Parallel()
	fakes, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_ask", "s_ask", "i_ask")
	c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("me"))
	for _, backend := range []string{"h", "s", "i"} {
		asks(c, backend, "", "roots/list", `{}`)
	}
	c.Notify("notifications/roots/list_changed", "")
	for _, backend := range []string{"h", "s"} {
		g.WaitFor(backend+" to be told", func() bool { return len(fakes[backend].Heard("notifications/roots/list_changed")) == 1 })
	}
	g.WaitFor("i to be told", func() bool {
		return strings.Contains(c.Call("tools/call", `{"name":"i_seen","arguments":{"method":"notifications/roots/list_changed"}}`).Result(), "roots/list_changed")
	})
}
