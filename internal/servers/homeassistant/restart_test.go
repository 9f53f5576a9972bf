package homeassistant_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/homeassistant/fake"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// Must show 3: a restart of the house in the middle of a session is survived, and no
// action is repeated.
func TestHouse_restart(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	c := s.ann()
	c.Must(t, "control_entities", `{"target":["light.kitchen_ceiling"],"action":"turn_on"}`, nil)
	s.fake.Restart(fake.Restart{Stopping: 100 * time.Millisecond, Down: 200 * time.Millisecond, Proxy: 200 * time.Millisecond})
	// The sockets are closed and nothing answers: the call waits until the house is back.
	var out effects
	c.Must(t, "control_entities", `{"target":["light.kitchen_ceiling"],"action":"turn_off"}`, &out)
	if n := s.fake.Services("light", "turn_off"); n != 1 || out.to("light.kitchen_ceiling") == "" || s.fake.State("light.kitchen_ceiling") != "off" {
		t.Errorf("light.turn_off was called %d times: %+v", n, out)
	}
	if strings.Contains(s.log.String(), fake.AdminToken) {
		t.Error("the log has the token")
	}
}

// Must show 3: the connection breaks while an action runs. Whether it was done or
// not, it is not repeated, and the answer says what is not known.
func TestHouse_restartInAnAction(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fake.Fault{
		"answer lost": {Service: "light.turn_on", Late: true, Drop: true, Times: 1},
		"call lost":   {Service: "light.turn_on", Drop: true, Times: 1},
		"restart":     {Service: "light.turn_on", Restart: true, Silent: true, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, call := range []struct{ tool, args string }{
				{"control_entities", `{"target":["light.kitchen_ceiling"],"action":"turn_on"}`},
				{"call_action", `{"action":"light.turn_on","target":["light.kitchen_ceiling"]}`},
			} {
				s := home(t, fake.Options{Restarting: fake.Restart{Down: 200 * time.Millisecond}}, nil)
				c := s.ann()
				c.Must(t, "get_states", `{"target":["light.kitchen_ceiling"]}`, nil)
				s.fake.Break(fault)
				text := c.Refused(t, call.tool, call.args)
				if !strings.HasPrefix(text, "Undetermined") || !strings.Contains(text, "get_states") {
					t.Errorf("%s: %s", call.tool, text)
				}
				c.Must(t, "get_states", `{"target":["light.kitchen_ceiling"]}`, nil) // over another connection
				arrived := 0
				for _, one := range s.fake.Calls() {
					if one.Command == "call_service" {
						arrived++
					}
				}
				if arrived != 1 {
					t.Errorf("%s: the action arrived %d times", call.tool, arrived)
				}
			}
		})
	}
}

// A connection that breaks while something is read is not noticed by anybody.
func TestHouse_unplugged(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	c := s.ann()
	c.Must(t, "get_overview", `{}`, nil)
	s.fake.Unplug()
	c.Must(t, "get_overview", `{}`, nil)
	s.fake.Break(fake.Fault{Command: "get_states", Drop: true, Times: 1})
	c.Must(t, "get_overview", `{}`, nil)
	s.fake.Break(fake.Fault{Command: "get_states", Drop: true})
	if text := c.Refused(t, "get_overview", `{}`); !strings.Contains(text, "broke the connection off") {
		t.Errorf("%s", text)
	}
}

// One credential has one connection, whatever goes on at once.
func TestHouse_oneSocket(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	done := make(chan struct{})
	for range 8 {
		go func() { // awaited below
			defer func() { done <- struct{}{} }()
			for _, args := range []string{`{"query":"lamp"}`, `{"area":"kitchen"}`, `{"domain":["sensor"]}`} {
				if r := s.ann().Call(t, "search_entities", args); r.IsError {
					t.Errorf("%s: %s", args, r.Text)
				}
			}
		}()
	}
	for range 8 {
		<-done
	}
	if n := s.fake.Sockets(); n != 1 {
		t.Errorf("%d sockets, want 1", n)
	}
	lists := 0
	for _, one := range s.fake.Calls() {
		if one.Code == "id_reuse" {
			t.Errorf("%+v", one)
		}
		if one.Command == "config/entity_registry/list_for_display" {
			lists++
		}
	}
	if lists != 1 { // the others know what has not changed
		t.Errorf("the registry was read %d times", lists)
	}
}

