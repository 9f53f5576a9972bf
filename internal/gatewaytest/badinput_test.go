package gatewaytest_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// headers are those of one request, in pairs; a later one replaces, "" removes.
type headers []string

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"raw","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`

// modernHeaders are those of a request of 2026-07-28.
func modernHeaders(method, name string) headers {
	h := headers{"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", method}
	if name != "" {
		h = append(h, "Mcp-Name", name)
	}
	return h
}

// modernBody is one; params without braces.
func modernBody(method, params string) string {
	if params != "" {
		params += ","
	}
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + modernMeta + `}}`
}

// post sends a body with the headers of a good request, but for those given.
func post(t *testing.T, base string, h headers, body string) *http.Response {
	t.Helper()
	return send(t, base, "POST", "/mcp", h, body)
}

func send(t *testing.T, base, method, path string, h headers, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+gatewaytest.Key)
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(h); i += 2 {
		switch {
		case h[i] == "Host":
			req.Host = h[i+1]
		case h[i+1] == "":
			req.Header.Del(h[i])
		case strings.HasPrefix(h[i], "+"):
			req.Header.Add(h[i][1:], h[i+1])
		default:
			req.Header.Set(h[i], h[i+1])
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// counted puts a relay before a backend that counts what reaches it beside its
// lists, which the gateway reads on its own.
func counted(t *testing.T, backend string) (url string, reached func() int64) {
	t.Helper()
	to, err := neturl.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	relay := reverse(to)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var m struct{ Method string }
		_ = json.Unmarshal(body, &m) // what is none is counted
		switch {
		case r.Method != http.MethodPost, strings.HasSuffix(m.Method, "/list"), strings.HasPrefix(m.Method, "notifications/"),
			m.Method == "initialize", m.Method == "server/discover", m.Method == "ping", m.Method == "subscriptions/listen":
		default:
			n.Add(1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		relay.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL + to.Path, n.Load
}

// bad is one request that must not get through.
type bad struct {
	name   string
	method string // "" is POST
	path   string // "" is /mcp
	headers
	body   string
	status int
	code   int // of the JSON-RPC error; 0 is none
}

// reverse is a plain relay that passes events on as they come.
func reverse(to *neturl.URL) *httputil.ReverseProxy {
	host := &neturl.URL{Scheme: to.Scheme, Host: to.Host}
	return &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(host) }}
}

// legacyBody is tools/call with params without braces.
func legacyBody(params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + params + `}}`
}

// ambiguous are T11: what two readers could read in two ways.
func ambiguous(era string, h headers, meta string) (rows []bad) {
	const name = `"name":"l_echo","arguments":{"text":"x"}`
	body := func(envelope, params string) string {
		return `{"jsonrpc":"2.0","id":1` + envelope + `,"params":{` + params + meta + `}}`
	}
	const method = `,"method":"tools/call"`
	for what, b := range map[string]string{
		"METHOD beside method":     body(method+`,"METHOD":"tools/list"`, name),
		"Method alone":             body(`,"Method":"tools/call"`, name),
		"method twice":             body(`,"method":"tools/list"`+method, name),
		"method escaped and plain": body(method+`,"m\u0065thod":"tools/list"`, name),
		"long s":                   body(method+`,"param\u017f":{}`, name),
		"id twice":                 body(`,"id":2`+method, name),
		"params twice":             body(method+`,"params":{"name":"other"}`, name),
		"name twice":               body(method, `"name":"other",`+name),
		"Name beside name":         body(method, `"Name":"other",`+name),
		"name with NUL":            body(method, `"name\u0000":"x",`+name),
		"deep name twice":          body(method, `"name":"l_echo","arguments":{"a":{"b":1,"b":2}}`),
		"trailing value":           body(method, name) + `{}`,
		"trailing comma":           body(method+`,`, name),
		"lone surrogate":           body(method, `"name":"l_echo","arguments":{"text":"\ud800"}`),
		"number without end":       body(method, `"name":"l_echo","arguments":{"n":1e400}`),
		"not a number":             body(method, `"name":"l_echo","arguments":{"n":NaN}`),
		"not UTF-8":                body(method, "\"name\":\"l_echo\",\"arguments\":{\"text\":\"\xff\"}"),
		"byte order mark":          "\xef\xbb\xbf" + body(method, name),
		"depth 10000":              body(method, `"name":"l_echo","arguments":{"a":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+`}`),
		"id is an object":          strings.Replace(body(method, name), `"id":1`, `"id":{}`, 1),
		"id is a fraction":         strings.Replace(body(method, name), `"id":1`, `"id":1.5`, 1),
		"id is null":               strings.Replace(body(method, name), `"id":1`, `"id":null`, 1),
		"version 1.0":              strings.Replace(body(method, name), `"2.0"`, `"1.0"`, 1),
		"version is a number":      strings.Replace(body(method, name), `"2.0"`, `2.0`, 1),
		"result in a request":      body(method+`,"result":{}`, name),
		"half":                     body(method, name)[:60],
		"empty":                    "",
		"white space":              " \n",
		"null":                     "null",
		"text":                     `"tools/call"`,
		"garbage":                  "garbage",
	} {
		rows = append(rows, bad{name: era + ": " + what, headers: h, body: b, status: 400, code: anyOf})
	}
	return rows
}

// anyOf stands for -32700 or -32600.
const anyOf = 1

// outside are the rows of T2, T4, T7 and T9, which come before any message.
func outside(session headers) []bad {
	call := legacyBody(`"name":"l_echo"`)
	with := func(h ...string) headers { return append(slices.Clone(session), h...) }
	return []bad{
		{name: "no credential", headers: with("Authorization", ""), body: call, status: 401},
		{name: "empty bearer", headers: with("Authorization", "Bearer "), body: call, status: 401},
		{name: "another scheme", headers: with("Authorization", "Basic "+gatewaytest.Key), body: call, status: 401},
		{name: "two credentials", headers: with("+Authorization", "Bearer "+gatewaytest.Key), body: call, status: 401},
		{name: "two in one", headers: with("Authorization", "Bearer "+gatewaytest.Key+", Bearer x"), body: call, status: 401},
		{name: "made up", headers: with("Authorization", "Bearer sk-made-up"), body: call, status: 401},
		{name: "foreign host", headers: with("Host", "evil.example"), body: call, status: 421},
		{name: "foreign host with our port", headers: with("Host", "evil.example:4444"), body: call, status: 421},
		{name: "our name in a foreign host", headers: with("Host", "localhost.evil.example"), body: call, status: 421},
		{name: "foreign origin", headers: with("Origin", "https://evil.example"), body: call, status: 403},
		{name: "origin null", headers: with("Origin", "null"), body: call, status: 403},
		{name: "plain text", headers: with("Content-Type", "text/plain"), body: call, status: 415, code: -32600},
		{name: "form", headers: with("Content-Type", "application/x-www-form-urlencoded"), body: call, status: 415, code: -32600},
		{name: "no content type", headers: with("Content-Type", ""), body: call, status: 415, code: -32600},
		{name: "compressed", headers: with("Content-Encoding", "gzip"), body: call, status: 415, code: -32600},
		{name: "accepts JSON alone", headers: with("Accept", "application/json"), body: call, status: 406, code: -32600},
		{name: "8 MiB and a byte", headers: session, body: legacyBody(`"name":"l_echo","arguments":{"text":"` + strings.Repeat("x", 8<<20) + `"}`), status: 413, code: -32600},
		{name: "10000 query parameters", path: "/mcp?" + strings.Repeat("a=1&", 10_000), headers: session, body: call, status: 400},
		{name: "other case", path: "/MCP", headers: session, body: call, status: 404},
		{name: "two slashes", path: "//mcp", headers: session, body: call, status: 400},
		{name: "dots", path: "/x/../mcp", headers: session, body: call, status: 400},
		{name: "encoded slash", path: "/mcp%2f", headers: session, body: call, status: 400},
		{name: "encoded letter", path: "/%6dcp", headers: session, body: call, status: 400},
		{name: "parameter", path: "/mcp;x", headers: session, body: call, status: 404},
		{name: "PUT", method: "PUT", headers: session, body: call, status: 405},
		{name: "overridden method", method: "PATCH", headers: with("X-HTTP-Method-Override", "POST"), body: call, status: 405},
		{name: "rewritten path", path: "/nothing", headers: with("X-Original-Url", "/mcp", "X-Rewrite-Url", "/mcp"), body: call, status: 404},
	}
}

// eras are the rows of the table that tells the eras apart, and of the errors
// (protocol reference 2.1, 2.8).
func eras(session headers) []bad {
	call := legacyBody(`"name":"l_echo"`)
	modern := modernBody("tools/call", `"name":"l_echo"`)
	h := func(pairs ...string) headers { return append(modernHeaders("tools/call", "l_echo"), pairs...) }
	with := func(pairs ...string) headers { return append(slices.Clone(session), pairs...) }
	other := func(old, fresh string) string { return strings.Replace(modern, old, fresh, 1) }
	return []bad{
		{name: "modern without its header", headers: h("MCP-Protocol-Version", ""), body: modern, status: 400, code: -32020},
		{name: "modern with another header", headers: h("MCP-Protocol-Version", "2025-11-25"), body: modern, status: 400, code: -32020},
		{name: "revision of the future", headers: h("MCP-Protocol-Version", "2099-01-01"), body: other("2026-07-28", "2099-01-01"), status: 400, code: -32022},
		{name: "without capabilities", headers: h(), body: other(`,"io.modelcontextprotocol/clientCapabilities":{}`, ``), status: 400, code: -32602},
		{name: "Mcp-Method missing", headers: h("Mcp-Method", ""), body: modern, status: 400, code: -32020},
		{name: "Mcp-Method differs", headers: h("Mcp-Method", "tools/list"), body: modern, status: 400, code: -32020},
		{name: "Mcp-Method in other case", headers: h("Mcp-Method", "Tools/Call"), body: modern, status: 400, code: -32020},
		{name: "Mcp-Method twice", headers: h("+Mcp-Method", "tools/call"), body: modern, status: 400, code: -32020},
		{name: "Mcp-Name missing", headers: h("Mcp-Name", ""), body: modern, status: 400, code: -32020},
		{name: "Mcp-Name differs", headers: h("Mcp-Name", "l_who"), body: modern, status: 400, code: -32020},
		{name: "Mcp-Name encoded and other", headers: h("Mcp-Name", "=?base64?bF93aG8=?="), body: modern, status: 400, code: -32020},
		{name: "modern initialize", headers: modernHeaders("initialize", ""), body: modernBody("initialize", ""), status: 404, code: -32601},
		{name: "modern unknown method", headers: modernHeaders("no/such", ""), body: modernBody("no/such", ""), status: 404, code: -32601},
		{name: "modern unknown tool", headers: modernHeaders("tools/call", "nobody"), body: modernBody("tools/call", `"name":"nobody"`), status: 400, code: -32602},
		{name: "modern bad cursor", headers: modernHeaders("tools/list", ""), body: modernBody("tools/list", `"cursor":"made-up"`), status: 400, code: -32602},
		{name: "modern batch", headers: h(), body: "[" + modern + "]", status: 400, code: -32600},
		{name: "modern response", headers: h(), body: `{"jsonrpc":"2.0","id":1,"result":{}}`, status: 400, code: -32600},
		{name: "modern name for the header, none in the body", headers: headers{"MCP-Protocol-Version", "2026-07-28"}, body: call, status: 400, code: -32602},
		{name: "no session", body: call, status: 400, code: -32600},
		{name: "no session, legacy header", headers: headers{"MCP-Protocol-Version", "2025-06-18"}, body: call, status: 400, code: -32600},
		{name: "unknown session", headers: headers{"Mcp-Session-Id", "made-up"}, body: call, status: 404, code: -32600},
		{name: "session with a changed letter", headers: headers{"Mcp-Session-Id", flipped(session[1])}, body: call, status: 404, code: -32600},
		{name: "response without session", body: `{"jsonrpc":"2.0","id":1,"result":{}}`, status: 400, code: -32600},
		{name: "unknown revision in a session", headers: with("MCP-Protocol-Version", "1999-01-01"), body: call, status: 400, code: -32600},
		{name: "batch in a session of 2025-11-25", headers: session, body: "[" + call + "]", status: 400, code: -32600},
		{name: "unknown tool", headers: session, body: legacyBody(`"name":"nobody"`), status: 200, code: -32602},
		{name: "unknown prompt", headers: session, body: `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"nobody"}}`, status: 200, code: -32602},
		{name: "unknown method", headers: session, body: `{"jsonrpc":"2.0","id":1,"method":"no/such"}`, status: 200, code: -32601},
		{name: "bad cursor", headers: session, body: `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"made-up"}}`, status: 200, code: -32602},
		{name: "params is a list", headers: session, body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["l_echo"]}`, status: 400, code: -32600},
		{name: "name is a number", headers: session, body: legacyBody(`"name":7`), status: 400, code: -32600},
		{name: "name missing", headers: session, body: legacyBody(`"arguments":{}`), status: 200, code: -32602},
		{name: "GET without session", method: "GET", status: 405, code: -32600},
		{name: "GET of an unknown session", method: "GET", headers: headers{"Mcp-Session-Id", "made-up"}, status: 404, code: -32600},
		{name: "GET for a foreign stream", method: "GET", headers: with("Last-Event-Id", "made-up_1"), status: 400, code: -32600},
		{name: "DELETE without session", method: "DELETE", status: 405, code: -32600},
		{name: "DELETE of an unknown session", method: "DELETE", headers: headers{"Mcp-Session-Id", "made-up"}, status: 404, code: -32600},
	}
}

