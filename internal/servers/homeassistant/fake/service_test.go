package fake_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/homeassistant/fake"
	"drawbridge/internal/servers/homeassistant/fake/house"
)

// call_service: what goes wrong, in which code and which words (websocket_api/commands.py,
// core.py, helpers/service.py).
func TestCallService_errors(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	for _, tc := range []struct {
		name          string
		call          obj
		code, message string
	}{
		{"unknown", obj{"domain": "light", "service": "dance"}, "not_found", "Service light.dance not found."},
		{"no target", obj{"domain": "light", "service": "turn_on"}, "invalid_format", "must contain at least one of entity_id, device_id, area_id, floor_id, label_id."},
		{"unknown field", obj{"domain": "light", "service": "turn_on", "service_data": obj{"entity_id": "light.hallway", "colour": "red"}}, "invalid_format", "extra keys not allowed @ data['colour']"},
		{"out of range", obj{"domain": "light", "service": "turn_on", "service_data": obj{"entity_id": "light.hallway", "brightness_pct": 150}}, "invalid_format", "value must be at most 100 for dictionary value @ data['brightness_pct']"},
		{"two colors", obj{"domain": "light", "service": "turn_on", "service_data": obj{"entity_id": "light.hallway", "color_name": "red", "rgb_color": []int{1, 2, 3}}}, "invalid_format",
			"two or more values in the same group of exclusion 'Color descriptors' @ data['<Color descriptors>']"},
		{"unsuited, named", obj{"domain": "cover", "service": "set_cover_position", "target": obj{"entity_id": "cover.garage_door"}, "service_data": obj{"position": 5}}, "service_validation_error",
			"Validation error: Entity cover.garage_door does not support action cover.set_cover_position"},
		{"too warm", obj{"domain": "climate", "service": "set_temperature", "target": obj{"entity_id": "climate.living_room"}, "service_data": obj{"temperature": 99}}, "service_validation_error",
			"Validation error: Provided temperature 99.0 is not valid. Accepted range is 7 to 30"},
		{"unknown mode", obj{"domain": "climate", "service": "set_hvac_mode", "target": obj{"entity_id": "climate.living_room"}, "service_data": obj{"hvac_mode": "cool"}}, "service_validation_error",
			"Validation error: HVAC mode cool is not valid. Valid HVAC modes are: off, heat, auto"},
		{"no response there", obj{"domain": "light", "service": "turn_on", "target": obj{"entity_id": "light.hallway"}, "return_response": true}, "service_validation_error",
			"Validation error: An action which does not return responses can't be called with return_response=True"},
		{"response not asked for", obj{"domain": "todo", "service": "get_items", "target": obj{"entity_id": "todo.shopping"}}, "service_validation_error",
			"Validation error: The action requires responses and must be called with return_response=True"},
		{"unknown item", obj{"domain": "todo", "service": "remove_item", "target": obj{"entity_id": "todo.shopping"}, "service_data": obj{"item": "Gold"}}, "service_validation_error",
			"Validation error: Unable to find to-do list item: Gold"},
		{"wrong code", obj{"domain": "alarm_control_panel", "service": "alarm_disarm", "target": obj{"entity_id": "alarm_control_panel.home"}, "service_data": obj{"code": "0"}}, "service_validation_error", "Validation error: Invalid alarm code provided"},
		{"template", obj{"domain": "light", "service": "turn_on", "target": obj{"entity_id": "{{ x }}"}}, "invalid_format", "Entity ID {{ x }} is an invalid entity ID for dictionary value @ data['target']['entity_id']. Got '{{ x }}'"},
	} {
		if code, message := c.fails("call_service", tc.call); code != tc.code || message != tc.message {
			t.Errorf("%s\n got %s %s\nwant %s %s", tc.name, code, message, tc.code, tc.message)
		}
	}
	e := c.ask("call_service", obj{"domain": "todo", "service": "get_items", "target": obj{"entity_id": "todo.shopping"}})["error"].(obj)
	if e["translation_domain"] != "homeassistant" || e["translation_key"] != "service_lacks_response_request" || e["translation_placeholders"].(obj)["return_response"] != "return_response=True" {
		t.Errorf("translation is %v", e)
	}
}

// A service for an entity that is not there, or is unavailable, succeeds and changes
// nothing; the log tells of the first.
func TestCallService_missingEntity(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	got := c.must("call_service", obj{"domain": "light", "service": "turn_on", "target": obj{"entity_id": []string{"light.nowhere", "light.garden_path"}}}).(obj)
	if got["context"].(obj)["user_id"] == nil || len(got["context"].(obj)["id"].(string)) != 26 {
		t.Errorf("result is %v", got)
	}
	if _, has := got["response"]; has {
		t.Error("a response nobody asked for")
	}
	if s.State("light.garden_path") != "unavailable" {
		t.Error("an unavailable light moved")
	}
	if log := c.must("system_log/list", nil).([]any)[0].(obj); !strings.Contains(log["message"].([]any)[0].(string), "light.nowhere are missing") {
		t.Errorf("log is %v", log)
	}
}