// Who watches a resource hears of its changes, also after the house was away.
func TestHouse_liveResources(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	c := s.ann()
	const uri, area, other = "ha://entity/light.hallway", "ha://area/hallway", "ha://entity/light.kitchen_ceiling"
	for _, one := range []string{uri, area, other} {
		if _, err := c.Resource(t, one); err != nil {
			t.Fatal(err)
		}
	}
	told := c.Watch(t, mcpwire.Filter{Resources: []string{uri, area, other}})
	hear := func(what string) {
		t.Helper()
		heard := map[string]bool{}
		for !heard[uri] || !heard[area] {
			select {
			case one := <-told:
				heard[uri] = heard[uri] || strings.Contains(one, uri)
				heard[area] = heard[area] || strings.Contains(one, area)
				if strings.Contains(one, other) {
					t.Errorf("%s: %s", what, one)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: nothing was told but %v", what, heard)
			}
		}
	}
	waitFor(t, "the subscription", func() bool { return subscriptions(s.fake) >= 1 })
	s.fake.Press("light.hallway", "on", nil)
	hear("a wall switch")
	before := subscriptions(s.fake)
	s.fake.Restart(fake.Restart{Down: 100 * time.Millisecond})
	s.fake.Press("light.hallway", "off", nil) // while nobody listens
	hear("what changed while the house was away")
	waitFor(t, "another subscription", func() bool { return subscriptions(s.fake) > before })
	s.fake.Press("light.hallway", "on", nil)
	hear("after the restart")
}

func subscriptions(f *fake.Server) (n int) {
	for _, c := range f.Calls() {
		if c.Command == "subscribe_entities" && c.Done {
			n++
		}
	}
	return n
}

func waitFor(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// own are callers with tokens of their own.
type own map[string]string

func (o own) For(_ context.Context, user, _ string) (map[string]secret.String, error) {
	if o[user] == "" {
		return nil, nil
	}
	return map[string]secret.String{"token": secret.New(o[user])}, nil
}

// Each caller acts with the token of their own, others with the operator's; what
// Home Assistant lets the one do it does not let the other.
func TestHouse_credentials(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	s.srv = s.open(t, nil, own{"ben": fake.UserToken, "eve": fake.GuestToken})
	as := func(user string) { // the calls since the last time
		t.Helper()
		for _, c := range s.fake.Calls() {
			if c.Command == "call_service" && c.User != user {
				t.Errorf("%s acts as %s", user, c.User)
			}
		}
	}
	client := func(user string) *kittest.Client { return kittest.NewClient(s.srv, user) }
	client("ben").Must(t, "control_entities", `{"target":["light.kitchen_ceiling"],"action":"turn_on"}`, nil)
	as("Ben")
	if text := client("ben").Refused(t, "update_registry", `{"kind":"area","id":"kitchen","changes":{"name":"Galley"}}`); !strings.Contains(text, "administrators") {
		t.Errorf("%s", text)
	}
	client("ada").Must(t, "update_registry", `{"kind":"area","id":"kitchen","changes":{"name":"Galley"}}`, nil) // with the operator's
	client("eve").Must(t, "get_states", `{"target":["light.kitchen_ceiling"]}`, nil)
	if text := client("eve").Refused(t, "control_entities", `{"target":["light.kitchen_ceiling"],"action":"turn_off"}`); !strings.Contains(text, "does not let the owner") {
		t.Errorf("%s", text)
	}
	if s.fake.State("light.kitchen_ceiling") != "on" || s.fake.Sockets() != 3 {
		t.Errorf("%s, %d sockets", s.fake.State("light.kitchen_ceiling"), s.fake.Sockets())
	}
	for _, token := range []string{fake.AdminToken, fake.UserToken, fake.GuestToken} {
		if strings.Contains(s.log.String(), token) {
			t.Error("a token is in the log")
		}
	}
	nobody := home(t, fake.Options{}, map[string]string{"token": ""})
	if text := nobody.ann().Refused(t, "get_overview", `{}`); !strings.Contains(text, "credential") {
		t.Errorf("%s", text)
	}
}

// Must show 2: with the seed's two variables and nothing else, reading works with
// the mode read, and a lamp is switched with the default mode.
func TestHouse_modes(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, map[string]string{"mode": string(kit.ModeRead), "toolsets": ""})
	s.ann().Must(t, "get_overview", `{}`, nil)
	s.ann().Must(t, "get_states", `{"target":["light.hallway"]}`, nil)
	if text := s.ann().Refused(t, "control_entities", `{"target":["light.hallway"],"action":"turn_on"}`); !strings.Contains(text, "MODE") {
		t.Errorf("%s", text)
	}
	s.srv = s.open(t, map[string]string{"toolsets": ""}, nil)
	s.ann().Must(t, "control_entities", `{"target":["light.hallway"],"action":"turn_on"}`, nil)
	if s.fake.State("light.hallway") != "on" {
		t.Error("the lamp is off")
	}
	if text := s.ann().Approving().Refused(t, "call_action", `{"action":"homeassistant.restart"}`); !strings.Contains(text, "HASS_MODE=all") {
		t.Errorf("%s", text)
	}
}

// A token that is refused is not tried again, so that Home Assistant bans nobody.
func TestHouse_refusedToken(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{BanAfter: 3}, map[string]string{"token": "made-up.wrong"})
	for range 5 {
		if text := s.ann().Refused(t, "get_overview", `{}`); !strings.Contains(text, "HASS_TOKEN") || strings.Contains(text, "made-up.wrong") {
			t.Errorf("%s", text)
		}
	}
	attempts := 0
	for _, c := range s.fake.Calls() {
		if c.Command == "auth" {
			attempts++
		}
	}
	if attempts != 1 || s.fake.Banned("127.0.0.1") {
		t.Errorf("%d attempts", attempts)
	}
}
