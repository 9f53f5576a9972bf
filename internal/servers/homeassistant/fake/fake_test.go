package fake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/homeassistant/fake"
)

type obj = map[string]any

// home starts a server that ends with the test.
func home(t *testing.T, o fake.Options) (*fake.Server, string) {
	t.Helper()
	s := fake.New(o)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, s.URL()
}

// socket is a client of the WebSocket API that fails its test on trouble.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
	id   int
	rest []obj // of an array, not yet looked at
}

func dial(t *testing.T, url string) *socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url+"/api/websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{t: t, conn: conn}
}

// enter dials and authenticates.
func enter(t *testing.T, url, token string) *socket {
	t.Helper()
	c := dial(t, url)
	if got := c.read()["type"]; got != "auth_required" {
		t.Fatalf("first message is %v, want auth_required", got)
	}
	c.send(obj{"type": "auth", "access_token": token})
	if got := c.read(); got["type"] != "auth_ok" {
		t.Fatalf("answer to auth is %v", got)
	}
	return c
}

func (c *socket) send(v any) {
	c.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, data); err != nil {
		c.t.Fatal(err)
	}
}

// next is one message, or what ended the connection.
func (c *socket) next() (obj, error) {
	if len(c.rest) > 0 {
		first := c.rest[0]
		c.rest = c.rest[1:]
		return first, nil
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	_, data, err := c.conn.Read(ctx)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte("[")) {
		if err := json.Unmarshal(data, &c.rest); err != nil {
			return nil, err
		}
		return c.next()
	}
	var v obj
	return v, json.Unmarshal(data, &v)
}

func (c *socket) read() obj {
	c.t.Helper()
	v, err := c.next()
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// ask sends a command and waits for the answer with its id.
func (c *socket) ask(kind string, members obj) obj {
	c.t.Helper()
	c.id++
	msg := obj{"id": c.id, "type": kind}
	maps.Copy(msg, members)
	c.send(msg)
	for {
		if v := c.read(); v["id"] == float64(c.id) && v["type"] != "event" {
			return v
		}
	}
}

// must is ask for what goes well: the result.
func (c *socket) must(kind string, members obj) any {
	c.t.Helper()
	v := c.ask(kind, members)
	if v["success"] != true {
		c.t.Fatalf("%s %v: %v", kind, members, v["error"])
	}
	return v["result"]
}

// fails is ask for what goes wrong: code and message.
func (c *socket) fails(kind string, members obj) (code, message string) {
	c.t.Helper()
	v := c.ask(kind, members)
	e, _ := v["error"].(obj)
	if v["success"] != false || e == nil {
		c.t.Fatalf("%s %v went well: %v", kind, members, v["result"])
	}
	return e["code"].(string), e["message"].(string)
}

// request is one of REST.
func request(t *testing.T, method, url, token, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data), resp.Header
}

func TestServer_mountedWithHTTPTest(t *testing.T) {
	t.Parallel()
	s := fake.New(fake.Options{Profile: fake.V2026_8})
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer s.Close()
	if status, body, _ := request(t, "GET", srv.URL+"/api/", fake.AdminToken, ""); status != 200 || body != `{"message":"API running."}` {
		t.Errorf("got %d %s", status, body)
	}
	c := enter(t, srv.URL, fake.AdminToken)
	if got := c.must("get_config", nil).(obj); got["state"] != "RUNNING" || got["version"] != "2026.8.3" {
		t.Errorf("config is %v", got)
	}
}
