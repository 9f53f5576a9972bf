package gatewaytest_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
)

// silence is a server that takes connections and says nothing.
func silence(t *testing.T) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open []net.Conn
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			open = append(open, c)
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
		for _, c := range open {
			_ = c.Close()
		}
	})
	return "http://" + ln.Addr().String() + "/mcp"
}

// Backends that never get ready, or whose lists never end, hold up nobody: the
// others' lists come at once, and what was gathered of an endless list is shown.
func TestLists_ofOneBackendHoldUpNoOther(t *testing.T) {
	t.Parallel()
	same, fresh, stuck := gatewaytest.NewRogue("same", gatewaytest.R1125), gatewaytest.NewRogue("fresh", gatewaytest.R2026), gatewaytest.NewRogue("stuck", gatewaytest.R1125)
	same.Lists, fresh.Lists, stuck.Lists = "same", "fresh", "hang"
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="https://evil.example/"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(refusing.Close)
	good := gatewaytest.NewFake("good", gatewaytest.R1125)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"same":{"url":%q},"fresh":{"url":%q},"stuck":{"url":%q},"refusing":{"url":%q},
		"silent":{"url":%q},"nowhere":{"url":"http://127.0.0.1:1/mcp"},"missing":{"command":"/nonexistent/server"},"mute":{"command":"sleep","args":["300"]},"good":{"url":%q}}}`,
		same.HTTP(t), fresh.HTTP(t), stuck.HTTP(t), refusing.URL, silence(t), good.HTTP(t)))
	start := time.Now()
	g.WaitTools("good_echo", "same_echo", "fresh_echo")
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the lists took %s", took)
	}
	c := g.Dial(gatewaytest.R1125)
	start = time.Now()
	if a := c.Call("tools/list", ""); a.Status != 200 || strings.Contains(a.Result(), "stuck_") || time.Since(start) > 2*time.Second {
		t.Errorf("after %s: %d %.300s", time.Since(start), a.Status, a.Message)
	}
	if a := c.Call("tools/call", `{"name":"good_echo","arguments":{"text":"well"}}`); !strings.Contains(a.Result(), "well") {
		t.Errorf("%d %s", a.Status, a.Message)
	}
	// 200 pages are the end of a list; what follows is the next reading of it.
	if n := same.Fake.Lists.Load(); n > 20 {
		t.Errorf("a cursor that stays the same was followed %d times", n)
	}
	for _, tt := range []struct{ backend, says string }{
		{"refusing", "It refused our credential (HTTP 401)"}, {"nowhere", "No connection to it could be made"},
		{"missing", "was not found"},
	} {
		g.WaitFor("the status of "+tt.backend, func() bool { return strings.Contains(status(t, g.Base), tt.says) })
	}
}

// status is the text of /status.
func status(t *testing.T, base string) string {
	t.Helper()
	res := send(t, base, "GET", "/status", nil, "")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("/status: %d", res.StatusCode)
	}
	return readAll(t, res)
}

// A result that turns out wrong when part of it has left already cannot be taken
// back: the connection is cut, so that no client takes the part for the whole.
func TestFaults_lateOnesCutTheAnswer(t *testing.T) {
	t.Parallel()
	r := gatewaytest.NewRogue("r", gatewaytest.R2026)
	good := gatewaytest.NewFake("good", gatewaytest.R2026)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"limits":{"answer_event":"4MiB"},"mcpServers":{"r":{"url":%q},"good":{"url":%q}}}`, r.HTTP(t), good.HTTP(t)))
	g.WaitTools("r_bad", "good_echo")
	for range 8 { // more than open the breaker
		res := post(t, g.Base, modernHeaders("tools/call", "r_bad"), modernBody("tools/call", `"name":"r_bad","arguments":{"how":"body:64"}`))
		n, err := io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err == nil || n > 5<<20 {
			t.Errorf("%d bytes, then %v", n, err)
		}
	}
	if a := g.Dial(gatewaytest.R2026).Call("tools/call", `{"name":"r_echo","arguments":{"text":"well"}}`); !strings.Contains(a.Result(), "well") {
		t.Errorf("%d %s", a.Status, a.Message)
	}
}

// What is no tool call has no result that a model could read: it gets an error of
// JSON-RPC, which says whose it is.
func TestFaults_ofPromptsAreErrors(t *testing.T) {
	t.Parallel()
	l, m, p := gatewaytest.NewRogue("l", gatewaytest.R1125), gatewaytest.NewRogue("m", gatewaytest.R2026), gatewaytest.NewRogue("p", gatewaytest.R2026)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q},"m":{"url":%q},"p":{%s}}}`, l.HTTP(t), m.HTTP(t), p.Stdio(t)))
	g.WaitTools("l_bad", "m_bad", "p_bad")
	for _, revision := range []string{gatewaytest.R2024, gatewaytest.R1125, gatewaytest.R2026} {
		c := g.Dial(revision)
		for _, tt := range []struct{ backend, how, reason string }{
			{"l", "status:401", "it refused our credential (HTTP 401): set its token or headers"}, {"m", "status:500", "it failed (HTTP 500)"},
			{"l", "garbage", rules}, {"m", "utf8+", rules}, {"l", "reset:60", lost}, {"m", "cut:60+", lost},
			{"p", "exit", "its process exited (exit status 3)"},
		} {
			ask := func() gatewaytest.Answer {
				return c.Call("prompts/get", fmt.Sprintf(`{"name":"%s_greet","arguments":{"how":%q}}`, tt.backend, tt.how))
			}
			a := ask()
			for deadline := time.Now().Add(recovery + slack); strings.Contains(a.Error(), "Nothing was run") && time.Now().Before(deadline); {
				a = ask() // its process is being started again
			}
			data := fmt.Sprintf(`"data":{"backend":%q,"reason":%q}`, tt.backend, tt.reason)
			if said := a.Error(); !strings.Contains(said, `"code":-32603`) || !strings.Contains(said, data) || a.Status == 401 {
				t.Errorf("%s of %s, %s client: %d %s\nwant %s", tt.how, tt.backend, revision, a.Status, a.Message, data)
			}
		}
	}
}
