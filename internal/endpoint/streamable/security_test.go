package streamable_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/route"
)

// T7: a foreign page can only send "simple" content types without asking.
func TestT7_contentType(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	for ct, status := range map[string]int{
		"application/json":                  200,
		"application/json; charset=utf-8":   200,
		"Application/JSON":                  200,
		"text/plain":                        415,
		"application/x-www-form-urlencoded": 415,
		"multipart/form-data; boundary=x":   415,
		"text/plain; application/json":      415,
		"application/jsonx":                 415,
		"":                                  415,
	} {
		w := d.do("POST", call(`"name":"echo"`), "Mcp-Session-Id", id, "Content-Type", "", "Content-Type", ct)
		if w.Code != status {
			t.Errorf("Content-Type %q: status %d, want %d", ct, w.Code, status)
		}
	}
	if w := d.do("POST", call(`"name":"echo"`), "Mcp-Session-Id", id, "Content-Type", "text/plain"); w.Code != 415 {
		t.Errorf("two content types: status %d", w.Code)
	}
}

// T9: size, compression, depth.
func TestT9_limits(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	served := len(d.hub.Served())
	pad := func(n int) string {
		body := call(`"name":"echo","arguments":{"x":""}`)
		return strings.Replace(body, `"x":"`, `"x":"`+strings.Repeat("a", n-len(body)), 1)
	}
	limit := int(session.DefaultConfig().MaxBody)

	if w := d.do("POST", pad(limit+1), "Mcp-Session-Id", id); w.Code != 413 {
		t.Errorf("one byte over the limit: status %d", w.Code)
	}
	chunked := newRequest(alice, "POST", pad(limit+1), "Mcp-Session-Id", id)
	chunked.ContentLength = -1
	w := httptest.NewRecorder()
	if d.ServeHTTP(w, chunked); w.Code != 413 {
		t.Errorf("over the limit without length: status %d", w.Code)
	}
	if w := d.do("POST", call(`"name":"echo"`), "Mcp-Session-Id", id, "Content-Encoding", "gzip"); w.Code != 415 {
		t.Errorf("compressed: status %d", w.Code)
	}
	deep := call(`"name":"echo","arguments":{"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`)
	if w := d.do("POST", deep, "Mcp-Session-Id", id); w.Code != 400 {
		t.Errorf("deep: status %d", w.Code)
	}
	if got := d.hub.Served(); len(got) != served {
		t.Errorf("the hub was asked: %v", got)
	}
	if w := d.do("POST", pad(limit), "Mcp-Session-Id", id); w.Code != 200 {
		t.Errorf("exactly the limit: status %d", w.Code)
	}
}

// T11: whatever two readers could read in two ways is refused, and nothing
// reaches a backend.
func TestT11_ambiguous(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"METHOD beside method":     `{"jsonrpc":"2.0","id":1,"method":"tools/list","METHOD":"tools/call"}`,
		"Params beside params":     `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"Params":{"name":"rm"}}`,
		"params twice":             `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"params":{"name":"rm"}}`,
		"name twice":               call(`"name":"echo","name":"rm"`),
		"name twice, once escaped": call(`"name":"echo","n\u0061me":"rm"`),
		"Name beside name":         call(`"name":"echo","Name":"rm"`),
		"NUL in a key":             call(`"name\u0000":"rm","name":"echo"`),
		"NUL in the name":          call(`"name":"echo\u0000"`),
		"long s":                   `{"jsonrpc":"2.0","id":1,"method":"tools/call","param` + "\u017f" + `":{"name":"rm"},"params":{"name":"echo"}}`,
		"Kelvin sign":              call(`"name":"echo","ta` + "\u017f\u212a" + `Id":"x"`),
		"trailing value":           call(`"name":"echo"`) + `{}`,
		"lone surrogate":           call(`"name":"echo","arguments":{"x":"\ud800"}`),
		"1e400":                    call(`"name":"echo","arguments":{"x":1e400}`),
		"invalid UTF-8":            call(`"name":"echo","arguments":{"x":"` + "\xff" + `"}`),
		"id null":                  `{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"echo"}}`,
		"id fraction":              `{"jsonrpc":"2.0","id":1.5,"method":"tools/call","params":{"name":"echo"}}`,
		"jsonrpc 1.0":              `{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"echo"}}`,
		"params array":             `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["echo"]}`,
		"method and result":        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"result":{}}`,
		"empty":                    ``,
		"not JSON":                 `name=echo`,
		"batch":                    `[` + call(`"name":"echo"`) + `]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			id := d.initialize("2025-11-25")
			w := d.do("POST", body, "Mcp-Session-Id", id)
			if w.Code != 400 {
				t.Errorf("status %d, body %s", w.Code, w.Body)
			}
			if !strings.Contains(w.Body.String(), "-32600") && !strings.Contains(w.Body.String(), "-32700") {
				t.Errorf("body %s", w.Body)
			}
			if got := d.hub.Served(); len(got) > 0 {
				t.Errorf("the hub was asked: %v", got)
			}
		})
	}
}

