package sse_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/sessiontest"
	"drawbridge/internal/endpoint/sse"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/route"
)

var (
	alice = account.Principal{User: "alice", Credential: "key_1"}
	bob   = account.Principal{User: "bob", Credential: "key_2"}
)

// door is an endpoint under test.
type door struct {
	hub *sessiontest.Hub
	d   *session.Dispatcher
	mux *http.ServeMux
}

func newDoor(change ...func(*session.Config)) *door {
	hub := sessiontest.NewHub()
	log := slog.New(slog.DiscardHandler)
	cfg := session.DefaultConfig()
	for _, f := range change {
		f(&cfg)
	}
	d := &door{hub: hub, d: session.NewDispatcher(log, hub, cfg), mux: http.NewServeMux()}
	for _, rt := range sse.New(log, d.d, "/sse").Routes() {
		if rt.Policy != route.Bearer {
			panic("a route without bearer")
		}
		d.mux.Handle(rt.Pattern, rt.Handler)
	}
	return d
}

// client is one with its stream open.
type client struct {
	t      *testing.T
	d      *door
	url    string // where its messages go
	events *eventstream.Reader
	cancel context.CancelFunc
	done   chan struct{}
}

func (d *door) connect(t *testing.T) *client {
	t.Helper()
	ctx, cancel := context.WithCancel(account.WithPrincipal(t.Context(), alice))
	w := sessiontest.NewWire()
	c := &client{t: t, d: d, events: eventstream.NewReader(w, 80<<20), done: make(chan struct{})}
	c.cancel = func() {
		w.Fail()
		cancel()
	}
	go func() {
		defer close(c.done)
		defer w.End()
		d.mux.ServeHTTP(w, httptest.NewRequest("GET", "/sse", nil).WithContext(ctx))
	}()
	ev, err := c.events.Next()
	if err != nil || ev.Name != "endpoint" {
		t.Fatalf("first event %+v, %v", ev, err)
	}
	c.url = string(ev.Data)
	return c
}

func (c *client) post(body string) int { return c.as(alice, body, "application/json") }

func (c *client) as(p account.Principal, body, contentType string) int {
	r := httptest.NewRequest("POST", c.url, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	c.d.mux.ServeHTTP(w, r.WithContext(account.WithPrincipal(r.Context(), p)))
	return w.Code
}

func (c *client) expect(want string) {
	c.t.Helper()
	ev, err := c.events.Next()
	if err != nil || !strings.Contains(string(ev.Data), want) || ev.Name != "message" || ev.HasID {
		c.t.Errorf("event %q %s, %v; want %s", ev.Name, ev.Data, err, want)
	}
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{"roots":{}},"clientInfo":{"name":"c","version":"1"}}}`

func call(id, name string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + name + `"}}`
}

func slow(d time.Duration) sessiontest.Serve {
	return func(ctx context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		select {
		case <-time.After(d):
			return mcpwire.Done(req.Revision, []byte(`{"slow":true}`))
		case <-ctx.Done():
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "%v", context.Cause(ctx)))
		}
	}
}

func TestConversation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		d.hub.On("slow", slow(time.Second))
		c := d.connect(t)
		if n := c.post(call("1", "echo")); n != 202 {
			t.Errorf("status %d", n)
		}
		c.expect(`"id":1,"error":{"code":-32600`) // before initialize
		c.post(initialize)
		c.expect(`"protocolVersion":"2024-11-05"`)
		if n := c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); n != 202 {
			t.Errorf("notification: status %d", n)
		}
		c.post(call("1", "slow"))
		c.post(call("1", "echo"))
		c.expect("in flight already")
		c.post(call("9007199254740993", "echo"))
		c.expect(`{"jsonrpc":"2.0","id":9007199254740993,"result":{"content":[],"structuredContent":{}}}`)
		c.expect(`{"jsonrpc":"2.0","id":1,"result":{"slow":true}}`)

		c.post(call("2", "slow"))
		c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
		d.hub.Emit("notifications/tools/list_changed", "")
		c.expect(`notifications/tools/list_changed`) // and no answer to 2
		c.post(`[` + call("3", "echo") + `,` + call("4", "slow") + `]`)
		c.expect(`"id":3,"result"`)
		c.expect(`"id":4,"result"`)

		time.Sleep(16 * time.Second)
		c.cancel()
		<-c.done
		if n := c.post(call("5", "echo")); n != 404 {
			t.Errorf("after the stream: status %d", n)
		}
		if n := len(d.hub.Watches()); n != 0 {
			t.Errorf("%d watches left", n)
		}
	})
}

