package fake_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/homeassistant/fake"
	"drawbridge/internal/servers/homeassistant/fake/house"
)

var switchOn = obj{"domain": "light", "service": "turn_on", "target": obj{"entity_id": "light.hallway"}}

// Faults of commands, before and after the deed.
func TestFaults_commands(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fault fake.Fault
		state string // of the lamp afterwards
		check func(t *testing.T, s *fake.Server, c *socket)
	}{
		{"dropped before", fake.Fault{Service: "light.turn_on", Drop: true}, "off", broken},
		{"dropped after", fake.Fault{Service: "light.turn_on", Drop: true, Late: true}, "on", broken},
		{"refused", fake.Fault{Command: "call_service", Code: "timeout", Message: "Timeout"}, "off", func(t *testing.T, _ *fake.Server, c *socket) {
			if e := c.read()["error"].(obj); e["code"] != "timeout" {
				t.Errorf("error is %v", e)
			}
		}},
		{"silent", fake.Fault{Command: "call_service", Silent: true, Late: true}, "on", func(t *testing.T, _ *fake.Server, c *socket) {
			c.id++
			if got := c.ask("ping", nil); got["type"] != "pong" {
				t.Errorf("got %v ahead of the pong", got)
			}
		}},
		{"slow", fake.Fault{Command: "call_service", Delay: time.Hour}, "on", func(t *testing.T, s *fake.Server, c *socket) {
			s.Await(t.Context(), func(c fake.Call) bool { return c.Command == "call_service" })
			s.Look(func(*house.House) {}) // the lock is free once the command is through
			s.Advance(time.Hour)
			if got := c.read(); got["success"] != true {
				t.Errorf("got %v", got)
			}
		}},
		{"garbage", fake.Fault{Command: "*", Garbage: true}, "on", func(t *testing.T, _ *fake.Server, c *socket) {
			if _, err := c.next(); err == nil || !strings.Contains(err.Error(), "invalid character") {
				t.Errorf("got %v", err)
			}
		}},
		{"oversize", fake.Fault{Command: "*", Oversize: 5 << 20}, "on", func(t *testing.T, _ *fake.Server, c *socket) {
			if got := c.read()["padding"].(string); len(got) != 5<<20 {
				t.Errorf("%d bytes", len(got))
			}
		}},
		{"restart in the middle", fake.Fault{Service: "light.turn_on", Silent: true, Late: true, Restart: true}, "on", func(t *testing.T, _ *fake.Server, c *socket) {
			if _, err := c.next(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("ended with %v, want 1000", err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, url := home(t, fake.Options{})
			c := enter(t, url, fake.AdminToken)
			s.Break(fake.Fault{Command: "get_config", Skip: 1, Code: "unknown_error"}) // one that does not concern it
			tc.fault.Times = 1
			s.Break(tc.fault)
			msg := obj{"id": 1, "type": "call_service"}
			maps.Copy(msg, switchOn)
			c.send(msg)
			tc.check(t, s, c)
			if got := s.State("light.hallway"); got != tc.state {
				t.Errorf("the lamp is %s, want %s", got, tc.state)
			}
			want := 0
			if tc.state == "on" {
				want = 1
			}
			if n := s.Services("light", "turn_on"); n != want {
				t.Errorf("%d calls carried out, want %d", n, want)
			}
		})
	}
}

func broken(t *testing.T, _ *fake.Server, c *socket) {
	t.Helper()
	if _, err := c.next(); err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("ended with %v, want a broken connection", err)
	}
}

