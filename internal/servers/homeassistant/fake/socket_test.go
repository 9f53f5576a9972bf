package fake_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/homeassistant/fake"
	"drawbridge/internal/servers/homeassistant/fake/house"
)

// Authentication, auth.py: who does not get in hears why, then the connection ends with
// code 1000.
func TestSocket_auth(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	for name, tc := range map[string]struct{ send, want string }{
		"wrong token":  {`{"type":"auth","access_token":"nope"}`, "Invalid access token or password"},
		"no token":     {`{"type":"auth"}`, "Invalid access token or password"},
		"wrong type":   {`{"type":"hello"}`, "Auth message incorrectly formatted: not a valid value for dictionary value @ data['type']. Got 'hello'"},
		"extra member": {`{"type":"auth","token":"x"}`, "Auth message incorrectly formatted: extra keys not allowed @ data['token']. Got 'x'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, url)
			c.read()
			c.send(json.RawMessage(tc.send))
			if got := c.read(); got["type"] != "auth_invalid" || got["message"] != tc.want {
				t.Errorf("got %v, want %q", got, tc.want)
			}
			if _, err := c.next(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("ended with %v, want 1000", err)
			}
		})
	}
}

// Ids, connection.py: they increase; what is no message at all gets one error all the same.
func TestSocket_ids(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	for _, tc := range []struct{ send, want string }{
		{`{"id":5,"type":"ping"}`, `{"id":5,"type":"pong"}`},
		{`{"id":5,"type":"ping"}`, `{"error":{"code":"id_reuse","message":"Identifier values have to increase."},"id":5,"success":false,"type":"result"}`},
		{`{"id":4,"type":"ping"}`, `{"error":{"code":"id_reuse","message":"Identifier values have to increase."},"id":4,"success":false,"type":"result"}`},
		{`{"id":6,"type":"no/such"}`, `{"error":{"code":"unknown_command","message":"Unknown command."},"id":6,"success":false,"type":"result"}`},
		{`{"id":6,"type":"ping"}`, `{"id":6,"type":"pong"}`}, // an unknown command does not use its id up
		{`{"type":"ping"}`, `{"error":{"code":"invalid_format","message":"Message incorrectly formatted."},"id":null,"success":false,"type":"result"}`},
		{`{"id":"7","type":"ping"}`, `{"error":{"code":"invalid_format","message":"Message incorrectly formatted."},"id":"7","success":false,"type":"result"}`},
		{`{"id":7.5,"type":"ping"}`, `{"error":{"code":"invalid_format","message":"Message incorrectly formatted."},"id":7.5,"success":false,"type":"result"}`},
		{`"hello"`, `{"error":{"code":"invalid_format","message":"Message incorrectly formatted."},"id":0,"success":false,"type":"result"}`},
		{`{"id":8,"type":"get_config","extra":1}`, `{"error":{"code":"invalid_format","message":"extra keys not allowed. Got {'extra': 1, 'id': 8, 'type': 'get_config'}"},"id":8,"success":false,"type":"result"}`},
		{`[{"id":9,"type":"ping"},{"id":10,"type":"ping"}]`, `{"id":9,"type":"pong"}`},
		{``, `{"id":10,"type":"pong"}`},
	} {
		if tc.send != "" {
			c.send(json.RawMessage(tc.send))
		}
		if got, _ := json.Marshal(c.read()); string(got) != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.send, got, tc.want)
		}
	}
}

