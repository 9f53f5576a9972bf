package fake_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"drawbridge/internal/servers/homeassistant/fake"
	"drawbridge/internal/servers/homeassistant/fake/house"
)

// Areas, floors, labels and categories: made, changed, gone, with the errors of each.
func TestRegistry_kinds(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	for _, tc := range []struct {
		noun, name, taken, gone string
		id                      any
		scope                   obj
	}{
		{"area", "Winter Garden", "kitchen", "Area ID doesn't exist", "winter_garden", obj{}},
		{"floor", "Attic", "FIRST floor", "Floor ID doesn't exist", "attic", obj{}},
		{"label", "Party", "holiday", "Label ID doesn't exist", "party", obj{}},
		{"category", "Lights", "lights", "Category ID doesn't exist", nil, obj{"scope": "automation"}},
	} {
		base, key := "config/"+tc.noun+"_registry/", tc.noun+"_id"
		with := func(more obj) obj {
			maps.Copy(more, tc.scope)
			return more
		}
		made := c.must(base+"create", with(obj{"name": tc.name})).(obj)
		if made["name"] != tc.name || tc.id != nil && made[key] != tc.id {
			t.Errorf("%s made is %v", tc.noun, made)
		}
		if code, _ := c.fails(base+"create", with(obj{"name": tc.taken})); code != "invalid_info" {
			t.Errorf("%s of a taken name: %s", tc.noun, code)
		}
		changed := c.must(base+"update", with(obj{key: made[key], "name": "Other", "icon": "mdi:star"})).(obj)
		if changed["name"] != "Other" || changed["icon"] != "mdi:star" || changed[key] != made[key] {
			t.Errorf("%s changed is %v", tc.noun, changed)
		}
		if !slices.ContainsFunc(c.must(base+"list", with(obj{})).([]any), func(x any) bool { return x.(obj)[key] == made[key] }) {
			t.Errorf("%s is not in the list", tc.noun)
		}
		c.must(base+"delete", with(obj{key: made[key]}))
		if code, text := c.fails(base+"delete", with(obj{key: made[key]})); code != "invalid_info" || text != tc.gone {
			t.Errorf("%s gone: %s %s", tc.noun, code, text)
		}
	}
	c.must("config/area_registry/delete", obj{"area_id": "living_room"})
	if e := c.must("config/entity_registry/get", obj{"entity_id": "light.aquarium"}).(obj); e["area_id"] != nil {
		t.Errorf("area is still %v", e["area_id"])
	}
	if code, text := c.fails("config/label_registry/create", obj{"name": "x", "color": "blue"}); code != "invalid_format" || text != "Color should be in the format #RRGGBB for dictionary value @ data['color']. Got 'blue'" {
		t.Errorf("%s %s", code, text)
	}
}

