package homeassistant_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/homeassistant"
	"drawbridge/internal/servers/homeassistant/fake"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// opens opens the server on a fake of its own each time, as Ada.
func opens(t *testing.T, o fake.Options) func(kit.Settings, kit.Deps) (*kit.Server, error) {
	return func(set kit.Settings, deps kit.Deps) (*kit.Server, error) {
		f := httptest.NewServer(fake.New(o))
		t.Cleanup(f.Close)
		set.Values["url"], set.Values["token"] = secret.New(f.URL), secret.New(fake.AdminToken)
		return kittest.Opens(homeassistant.ReadConfig, homeassistant.New)(set, deps)
	}
}

// Must show 1: the contract of built-in servers, within its limits. Not parallel: it
// looks for goroutines that a server leaves behind, and other tests have servers of
// their own.
func TestContract(t *testing.T) {
	const motion = `"id":"1730000000001"`
	kittest.Run(t, kittest.Suite{
		New: opens(t, fake.Options{}), Secrets: []string{fake.AdminToken, fake.UserToken}, Databases: kittest.Engines(homeassistant.Name),
		Cases: []kittest.Case{
			{Tool: "get_overview", Good: `{"area":"lounge","full":true}`, Bad: `{"area":"cellar"}`},
			{Tool: "search_entities", Good: `{"query":"lamp","fields":["labels","brightness"]}`, Bad: `{"cursor":"x"}`},
			{Tool: "get_states", Good: `{"target":["light.hallway","area:kitchen","light.none"],"attributes":"all"}`, Bad: `{"target":["light.none"]}`},
			{Tool: "list_registry", Good: `{"kind":"devices","query":"hue"}`, Bad: `{"kind":"walls"}`},
			{Tool: "control_entities", Good: `{"target":["living room"],"action":"turn_off","exclude":["label:holiday"]}`, Bad: `{"target":["area:attic"],"action":"turn_off"}`,
				Asks: `{"target":["lock.front_door"],"action":"unlock"}`, Other: `{"target":["lock.front_door"],"action":"lock"}`},
			{Tool: "call_action", Good: `{"action":"light.turn_on","target":["light.kitchen_ceiling"],"data":{"brightness_pct":50}}`, Bad: `{"action":"shell_command.x y"}`,
				Asks: `{"action":"lock.unlock","target":["lock.front_door"]}`, Other: `{"action":"lock.open","target":["lock.front_door"]}`},
			{Tool: "list_actions", Good: `{"domain":"light"}`, Bad: `{"full":"light.explode"}`},
			{Tool: "get_history", Good: `{"entity_ids":["sensor.living_room_temperature","light.hallway"],"max_points":10}`, Bad: `{"entity_ids":["sensor.none"]}`},
			{Tool: "get_logbook", Good: `{"target":["light.hallway"],"start":"-30h"}`, Bad: `{"start":"yesterday evening"}`},
			{Tool: "explain_state", Good: `{"entity_id":"light.hallway"}`, Bad: `{"entity_id":"light.none"}`},
			{Tool: "list_automations", Good: `{"kinds":["automation","script","scene"]}`, Bad: `{"kinds":["flow"]}`},
			{Tool: "get_automation", Good: `{` + motion + `}`, Bad: `{"id":"none"}`},
			{Tool: "save_automation", Good: `{` + motion + `,"config":{"alias":"Hallway","triggers":[{"trigger":"state","entity_id":"binary_sensor.hallway_motion","to":"on"}],"actions":[{"action":"light.turn_on","target":{"entity_id":"light.hallway"}}]}}`,
				Bad:   `{` + motion + `,"config":{"alias":"x"}}`,
				Asks:  `{"config":{"alias":"Open","triggers":[{"trigger":"time","at":"07:00:00"}],"actions":[{"action":"lock.unlock","target":{"entity_id":"lock.front_door"}}]}}`,
				Other: `{"config":{"alias":"Shut","triggers":[{"trigger":"time","at":"07:00:00"}],"actions":[{"action":"lock.lock","target":{"entity_id":"lock.front_door"}}]}}`},
			{Tool: "delete_automation", Good: `{` + motion + `}`, Bad: `{"id":"none"}`, Other: `{"kind":"script","id":"good_night"}`},
			{Tool: "get_trace", Good: `{` + motion + `}`, Bad: `{"kind":"scene","id":"1730000000101"}`},
			{Tool: "update_registry", Good: `{"kind":"entity","id":"light.hallway","changes":{"name":"Hall lamp","area":"kitchen","labels":["holiday"],"aliases":["hall"]}}`, Bad: `{"kind":"entity","id":"light.hallway","changes":{"floor":"x"}}`,
				Asks: `{"kind":"entity","id":"light.hallway","changes":{"disabled":true}}`, Other: `{"kind":"entity","id":"switch.coffee_machine","changes":{"disabled":true}}`},
			{Tool: "get_list", Good: `{"entity_id":"calendar.family","start":"-1d"}`, Bad: `{"entity_id":"light.hallway"}`},
			{Tool: "manage_list", Good: `{"entity_id":"todo.shopping","op":"add","summary":"Cheese","due":"2026-12-24"}`, Bad: `{"entity_id":"todo.shopping","op":"add"}`,
				Asks: `{"entity_id":"todo.shopping","op":"remove","uid":"0f3c0001-aaaa-11f0-9c01-000000000001"}`, Other: `{"entity_id":"todo.shopping","op":"remove","uid":"0f3c0002-aaaa-11f0-9c01-000000000002"}`},
			{Tool: "render_template", Good: `{"template":"{{ states('sensor.living_room_temperature') }}"}`, Bad: `{"template":"{{ states('light.aquarium') }}"}`},
			{Tool: "get_system_health", Good: `{}`, Bad: `{"sections":["mood"]}`},
			{Tool: "run_maintenance", Good: `{"op":"check_config"}`, Bad: `{"op":"reload"}`,
				Asks: `{"op":"restart"}`, Other: `{"op":"restart","target":"x"}`},
			{Tool: "list_dashboards", Good: `{}`},
			{Tool: "get_dashboard", Good: `{"url_path":"dashboard-energy"}`, Bad: `{"url_path":"none"}`},
			{Tool: "save_dashboard", Good: `{"url_path":"dashboard-energy","config":{"views":[{"title":"Watts","cards":[]}]}}`, Bad: `{"config":{"title":"x"}}`},
			{Tool: "get_camera_snapshot", Good: `{"entity_id":"camera.front_door"}`, Bad: `{"entity_id":"light.hallway"}`},
			{Tool: "converse", Good: `{"text":"turn on the kitchen light"}`, Bad: `{"text":""}`, Asks: `{"text":"turn on the kitchen light"}`, Other: `{"text":"turn off the kitchen light"}`},
		},
	})
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	read := func(pairs ...string) (homeassistant.Config, error) {
		values := map[string]secret.String{}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i]] = secret.New(pairs[i+1])
		}
		return homeassistant.ReadConfig(kit.Settings{Values: values})
	}
	for name, tc := range map[string]struct {
		pairs []string
		says  string
	}{
		"no url":         {nil, "HASS_URL"},
		"another scope":  {[]string{"url", "http://h", "scope", "some"}, "HASS_SCOPE"},
		"no number":      {[]string{"url", "http://h", "max_entities", "few"}, "HASS_MAX_ENTITIES"},
		"a number below": {[]string{"url", "http://h", "max_entities", "0"}, "HASS_MAX_ENTITIES"},
	} {
		if _, err := read(tc.pairs...); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := read("url", "http://h:8123", "entities", "light.*", "scope", "exposed", "max_entities", "5")
	if err != nil || c.Mode != kit.ModeWrite || !c.Exposed || c.Most != 5 || c.Entities.Allows("lock.door") || !c.Entities.Allows("light.x") {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := homeassistant.New(homeassistant.Config{URL: "homeassistant.local:8123"}, kittest.Deps(&kittest.Log{}, nil)); err == nil || !strings.Contains(err.Error(), "http") {
		t.Errorf("a URL without a scheme: %v", err)
	}
}