// T14: a session id is worth nothing to somebody else, in any method.
func TestT14_sessionOfSomebodyElse(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	otherKey := account.Principal{User: "alice", Credential: "key_9"}
	for _, p := range []account.Principal{bob, otherKey} {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			for _, restart := range []bool{false, true} {
				if restart {
					d.start()
				}
				w := httptest.NewRecorder()
				d.ServeHTTP(w, newRequest(p, method, call(`"name":"echo"`), "Mcp-Session-Id", id))
				if w.Code != 404 {
					t.Errorf("%s as %s/%s, restarted %v: status %d", method, p.User, p.Credential, restart, w.Code)
				}
			}
		}
	}
	if w := d.do("POST", call(`"name":"echo"`), "Mcp-Session-Id", id); w.Code != 200 {
		t.Errorf("its owner: status %d", w.Code)
	}
	if got := d.hub.Served(); len(got) != 1 {
		t.Errorf("served %v", got)
	}
}

func TestT14_forgedIDs(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	flip := []byte(id)
	if flip[20]++; flip[20] > 'z' {
		flip[20] = 'a'
	}
	for _, forged := range []string{"a", id[:len(id)-1], id + "A", id[1:], string(flip), strings.Repeat("A", 9<<10), "=" + id} {
		if w := d.do("POST", call(`"name":"echo"`), "Mcp-Session-Id", forged); w.Code != 404 {
			t.Errorf("id %.20q...: status %d", forged, w.Code)
		}
	}
}

// A request that reaches the endpoint without a principal is a hole in the
// routes; it is refused all the same.
func TestT4_withoutPrincipal(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(call(`"name":"echo"`)))
	w := httptest.NewRecorder()
	if d.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
		t.Errorf("status %d", w.Code)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	got := map[string]string{}
	for _, rt := range d.Handler.(interface{ Routes() []route.Route }).Routes() {
		if rt.Policy != route.Bearer {
			t.Errorf("%s has policy %d", rt.Pattern, rt.Policy)
		}
		got[rt.Pattern] = rt.Resource
	}
	// The address of a profile is a resource of its own: a token for one opens no other.
	want := map[string]string{"/mcp": "/mcp", "/mcp/": "/mcp", "/mcp/{profile}": "/mcp/{profile}", "/mcp/{profile}/": "/mcp/{profile}"}
	if !maps.Equal(got, want) {
		t.Errorf("patterns and resources: %v, want %v", got, want)
	}
}

// The attack: a batch of calls with large results, all of which wait in memory
// until the last has come.
func TestT9_batchHeldTogether(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-03-26")
	big := []byte(`{"x":"` + strings.Repeat("x", 7<<20) + `"}`)
	d.hub.On("big", func(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		return mcpwire.Done(req.Revision, big)
	})
	var calls []string
	for i := range 40 {
		calls = append(calls, `{"jsonrpc":"2.0","id":`+strconv.Itoa(i)+`,"method":"tools/call","params":{"name":"big"}}`)
	}
	w := d.do("POST", "["+strings.Join(calls, ",")+"]", "Mcp-Session-Id", id)
	if w.Body.Len() > 100<<20 || strings.Count(w.Body.String(), "larger than this connection can hold") < 20 {
		t.Errorf("status %d, %d bytes held at once", w.Code, w.Body.Len())
	}
	for i := range 40 {
		if n := strings.Count(w.Body.String(), `"id":`+strconv.Itoa(i)+","); n != 1 {
			t.Errorf("call %d has %d answers", i, n)
		}
	}
}

// The attack: a valid key names subscriptions of megabytes each, which are kept
// in memory and in the store.
func TestT9_longURI(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	long := "x://" + strings.Repeat("a", 1<<20)
	w := d.do("POST", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"`+long+`"}}`, "Mcp-Session-Id", id)
	if !strings.Contains(w.Body.String(), "-32602") || w.Body.Len() > 1000 {
		t.Errorf("subscribe: %d, %d bytes", w.Code, w.Body.Len())
	}
	w = d.do("POST", `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["`+long+`"]},`+
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen")
	if w.Code != 400 || !strings.Contains(w.Body.String(), "-32602") || w.Body.Len() > 1000 {
		t.Errorf("listen: %d, %d bytes", w.Code, w.Body.Len())
	}
	if n := len(d.hub.Watches()); n != 0 {
		t.Errorf("%d watches", n)
	}
}
