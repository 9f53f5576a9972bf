package streamable_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/internal/jsonscan"
)

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

func call(params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + params + `}}`
}

// modernHeaders are those of a tools/call of echo.
var modernHeaders = []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "echo"}

// TestEras is protocol reference 2.1, row by row.
func TestEras(t *testing.T) {
	t.Parallel()
	legacyCall := call(`"name":"echo","arguments":{}`)
	modernCall := call(`"name":"echo",` + modernMeta)
	initialize := func(v string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + v + `","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	}
	const session = "SESSION" // replaced by the id of a live session
	for _, tc := range []struct {
		name    string
		method  string // POST when empty
		body    string
		headers []string
		status  int
		want    []string // parts of the body
		not     string
	}{
		// method = initialize
		{name: "initialize echoes 2024-11-05", body: initialize("2024-11-05"), status: 200, want: []string{`"protocolVersion":"2024-11-05"`}},
		{name: "initialize echoes 2025-03-26", body: initialize("2025-03-26"), status: 200, want: []string{`"protocolVersion":"2025-03-26"`}},
		{name: "initialize echoes 2025-06-18", body: initialize("2025-06-18"), status: 200, want: []string{`"protocolVersion":"2025-06-18"`}},
		{name: "initialize echoes 2025-11-25", body: initialize("2025-11-25"), status: 200, want: []string{`"protocolVersion":"2025-11-25"`}},
		{name: "initialize never answers 2026-07-28", body: initialize("2026-07-28"), status: 200, want: []string{`"protocolVersion":"2025-11-25"`}, not: "2026"},
		{name: "initialize with an unknown revision", body: initialize("1.0"), status: 200, want: []string{`"protocolVersion":"2025-11-25"`}},
		{name: "initialize with modern header", body: initialize("2025-06-18"), headers: []string{"Mcp-Protocol-Version", "2026-07-28"}, status: 200, want: []string{`"2025-06-18"`}},
		{name: "initialize with an unknown session", body: initialize("2025-06-18"), headers: []string{"Mcp-Session-Id", "nope"}, status: 200},

		// V present
		{name: "modern", body: modernCall, headers: modernHeaders, status: 200, want: []string{`"resultType":"complete"`}},
		{name: "modern with */*", body: modernCall, headers: append([]string{"Accept", "", "Accept", "*/*"}, modernHeaders...), status: 200},
		{name: "modern ignores session and Last-Event-ID", body: modernCall, headers: append([]string{"Mcp-Session-Id", "nope", "Last-Event-ID", "x-1"}, modernHeaders...), status: 200},
		{name: "modern without header", body: modernCall, headers: modernHeaders[2:], status: 400, want: []string{`-32020`}},
		{name: "modern with another header", body: modernCall, headers: append([]string{"Mcp-Protocol-Version", "2025-11-25"}, modernHeaders[2:]...), status: 400, want: []string{`-32020`}},
		{name: "modern with the header twice", body: modernCall, headers: append([]string{"Mcp-Protocol-Version", "2026-07-28"}, modernHeaders...), status: 400, want: []string{`-32020`}},
		{
			name: "unsupported revision", body: strings.ReplaceAll(modernCall, "2026-07-28", "2099-01-01"),
			headers: append([]string{"Mcp-Protocol-Version", "2099-01-01"}, modernHeaders[2:]...), status: 400,
			want: []string{`-32022`, `"supported":["2026-07-28","2025-11-25"`, `"requested":"2099-01-01"`},
		},
		{
			name: "legacy revision in _meta", body: strings.ReplaceAll(modernCall, "2026-07-28", "2025-11-25"),
			headers: append([]string{"Mcp-Protocol-Version", "2025-11-25"}, modernHeaders[2:]...), status: 400, want: []string{`-32022`},
		},
		{
			name:    "clientCapabilities missing",
			body:    call(`"name":"echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`),
			headers: modernHeaders, status: 400, want: []string{`-32602`, "clientCapabilities"},
		},
		{name: "Mcp-Method missing", body: modernCall, headers: []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Name", "echo"}, status: 400, want: []string{`-32020`, "Mcp-Method"}},
		{name: "Mcp-Method different", body: modernCall, headers: []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list", "Mcp-Name", "echo"}, status: 400, want: []string{`-32020`}},
		{name: "Mcp-Method in another case", body: modernCall, headers: []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "Tools/Call", "Mcp-Name", "echo"}, status: 400, want: []string{`-32020`}},
		{name: "Mcp-Name missing", body: modernCall, headers: modernHeaders[:4], status: 400, want: []string{`-32020`, "Mcp-Name"}},
		{name: "Mcp-Name different", body: modernCall, headers: append([]string{"Mcp-Name", "ech0"}, modernHeaders[:4]...), status: 400, want: []string{`-32020`}},
		{name: "Mcp-Name as base64", body: modernCall, headers: append([]string{"Mcp-Name", "=?base64?ZWNobw==?="}, modernHeaders[:4]...), status: 200},
		{name: "Mcp-Name as broken base64", body: modernCall, headers: append([]string{"Mcp-Name", "=?base64?!?="}, modernHeaders[:4]...), status: 400, want: []string{`-32020`}},
		{
			name: "Mcp-Name of a task", body: `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"a",` + modernMeta + `}}`,
			headers: []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tasks/get", "Mcp-Name", "b"}, status: 400, want: []string{`-32020`},
		},
		{name: "modern discover", body: `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + modernMeta + `}}`, headers: []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "server/discover"}, status: 200, want: []string{`"supportedVersions":["2026-07-28"`, `"resultType":"complete"`, `"cacheScope":"private"`, `"ttlMs":`, `"io.modelcontextprotocol/serverInfo":{"name":"fake"`}},
		{name: "modern unknown method", body: `{"jsonrpc":"2.0","id":1,"method":"nope","params":{` + modernMeta + `}}`, headers: []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "nope"}, status: 404, want: []string{`-32601`}},
		{name: "modern ping", body: `{"jsonrpc":"2.0","id":1,"method":"ping","params":{` + modernMeta + `}}`, headers: []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "ping"}, status: 404, want: []string{`-32601`}},
		{name: "modern unknown tool", body: strings.ReplaceAll(modernCall, "echo", "nope"), headers: append([]string{"Mcp-Name", "nope"}, modernHeaders[:4]...), status: 400, want: []string{`-32602`}},
		{name: "modern without a name", body: call(modernMeta), headers: modernHeaders, status: 400, want: []string{`-32602`}},
		{name: "modern notification", body: `{"jsonrpc":"2.0","method":"notifications/x","params":{` + modernMeta + `}}`, headers: []string{"Mcp-Protocol-Version", "2026-07-28"}, status: 202},

		// V absent, S known
		{name: "session", body: legacyCall, headers: []string{"Mcp-Session-Id", session}, status: 200, want: []string{`"result"`}, not: "resultType"},
		{name: "session with modern header", body: legacyCall, headers: []string{"Mcp-Session-Id", session, "Mcp-Protocol-Version", "2026-07-28"}, status: 200, want: []string{`"result"`}},
		{name: "session with another revision's header", body: legacyCall, headers: []string{"Mcp-Session-Id", session, "Mcp-Protocol-Version", "2025-06-18"}, status: 200},
		{name: "session with a senseless header", body: legacyCall, headers: []string{"Mcp-Session-Id", session, "Mcp-Protocol-Version", "1999-01-01"}, status: 400, want: []string{`-32600`}},
		{name: "legacy unknown method", body: `{"jsonrpc":"2.0","id":1,"method":"nope"}`, headers: []string{"Mcp-Session-Id", session}, status: 200, want: []string{`-32601`}},
		{name: "legacy unknown tool", body: call(`"name":"nope"`), headers: []string{"Mcp-Session-Id", session}, status: 200, want: []string{`-32602`}},
		{name: "legacy ping", body: `{"jsonrpc":"2.0","id":1,"method":"ping"}`, headers: []string{"Mcp-Session-Id", session}, status: 200, want: []string{`"result":{}`}},
		{name: "discover in a session", body: `{"jsonrpc":"2.0","id":1,"method":"server/discover"}`, headers: []string{"Mcp-Session-Id", session}, status: 200, want: []string{`-32601`}},
		{name: "legacy notification", body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`, headers: []string{"Mcp-Session-Id", session}, status: 202},

		// V absent, S unknown
		{name: "unknown session", body: legacyCall, headers: []string{"Mcp-Session-Id", "nope"}, status: 404, not: "-3202"},
		{name: "unknown session with modern header", body: legacyCall, headers: []string{"Mcp-Session-Id", "nope", "Mcp-Protocol-Version", "2026-07-28"}, status: 404, not: "-3202"},
		{name: "notification to an unknown session", body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`, headers: []string{"Mcp-Session-Id", "nope"}, status: 404},

		// V absent, S absent
		{name: "modern header alone", body: legacyCall, headers: []string{"Mcp-Protocol-Version", "2026-07-28"}, status: 400, want: []string{`-32602`}},
		{name: "later header alone", body: legacyCall, headers: []string{"Mcp-Protocol-Version", "2027-01-01"}, status: 400, want: []string{`-32602`}},
		{name: "legacy header alone", body: legacyCall, headers: []string{"Mcp-Protocol-Version", "2025-11-25"}, status: 400, want: []string{`-32600`}, not: "-3202"},
		{name: "nothing at all", body: legacyCall, status: 400, want: []string{`-32600`}, not: "-3202"},
		{name: "discover without _meta", body: `{"jsonrpc":"2.0","id":1,"method":"server/discover"}`, status: 400, want: []string{`-32600`}, not: "-3202"},
		{name: "notification without session", body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`, status: 400},

		// array body; the session is of 2025-11-25
		{name: "batch of a later session", body: `[` + legacyCall + `]`, headers: []string{"Mcp-Session-Id", session}, status: 400, want: []string{`-32600`}},
		{name: "batch with a later header", body: `[` + legacyCall + `]`, headers: []string{"Mcp-Protocol-Version", "2025-06-18"}, status: 400, want: []string{`-32600`}},
		{name: "batch without session", body: `[` + legacyCall + `]`, status: 400, want: []string{`-32600`}},
		{name: "batch to an unknown session", body: `[` + legacyCall + `]`, headers: []string{"Mcp-Session-Id", "nope"}, status: 404},

		// GET and DELETE
		{name: "GET unknown session", method: "GET", headers: []string{"Mcp-Session-Id", "nope"}, status: 404},
		{name: "GET without session", method: "GET", status: 405},
		{name: "GET that takes JSON only", method: "GET", headers: []string{"Mcp-Session-Id", session, "Accept", "", "Accept", "application/json"}, status: 406},
		{name: "DELETE unknown session", method: "DELETE", headers: []string{"Mcp-Session-Id", "nope"}, status: 404},
		{name: "DELETE without session", method: "DELETE", status: 405},
		{name: "DELETE", method: "DELETE", headers: []string{"Mcp-Session-Id", session}, status: 204},
		{name: "PUT", method: "PUT", status: 405},

		// POST of a response
		{name: "response in a session", body: `{"jsonrpc":"2.0","id":"x","result":{}}`, headers: []string{"Mcp-Session-Id", session}, status: 202},
		{name: "response without session", body: `{"jsonrpc":"2.0","id":"x","result":{}}`, status: 400},
		{name: "response to an unknown session", body: `{"jsonrpc":"2.0","id":"x","result":{}}`, headers: []string{"Mcp-Session-Id", "nope"}, status: 404},

		// Accept
		{name: "wildcard Accept", body: legacyCall, headers: []string{"Mcp-Session-Id", session, "Accept", "", "Accept", "*/*"}, status: 200},
		{name: "no Accept", body: legacyCall, headers: []string{"Mcp-Session-Id", session, "Accept", ""}, status: 200},
		{name: "half wildcards", body: legacyCall, headers: []string{"Mcp-Session-Id", session, "Accept", "", "Accept", "application/*;q=0.5,text/*"}, status: 200},
		{name: "JSON only", body: legacyCall, headers: []string{"Mcp-Session-Id", session, "Accept", "", "Accept", "application/json"}, status: 406},
		{name: "events refused", body: legacyCall, headers: []string{"Mcp-Session-Id", session, "Accept", "", "Accept", "application/json, text/event-stream; q=0"}, status: 406},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			id := d.initialize("2025-11-25")
			headers := append([]string(nil), tc.headers...)
			for i := range headers {
				headers[i] = strings.Replace(headers[i], session, id, 1)
			}
			method := tc.method
			if method == "" {
				method = http.MethodPost
			}
			w := d.do(method, tc.body, headers...)
			check(t, w, tc.status, tc.want, tc.not)
			if tc.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if w.Code >= 400 && len(d.hub.Served()) > 0 && tc.status != 404 && !strings.Contains(tc.name, "unknown tool") {
				t.Errorf("the hub was asked: %v", d.hub.Served())
			}
		})
	}
}

