package budget_test

import (
	"bufio"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// maxBridge is what a call between eras may cost, as a multiple of what a call within
// the client's era costs in the same run, in percent.
const maxBridge = 125

// TestBridge compares calls across the eras with calls within one, for a client that
// may be asked and a backend that asks nothing. Either is counted whole: the client's
// and the backend's part, which a direct call has as well, is told beside.
func TestBridge(t *testing.T) {
	for _, era := range []struct{ client, other string }{{modern, legacy}, {legacy, modern}} {
		t.Run(era.client+" client", func(t *testing.T) {
			same, other := serve(t, era.client, 20), serve(t, era.other, 20)
			g := gatewaytest.Run(t, fmt.Sprintf("mcpServers: {same: {url: %s/mcp}, other: {url: %s/mcp}}", same, other))
			g.WaitTools("same_echo", "other_echo")
			direct := able(t, same, era.client, "").cost("echo")
			through := able(t, g.Base, era.client, gatewaytest.Key)
			within, across := through.cost("same_echo"), through.cost("other_echo")
			for range 2 { // what pools lose to the garbage collector comes on top, now here, now there
				within, across = within.least(through.cost("same_echo")), across.least(through.cost("other_echo"))
			}
			t.Logf("direct %v, within the era %v, across %v", direct, within, across)
			if across.bytes*100 > within.bytes*maxBridge || across.allocs*100 > within.allocs*maxBridge {
				t.Errorf("a call across costs %v, one within %v: more than %d%%", across, within, maxBridge)
			}
			if direct.allocs < 1 || within.allocs <= direct.allocs || across.allocs <= direct.allocs {
				t.Errorf("a direct call costs %v, others %v and %v: this measures nothing", direct, within, across)
			}
		})
	}
}

func (c cost) least(d cost) cost {
	return cost{bytes: min(c.bytes, d.bytes), allocs: min(c.allocs, d.allocs)}
}

const canBeAsked = `{"elicitation":{"form":{}}}`

// able dials as a client that can be asked.
func able(t *testing.T, base, revision, key string) *client {
	t.Helper()
	host := strings.TrimPrefix(base, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{t: t, conn: conn, in: bufio.NewReaderSize(conn, 64<<10), host: host, revision: revision,
		headers: "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"}
	if key != "" {
		c.headers += "Authorization: Bearer " + key + "\r\n"
	}
	if revision == modern {
		c.headers += "MCP-Protocol-Version: " + modern + "\r\n"
		return c
	}
	_, session := c.exchange(c.request("initialize", `{"protocolVersion":"`+legacy+`","capabilities":`+canBeAsked+`,"clientInfo":{"name":"budget","version":"1"}}`, ""))
	c.headers += "MCP-Protocol-Version: " + legacy + "\r\nMcp-Session-Id: " + session + "\r\n"
	c.exchange(c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, ""))
	return c
}

// cost calls a tool often and gives the average.
func (c *client) cost(tool string) cost {
	c.t.Helper()
	const warm, calls = 300, 2000
	params, head := `"name":"`+tool+`","arguments":{"text":"hello"}`, ""
	if c.revision == modern {
		params += `,"_meta":{"io.modelcontextprotocol/protocolVersion":"` + modern + `","io.modelcontextprotocol/clientCapabilities":` + canBeAsked + `}`
		head = "Mcp-Method: tools/call\r\nMcp-Name: " + tool + "\r\n"
	}
	request := c.request("tools/call", "{"+params+"}", head)
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
	return cost{bytes: int64(after.TotalAlloc-before.TotalAlloc) / calls, allocs: int64(after.Mallocs-before.Mallocs) / calls}
}
