package homeassistant_test

import (
	"strings"
	"testing"

	"drawbridge/internal/servers/homeassistant/fake"
	fakehouse "drawbridge/internal/servers/homeassistant/fake/house"
)

// Ways around the questions: a person is asked all the same.
func TestHouse_waysAround(t *testing.T) {
	t.Parallel()
	step := func(text string) string {
		return `{"config":{"alias":"x","triggers":[],"actions":[` + text + `]}}`
	}
	for name, call := range map[string]struct{ tool, args string }{
		"a script in an automation":    {"save_automation", step(`{"action":"script.outer"}`)},
		"a script that calls a script": {"call_action", `{"action":"script.outer"}`},
		"a script by a place":          {"control_entities", `{"target":["script.by_place"],"action":"turn_on"}`},
		"a script by a device":         {"call_action", `{"action":"script.turn_on","target":["script.by_device"]}`},
		"a script of a blueprint":      {"call_action", `{"action":"script.printed"}`},
		"a script with templates":      {"call_action", `{"action":"script.chosen"}`},
		"data that a template makes":   {"save_automation", step(`{"action":"homeassistant.turn_on","data":"{{ {'entity_id': 'lo' ~ 'ck.front_door'} }}"}`)},
		"an integration's own action":  {"call_action", `{"action":"localtuya.set_dp","data":{"device_id":"bf1","dp":1,"value":true}}`},
		"a picture into a file":        {"call_action", `{"action":"image.snapshot","data":{"filename":"/config/x"}}`},
		"presence":                     {"call_action", `{"action":"device_tracker.see","data":{"dev_id":"phone","location_name":"home"}}`},
		"what is removed":              {"call_action", `{"action":"todo.remove_item","target":["todo.shopping"],"data":{"item":"Milk"}}`},
		"all that is completed":        {"call_action", `{"action":"todo.remove_completed_items","target":["todo.shopping"]}`},
		"a camera as a variable":       {"call_action", `{"action":"script.turn_on","target":["script.harmless"],"data":{"variables":{"what":"camera.front_door"}}}`},
		"a template into the logbook":  {"call_action", `{"action":"logbook.log","data":{"name":"x","message":"{{ states('light.' ~ 'aquarium') }}"}}`},
		"a template that walks":        {"save_automation", step(`{"action":"logbook.log","data":{"name":"x","message":"{{ states.light | map(attribute='state') | list }}"}}`)},
		"a label that would block":     {"update_registry", `{"kind":"label","id":"holiday","changes":{"name":"AI blocked"}}`},
		"a lock for the assistant":     {"update_registry", `{"kind":"entity","id":"lock.front_door","changes":{"exposed":true}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := home(t, fake.Options{}, nil)
			s.fake.Look(scripts)
			if text := s.ann().Refused(t, call.tool, call.args); !strings.Contains(text, "elicitation") || s.done() != 0 {
				t.Errorf("%d done: %s", s.done(), text)
			}
		})
	}
	// Nobody is asked about what moves nothing of the kind.
	s := home(t, fake.Options{}, nil)
	s.fake.Look(scripts)
	s.ann().Must(t, "call_action", `{"action":"script.turn_on","target":["script.harmless"]}`, nil)
	s.ann().Must(t, "save_automation", step(`{"action":"light.turn_on","target":{"area_id":"hallway"}},{"action":"logbook.log","data":{"name":"x","message":"{{ states('sensor.house_power') }} {{ trigger.id }}"}}`), nil)
}

// scripts adds scripts to a house.
func scripts(h *fakehouse.House) {
	step := func(action string, target map[string]any) map[string]any {
		return map[string]any{"action": action, "target": target}
	}
	lock := h.Entity("lock.front_door")
	lock.Area = new("hallway")
	for id, body := range map[string]map[string]any{
		"inner":     {"sequence": []any{step("lock.unlock", map[string]any{"entity_id": "lock.front_door"})}},
		"outer":     {"sequence": []any{map[string]any{"action": "script.inner"}}},
		"by_place":  {"sequence": []any{step("lock.unlock", map[string]any{"area_id": "hallway"})}},
		"by_device": {"sequence": []any{step("homeassistant.turn_on", map[string]any{"device_id": *lock.Device})}},
		"harmless":  {"sequence": []any{step("light.turn_on", map[string]any{"area_id": "hallway"})}},
		"printed":   {"use_blueprint": map[string]any{"path": "a.yaml"}},
		"chosen":    {"sequence": []any{step("homeassistant.turn_on", map[string]any{"entity_id": "{{ x }}"})}},
	} {
		body["alias"] = id
		c := &fakehouse.Config{ID: id, Body: body}
		h.Scripts = append(h.Scripts, c)
		h.Load("script", c, fakehouse.Context{})
	}
}

// What the operator forbids is forbidden in any spelling, and what the owner keeps from
// models is so in what scripts reach.
func TestHouse_forbiddenInAnySpelling(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	s.fake.Look(scripts)
	for name, call := range map[string]struct{ tool, args, says string }{
		"capitals":         {"save_automation", `{"config":{"alias":"x","triggers":[],"actions":[{"action":"Shell_Command.Wipe"}]}}`, "HASS_MODE=all"},
		"a space":          {"save_automation", `{"config":{"alias":"x","triggers":[],"actions":[{"service":" shell_command.wipe"}]}}`, "HASS_MODE=all"},
		"the old name":     {"save_automation", `{"config":{"alias":"x","triggers":[],"actions":[{"service_template":"shell_command.wipe"}]}}`, "HASS_MODE=all"},
		"in a template":    {"save_automation", `{"config":{"alias":"x","triggers":[],"actions":[{"action":"logbook.log","data":{"message":"{{ states.light.aquarium.state }}"}}]}}`, "ai_blocked"},
		"a script's place": {"call_action", `{"action":"script.good_night"}`, "ai_blocked"},
	} {
		if text := s.ann().Approving().Refused(t, call.tool, call.args); !strings.Contains(text, call.says) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if n := s.done(); n != 0 {
		t.Errorf("%d done", n)
	}
}

// A device of which models may see nothing is not theirs to change.
func TestHouse_unlistedDevice(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, map[string]string{"entities": "light.*"})
	s.fake.Look(func(h *fakehouse.House) { h.Device(*h.Entity("lock.front_door").Device).Name = "Strongbox" })
	c := s.ann().Approving()
	if text := c.Refused(t, "update_registry", `{"kind":"device","id":"Strongbox","changes":{"area":"kitchen"}}`); !strings.Contains(text, "HASS_ENTITIES") {
		t.Errorf("%s", text)
	}
}

// What opens pictures and streams is in no answer, however it is spelled.
func TestHouse_hidesTokens(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, map[string]string{"toolsets": "all"})
	s.fake.Look(func(h *fakehouse.House) {
		a := h.States["media_player.living_room_tv"].Attributes
		a["entity_picture_local"], a["API_Key"], a["stream_source"] = "/api/media_player_proxy/x?token=5ecre7&cache=1", "5ecre7", "rtsp://ann:5ecre7@10.0.0.9/live"
		a["thumbnail"] = "http://10.0.0.9/x.png?authSig=5ecre7"
	})
	for _, call := range []struct{ tool, args string }{
		{"get_states", `{"target":["media_player.living_room_tv"],"attributes":"all"}`},
		{"search_entities", `{"query":"tv","fields":["entity_picture_local","API_Key","stream_source","thumbnail"]}`},
		{"render_template", `{"template":"{{ state_attr('media_player.living_room_tv', 'entity_picture_local') }} {{ state_attr('media_player.living_room_tv', 'stream_source') }}"}`},
	} {
		if r := s.ann().Must(t, call.tool, call.args, nil); strings.Contains(r.Text+string(r.Structured), "5ecre7") {
			t.Errorf("%s: %s", call.tool, r.Text)
		}
	}
	if text, werr := s.ann().Resource(t, "ha://entity/media_player.living_room_tv"); werr != nil || strings.Contains(text, "5ecre7") {
		t.Errorf("%s, %v", text, werr)
	}
}

// Home Assistant counts a request that is for administrators as a failed login of who
// is none, and bans the address of everybody: nothing is sent.
func TestHouse_noBanForAsking(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{BanAfter: 2}, map[string]string{"token": fake.UserToken})
	c := s.ann().Approving()
	for _, call := range []struct{ tool, args string }{
		{"get_automation", `{"id":"1730000000001"}`}, {"save_automation", `{"id":"1730000000001","config":` + hall + `}`},
		{"run_maintenance", `{"op":"check_config"}`}, {"run_maintenance", `{"op":"restart"}`},
	} {
		if text := c.Refused(t, call.tool, call.args); !strings.Contains(text, "administrator") {
			t.Errorf("%s: %s", call.tool, text)
		}
	}
	for _, call := range s.fake.Calls() {
		if call.Status == 401 {
			t.Errorf("%s %s was answered with 401", call.Method, call.Path)
		}
	}
	c.Must(t, "get_states", `{"target":["light.hallway"]}`, nil)
}

// The alias that stands for an entity's own name stays, and none is told twice.
func TestHouse_ownNameStaysAlias(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	set := func(aliases ...any) {
		s.fake.Look(func(h *fakehouse.House) { h.Entity("light.hallway").Aliases = aliases })
	}
	set("hall", nil, "corridor")
	var out struct{ Changed string }
	s.ann().Must(t, "update_registry", `{"kind":"entity","id":"light.hallway","changes":{"aliases":["lobby"]}}`, &out)
	if !strings.Contains(out.Changed, "aliases: hall, corridor -> lobby") {
		t.Errorf("%s", out.Changed)
	}
	s.fake.Look(func(h *fakehouse.House) {
		if got := h.Entity("light.hallway").Aliases; len(got) != 2 || got[0] != nil || got[1] != "lobby" {
			t.Errorf("aliases are %v", got)
		}
	})
}

// A picture of an image comes from another road than that of a camera.
func TestHouse_imagePicture(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	s.fake.Look(func(h *fakehouse.House) {
		h.Images["image.doorbell"] = h.Images["camera.front_door"]
		h.Set("image.doorbell", "2026-01-01T00:00:00+00:00", map[string]any{"access_token": "5ecre7ima9e"}, fakehouse.Context{})
	})
	if r := s.ann().Must(t, "get_camera_snapshot", `{"entity_id":"image.doorbell"}`, nil); len(r.Blocks) == 0 {
		t.Errorf("%+v", r)
	}
}

// Before 2025.11 the house resolves places itself: what is blocked in one is found.
func TestHouse_blockedPlaceInOldVersions(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	s.fake.Break(fake.Fault{Command: "extract_from_target", Code: "unknown_command"})
	if text := s.ann().Approving().Refused(t, "call_action", `{"action":"light.turn_off","data":{"area_id":"living_room"}}`); !strings.Contains(text, "kept from models") || s.done() != 0 {
		t.Errorf("%s", text)
	}
}
