// Package budget_test holds what a call through the gateway may allocate beyond
// the same call made directly, and that a list costs the same whatever its length.
// Bytes and allocations are steady on any machine, so these are gates; times are
// not, see package speed.
package budget_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// The budget of one small call.
const (
	maxBytes  = 15_000
	maxAllocs = 150
)

const (
	legacy = "2025-11-25"
	modern = "2026-07-28"
)

// These tests count what the whole process allocates, so none runs beside another.

func TestCall(t *testing.T) {
	for _, revision := range []string{legacy, modern} {
		t.Run(revision, func(t *testing.T) {
			backend := serve(t, revision, 20)
			g := gatewaytest.Run(t, "mcpServers: {bench: {url: "+backend+"/mcp}}")
			g.WaitTools("bench_echo")
			direct := dial(t, backend, revision, "").measure("tools/call", "echo")
			through := dial(t, g.Base, revision, gatewaytest.Key).measure("tools/call", "bench_echo")
			added := cost{bytes: through.bytes - direct.bytes, allocs: through.allocs - direct.allocs}
			t.Logf("direct %v, through the gateway %v, added %v", direct, through, added)
			if added.bytes > maxBytes || added.allocs > maxAllocs {
				t.Errorf("a call costs %v more than directly; the budget is %d bytes in %d allocations", added, maxBytes, maxAllocs)
			}
			if added.allocs < 1 {
				t.Errorf("a call adds %v: this measures nothing", added)
			}
		})
	}
}

// TestList compares short and long lists: what is served is bytes, made once.
func TestList(t *testing.T) {
	for _, revision := range []string{legacy, modern} {
		t.Run(revision, func(t *testing.T) {
			list := func(tools int) cost {
				g := gatewaytest.Run(t, "mcpServers: {bench: {url: "+serve(t, revision, tools)+"/mcp}}")
				g.WaitTools(fmt.Sprintf("bench_tool_%d", tools-1))
				return dial(t, g.Base, revision, gatewaytest.Key).measure("tools/list", "")
			}
			short, long := list(20), list(2000)
			t.Logf("20 tools %v, 2000 tools %v", short, long)
			if long.allocs > short.allocs+20 || long.bytes > short.bytes+20_000 {
				t.Errorf("a list of 2000 tools costs %v, one of 20 %v: there is work per tool", long, short)
			}
		})
	}
}

// cost is what one call allocates, on average.
type cost struct{ bytes, allocs int64 }

func (c cost) String() string { return fmt.Sprintf("%d bytes in %d allocations", c.bytes, c.allocs) }

// client is the least that can make calls: one connection and prepared bytes.
type client struct {
	t        *testing.T
	conn     net.Conn
	in       *bufio.Reader
	host     string
	revision string
	headers  string
}

func dial(t *testing.T, base, revision, key string) *client {
	t.Helper()
	host := strings.TrimPrefix(base, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{t: t, conn: conn, in: bufio.NewReaderSize(conn, 64<<10), host: host, revision: revision}
	c.headers = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
	if key != "" {
		c.headers += "Authorization: Bearer " + key + "\r\n"
	}
	if revision == legacy {
		_, session := c.exchange(c.request("initialize", `{"protocolVersion":"`+legacy+`","capabilities":{},"clientInfo":{"name":"budget","version":"1"}}`, ""))
		c.headers += "MCP-Protocol-Version: " + legacy + "\r\nMcp-Session-Id: " + session + "\r\n"
		c.exchange(c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, ""))
	} else {
		c.headers += "MCP-Protocol-Version: " + modern + "\r\n"
	}
	return c
}

// measure makes the call often and gives the average.
func (c *client) measure(method, tool string) cost {
	c.t.Helper()
	const warm, calls = 300, 2000
	params, head := "", "Mcp-Method: "+method+"\r\n"
	if tool != "" {
		params, head = `"name":"`+tool+`","arguments":{"text":"hello"}`, head+"Mcp-Name: "+tool+"\r\n"
	}
	if c.revision == modern {
		params = strings.TrimPrefix(params+`,"_meta":{"io.modelcontextprotocol/protocolVersion":"`+modern+`","io.modelcontextprotocol/clientCapabilities":{}}`, ",")
	} else {
		head = ""
	}
	request := c.request(method, "{"+params+"}", head)
	c.verify(request, tool)
	for range warm {
		c.exchange(request)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range calls {
		c.exchange(request)
	}
	runtime.ReadMemStats(&after)
	return cost{
		bytes:  int64(after.TotalAlloc-before.TotalAlloc) / calls,
		allocs: int64(after.Mallocs-before.Mallocs) / calls,
	}
}

func (c *client) request(method, params, headers string) []byte {
	return c.post(`{"jsonrpc":"2.0","id":7,"method":"`+method+`","params":`+params+`}`, headers)
}

func (c *client) post(body, headers string) []byte {
	return fmt.Appendf(nil, "POST /mcp HTTP/1.1\r\nHost: %s\r\n%s%sContent-Length: %d\r\n\r\n%s", c.host, c.headers, headers, len(body), body)
}

// exchange sends one request and reads its answer past.
func (c *client) exchange(request []byte) (length int64, session string) {
	resp := c.send(request)
	length, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		c.t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return length, resp.Header.Get("Mcp-Session-Id")
}

func (c *client) send(request []byte) *http.Response {
	if _, err := c.conn.Write(request); err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// verify looks once at the answer that is then measured.
func (c *client) verify(request []byte, tool string) {
	c.t.Helper()
	body, err := io.ReadAll(c.send(request).Body)
	want := `"tools":[`
	if tool != "" {
		want = `"text":"hello"`
	}
	if err != nil || !bytes.Contains(body, []byte(want)) {
		c.t.Fatalf("the answer lacks %s: %v\n%.2000s", want, err, body)
	}
}

// serve is a backend of one revision that does next to nothing.
func serve(t *testing.T, revision string, tools int) string {
	t.Helper()
	var list strings.Builder
	list.WriteString(`{"resultType":"complete","ttlMs":60000,"cacheScope":"public","tools":[{"name":"echo","inputSchema":{"type":"object"}}`)
	for i := 1; i < tools; i++ {
		fmt.Fprintf(&list, `,{"name":"tool_%d","description":"One of many.","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}`, i)
	}
	list.WriteString("]}")
	results := map[string]string{
		"initialize":      `{"protocolVersion":"` + legacy + `","capabilities":{"tools":{}},"serverInfo":{"name":"least","version":"1"}}`,
		"server/discover": `{"resultType":"complete","supportedVersions":["` + modern + `"],"capabilities":{"tools":{}},"ttlMs":60000,"cacheScope":"public"}`,
		"tools/list":      list.String(),
		"tools/call":      `{"resultType":"complete","content":[{"type":"text","text":"hello"}]}`,
	}
	foreign := "server/discover"
	if revision == modern {
		foreign = "initialize"
	}
	delete(results, foreign)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		id, method := after(body, `"id":`, ",}"), string(bytes.Trim(after(body, `"method":`, ",}"), `"`))
		if id == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		result, ok := results[method]
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no such method"}}`, id)
			return
		}
		if method == "initialize" {
			w.Header().Set("Mcp-Session-Id", "s1")
		}
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, id, result)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// after is the text between a mark and the first of the ends.
func after(body []byte, mark, ends string) []byte {
	_, rest, ok := bytes.Cut(body, []byte(mark))
	if !ok {
		return nil
	}
	if i := bytes.IndexAny(rest, ends); i >= 0 {
		rest = rest[:i]
	}
	return rest
}
