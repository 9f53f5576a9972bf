package link_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/homeassistant/link"
)

const token = "made-up.token"

// script is what a transcript's other side does with one connection after the
// sign-in.
type script func(ctx context.Context, t *testing.T, ws *websocket.Conn, number int64)

// peer plays scripts: it signs in as Home Assistant does, and checks that ids rise.
type peer struct {
	t       *testing.T
	url     string
	opened  atomic.Int64
	refused atomic.Bool // the token is
}

func play(t *testing.T, s script) (*peer, *link.Link) {
	t.Helper()
	p := &peer{t: t}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		n := p.opened.Add(1)
		say(r.Context(), ws, `{"type":"auth_required","ha_version":"2026.9.1"}`)
		_, auth, err := ws.Read(r.Context())
		if err != nil {
			return
		}
		if string(auth) != `{"access_token":"`+token+`","type":"auth"}` {
			t.Errorf("the sign-in is %s", auth)
		}
		if p.refused.Load() {
			say(r.Context(), ws, `{"type":"auth_invalid","message":"Invalid access token or password"}`)
			return
		}
		say(r.Context(), ws, `{"type":"auth_ok","ha_version":"2026.9.1"}`)
		s(r.Context(), t, ws, n)
	}))
	t.Cleanup(srv.Close)
	p.url = srv.URL
	return p, linked(t, p)
}

// linked makes a link to a peer.
func linked(t *testing.T, d link.Dialer) *link.Link {
	t.Helper()
	l := link.New(link.Options{Dial: d, Path: "/api/websocket", Token: secret.New(token), Log: slog.New(slog.DiscardHandler), Refine: func(err error) error {
		if errors.Is(err, link.ErrToken) {
			return fault.Wrap(err, fault.Forbidden, "The token is refused. Make another.")
		}
		return fault.Wrap(err, fault.Unavailable, "It is away. Try again.")
	}})
	t.Cleanup(l.Close)
	return l
}

func (p *peer) Socket(ctx context.Context, path string, h http.Header) (*websocket.Conn, error) {
	ws, _, err := websocket.Dial(ctx, p.url+path, &websocket.DialOptions{HTTPHeader: h})
	return ws, err
}

func say(ctx context.Context, ws *websocket.Conn, text string) {
	_ = ws.Write(ctx, websocket.MessageText, []byte(text)) // a client that has gone hears nothing
}

// command is what a client sent.
type command struct {
	ID           int64  `json:"id"`
	Type         string `json:"type"`
	Subscription int64  `json:"subscription"`
}

// hear reads commands but supported_features; ok is false when the client has gone.
func hear(ctx context.Context, t *testing.T, ws *websocket.Conn, last *int64) (c command, ok bool) {
	t.Helper()
	for {
		_, raw, err := ws.Read(ctx)
		if err != nil {
			return c, false
		}
		c = command{}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Errorf("%s: %v", raw, err)
			return c, false
		}
		if c.ID != *last+1 {
			t.Errorf("id %d after %d", c.ID, *last)
		}
		*last = c.ID
		if c.Type != "supported_features" {
			return c, true
		}
		if c.ID != 1 {
			t.Errorf("supported_features has the id %d", c.ID)
		}
		say(ctx, ws, `{"id":1,"type":"result","success":true,"result":null}`)
	}
}

// Many commands at once; answers come in another order, in arrays, between events.
func TestLink_multiplexed(t *testing.T) {
	t.Parallel()
	const n = 20
	_, l := play(t, func(ctx context.Context, t *testing.T, ws *websocket.Conn, _ int64) {
		var last int64
		var all []string
		for range n {
			c, ok := hear(ctx, t, ws, &last)
			if !ok {
				return
			}
			answer := fmt.Sprintf(`{"id":%d,"type":"result","success":true,"result":%q}`, c.ID, c.Type)
			if c.ID%5 == 0 {
				answer = fmt.Sprintf(`{"id":%d,"type":"result","success":false,"error":{"code":"not_found","message":%q}}`, c.ID, c.Type)
			}
			all = append([]string{answer, `{"id":999,"type":"event","event":{}}`}, all...)
		}
		say(ctx, ws, "["+strings.Join(all, ",")+"]")
		hear(ctx, t, ws, &last)
	})
	var tasks sync.WaitGroup
	for i := range n {
		tasks.Go(func() { // awaited below
			kind := fmt.Sprintf("c%d", i)
			raw, err := l.Ask(t.Context(), link.Command{"type": kind})
			if e, refused := errors.AsType[*link.Error](err); refused {
				if e.Code != "not_found" || strings.Contains(err.Error(), e.Message) {
					t.Errorf("%s: %v", kind, err)
				}
				return
			}
			if err != nil || string(raw) != `"`+kind+`"` {
				t.Errorf("%s: %s, %v", kind, raw, err)
			}
		})
	}
	tasks.Wait()
}