// What services do to states, each told to subscribers with the context of the call.
func TestCallService_effects(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	for _, tc := range []struct{ domain, service, id, data, state, attr, want string }{
		{"light", "turn_on", "light.kitchen_ceiling", `{"brightness_pct":50,"color_temp_kelvin":9000}`, "on", "brightness", "128"},
		{"light", "toggle", "light.kitchen_ceiling", `{}`, "off", "", ""},
		{"light", "turn_on", "light.hallway", `{"brightness":3}`, "on", "brightness", "null"},
		{"switch", "turn_on", "switch.coffee_machine", `{}`, "on", "", ""},
		{"lock", "unlock", "lock.front_door", `{}`, "unlocked", "", ""},
		{"cover", "set_cover_position", "cover.living_room_blind", `{"position":30}`, "open", "current_position", "30"},
		{"cover", "open_cover", "cover.garage_door", `{}`, "open", "current_position", "null"},
		{"climate", "set_temperature", "climate.living_room", `{"temperature":"19.5","hvac_mode":"auto"}`, "auto", "temperature", "19.5"},
		{"climate", "turn_off", "climate.living_room", `{}`, "off", "", ""},
		{"media_player", "volume_set", "media_player.living_room_tv", `{"volume_level":0.5}`, "playing", "volume_level", "0.5"},
		{"media_player", "select_source", "media_player.living_room_tv", `{"source":"Radio"}`, "playing", "source", `"Radio"`},
		{"fan", "turn_on", "fan.bedroom", `{"percentage":25}`, "on", "percentage", "25"},
		{"valve", "open_valve", "valve.irrigation", `{}`, "open", "", ""},
		{"siren", "turn_on", "siren.garden", `{}`, "on", "", ""},
		{"vacuum", "start", "vacuum.robby", `{}`, "cleaning", "", ""},
		{"alarm_control_panel", "alarm_arm_away", "alarm_control_panel.home", `{}`, "armed_away", "", ""},
		{"input_number", "set_value", "input_number.night_temperature", `{"value":18}`, "18.0", "", ""},
		{"input_select", "select_option", "input_select.mode", `{"option":"night"}`, "night", "", ""},
		{"homeassistant", "turn_off", "switch.coffee_machine", `{}`, "off", "", ""},
		{"homeassistant", "turn_off", "lock.front_door", `{}`, "unlocked", "", ""}, // there is no lock.turn_off: only logged
		{"automation", "turn_off", "automation.hallway_light_on_motion", `{}`, "off", "mode", `"restart"`},
		{"update", "skip", "update.hue_bridge", `{}`, "off", "skipped_version", `"1.5.0"`},
	} {
		c.must("call_service", obj{"domain": tc.domain, "service": tc.service, "target": obj{"entity_id": tc.id}, "service_data": json.RawMessage(tc.data)})
		attr, _ := json.Marshal(s.Attribute(tc.id, tc.attr))
		if state := s.State(tc.id); state != tc.state || tc.attr != "" && string(attr) != tc.want {
			t.Errorf("%s.%s %s: state %s (want %s), %s %s (want %s)", tc.domain, tc.service, tc.data, state, tc.state, tc.attr, attr, tc.want)
		}
	}
	if n := s.Services("climate", "turn_off"); n != 1 {
		t.Errorf("%d calls of climate.turn_off on record, want 1", n)
	}
}

// A response is there if it was asked for, keyed by entity.
func TestCallService_response(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.UserToken)
	got := c.must("call_service", obj{"domain": "todo", "service": "get_items", "target": obj{"entity_id": "todo.shopping"}, "service_data": obj{"status": "needs_action"}, "return_response": true}).(obj)
	if items := got["response"].(obj)["todo.shopping"].(obj)["items"].([]any); len(items) != 2 || items[0].(obj)["summary"] != "Milk" {
		t.Errorf("items are %v", items)
	}
	got = c.must("call_service", obj{"domain": "weather", "service": "get_forecasts", "target": obj{"entity_id": "weather.home"}, "service_data": obj{"type": "daily"}, "return_response": true}).(obj)
	if list := got["response"].(obj)["weather.home"].(obj)["forecast"].([]any); len(list) != 5 {
		t.Errorf("forecast is %v", list)
	}
}

