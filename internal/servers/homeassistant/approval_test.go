package homeassistant_test

import (
	"strings"
	"testing"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/homeassistant/fake"
	fakehouse "drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/kittest"
)

// An approval is for what the person read: when the call stands for something else by
// the time they have answered, they are asked anew, and nothing is done before.
func TestHouse_approvalIsForWhatWasShown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		tool, args string
		change     func(h *fakehouse.House)
		says       string
	}{
		"entities": {"control_entities", `{"target":["area:hallway","valve.irrigation"],"action":"open","domains":["cover","valve"]}`, func(h *fakehouse.House) {
			hallway := "hallway"
			h.Entity("cover.garage_door").Area = &hallway
		}, "cover.garage_door"},
		"why it is asked": {"call_action", `{"action":"switch.turn_on","target":["switch.car_charger"]}`, func(h *fakehouse.House) {
			h.States["switch.car_charger"].Attributes["entity_id"] = []string{"siren.garden"}
		}, "siren.garden"},
		"what a script does": {"call_action", `{"action":"script.good_night"}`, func(h *fakehouse.House) {
			free(h)
			h.Scripts[0].Body["sequence"] = []any{map[string]any{"action": "siren.turn_on", "target": map[string]any{"entity_id": "siren.garden"}}}
		}, "siren.garden"},
		"the item": {"manage_list", `{"entity_id":"todo.shopping","op":"remove","uid":"0f3c0001-aaaa-11f0-9c01-000000000001"}`, func(h *fakehouse.House) {
			h.Todos["todo.shopping"][0].Summary = "Rat poison"
		}, "Rat poison"},
		"what is deleted": {"delete_automation", `{"id":"1730000000001"}`, func(h *fakehouse.House) {
			for _, a := range h.Automations {
				a.Body["description"] = "another one"
			}
		}, "another one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := home(t, fake.Options{}, map[string]string{"mode": "all"})
			s.fake.Look(free)
			c := s.ann().Approving()
			params := `{"name":"` + tc.tool + `","arguments":` + tc.args + `}`
			approved := c.Retry(t, params, c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, params))
			s.fake.Look(tc.change)
			again := c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, approved)
			if again.Kind != mcpwire.InputRequired || !strings.Contains(string(again.Result.Bytes), tc.says) {
				t.Fatalf("%v: %s", again.Kind, again.Result.Bytes)
			}
			if s.done() != 0 {
				t.Fatal("something was done with an approval for something else")
			}
			anew := c.Retry(t, params, again)
			for range 2 {
				c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, anew)
			}
			want := 1
			if name == "entities" { // of two domains
				want = 2
			}
			if n := s.done(); n != want {
				t.Errorf("%d calls, want %d", n, want)
			}
		})
	}
}

// done counts what the fake was told to do.
func (s stage) done() (n int) {
	for _, c := range s.fake.Calls() {
		if c.Command == "call_service" || c.Method == "DELETE" || c.Method == "POST" && strings.HasPrefix(c.Path, "/api/config/") {
			n++
		}
	}
	return n
}

// On a quiet system a question stays the same: what is asked once is not asked again.
func TestHouse_askedOnce(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, map[string]string{"mode": "all"})
	s.fake.Look(free)
	for _, call := range []struct{ tool, args string }{
		{"control_entities", `{"target":["lock.front_door"],"action":"unlock"}`},
		{"call_action", `{"action":"script.good_night"}`},
		{"save_automation", `{"config":{"alias":"Open","triggers":[{"trigger":"time","at":"07:00:00"}],"actions":[{"action":"lock.unlock","target":{"entity_id":"lock.front_door"}}]}}`},
		{"update_registry", `{"kind":"entity","id":"light.hallway","changes":{"new_entity_id":"light.hall"}}`},
		{"manage_list", `{"entity_id":"todo.shopping","op":"remove","uid":"0f3c0001-aaaa-11f0-9c01-000000000001"}`},
		{"delete_automation", `{"id":"1730000000001"}`},
		{"converse", `{"text":"turn on the kitchen light"}`},
	} {
		asked := 0
		s.ann().With(mcpwire.LatestModern, func(message string) string {
			s.fake.Advance(7e9) // an id that is made of the time is another by now
			asked++
			return kittest.Approves(message)
		}).Must(t, call.tool, call.args, nil)
		if asked != 1 {
			t.Errorf("%s %s: asked %d times", call.tool, call.args, asked)
		}
	}
}

// What a person reads about an item is what the house says of it, not the call.
func TestHouse_itemAsItIs(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	asked := ""
	s.ann().With(mcpwire.LatestModern, func(message string) string { asked = message; return kittest.Declines(message) }).
		Refused(t, "manage_list", `{"entity_id":"todo.shopping","op":"remove","uid":"0f3c0001-aaaa-11f0-9c01-000000000001","summary":"an old note"}`)
	if effect, _, _ := strings.Cut(asked, "Arguments:"); !strings.Contains(effect, "remove Milk") || strings.Contains(effect, "old note") {
		t.Errorf("%s", asked)
	}
}