// Entities: the short list has the enabled ones and leaves out what is empty; updates are
// checked and told.
func TestRegistry_entities(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	short := c.must("config/entity_registry/list_for_display", nil).(obj)
	byID := map[string]obj{}
	for _, x := range short["entities"].([]any) {
		byID[x.(obj)["ei"].(string)] = x.(obj)
	}
	if _, has := byID["sensor.bridge_uptime"]; has {
		t.Error("a disabled entity is in the short list")
	}
	if x := byID["light.living_room_ceiling"]; x["ai"] != nil || x["di"] == nil || x["hn"] != true || x["hb"] != nil || x["en"] != "Ceiling lamp" {
		t.Errorf("entry is %v", x)
	}
	if x := byID["sensor.front_door_battery"]; x["ec"] != 1.0 || short["entity_categories"].(obj)["1"] != "diagnostic" {
		t.Errorf("entry is %v", x)
	}
	if x := byID["light.living_room_ceiling_led_1"]; x["hb"] != true {
		t.Errorf("entry is %v", x)
	}
	c.must("subscribe_events", obj{"event_type": "entity_registry_updated"})
	watch := c.id
	done := c.must("config/entity_registry/update", obj{"entity_id": "switch.coffee_machine", "name": "Espresso", "area_id": "bedroom", "labels": []string{"holiday"},
		"aliases": []any{"barista", nil}, "categories": obj{"helpers": "x"}, "options_domain": "conversation", "options": obj{"should_expose": false}}).(obj)["entity_entry"].(obj)
	if done["name"] != "Espresso" || done["area_id"] != "bedroom" || done["aliases"].([]any)[1] != nil || s.Attribute("switch.coffee_machine", "friendly_name") != "Espresso" {
		t.Errorf("entry is %v", done)
	}
	c.must("config/entity_registry/update", obj{"entity_id": "switch.coffee_machine", "new_entity_id": "switch.espresso"})
	if s.State("switch.coffee_machine") != "" || s.State("switch.espresso") != "off" {
		t.Error("the state did not move along")
	}
	for _, tc := range []struct {
		members obj
		code    string
		text    string
	}{
		{obj{"entity_id": "switch.coffee_machine"}, "not_found", "Entity not found"},
		{obj{"entity_id": "switch.espresso", "new_entity_id": "light.espresso"}, "invalid_info", "New entity ID should be same domain"},
		{obj{"entity_id": "switch.espresso", "new_entity_id": "switch.tv_socket"}, "invalid_info", "Entity with this ID is already registered"},
		{obj{"entity_id": "switch.espresso", "disabled_by": "integration"}, "invalid_format", "value must be one of ['user'] for dictionary value @ data['disabled_by']. Got 'integration'"},
	} {
		if code, text := c.fails("config/entity_registry/update", tc.members); code != tc.code || text != tc.text {
			t.Errorf("%v: %s %s", tc.members, code, text)
		}
	}
	c.must("config/entity_registry/update", obj{"entity_id": "switch.espresso", "disabled_by": "user"})
	if s.State("switch.espresso") != "" {
		t.Error("a disabled entity has a state")
	}
	back := c.must("config/entity_registry/update", obj{"entity_id": "switch.espresso", "disabled_by": nil}).(obj)
	if back["reload_delay"] != 30.0 {
		t.Errorf("answer is %v", back)
	}
	s.Advance(30 * time.Second)
	if s.State("switch.espresso") == "" {
		t.Error("an enabled entity has no state after the reload")
	}
	c.must("unsubscribe_events", obj{"subscription": watch})
	some := c.must("config/entity_registry/get_entries", obj{"entity_ids": []string{"switch.espresso", "light.nowhere"}}).(obj)
	if some["light.nowhere"] != nil || some["switch.espresso"].(obj)["capabilities"] != nil {
		t.Errorf("entries are %v", some)
	}
	c.must("config/entity_registry/remove", obj{"entity_id": "switch.espresso"})
	c.fails("config/entity_registry/get", obj{"entity_id": "switch.espresso"})
}

