// Package restart_test stops and kills the program in the middle of the work of real
// clients, starts it again on the same port and state, and looks at what they notice:
// nothing, but for the calls that were in flight.
package restart_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
	"drawbridge/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// Sessions of clients of the official SDKs.
const (
	goClients = 100
	tsClients = 6
)

// unknown is what the caller of a call is told that may have run.
const unknown = "It is unknown whether the call took effect"

// TestRestart: 100 legacy sessions of the Go SDK and a few of the TypeScript SDK, each
// with a call in flight, meet a restart. The next request of each succeeds in the
// session that it has; no call is run twice.
func TestRestart(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(s *server)
		told bool // whether the program could still answer what was in flight
	}{
		{"killed", (*server).kill, false},
		{"stopped", (*server).stopAtOnce, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			crowd := b.connect()
			script := b.connectScript()
			b.everyCall(crowd, script, "before")

			parked := b.park()
			held := b.hold(crowd)
			script.tell("hold hold")
			b.s.run.AwaitReady(t, "hold every call", func(context.Context) bool {
				return b.legacy.Waiting()+b.modern.Waiting() == goClients+tsClients && b.streams.Load() == goClients/2
			})
			script.results() // that its streams have begun
			tt.end(b.s)
			b.s.start()
			for i, came := range held {
				got := <-came
				got.lost(t, fmt.Sprintf("call %d", i), tt.told || streamed(i))
			}
			for i, got := range script.results() {
				got.lost(t, fmt.Sprintf("TypeScript call %d", i), tt.told || streamed(i))
			}
			b.everyCall(crowd, script, "after")
			parked.isOver()
			b.ranOnce()
			if got := b.greetings.Load(); got != goClients {
				t.Errorf("initialize was sent %d times by %d clients of the Go SDK", got, goClients)
			}
			script.tell("greetings")
			if got := script.results(); len(got) != 1 || got[0].text != fmt.Sprint(tsClients) {
				t.Errorf("initialize was sent %v times by %d clients of the TypeScript SDK", got, tsClients)
			}
			for _, c := range crowd {
				if err := c.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
		})
	}
}

// bed is a gateway between backends that are not restarted and clients.
type bed struct {
	t              *testing.T
	s              *server
	legacy, modern *gatewaytest.Fake
	greetings      counter // requests of the Go SDK that open a session
	streams        counter // answers to the Go SDK that have begun
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, legacy: gatewaytest.NewAsking("l", gatewaytest.R1125), modern: gatewaytest.NewAsking("m", gatewaytest.R2026)}
	flags := harness.Configure(t, harness.Servers{
		"l": {"url": b.legacy.HTTP(t), "concurrency": goClients + tsClients},
		"m": {"url": b.modern.HTTP(t), "concurrency": goClients + tsClients},
	})
	b.s = &server{t: t, addr: harness.FreeAddr(t), flags: flags}
	b.s.start()
	probe := gatewaytest.Dial(t, b.s.base(), harness.Key, gatewaytest.R2026)
	b.s.run.AwaitReady(t, "list the tools", func(context.Context) bool {
		list := probe.Call("tools/list", "").Result()
		return strings.Contains(list, `"l_hold"`) && strings.Contains(list, `"m_hold"`)
	})
	return b
}

// parked is a call of a modern client whose legacy backend waits for an answer.
type parked struct {
	b            *bed
	client       *gatewaytest.Client
	params, text string
	state        string
}

// park has a call ask.
func (b *bed) park() *parked {
	b.t.Helper()
	p := &parked{b: b, client: gatewaytest.DialAs(b.t, b.s.base(), harness.Key, gatewaytest.R2026, gatewaytest.Able("me")), text: "parked when it ends."}
	p.params = `{"name":"l_ask","arguments":{"text":"` + p.text + `","ask":[{"method":"elicitation/create","params":{"message":"who?","requestedSchema":{"type":"object","properties":{}}}}]}`
	var asked struct{ RequestState string }
	a := p.client.Call("tools/call", p.params+`}`)
	if err := json.Unmarshal([]byte(a.Result()), &asked); err != nil || asked.RequestState == "" {
		b.t.Fatalf("the call was not parked: %d %s", a.Status, a.Message)
	}
	p.state = asked.RequestState
	return p
}

