package fake_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/truenas/fake"
)

// server of a test, closed at its end.
func server(t *testing.T, o fake.Options) *fake.Server {
	t.Helper()
	s := fake.New(o)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// peer is a client without any sense of its own.
type peer struct {
	t      *testing.T
	ws     *websocket.Conn
	id     int
	events []message
}

type message struct {
	ID     any
	Result any
	Error  *struct {
		Code    int
		Message string
		Data    *struct {
			Error   int
			Errname string
			Reason  string
			Extra   []any
			Trace   map[string]any
		}
	}
	Method string
	Params struct {
		Msg, Collection string
		ID              any
		Fields          any
		Error           map[string]any
	}
	raw string
}

func client(http1 bool) *http.Client {
	protocols := []string{"http/1.1"}
	if !http1 {
		protocols = []string{"h2", "http/1.1"}
	}
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: !http1, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}}}
}

func dial(t *testing.T, s *fake.Server, path string) *peer {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), "wss"+strings.TrimPrefix(s.URL(), "https")+path, &websocket.DialOptions{HTTPClient: client(true)})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &peer{t: t, ws: ws}
}

// admin is a peer that has logged in.
func admin(t *testing.T, s *fake.Server) *peer {
	t.Helper()
	return signedIn(t, s, fake.AdminUser, fake.AdminKey)
}

func signedIn(t *testing.T, s *fake.Server, user, key string) *peer {
	t.Helper()
	p := dial(t, s, "/api/current")
	if got := p.login(user, key); got != "SUCCESS" {
		t.Fatalf("login of %s: %s", user, got)
	}
	return p
}

func (p *peer) login(user, key string) string {
	p.t.Helper()
	m := p.call("auth.login_ex", map[string]any{"mechanism": "API_KEY_PLAIN", "username": user, "api_key": key})
	return m.object()["response_type"].(string)
}

func (p *peer) write(text string) {
	p.t.Helper()
	if err := p.ws.Write(p.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) read() (message, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	_, text, err := p.ws.Read(ctx)
	if err != nil {
		return message{}, err
	}
	m := message{raw: string(text)}
	return m, json.Unmarshal(text, &m)
}

// next is the next message of any kind.
func (p *peer) next() message {
	p.t.Helper()
	m, err := p.read()
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// send sends a call and does not wait.
func (p *peer) send(method string, params ...any) int {
	p.t.Helper()
	if params == nil {
		params = []any{}
	}
	p.id++
	text, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": p.id, "method": method, "params": params})
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(string(text))
	return p.id
}

// call sends and waits for the answer; events that come first are kept.
func (p *peer) call(method string, params ...any) message {
	p.t.Helper()
	id := p.send(method, params...)
	for {
		m := p.next()
		if m.Method == "" && m.ID == float64(id) {
			return m
		}
		p.events = append(p.events, m)
	}
}

// must is the result of a call that has to work.
func (p *peer) must(method string, params ...any) any {
	p.t.Helper()
	m := p.call(method, params...)
	if m.Error != nil {
		p.t.Fatalf("%s %v: %s", method, params, m.raw)
	}
	return m.Result
}

func (m message) object() map[string]any { o, _ := m.Result.(map[string]any); return o }

// code is that of the error, 0 for none.
func (m message) code() int {
	if m.Error == nil {
		return 0
	}
	return m.Error.Code
}

func (m message) reason() string {
	if m.Error == nil || m.Error.Data == nil {
		return ""
	}
	return m.Error.Data.Reason
}

// event waits for the next one of a collection.
func (p *peer) event(collection string) message {
	p.t.Helper()
	for {
		var m message
		if len(p.events) > 0 {
			m, p.events = p.events[0], p.events[1:]
		} else {
			m = p.next()
		}
		if m.Params.Collection == collection {
			return m
		}
	}
}
