package gatewaytest_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

const talkative = `{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"prompts":{},"logging":{},"completions":{}`

// Completions find their owner by the prompt's or template's name, which comes as
// the backend knows it; context is only for revisions that have it.
func TestCompletion(t *testing.T) {
	t.Parallel()
	var entries, echo []string
	for i, rev := range every {
		f := gatewaytest.NewAsking(fmt.Sprintf("b%d", i), rev)
		f.SetCapabilities(talkative + `}`)
		url := f.HTTP(t)
		if rev == gatewaytest.R2024 {
			url = f.HTTPSSE(t)
		}
		entries = append(entries, fmt.Sprintf(`%q:{"url":%q}`, f.Name, url))
		echo = append(echo, f.Name+"_echo")
	}
	g := gatewaytest.Run(t, `{"mcpServers":{`+strings.Join(entries, ",")+`}}`)
	g.WaitTools(echo...)
	const rest = `"argument":{"name":"a","value":"\u00e9"},"context":{"arguments":{"z":"1"}}`
	for _, client := range every {
		c := g.Dial(client)
		for i, rev := range every {
			for ref, want := range map[string]string{
				fmt.Sprintf(`{"type":"ref/prompt","name":"b%d_greet","x":1.0}`, i):      `{"type":"ref/prompt","name":"greet","x":1.0}`,
				fmt.Sprintf(`{"type":"ref/resource","uri":"fake://b%d/items/{id}"}`, i): fmt.Sprintf(`{"type":"ref/resource","uri":"fake://b%d/items/{id}"}`, i),
			} {
				a := c.Call("completion/complete", `{"ref":`+ref+`,`+rest+`}`)
				got := strings.ReplaceAll(a.Result(), `\"`, `"`)
				if !strings.Contains(got, `"ref":`+want) || !strings.Contains(got, `"value":"\\u00e9"`) {
					t.Errorf("%s to %s: %s", client, rev, a.Message)
				}
				if has := strings.Contains(got, `"context"`); has != (rev >= gatewaytest.R0618) {
					t.Errorf("%s to %s: context sent: %t", client, rev, has)
				}
			}
		}
		for _, ref := range []string{`{"type":"ref/prompt","name":"nobody"}`, `{"type":"ref/resource","uri":"nobody://x"}`} {
			if a := c.Call("completion/complete", `{"ref":`+ref+`,`+rest+`}`); !strings.Contains(a.Error(), "-32602") {
				t.Errorf("%s: %s", ref, a.Message)
			}
		}
	}
}

