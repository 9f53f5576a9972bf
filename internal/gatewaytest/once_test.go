package gatewaytest_test

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
)

var onceCalls = flag.Int("once.calls", 2000, "calls of the at-most-once test, all transports together")

// cutter passes bytes between the gateway and a backend and resets every
// connection after a random number of bytes in one direction: what a few calls
// take.
type cutter struct {
	ln      net.Listener
	backend string
	sharp   atomic.Bool // while it is not, nothing is cut
	cuts    atomic.Int64
	work    sync.WaitGroup
}

// cut starts a cutter before a backend and returns the address in its place.
func cut(t *testing.T, backend string) (*cutter, string) {
	t.Helper()
	u, err := neturl.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{ln: ln, backend: u.Host}
	c.work.Go(c.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		c.work.Wait()
	})
	u.Host = ln.Addr().String()
	return c, u.String()
}

func (c *cutter) accept() {
	for {
		front, err := c.ln.Accept()
		if err != nil {
			return
		}
		back, err := net.Dial("tcp", c.backend)
		if err != nil {
			_ = front.Close()
			continue
		}
		up, down := int64(1)<<40, int64(1)<<40
		if c.sharp.Load() {
			if rand.IntN(2) == 0 {
				up = rand.Int64N(6000)
			} else {
				down = rand.Int64N(4000)
			}
		}
		end := sync.OnceFunc(func() {
			for _, nc := range []net.Conn{front, back} {
				_ = nc.(*net.TCPConn).SetLinger(0) // closing resets
				_ = nc.Close()
			}
		})
		for _, way := range []struct {
			to, from net.Conn
			most     int64
		}{{back, front, up}, {front, back, down}} {
			c.work.Go(func() {
				defer end()
				if n, _ := io.CopyN(way.to, way.from, way.most); n == way.most {
					c.cuts.Add(1)
				}
			})
		}
	}
}

// ledger is what ran: how often the backend was asked for each text.
type ledger struct {
	mu  sync.Mutex // guards ran
	ran map[string]int
}

// A call whose connection is reset anywhere on its way runs at most once; what
// the caller was told fits what happened.
func TestCalls_runAtMostOnce(t *testing.T) {
	t.Parallel()
	legacy, modern, events, old := gatewaytest.NewFake("l", gatewaytest.R1125), gatewaytest.NewFake("m", gatewaytest.R2026),
		gatewaytest.NewFake("e", gatewaytest.R0618), gatewaytest.NewFake("s", gatewaytest.R2024)
	events.SSE = true
	var entries, names []string
	var cutters []*cutter
	ran := &ledger{ran: map[string]int{}}
	for _, b := range []struct{ name, kind, url string }{
		{"l", "http", legacy.HTTP(t)}, {"m", "http", modern.HTTP(t)}, {"e", "http", events.HTTP(t)}, {"s", "sse", old.HTTPSSE(t)},
	} {
		c, url := cut(t, ran.before(t, b.url))
		cutters = append(cutters, c)
		entries = append(entries, fmt.Sprintf(`%q:{"url":%q,"type":%q}`, b.name, url, b.kind))
		names = append(names, b.name+"_echo")
	}
	g := gatewaytest.Run(t, `{"mcpServers":{`+strings.Join(entries, ",")+`}}`)
	g.WaitTools(names...)
	for _, c := range cutters {
		c.sharp.Store(true)
	}
	var well, unknown, refused atomic.Int64
	var lanes sync.WaitGroup
	for lane := range 16 {
		revision := []string{gatewaytest.R1125, gatewaytest.R2026}[lane/4%2]
		client, tool := g.Dial(revision), names[lane%len(names)]
		lanes.Go(func() {
			for n := range *onceCalls / 16 {
				text := fmt.Sprintf("call-%d-%d", lane, n)
				var a gatewaytest.Answer
				// The backend may just be connected again, which only the next call tells.
				gatewaytest.Poll(30*time.Second, func() bool {
					a = client.Call("tools/call", fmt.Sprintf(`{"name":%q,"arguments":{"text":%q}}`, tool, text))
					if !strings.Contains(a.Result(), "Nothing was run.") {
						return true
					}
					refused.Add(1)
					if times := ran.times(text); times != 0 {
						t.Errorf("%s ran %d times; the caller was told that it did not", text, times)
					}
					return false
				})
				times := ran.times(text)
				switch {
				case strings.Contains(a.Result(), `"text":"`+text+`"`):
					well.Add(1)
					if times != 1 {
						t.Errorf("%s was answered and ran %d times", text, times)
					}
				case strings.Contains(a.Result(), "It is unknown whether the call took effect"):
					unknown.Add(1)
				default:
					t.Errorf("%s: %d %s", text, a.Status, a.Message)
				}
			}
		})
	}
	lanes.Wait()
	var cuts int64
	for _, c := range cutters {
		cuts += c.cuts.Load()
	}
	t.Logf("%d answered, %d unknown, %d not run, with %d connections cut", well.Load(), unknown.Load(), refused.Load(), cuts)
	if unknown.Load() == 0 || well.Load() < int64(*onceCalls)/4 {
		t.Error("the cuts did not do what they are for")
	}
	ran.mu.Lock()
	defer ran.mu.Unlock()
	for text, times := range ran.ran {
		if times > 1 {
			t.Errorf("%s ran %d times", text, times)
		}
	}
}

// before puts a relay before a backend that writes down which calls arrive whole.
func (l *ledger) before(t *testing.T, backend string) string {
	t.Helper()
	to, err := neturl.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	relay := reverse(to)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it did not arrive, so it does not run
		}
		if _, after, ok := strings.Cut(string(body), `"text":"`); ok && strings.Contains(string(body), `"tools/call"`) {
			text, _, _ := strings.Cut(after, `"`)
			l.mu.Lock()
			l.ran[text]++
			l.mu.Unlock()
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		relay.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	at, err := neturl.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	to.Host = at.Host
	return to.String()
}

func (l *ledger) times(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ran[text]
}
