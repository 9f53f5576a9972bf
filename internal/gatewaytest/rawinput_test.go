package gatewaytest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
)

// dialRaw opens a connection to the gateway on which a read takes 30 s at most.
func dialRaw(t *testing.T, g *gatewaytest.Gateway) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// T8: what another server in front might read in another way. A body that comes
// in such a request must not be run, nor what hides behind it.
func TestT8_badHTTP(t *testing.T) {
	t.Parallel()
	url, reached := counted(t, gatewaytest.NewFake("l", gatewaytest.R1125).HTTP(t))
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q}}}`, url))
	g.WaitTools("l_echo")
	body := legacyBody(`"name":"l_echo","arguments":{"text":"x"}`)
	lines := "Authorization: Bearer " + gatewaytest.Key + "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n" +
		"Mcp-Session-Id: " + g.Dial(gatewaytest.R1125).Session + "\r\n"
	length := "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	chunk := strconv.FormatInt(int64(len(body)), 16)
	for _, tt := range []struct {
		name, head, lines, body string
		status                  int
	}{
		{"two lengths", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", length + "Content-Length: 5\r\n", body, 400},
		{"a length with a sign", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", "Content-Length: +" + strconv.Itoa(len(body)) + "\r\n", body, 400},
		{"a negative length", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", "Content-Length: -1\r\n", body, 400},
		{"an unknown coding", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", "Transfer-Encoding: xchunked\r\n", body, 501},
		{"chunked twice", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 501},
		{"space before a colon", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", length + "X-A : b\r\n", body, 400},
		{"NUL in a header", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", length + "X-A: a\x00b\r\n", body, 400},
		{"no host", "POST /mcp HTTP/1.1\r\n", length, body, 400},
		{"two hosts", "POST /mcp HTTP/1.1\r\nHost: localhost\r\nHost: 127.0.0.1\r\n", length, body, 400},
		{"a foreign host in the target", "POST http://evil.example/mcp HTTP/1.1\r\nHost: localhost\r\n", length, body, 421},
		{"a target without slash", "POST mcp HTTP/1.1\r\nHost: localhost\r\n", length, body, 400},
		{"a chunk that ends in a bare line feed", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", "Transfer-Encoding: chunked\r\n", chunk + "\n" + body + "\n0\n\n", 400},
		{"a chunk that is shorter than it says", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", "Transfer-Encoding: chunked\r\n", "2\r\n" + body + "\r\n0\r\n\r\n", 400},
		{"a header that is too long", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", length + "X-A: " + strings.Repeat("x", 68<<10) + "\r\n", "", 431},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dialRaw(t, g)
			if _, err := io.WriteString(c, tt.head+lines+tt.lines+"\r\n"+tt.body); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != tt.status || !res.Close && tt.status != 421 {
				t.Errorf("status %d, want %d; closes %v", res.StatusCode, tt.status, res.Close)
			}
			if reached() != 0 {
				t.Errorf("%d requests reached the backend", reached())
			}
		})
	}
}

// T10: clients that send their header slowly are cut off; until then, and however
// many they are, others are served.
func TestT10_slowHeaders(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake("l", gatewaytest.R2026)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q}}}`, f.HTTP(t)))
	g.WaitTools("l_echo")
	start := time.Now()
	var slow sync.WaitGroup
	for range 200 {
		c := dialRaw(t, g)
		if _, err := io.WriteString(c, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-"); err != nil {
			t.Fatal(err)
		}
		slow.Go(func() {
			said, err := io.ReadAll(c) // until the gateway closes
			if err != nil || len(said) > 0 && !strings.HasPrefix(string(said), "HTTP/1.1 4") {
				t.Errorf("it was told %.100q, %v", said, err)
			}
		})
	}
	c := g.Dial(gatewaytest.R2026)
	for range 20 {
		before := time.Now()
		if a := c.Call("tools/call", `{"name":"l_echo","arguments":{"text":"x"}}`); a.Status != 200 || time.Since(before) > 2*time.Second {
			t.Errorf("a good call: %d after %s", a.Status, time.Since(before))
		}
	}
	slow.Wait()
	if took := time.Since(start); took < 4*time.Second || took > 15*time.Second {
		t.Errorf("they were cut off after %s", took)
	}
}

// F7: a client that takes nothing of a large answer holds up nobody, and what it
// leaves behind is given back.
func TestT10_slowReaders(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake("l", gatewaytest.R2026)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q}}}`, f.HTTP(t)))
	g.WaitTools("l_big")
	body := modernBody("tools/call", `"name":"l_big","arguments":{"bytes":16777216}`)
	var stuck []net.Conn
	for range 8 {
		c := dialRaw(t, g)
		_, err := fmt.Fprintf(c, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
			"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: l_big\r\nContent-Length: %d\r\n\r\n%s", gatewaytest.Key, len(body), body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		stuck = append(stuck, c)
	}
	running := func(n int) func() bool { return func() bool { return callsAt(t, g.Base) == n } }
	g.WaitFor("the calls to run", running(8))
	c := g.Dial(gatewaytest.R1125)
	for range 20 {
		if a := c.Call("tools/call", `{"name":"l_echo","arguments":{"text":"x"}}`); a.Status != 200 {
			t.Errorf("a good call: %d %.200s", a.Status, a.Message)
		}
	}
	for _, c := range stuck {
		_ = c.Close()
	}
	// All turns are free again once the backend's answers are given up.
	g.WaitFor("the calls to end", running(0))
}

// callsAt is how many calls run on all backends together.
func callsAt(t *testing.T, base string) (n int) {
	t.Helper()
	var all struct {
		Backends []struct {
			InFlight int `json:"in_flight"`
		}
	}
	if err := json.Unmarshal([]byte(status(t, base)), &all); err != nil {
		t.Fatal(err)
	}
	for _, b := range all.Backends {
		n += b.InFlight
	}
	return n
}