// flipped changes a letter in the middle.
func flipped(s string) string {
	b := []byte(s)
	b[len(b)/2] ^= 1
	return string(b)
}

// T2, T4, T7, T9, T11 and the tables of both eras, against the real listener:
// each has its status and code, and nothing of it reaches a backend.
func TestT11_badInput(t *testing.T) {
	t.Parallel()
	legacy, reached := counted(t, gatewaytest.NewFake("l", gatewaytest.R1125).HTTP(t))
	modern, reachedModern := counted(t, gatewaytest.NewFake("m", gatewaytest.R2026).HTTP(t))
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q},"m":{"url":%q}}}`, legacy, modern))
	g.WaitTools("l_echo", "m_echo")
	session := headers{"Mcp-Session-Id", g.Dial(gatewaytest.R1125).Session, "MCP-Protocol-Version", "2025-11-25"}

	rows := slices.Concat(outside(session), eras(session),
		ambiguous("legacy", session, ""), ambiguous("modern", modernHeaders("tools/call", "l_echo"), ","+modernMeta))
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			before := reached() + reachedModern()
			res := send(t, g.Base, cmp.Or(row.method, "POST"), cmp.Or(row.path, "/mcp"), row.headers, row.body)
			text := readAll(t, res)
			if res.StatusCode != row.status {
				t.Errorf("status %d, want %d: %.300s", res.StatusCode, row.status, text)
			}
			var answer struct{ Error struct{ Code int } }
			_ = json.Unmarshal([]byte(text), &answer) // what is none has no code
			if code := answer.Error.Code; code != row.code && (row.code != anyOf || code != -32700 && code != -32600) {
				t.Errorf("code %d, want %d: %.300s", code, row.code, text)
			}
			if challenge := res.Header.Get("Www-Authenticate"); (row.status == 401) != strings.Contains(challenge, "Bearer resource_metadata=") {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
			if row.status == 405 && res.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if n := reached() + reachedModern(); n != before {
				t.Errorf("%d requests reached a backend", n-before)
			}
		})
	}
	// The counter does count.
	before := reached()
	if a := g.Dial(gatewaytest.R2026).Call("tools/call", `{"name":"l_echo","arguments":{"text":"x"}}`); a.Status != 200 || reached() != before+1 {
		t.Errorf("a good call: %d, %d reached the backend", a.Status, reached()-before)
	}
}