// isOver checks that the retry of a call that was parked is refused, and that the call
// is not run a second time.
func (p *parked) isOver() {
	p.b.t.Helper()
	a := p.client.Call("tools/call", p.params+`,"inputResponses":{},"requestState":"`+p.state+`"}`)
	if a.Status != http.StatusBadRequest || !strings.Contains(a.Error(), "-32602") || !strings.Contains(a.Error(), "Send the call again from the start") {
		p.b.t.Errorf("a retry after the restart: %d %s", a.Status, a.Message)
	}
	if n := p.b.times(p.text); n != 1 {
		p.b.t.Errorf("the parked call ran %d times", n)
	}
}

// backendOf spreads clients over both backends.
func backendOf(i int) string { return []string{"l", "m"}[i%2] }

// times is how often the backends were sent a call with a text.
func (b *bed) times(text string) (n int) {
	for _, f := range []*gatewaytest.Fake{b.legacy, b.modern} {
		for _, h := range f.Heard("tools/call") {
			if strings.Contains(h.Raw, `"text":"`+text+`"`) {
				n++
			}
		}
	}
	return n
}

// ranOnce checks that every call was sent to its backend one time.
func (b *bed) ranOnce() {
	b.t.Helper()
	for _, when := range []string{"before", "hold", "after"} {
		for i := range goClients {
			if n := b.times(textOf(when, i)); n != 1 {
				b.t.Errorf("%q ran %d times", textOf(when, i), n)
			}
		}
		for i := range tsClients {
			if text := fmt.Sprintf("%s of ts %d.", when, i); b.times(text) != 1 {
				b.t.Errorf("%q ran %d times", text, b.times(text))
			}
		}
	}
}

// streamed tells whether a client's call that is in flight wants to hear of its
// progress, so that its answer is a stream that has begun.
func streamed(i int) bool { return i%4 < 2 }

// textOf marks one call of one client.
func textOf(when string, i int) string { return fmt.Sprintf("%s of go %d.", when, i) }

// result is what a client got for a call.
type result struct {
	failed bool // the client's own error; else text is what it was answered
	text   string
}

// lost checks the result of a call that was in flight: never a success, and where the
// caller could still be told, or has resumed the stream of its answer, the whole truth.
func (r result) lost(t *testing.T, name string, told bool) {
	t.Helper()
	switch {
	case told && !strings.Contains(r.text, unknown):
		t.Errorf("%s got %+v, want %q", name, r, unknown)
	case !told && !r.failed:
		t.Errorf("%s was answered %q by a program that was killed", name, r.text)
	}
}

// server is the program on one port and state, run after run.
type server struct {
	t     *testing.T
	addr  string
	flags []string
	cmd   *exec.Cmd
	run   *harness.Process
}

func (s *server) base() string { return "http://" + s.addr }

func (s *server) start() {
	s.t.Helper()
	s.cmd = harness.Command(s.t, harness.Binary(s.t), append([]string{"serve", "--listen", s.addr}, s.flags...), "GATEWAY_STATIC_API_KEY="+harness.Key)
	s.run = harness.Start(s.t, s.cmd)
	s.run.AwaitReady(s.t, "be ready", func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base()+"/readyz", http.NoBody)
		if err != nil {
			s.t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

func (s *server) signal(what syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.run.PID, what); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) kill() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	s.run.AwaitEnd(s.t)
}

// stopAtOnce sends a second signal to a program that waits for the calls in flight.
func (s *server) stopAtOnce() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	s.run.AwaitReady(s.t, "begin to stop", func(context.Context) bool {
		return strings.Contains(s.run.Output(), "calls in flight may finish")
	})
	s.signal(syscall.SIGTERM)
	s.run.AwaitEnd(s.t)
}

// patience is how long a client may take for what it does by itself: the SDKs wait a
// second and more before they open a stream again.
const patience = time.Minute

// counter counts, from several goroutines.
type counter struct {
	mu sync.Mutex // guards n
	n  int
}

func (c *counter) add() { c.mu.Lock(); c.n++; c.mu.Unlock() }

// Load is the count.
func (c *counter) Load() int { c.mu.Lock(); defer c.mu.Unlock(); return c.n }