// Devices differ between the versions (developer blog, 2026-08-19).
func TestRegistry_devicesByVersion(t *testing.T) {
	t.Parallel()
	for profile, modern := range map[fake.Profile]bool{fake.V2026_9: true, fake.V2026_8: false} {
		s, url := home(t, fake.Options{Profile: profile})
		c := enter(t, url, fake.AdminToken)
		var child, whole obj
		for _, x := range c.must("config/device_registry/list", nil).([]any) {
			if x := x.(obj); x["parent_device_id"] != nil {
				child = x
			} else if x["name"] == "Power strip" {
				whole = x
			}
		}
		if (child != nil) != modern {
			t.Fatalf("%v: child is %v", profile, child)
		}
		if whole["config_entry_id"] != "01ESP" || whole["config_entries"].([]any)[0] != "01ESP" || whole["primary_config_entry"] != "01ESP" || whole["via_device_id"] != nil {
			t.Errorf("%v: device is %v", profile, whole)
		}
		entry := c.must("config/entity_registry/get", obj{"entity_id": "switch.tv_socket"}).(obj)
		if !modern {
			if entry["device_id"] != whole["id"] {
				t.Errorf("socket is of %v", entry["device_id"])
			}
			if code, _ := c.fails("config/device_registry/remove", obj{"device_id": whole["id"]}); code != "unknown_command" {
				t.Errorf("remove in 2026.8: %s", code)
			}
			continue
		}
		if _, has := child["manufacturer"]; has || child["area_id"] != nil || child["parent_device_id"] != whole["id"] || entry["device_id"] != child["id"] {
			t.Errorf("child is %v", child)
		}
		if got := c.must("config/device_registry/update", obj{"device_id": child["id"], "area_id": "kitchen", "name_by_user": "TV"}).(obj); got["area_id"] != "kitchen" || got["connections"] != nil {
			t.Errorf("changed child is %v", got)
		}
		if code, text := c.fails("config/device_registry/remove_config_entry", obj{"device_id": whole["id"], "config_entry_id": "01HUE"}); code != "unknown_error" || text != "Config entry not in device" {
			t.Errorf("%s %s", code, text)
		}
		c.must("config/device_registry/remove", obj{"device_id": whole["id"]})
		if s.State("switch.tv_socket") != "" {
			t.Error("the entity of the child outlived its parent")
		}
		if code, text := c.fails("config/device_registry/remove", obj{"device_id": whole["id"]}); code != "unknown_error" || text != "Unknown device" {
			t.Errorf("%s %s", code, text)
		}
	}
}

func TestRegistry_exposure(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	c.must("homeassistant/expose_entity", obj{"assistants": []string{"conversation", "cloud.alexa"}, "entity_ids": []string{"lock.front_door", "input_boolean.guests"}, "should_expose": false})
	list := c.must("homeassistant/expose_entity/list", nil).(obj)["exposed_entities"].(obj)
	if got := list["lock.front_door"].(obj); got["conversation"] != false || got["cloud.alexa"] != false {
		t.Errorf("lock is %v", got)
	}
	if got := list["input_boolean.guests"].(obj); got["conversation"] != false {
		t.Errorf("helper is %v", got)
	}
	if got := list["light.hallway"].(obj); got["conversation"] != true {
		t.Errorf("light is %v", got)
	}
	if got, known := list["sensor.house_power"].(obj); !known || len(got) != 0 {
		t.Errorf("sensor is %v", got)
	}
}

// The large home: as many entities as said, and a living room of about twenty things that
// can be turned off, one of which nobody but the device knows to be there.
func TestLarge(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{Seed: fake.Large})
	c := enter(t, url, fake.AdminToken)
	if n := len(c.must("get_states", nil).([]any)); n != 3300 {
		t.Errorf("%d states, want 3300", n)
	}
	targets, inherited := 0, 0
	for _, x := range c.must("extract_from_target", obj{"target": obj{"area_id": "living_room"}}).(obj)["referenced_entities"].([]any) {
		if d := house.Domain(x.(string)); d == "light" || d == "switch" || d == "media_player" {
			targets++
			s.Look(func(h *house.House) {
				if h.Entity(x.(string)).Area == nil {
					inherited++
				}
			})
		}
	}
	if targets < 18 || targets > 24 || inherited < 6 {
		t.Errorf("%d targets, %d of them by their device", targets, inherited)
	}
	c.must("call_service", obj{"domain": "light", "service": "turn_off", "target": obj{"area_id": "living_room"}})
	s.Look(func(h *house.House) {
		for id, st := range h.States {
			if house.Domain(id) == "light" && h.RoomOfEntity(id) == "living_room" && h.Entity(id).Hidden == nil && st.State != "off" {
				t.Errorf("%s is %s", id, st.State)
			}
		}
	})
	if _, body, _ := request(t, "GET", url+"/api/services", fake.AdminToken, ""); len(body) < 200_000 {
		t.Errorf("services have %d bytes, want the size of a real list", len(body))
	}
}