func check(t *testing.T, w *httptest.ResponseRecorder, status int, want []string, not string) {
	t.Helper()
	body := w.Body.String()
	if w.Code != status {
		t.Fatalf("status %d, want %d; body %s", w.Code, status, body)
	}
	for _, part := range want {
		if !strings.Contains(body, part) {
			t.Errorf("body %s lacks %s", body, part)
		}
	}
	if not != "" && strings.Contains(body, not) {
		t.Errorf("body %s holds %s", body, not)
	}
	if body != "" {
		if err := jsonscan.Check([]byte(body)); err != nil {
			t.Errorf("body %s: %v", body, err)
		}
	}
}

func TestInitialize_serverInfoOfTheClientsTime(t *testing.T) {
	t.Parallel()
	for revision, want := range map[string]string{
		"2024-11-05": `"serverInfo":{"name":"fake","version":"1","x":1},"instructions":"Be kind."`,
		"2025-06-18": `"serverInfo":{"name":"fake","version":"1","title":"T","x":1}`,
		"2025-11-25": `"serverInfo":{"name":"fake","version":"1","title":"T","icons":[],"description":"D","websiteUrl":"W","x":1}`,
	} {
		d := newDoor(t)
		w := d.do("POST", `{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"`+revision+`"}}`)
		check(t, w, 200, []string{want, `{"jsonrpc":"2.0","id":"i","result":{"protocolVersion":"` + revision + `","capabilities":{"tools":{"listChanged":true}}`}, "")
		for _, c := range w.Header().Get("Mcp-Session-Id") {
			if c < 0x21 || c > 0x7e {
				t.Fatalf("session id holds %q", c)
			}
		}
	}
}