// The connection ends before an answer: what reads is asked again, what changes is
// not.
func TestLink_lost(t *testing.T) {
	t.Parallel()
	p, l := play(t, func(ctx context.Context, t *testing.T, ws *websocket.Conn, n int64) {
		var last int64
		for {
			c, ok := hear(ctx, t, ws, &last)
			if !ok || n%2 == 1 {
				return
			}
			say(ctx, ws, fmt.Sprintf(`{"id":%d,"type":"result","success":true,"result":%d}`, c.ID, n))
			if c.Type == "last" {
				return
			}
		}
	})
	if raw, err := l.Ask(t.Context(), link.Command{"type": "read"}); err != nil || string(raw) != "2" {
		t.Errorf("%s, %v", raw, err)
	}
	if raw, err := l.Do(t.Context(), link.Command{"type": "last"}); err != nil || string(raw) != "2" {
		t.Errorf("%s, %v", raw, err)
	}
	if _, err := l.Do(t.Context(), link.Command{"type": "change"}); err == nil {
		t.Error("the answer of a lost connection")
	} else if errors.Is(err, link.ErrUndetermined) && p.opened.Load() > 3 {
		t.Errorf("sent over %d connections: %v", p.opened.Load(), err)
	}
}

// A refused token is tried once in a minute.
func TestLink_refused(t *testing.T) {
	t.Parallel()
	p, l := play(t, func(context.Context, *testing.T, *websocket.Conn, int64) {})
	p.refused.Store(true)
	for range 3 {
		if _, err := l.Ask(t.Context(), link.Command{"type": "x"}); fault.CodeOf(err) != fault.Forbidden {
			t.Errorf("%v", err)
		}
	}
	if n := p.opened.Load(); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// What comes first is not Home Assistant.
func TestLink_somethingElse(t *testing.T) {
	t.Parallel()
	for _, first := range []string{`{"type":"hello"}`, `<html>`, `[]`} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer ws.CloseNow()
			say(r.Context(), ws, first)
			if _, sent, err := ws.Read(r.Context()); err == nil {
				t.Errorf("the token was sent to it: %d bytes", len(sent))
			}
		}))
		l := linked(t, &peer{url: srv.URL})
		if _, err := l.Ask(t.Context(), link.Command{"type": "x"}); !strings.Contains(fault.PublicOf(err), "not Home Assistant") {
			t.Errorf("%s: %v", first, err)
		}
		l.Close()
		srv.Close()
	}
}

// pipes are connections in memory, so that time can be made to pass.
type pipes struct{ serve func(net.Conn) }

func (p pipes) Socket(ctx context.Context, path string, _ http.Header) (*websocket.Conn, error) {
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go p.serve(theirs) // ends with the connection
		return ours, nil
	}}
	ws, _, err := websocket.Dial(ctx, "http://house"+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	return ws, err
}

// server serves one connection with a handler.
func server(h http.HandlerFunc) func(net.Conn) {
	return func(c net.Conn) {
		one := &oneConn{conn: c, done: make(chan struct{})}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer one.Close()
			h(w, r)
		})}
		_ = srv.Serve(one) // ends when the one connection has
	}
}

type oneConn struct {
	conn  net.Conn
	given atomic.Bool
	once  sync.Once
	done  chan struct{}
}

func (o *oneConn) Accept() (net.Conn, error) {
	if o.given.CompareAndSwap(false, true) {
		return o.conn, nil
	}
	<-o.done
	return nil, net.ErrClosed
}
func (o *oneConn) Close() error   { o.once.Do(func() { close(o.done) }); return nil }
func (o *oneConn) Addr() net.Addr { return o.conn.LocalAddr() }

// house answers everything until it is told to fall silent.
func house(silent *atomic.Bool, opened *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		opened.Add(1)
		ctx := context.Background()
		say(ctx, ws, `{"type":"auth_required"}`)
		if _, _, err := ws.Read(ctx); err != nil {
			return
		}
		say(ctx, ws, `{"type":"auth_ok"}`)
		for {
			_, raw, err := ws.Read(ctx)
			if err != nil {
				return
			}
			var c command
			if json.Unmarshal(raw, &c) != nil || silent.Load() {
				continue
			}
			kind := `"result","success":true`
			if c.Type == "ping" {
				kind = `"pong"`
			}
			say(ctx, ws, fmt.Sprintf(`{"id":%d,"type":%s}`, c.ID, kind))
			if c.Type == "subscribe_events" {
				say(ctx, ws, fmt.Sprintf(`{"id":%d,"type":"event","event":{"n":%d}}`, c.ID, opened.Load()))
			}
		}
	}
}

// A connection that nobody uses is closed after a while, one that says nothing any
// more is given up, and what is followed is subscribed to again, soon.
func TestLink_time(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Bool
		var opened atomic.Int64
		l := linked(t, pipes{server(house(&silent, &opened))})
		if _, err := l.Ask(t.Context(), link.Command{"type": "x"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		if l.Idle() || l.Epoch() != 1 {
			t.Error("closed too early")
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if !l.Idle() || l.Epoch() != 0 {
			t.Error("not closed though nobody uses it")
		}

		events := make(chan string, 8)
		stop := l.Follow(link.Command{"type": "subscribe_events"}, func(raw []byte) { events <- string(raw) })
		if got := <-events; got != `{"n":2}` {
			t.Errorf("%s", got)
		}
		time.Sleep(time.Hour)
		if l.Idle() || opened.Load() != 2 {
			t.Errorf("what is followed is dropped: %d connections", opened.Load())
		}
		silent.Store(true)
		time.Sleep(3 * time.Minute)
		silent.Store(false)
		if got := <-events; got != "" {
			t.Errorf("the loss is not told: %s", got)
		}
		for got := ""; got != fmt.Sprintf(`{"n":%d}`, opened.Load()); got = <-events {
			if opened.Load() > 20 {
				t.Fatal("it does not find back")
			}
		}
		stop()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if !l.Idle() {
			t.Error("not closed after the end of what was followed")
		}
		l.Close()
	})
}