// Faults of requests.
func TestFaults_requests(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	s.Break(fake.Fault{Path: "/api/config", Times: 1, Status: 429, RetryAfter: 7, Body: "slow down", Kind: "text/plain"})
	if status, body, h := request(t, "GET", url+"/api/config", fake.AdminToken, ""); status != 429 || body != "slow down" || h.Get("Retry-After") != "7" {
		t.Errorf("got %d %s", status, body)
	}
	s.Break(fake.Fault{Service: "light.turn_on", Times: 1, Drop: true, Late: true})
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/api/services/light/turn_on", strings.NewReader(`{"entity_id":"light.hallway"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+fake.AdminToken)
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Error("an answer arrived")
	}
	if s.State("light.hallway") != "on" || s.Services("light", "turn_on") != 1 {
		t.Error("it was not carried out")
	}
	s.Break(fake.Fault{Path: "/api/websocket", Times: 1, Status: 502})
	if _, resp, err := websocket.Dial(t.Context(), url+"/api/websocket", nil); err == nil || resp.StatusCode != 502 {
		t.Errorf("opening a socket: %v", err)
	}
	s.Break(fake.Fault{Path: "/api/states", Garbage: true})
	if _, body, _ := request(t, "GET", url+"/api/states", fake.AdminToken, ""); body != `{"data": <html>` {
		t.Error(body)
	}
	s.Mend()
	if status, _, _ := request(t, "GET", url+"/api/states", fake.AdminToken, ""); status != 200 {
		t.Error(status)
	}
}

// A restart goes through all its parts, and the house is the same afterwards.
func TestRestart(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{Restarting: fake.Restart{Stopping: time.Hour, Down: time.Hour, Proxy: time.Hour, Starting: time.Hour}})
	c := enter(t, url, fake.AdminToken)
	c.must("call_service", obj{"domain": "light", "service": "turn_on", "target": obj{"entity_id": "light.hallway"}})
	c.must("call_service", obj{"domain": "homeassistant", "service": "restart"}) // its answer comes ahead of the end
	if _, err := c.next(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Fatalf("ended with %v, want 1000", err)
	}
	if status, body, _ := request(t, "GET", url+"/api/", fake.AdminToken, ""); status != 503 || body != "" {
		t.Errorf("stopping: %d %s", status, body)
	}
	s.Advance(time.Hour)
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down: %v", err)
	}
	s.Advance(time.Hour)
	if status, _, h := request(t, "GET", url+"/api/", fake.AdminToken, ""); status != 502 || h.Get("Content-Type") != "text/html" {
		t.Errorf("proxy: %d", status)
	}
	s.Advance(time.Hour)
	c = enter(t, url, fake.AdminToken)
	if got := c.must("get_config", nil).(obj)["state"]; got != "STARTING" || s.State("light.hallway") != "unavailable" {
		t.Errorf("starting: %v, the lamp is %s", got, s.State("light.hallway"))
	}
	c.must("subscribe_events", obj{"event_type": "homeassistant_started"})
	s.Advance(time.Hour)
	if e := c.read()["event"].(obj); e["event_type"] != "homeassistant_started" || s.State("light.hallway") != "on" || s.Phase() != fake.Running {
		t.Errorf("back: %v, the lamp is %s", e, s.State("light.hallway"))
	}
}

// Without lengths a restart is over at once, but the sockets are gone all the same.
func TestRestart_atOnce(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	s.Restart(fake.Restart{})
	if _, err := c.next(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("ended with %v, want 1000", err)
	}
	enter(t, url, fake.AdminToken).must("get_config", nil)
	s.Unplug()
}

// Many clients at once, while somebody walks through the house, and nothing left behind.
func TestConcurrency(t *testing.T) {
	before := runtime.NumGoroutine()
	s := fake.New(fake.Options{Lag: time.Millisecond})
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			c := enter(t, s.URL(), fake.AdminToken)
			c.must("supported_features", obj{"features": obj{"coalesce_messages": 1}})
			c.must("subscribe_entities", obj{})
			for n := range 20 {
				c.must("call_service", obj{"domain": "light", "service": "toggle", "target": obj{"area_id": "living_room"}})
				c.must("config/area_registry/create", obj{"name": fmt.Sprintf("Room %d %d", i, n)})
				request(t, "GET", s.URL()+"/api/states", fake.UserToken, "")
			}
			_ = c.conn.CloseNow()
		})
	}
	for i := range 50 {
		s.Press("sensor.house_power", fmt.Sprint(i), nil)
		s.Look(func(h *house.House) { h.Log("x", "ERROR", "x.py", fmt.Sprint(i)) })
		s.Advance(time.Millisecond) // in all less than the time to authenticate in
	}
	all.Wait()
	s.Close()
	http.DefaultClient.CloseIdleConnections()
	for range 200 { // goroutines of closed connections need a moment to be gone
		if runtime.NumGoroutine() <= before {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}