// Keys of _meta that are not the protocol's own pass in every pairing, such as a
// trace that is to be continued.
func TestMeta_survives(t *testing.T) {
	t.Parallel()
	names, config := everyBackend(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools(tools(names, "params")...)
	const meta = `"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"a=b","vendor.example/k":{"z":9007199254740993,"a":1.0}`
	for _, rev := range every {
		c := g.Dial(rev)
		for _, backend := range names {
			a := c.Call("tools/call", `{"name":"`+backend+`_params","arguments":{},"_meta":{`+meta+`}}`)
			if !strings.Contains(a.Result(), meta) {
				t.Errorf("%s to %s: %s", rev, backend, a.Message)
			}
			own := strings.Contains(a.Result(), "io.modelcontextprotocol/protocolVersion")
			if modern := strings.HasPrefix(backend, "m"); own != modern {
				t.Errorf("%s to %s: keys of 2026-07-28 sent: %t", rev, backend, own)
			}
		}
	}
}

// Extensions are told of in both directions, raw, and their methods reach the one
// backend that has the extension.
func TestExtensions(t *testing.T) {
	t.Parallel()
	const widgets, other = `"com.example/widgets":{"v":1.0,"big":9007199254740993}`, `"com.example/both":{}`
	l, m := gatewaytest.NewAsking("l", gatewaytest.R1125), gatewaytest.NewAsking("m", gatewaytest.R2026)
	l.SetCapabilities(talkative + `,"extensions":{` + other + `}}`)
	m.SetCapabilities(talkative + `,"extensions":{` + other + `,` + widgets + `}}`)
	p := gatewaytest.NewAsking("p", gatewaytest.R1125)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q},"m":{"url":%q},"p":%s}}`, l.HTTP(t), m.HTTP(t),
		strings.TrimSuffix(p.Stdio(t), "}")+`,"interactive":true}`))
	g.WaitTools("l_params", "m_params", "p_params")
	const client = `"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"],"n":9007199254740993}`
	person := gatewaytest.Person{Capabilities: `{"extensions":{` + client + `}}`}
	for _, rev := range []string{gatewaytest.R1125, gatewaytest.R2026} {
		c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, rev, person)
		hello := c.Greeting()
		if rev == gatewaytest.R2026 {
			hello = c.Call("server/discover", "").Result()
		}
		if !strings.Contains(hello, `"extensions":{`+other+`,`+widgets+`}`) {
			t.Errorf("%s is told of %s", rev, hello)
		}
		if a := c.Call("widgets/spin", `{"speed":1.0}`); !strings.Contains(a.Result(), `"speed":1.0`) {
			t.Errorf("%s, a method of an extension: %d %s", rev, a.Status, a.Message)
		}
		if a := c.Call("both/do", `{}`); !strings.Contains(a.Error(), "-32601") {
			t.Errorf("%s, a method of two backends: %s", rev, a.Message)
		}
		if a := c.Call("tools/call", `{"name":"m_params","arguments":{}}`); !strings.Contains(a.Result(), client) {
			t.Errorf("%s: the modern backend got %s", rev, a.Message)
		}
		c.Call("tools/call", `{"name":"l_params","arguments":{}}`)
		greetings := l.Heard("initialize")
		if got := greetings[len(greetings)-1].Params(); !strings.Contains(got, client) {
			t.Errorf("%s: the legacy backend got %s", rev, got)
		}
		if a := c.Call("tools/call", `{"name":"p_seen","arguments":{"method":"initialize"}}`); !strings.Contains(a.Result(), client) {
			t.Errorf("%s: the legacy process got %s", rev, a.Message)
		}
	}
	plain := g.Dial(gatewaytest.R1125)
	plain.Call("tools/call", `{"name":"l_params","arguments":{}}`)
	greetings := l.Heard("initialize")
	if got := greetings[len(greetings)-1].Params(); strings.Contains(got, "extensions") {
		t.Errorf("for a client without extensions the backend got %s", got)
	}
	if got := g.Dial(gatewaytest.R0326).Greeting(); strings.Contains(got, "extensions") {
		t.Errorf("an old client is told of %s", got)
	}
}

// What 2026-07-28 wants in results is there, whatever the backend speaks.
func TestCacheHints(t *testing.T) {
	t.Parallel()
	names, config := everyBackend(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools(tools(names, "echo")...)
	c := g.Dial(gatewaytest.R2026)
	for _, call := range []struct{ method, params string }{
		{"server/discover", ""}, {"tools/list", ""}, {"prompts/list", ""}, {"resources/list", ""}, {"resources/templates/list", ""},
	} {
		a := c.Call(call.method, call.params)
		if !strings.Contains(a.Result(), `"ttlMs":`) || !strings.Contains(a.Result(), `"cacheScope":"private"`) || !strings.Contains(a.Result(), `"resultType":"complete"`) {
			t.Errorf("%s: %s", call.method, a.Message)
		}
	}
	for _, backend := range names {
		a := c.Call("resources/read", `{"uri":"fake://`+backend+`/doc"}`)
		want := `"ttlMs":0,"cacheScope":"private"`
		if strings.HasPrefix(backend, "m") {
			want = `"ttlMs":1000,"cacheScope":"public"` // the backend's own word
		}
		if !strings.Contains(a.Result(), want) || !strings.Contains(a.Result(), `"resultType":"complete"`) {
			t.Errorf("%s: %s", backend, a.Message)
		}
	}
}

// Mcp-Name and Mcp-Param-* are checked against the body at the door, and written
// as the backend knows the tool.
func TestParamHeaders(t *testing.T) {
	t.Parallel()
	const tool = `{"name":"params","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"}}}}`
	m, l := gatewaytest.NewAsking("m", gatewaytest.R2026), gatewaytest.NewAsking("l", gatewaytest.R1125)
	m.SetTools(tool)
	l.SetTools(tool)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"m":{"url":%q},"l":{"url":%q}}}`, m.HTTP(t), l.HTTP(t)))
	g.WaitTools("m_params", "l_params")
	marked := "=?base64?" + base64.StdEncoding.EncodeToString([]byte("köln")) + "?="
	for _, backend := range []string{"m", "l"} {
		for _, tt := range []struct {
			name      string
			arguments string
			header    map[string]string
			want      string // "" is refused
		}{
			{"equal", `{"region":"eu","n":7}`, map[string]string{"Mcp-Param-Region": "eu", "Mcp-Param-N": "7"}, `"Mcp-Param-Region":"eu"`},
			{"in base64", `{"region":"köln","n":7}`, map[string]string{"Mcp-Param-Region": marked, "Mcp-Param-N": "7"}, `"Mcp-Param-Region":"` + marked + `"`},
			{"of an argument that is not there", `{"region":"eu"}`, map[string]string{"Mcp-Param-Region": "eu"}, `"Mcp-Param-Region":"eu"`},
			{"unknown", `{"region":"eu","n":7}`, map[string]string{"Mcp-Param-Region": "eu", "Mcp-Param-N": "7", "Mcp-Param-New": "x"}, `"Mcp-Param-New":"x"`},
			{"another value", `{"region":"eu","n":7}`, map[string]string{"Mcp-Param-Region": "us", "Mcp-Param-N": "7"}, ""},
			{"missing", `{"region":"eu","n":7}`, map[string]string{"Mcp-Param-Region": "eu"}, ""},
			{"too many", `{"region":"eu"}`, map[string]string{"Mcp-Param-Region": "eu", "Mcp-Param-N": "7"}, ""},
		} {
			a := g.Dial(gatewaytest.R2026).With(tt.header).Call("tools/call", `{"name":"`+backend+`_params","arguments":`+tt.arguments+`}`)
			switch {
			case tt.want == "":
				if a.Status != 400 || !strings.Contains(a.Error(), "-32020") {
					t.Errorf("%s, %s: %d %s", backend, tt.name, a.Status, a.Message)
				}
			case backend == "l":
				if strings.Contains(a.Result(), `"Mcp-Param`) || strings.Contains(a.Result(), `"Mcp-Name`) || !strings.Contains(a.Result(), `"params"`) {
					t.Errorf("l, %s: %s", tt.name, a.Message)
				}
			case !strings.Contains(a.Result(), tt.want) || !strings.Contains(a.Result(), `"Mcp-Name":"params"`):
				t.Errorf("m, %s: %s", tt.name, a.Message)
			}
		}
	}
	// An annotation that breaks the rules loses a modern backend's tool, and a
	// legacy one, which knows nothing of it, only the annotation.
	const bad = `{"name":"params","inputSchema":{"type":"object","properties":{"a":{"type":"array","x-mcp-header":"A","items":[{"x":1.0}]}}}}`
	m.SetTools(bad, `{"name":"echo","inputSchema":{"type":"object"}}`)
	l.SetTools(bad, `{"name":"echo","inputSchema":{"type":"object"}}`)
	g.WaitTools("m_echo", "l_echo")
	list := g.Dial(gatewaytest.R2026).Call("tools/list", "").Result()
	if strings.Contains(list, "m_params") || !strings.Contains(list, `{"name":"l_params","inputSchema":{"type":"object","properties":{"a":{"type":"array","items":[{"x":1.0}]}}}}`) {
		t.Errorf("with invalid annotations: %s", list)
	}
	m.SetTools(tool)
	g.WaitTools("m_params")

	// A client that has no such headers: they are made from its arguments.
	a := g.Dial(gatewaytest.R1125).Call("tools/call", `{"name":"m_params","arguments":{"region":"köln","n":7}}`)
	if !strings.Contains(a.Result(), `"Mcp-Param-Region":"`+marked+`"`) || !strings.Contains(a.Result(), `"Mcp-Param-N":"7"`) || !strings.Contains(a.Result(), `"Mcp-Name":"params"`) {
		t.Errorf("for a legacy client: %s", a.Message)
	}
}

// Pings are answered by whoever gets them, and travel nowhere.
func TestPing(t *testing.T) {
	t.Parallel()
	fakes, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_ask", "e_ask", "s_ask", "p_ask", "i_ask")
	for _, rev := range every {
		c := g.Dial(rev)
		a := c.Call("ping", "")
		if rev == gatewaytest.R2026 {
			if a.Status != 404 || !strings.Contains(a.Error(), "-32601") {
				t.Errorf("a modern client: %d %s", a.Status, a.Message)
			}
			continue
		}
		if a.Result() != `{}` {
			t.Errorf("%s: %s", rev, a.Message)
		}
		for _, way := range ways {
			if a := asks(c, way.backend, way.via, "ping", `{}`); !strings.Contains(a.Result(), `"answers":[{"result":{}}]`) || len(c.Questions()) > 0 {
				t.Errorf("%s, from %s %s: %s", rev, way.backend, way.via, a.Message)
			}
		}
	}
	for name, f := range fakes {
		if n := len(f.Heard("ping")); n > 0 {
			t.Errorf("%s got %d pings", name, n)
		}
	}
}