func TestPost_refused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		c := d.connect(t)
		if n := c.as(bob, call("1", "echo"), "application/json"); n != 404 {
			t.Errorf("another principal: %d", n)
		}
		if n := c.as(alice, call("1", "echo"), "text/plain"); n != 415 {
			t.Errorf("text: %d", n)
		}
		for _, body := range []string{"", "x", `{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}`, "[]", "[1]"} {
			if n := c.post(body); n != 400 {
				t.Errorf("%q: %d", body, n)
			}
		}
		if n := c.post(`{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("x", 8<<20) + `"}`); n != 413 {
			t.Errorf("large: %d", n)
		}
		c.post(strings.Replace(initialize, "2024-11-05", "2025-06-18", 1))
		c.expect("2025-06-18")
		if n := c.post("[" + call("1", "echo") + "]"); n != 400 {
			t.Errorf("batch of a later revision: %d", n)
		}
		if n := len(d.hub.Served()); n != 0 {
			t.Errorf("the hub was asked %d times", n)
		}
		c.cancel()
		<-c.done
	})
}

// The call of a client that went away goes on, but it cannot ask any more.
func TestClientGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		d.hub.On("slow", slow(time.Minute))
		asked := make(chan error, 2)
		d.hub.On("asks", func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			for range 2 {
				a, err := sink.Ask(ctx, mcpwire.Question{Method: mcpwire.MethodRootsList})
				if err == nil {
					err = a.Err
				}
				asked <- err
			}
			return mcpwire.Done(req.Revision, []byte("{}"))
		})
		c := d.connect(t)
		c.post(initialize)
		c.expect("protocolVersion")
		c.post(call("1", "slow"))
		c.post(call("2", "asks"))
		c.expect("roots/list")
		start := time.Now()
		c.cancel()
		var gone *mcpwire.Error
		if err := <-asked; !errors.As(err, &gone) {
			t.Errorf("the question on its way: %v", err)
		}
		if err := <-asked; !errors.Is(err, mcpwire.ErrCannotAsk) {
			t.Errorf("the next question: %v", err)
		}
		if <-c.done; time.Since(start) != time.Minute {
			t.Errorf("the call ended after %v", time.Since(start))
		}
	})
}

func TestDrain_answersWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		d.hub.On("slow", slow(5*time.Second))
		c := d.connect(t)
		c.post(initialize)
		c.expect("protocolVersion")
		c.post(call("1", "slow"))
		d.d.Drain()
		synctest.Wait()
		if n := c.post(call("2", "echo")); n != 404 {
			t.Errorf("a new message: %d", n)
		}
		c.expect(`{"slow":true}`)
		if _, err := c.events.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("the end: %v", err)
		}
	})
}

// The attack: a key leaks, its thief opens a stream, the owner revokes the key.
func TestStream_endsWithItsCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var end func()
		left := 0
		d := newDoor(func(c *session.Config) {
			c.Watch = func(_ account.Principal, e func()) func() {
				end = e
				return func() { left++ }
			}
		})
		c := d.connect(t)
		time.Sleep(time.Minute) // in the bubble's time
		if n := c.post(initialize); n != 202 {
			t.Fatalf("a stream with a good credential has ended: status %d", n)
		}
		c.expect(`"protocolVersion":"2024-11-05"`)
		end()
		synctest.Wait()
		select {
		case <-c.done:
		default:
			t.Error("its key was revoked, and the stream is open")
		}
		if left != 1 {
			t.Errorf("the watch over its key was left %d times", left)
		}
		c.cancel()
	})
}