// What is no JSON, or no text, ends the connection (http.py).
func TestSocket_garbageFromClient(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
		c := enter(t, url, fake.AdminToken)
		if err := c.conn.Write(t.Context(), kind, []byte(`{"id":1`)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.next(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("%v: ended with %v, want 1000", kind, err)
		}
	}
	c := enter(t, url, fake.AdminToken)
	if err := c.conn.Write(t.Context(), websocket.MessageText, []byte(`{"id":1,"x":"`+strings.Repeat("x", 4<<20)+`"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.next(); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("5 MiB: ended with %v, want 1009", err)
	}
}

// Without supported_features each message comes alone; with coalesce_messages what waits
// comes as one array.
func TestSocket_coalesce(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	for _, can := range []bool{false, true} {
		c := enter(t, url, fake.AdminToken)
		if can {
			c.must("supported_features", obj{"features": obj{"coalesce_messages": 1}})
		}
		c.must("subscribe_events", obj{"event_type": "state_changed"})
		s.Look(func(h *house.House) { // more than the writer can have taken one by one
			for i := range 50 {
				h.Change("sensor.house_power", fmt.Sprint(1000+i), nil, h.NewContext(nil, ""))
			}
		})
		arrays, got := false, 0
		for got < 50 {
			_, data, err := c.conn.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var many []obj
			if json.Unmarshal(data, &many) == nil {
				arrays = true
				got += len(many)
				continue
			}
			got++
		}
		if arrays != can {
			t.Errorf("coalesce %v: arrays %v", can, arrays)
		}
	}
}

// subscribe_entities: all at first, then only what changed (messages.py).
func TestSocket_subscribeEntities(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	c := enter(t, url, fake.UserToken)
	c.must("subscribe_entities", obj{"entity_ids": []string{"light.hallway", "sensor.new"}})
	first := c.read()["event"].(obj)["a"].(obj)
	if len(first) != 1 || first["light.hallway"].(obj)["s"] != "off" || first["light.hallway"].(obj)["c"] == nil {
		t.Fatalf("first event is %v", first)
	}
	s.Press("light.hallway", "on", obj{"color_mode": "onoff", "supported_color_modes": nil})
	diff := c.read()["event"].(obj)["c"].(obj)["light.hallway"].(obj)
	plus := diff["+"].(obj)
	if plus["s"] != "on" || plus["a"].(obj)["color_mode"] != "onoff" || plus["lc"] == nil || plus["lu"] != nil || diff["-"].(obj)["a"].([]any)[0] != "supported_color_modes" {
		t.Errorf("change is %v", diff)
	}
	s.Press("light.hallway", "on", obj{"effect": "glow"})
	if plus := c.read()["event"].(obj)["c"].(obj)["light.hallway"].(obj)["+"].(obj); plus["s"] != nil || plus["lu"] == nil || plus["lc"] != nil {
		t.Errorf("change of an attribute alone is %v", plus)
	}
	s.Look(func(h *house.House) {
		h.Set("sensor.new", "1", obj{}, h.NewContext(nil, ""))
		h.Set("sensor.other", "1", obj{}, h.NewContext(nil, ""))
		h.Drop("sensor.new", h.NewContext(nil, ""))
	})
	if a := c.read()["event"].(obj)["a"].(obj)["sensor.new"].(obj); a["s"] != "1" {
		t.Errorf("new entity is %v", a)
	}
	if r := c.read()["event"].(obj)["r"].([]any); r[0] != "sensor.new" {
		t.Errorf("removal is %v", r)
	}
	c.must("unsubscribe_events", obj{"subscription": c.id})
}

// A client that does not read is thrown out at 4,096 waiting messages (const.py).
func TestSocket_slowReader(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	c.must("subscribe_events", nil)
	s.Look(func(h *house.House) {
		for range 6000 {
			h.Fire("flood", obj{"x": strings.Repeat("x", 4000)}, h.NewContext(nil, ""))
		}
	})
	n := 0
	for {
		if _, err := c.next(); err != nil {
			break
		}
		n++
	}
	if n == 0 || n >= 6000 {
		t.Errorf("%d messages before the end, want some but not all", n)
	}
}

// Nobody hears from a client for 10 s: the connection ends (http.py).
func TestSocket_authTimeout(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	c := dial(t, url)
	c.read()
	s.Advance(11 * time.Second)
	if _, err := c.next(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("ended with %v, want 1000", err)
	}
}

// Rights: admin commands are refused, events but for a few, too (decorators.py, events.py).
func TestSocket_rights(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.UserToken)
	for kind, members := range map[string]obj{
		"subscribe_events": {}, "trace/list": {"domain": "automation"}, "config/area_registry/create": {"name": "X"}, "fire_event": {"event_type": "x"},
		"config/entity_registry/update": {"entity_id": "light.hallway"}, "homeassistant/expose_entity/list": nil, "backup/info": nil, "system_log/list": nil,
	} {
		if code, text := c.fails(kind, members); code != "unauthorized" || text != "Unauthorized" {
			t.Errorf("%s: %s %s", kind, code, text)
		}
	}
	c.must("subscribe_events", obj{"event_type": "state_changed"})
	if code, text := c.fails("call_service", obj{"domain": "homeassistant", "service": "restart"}); code != "home_assistant_error" || text != "Unauthorized" {
		t.Errorf("restart: %s %s", code, text)
	}
	c.must("call_service", obj{"domain": "light", "service": "turn_on", "target": obj{"entity_id": "light.hallway"}})
	guest := enter(t, url, fake.GuestToken)
	if code, _ := guest.fails("call_service", obj{"domain": "light", "service": "turn_off", "target": obj{"entity_id": "light.hallway"}}); code != "home_assistant_error" {
		t.Errorf("guest: %s", code)
	}
}

// A token that is revoked ends its connections, and nobody else's.
func TestSocket_revoke(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	ben, ada := enter(t, url, fake.UserToken), enter(t, url, fake.AdminToken)
	s.Revoke(fake.UserToken)
	if _, err := ben.next(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("ended with %v, want 1000", err)
	}
	ada.must("get_config", nil)
	if status, body, _ := request(t, "GET", url+"/api/", fake.UserToken, ""); status != 401 || body != "401: Unauthorized" {
		t.Errorf("got %d %s", status, body)
	}
}

// Every command says no to a member that it does not know, and to wrong types where it has
// any; none may break on it.
func TestSocket_everyCommandIsStrict(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	for _, kind := range commands() {
		code, text := c.fails(kind, obj{"no_such_member": 1})
		if code != "invalid_format" || !strings.Contains(text, "extra keys not allowed") {
			t.Errorf("%s: %s %s", kind, code, text)
		}
	}
}

func TestSocket_humanErrors(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	for _, tc := range []struct {
		kind    string
		members obj
		want    string
	}{
		{"subscribe_events", obj{"event_type": 100}, "expected str for dictionary value @ data['event_type']. Got 100"}, // developer docs
		{"call_service", obj{"domain": "light"}, "required key not provided @ data['service']. Got None"},
		{"call_service", obj{"domain": "light", "service": "turn_on", "target": obj{"foo": "x"}}, "extra keys not allowed @ data['target']['foo']. Got 'x'"},
		{"config/area_registry/update", obj{"area_id": "kitchen", "labels": "x"}, "expected a list for dictionary value @ data['labels']. Got 'x'"},
		{"config/area_registry/update", obj{"area_id": "kitchen", "labels": []any{1}}, "expected str @ data['labels'][0]. Got 1"},
		{"trace/list", obj{"domain": "light"}, "value must be one of ['automation', 'script'] for dictionary value @ data['domain']. Got 'light'"},
		{"subscribe_entities", obj{"entity_ids": "Kitchen"}, "Entity ID Kitchen is an invalid entity ID for dictionary value @ data['entity_ids']. Got 'Kitchen'"},
		{"homeassistant/expose_entity", obj{"assistants": []string{"x"}}, "required key not provided @ data['entity_ids']. Got None\nrequired key not provided @ data['should_expose']. Got None\n" +
			"value must be one of ['cloud.alexa', 'cloud.google_assistant', 'conversation'] @ data['assistants'][0]. Got 'x'"},
	} {
		if code, text := c.fails(tc.kind, tc.members); code != "invalid_format" || text != tc.want {
			t.Errorf("%s %v\n got %s %s\nwant %s", tc.kind, tc.members, code, text, tc.want)
		}
	}
}

func commands() []string {
	list := fake.Commands(fake.V2026_9)
	slices.Sort(list)
	return list
}