// Devices may be late: the answer comes first, the state follows by the clock.
func TestCallService_lag(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{Lag: time.Hour})
	c := enter(t, url, fake.AdminToken)
	c.must("subscribe_entities", obj{"entity_ids": "light.hallway"})
	c.read()
	c.must("call_service", obj{"domain": "light", "service": "turn_on", "target": obj{"entity_id": "light.hallway"}})
	if s.State("light.hallway") != "off" {
		t.Fatal("the light was on at once")
	}
	s.Advance(time.Hour)
	if plus := c.read()["event"].(obj)["c"].(obj)["light.hallway"].(obj)["+"].(obj); plus["s"] != "on" {
		t.Errorf("change is %v", plus)
	}
}

// extract_from_target (helpers/target.py): areas by device and by child device, hidden and
// diagnostic entities left out, disabled ones only where they have the area themselves.
func TestExtractFromTarget(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	s.Look(func(h *house.House) { h.Entity("sensor.bridge_uptime").Area = house.Opt("garden") })
	c := enter(t, url, fake.UserToken)
	entities := func(target obj, group bool) []string {
		t.Helper()
		got := c.must("extract_from_target", obj{"target": target, "expand_group": group}).(obj)
		out := []string{}
		for _, id := range got["referenced_entities"].([]any) {
			out = append(out, id.(string))
		}
		return out
	}
	living := entities(obj{"area_id": "living_room"}, false)
	for id, want := range map[string]bool{"light.living_room_ceiling": true, "switch.tv_socket": true, "light.aquarium": true, "light.reading_lamp": false,
		"light.living_room_ceiling_led_1": false, "number.thermostat_offset": false, "light.kitchen_ceiling": false} {
		if slices.Contains(living, id) != want {
			t.Errorf("living room has %s: %v, want %v", id, !want, want)
		}
	}
	if got := entities(obj{"area_id": "garden"}, false); !slices.Contains(got, "sensor.bridge_uptime") {
		t.Error("a disabled entity with an area of its own is not in the area's index")
	}
	if got := entities(obj{"label_id": "ai_confirm"}, false); !slices.Equal(got, []string{"lock.front_door", "switch.car_charger"}) {
		t.Errorf("label has %v", got)
	}
	if got := entities(obj{"floor_id": "first_floor"}, false); !slices.Contains(got, "light.reading_lamp") || slices.Contains(got, "light.hallway") {
		t.Errorf("floor has %v", got)
	}
	if got := entities(obj{"entity_id": "group.downstairs_lights"}, true); len(got) != 3 {
		t.Errorf("group has %v", got)
	}
	missing := c.must("extract_from_target", obj{"target": obj{"area_id": []string{"attic", "kitchen"}, "device_id": "x", "floor_id": "y", "label_id": "z"}}).(obj)
	for k, want := range map[string]string{"missing_areas": "attic", "missing_devices": "x", "missing_floors": "y", "missing_labels": "z"} {
		if got := missing[k].([]any); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %v", k, got)
		}
	}
}

// An automation that waits for a state runs, with a context whose parent is that of the
// change; trace and logbook tell of it.
func TestAutomation_runs(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	before := len(c.must("trace/list", obj{"domain": "automation", "item_id": "1730000000001"}).([]any))
	s.Press("binary_sensor.hallway_motion", "on", nil)
	if s.State("light.hallway") != "on" {
		t.Fatal("the light stayed off")
	}
	traces := c.must("trace/list", obj{"domain": "automation", "item_id": "1730000000001"}).([]any)
	last := traces[len(traces)-1].(obj)
	if len(traces) != before+1 || last["script_execution"] != "finished" || last["last_step"] != "action/0" || last["trigger"] != "state of binary_sensor.hallway_motion" {
		t.Errorf("traces are %v", traces)
	}
	trace := c.must("trace/get", obj{"domain": "automation", "item_id": "1730000000001", "run_id": last["run_id"]}).(obj)
	if trace["trace"].(obj)["trigger/0"] == nil || trace["context"].(obj)["parent_id"] == nil {
		t.Errorf("trace is %v", trace)
	}
	rows := c.must("logbook/get_events", obj{"start_time": s.Now().Add(-time.Minute).Format(time.RFC3339), "entity_ids": []string{"light.hallway"}}).([]any)
	row := rows[len(rows)-1].(obj)
	if row["state"] != "on" || row["context_domain"] != "automation" || row["context_entity_id"] != "automation.hallway_light_on_motion" || row["context_source"] != "state of binary_sensor.hallway_motion" {
		t.Errorf("row is %v", row)
	}
	s.Press("sun.sun", "above_horizon", nil)
	s.Press("binary_sensor.hallway_motion", "off", nil)
	s.Press("binary_sensor.hallway_motion", "on", nil)
	traces = c.must("trace/list", obj{"domain": "automation", "item_id": "1730000000001"}).([]any)
	if last := traces[len(traces)-1].(obj); last["script_execution"] != "failed_conditions" {
		t.Errorf("trace is %v", last)
	}
}
