package homeassistant_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/homeassistant/fake"
	fakehouse "drawbridge/internal/servers/homeassistant/fake/house"
)

const hall = `{"alias":"Hallway light on motion","triggers":[{"trigger":"state","entity_id":"binary_sensor.hallway_motion","to":"on"}],"actions":[{"action":"light.turn_on","target":{"entity_id":"light.hallway"}},{"delay":60}]}`

// A change of an automation can be taken back: the version before it is kept, is a
// resource, and comes with the call that restores it.
func TestHouse_versions(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, map[string]string{"mode": "all"})
	c := s.ann().Approving()
	var before, after struct {
		Config   string
		Editable bool
		Versions []string
	}
	c.Must(t, "get_automation", `{"id":"automation.hallway_light_on_motion"}`, &before)
	dry := c.Must(t, "save_automation", `{"id":"1730000000001","config":`+hall+`,"dry_run":true}`, nil)
	if !strings.Contains(dry.Text, `+ `) || !strings.Contains(dry.Text, `"delay": 60`) || posts(s.fake) != 0 {
		t.Errorf("dry run, %d posts: %s", posts(s.fake), dry.Text)
	}
	var saved struct {
		Version string `json:"version_before"`
		Undo    struct {
			Tool      string
			Arguments json.RawMessage
		}
	}
	c.Must(t, "save_automation", `{"id":"1730000000001","config":`+hall+`}`, &saved)
	c.Must(t, "get_automation", `{"id":"1730000000001"}`, &after)
	if !before.Editable || saved.Version == "" || !strings.Contains(after.Config, `"delay":60`) || len(after.Versions) != 1 {
		t.Fatalf("%+v, %+v", saved, after)
	}
	old, werr := c.Resource(t, "ha://automation/1730000000001/version/"+saved.Version)
	if werr != nil || strings.Contains(old, `\"delay\":60`) || !strings.Contains(old, "sun.sun") {
		t.Errorf("the kept version: %s, %v", old, werr)
	}
	c.Must(t, saved.Undo.Tool, string(saved.Undo.Arguments), nil)
	c.Must(t, "get_automation", `{"id":"1730000000001"}`, &after)
	var was, is map[string]any
	if json.Unmarshal([]byte(before.Config), &was) != nil || json.Unmarshal([]byte(after.Config), &is) != nil || fmt.Sprint(was["conditions"]) != fmt.Sprint(is["conditions"]) || len(after.Versions) != 2 {
		t.Errorf("not taken back: %s, %v", after.Config, after.Versions)
	}
	if text := s.open2(t, c.User+"2").Refused(t, "get_automation", `{"id":"1730000000001","version":"`+saved.Version+`"}`); !strings.Contains(text, "no version") {
		t.Errorf("somebody else's version: %s", text)
	}

	// What was deleted comes back the same way.
	c.Must(t, "delete_automation", `{"id":"1730000000001"}`, &saved)
	c.Refused(t, "get_automation", `{"id":"1730000000001"}`)
	c.Must(t, saved.Undo.Tool, string(saved.Undo.Arguments), nil)
	c.Must(t, "get_automation", `{"id":"1730000000001"}`, &after)
	if !strings.Contains(after.Config, "sun.sun") {
		t.Errorf("%s", after.Config)
	}
}

// New automations and scripts, and what is wrong with some.
func TestHouse_saveAutomation(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	c := s.ann()
	var out struct {
		ID, Entity string
		New        bool
	}
	c.Must(t, "save_automation", `{"config":{"alias":"Coffee at seven","triggers":[{"trigger":"time","at":"07:00:00"}],"actions":[{"action":"switch.turn_on","target":{"entity_id":"switch.coffee_machine"}}]}}`, &out)
	if !out.New || out.ID == "" {
		t.Errorf("%+v", out)
	}
	if text := c.Must(t, "list_automations", `{"query":"coffee"}`, nil).Text; !strings.Contains(text, "automation.coffee_at_seven") {
		t.Errorf("%s", text)
	}
	c.Must(t, "save_automation", `{"kind":"script","config":{"alias":"Tea time","sequence":[{"action":"light.turn_on","target":{"entity_id":"light.kitchen_ceiling"}}]}}`, &out)
	if out.ID != "tea_time" {
		t.Errorf("%+v", out)
	}
	posted := posts(s.fake)
	for name, tc := range map[string]struct{ args, says string }{
		"invalid":    {`{"config":{"alias":"x","triggers":[{"trigger":"no_such"}],"actions":[]}}`, "triggers"},
		"incomplete": {`{"config":{"alias":"x"}}`, "has no triggers"},
		"shell":      {`{"config":{"alias":"x","triggers":[],"actions":[{"action":"shell_command.rm"}]}}`, "HASS_MODE=all"},
		"both":       {`{"id":"1730000000001","restore":"1","config":{}}`, "either config"},
		"a package":  {`{"id":"automation.siren_on_alarm","config":` + hall + `}`, "YAML"},
		"twice":      {`{"kind":"script","config":{"alias":"Good night","sequence":[]}}`, "There is a script"},
		"no version": {`{"id":"1730000000001","restore":"77"}`, "no version"},
	} {
		if text := c.Refused(t, "save_automation", tc.args); !strings.Contains(text, tc.says) {
			t.Errorf("%s: %s", name, text)
		}
	}
	dry := c.Must(t, "save_automation", `{"config":{"alias":"x","triggers":[{"trigger":"no_such"}],"actions":[]},"dry_run":true}`, nil)
	if !strings.Contains(dry.Text, "would not accept") || !strings.Contains(dry.Text, "[outside-") {
		t.Errorf("%s", dry.Text)
	}
	if posts(s.fake) != posted {
		t.Error("something was saved")
	}
	for _, config := range []string{
		`{"alias":"x","use_blueprint":{"path":"a.yaml","input":{}}}`,
		`{"alias":"x","triggers":[],"actions":[{"action":"mqtt.publish","data":{"topic":"x"}}]}`,
		`{"alias":"x","triggers":[],"actions":[{"action":"{{ 'a' }}.b"}]}`,
		`{"alias":"x","triggers":[],"actions":[{"if":[],"then":[{"action":"homeassistant.turn_on","target":{"area_id":"garage"}}]}]}`,
		`{"alias":"x","triggers":[],"actions":[{"action":"switch.turn_on","target":{"entity_id":"switch.car_charger"}}]}`,
	} {
		if text := c.Refused(t, "save_automation", `{"config":`+config+`}`); !strings.Contains(text, "elicitation") {
			t.Errorf("%s: %s", config, text)
		}
	}
}

// Why the light in the hallway is on: the automation, its run, and the motion.
func TestHouse_explains(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	c := s.ann()
	var out struct{ Changes, Related, Runs, By string }
	c.Must(t, "explain_state", `{"entity_id":"Hallway light"}`, &out)
	if !strings.Contains(out.Changes, "automation.hallway_light_on_motion") || !strings.Contains(out.Related, "automation.hallway_light_on_motion") || !strings.Contains(out.Runs, "finished") {
		t.Errorf("%+v", out)
	}
	var trace struct{ Ended, Steps string }
	c.Must(t, "get_trace", `{"id":"1730000000001"}`, &trace)
	if trace.Ended != "finished" || !strings.Contains(trace.Steps, "trigger") {
		t.Errorf("%+v", trace)
	}
	var history struct{ History string }
	c.Must(t, "get_history", `{"entity_ids":["sensor.living_room_temperature"],"max_points":10,"start":"-25h"}`, &history)
	if n := strings.Count(history.History, "\n"); n > 12 || !strings.Contains(history.History, "min 20, max 21.2") {
		t.Errorf("%d lines: %s", n, history.History)
	}
	c.Must(t, "get_history", `{"entity_ids":["light.hallway"],"mode":"numeric_summary","start":"-6h"}`, &history)
	if !strings.Contains(history.History, "off") || !strings.Contains(history.History, "on 59m (1x)") {
		t.Errorf("%s", history.History)
	}
	c.Must(t, "get_history", `{"entity_ids":["sensor.house_energy"],"mode":"statistics","period":"day","start":"-7d"}`, &history)
}

// Changes of the registries, with the way back.
func TestHouse_registry(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	c := s.ann().Approving()
	var out struct {
		ID, Changed string
		Related     []string
		Undo        struct {
			Tool      string
			Arguments json.RawMessage
		}
	}
	c.Must(t, "update_registry", `{"kind":"entity","id":"light.hallway","changes":{"name":"Hall lamp","area":"Kitchen","labels":["Holiday"]}}`, &out)
	if text := c.Must(t, "search_entities", `{"label":"holiday","area":"kitchen"}`, nil).Text; !strings.Contains(text, "Hall lamp") {
		t.Errorf("the registry is known as it was: %s", text)
	}
	c.Must(t, out.Undo.Tool, string(out.Undo.Arguments), nil)
	if text := c.Must(t, "get_states", `{"target":["light.hallway"]}`, nil).Text; !strings.Contains(text, "Hallway light") || !strings.Contains(text, "| Hallway |") {
		t.Errorf("not taken back: %s", text)
	}
	c.Must(t, "update_registry", `{"kind":"entity","id":"light.hallway","changes":{"new_entity_id":"light.hall"}}`, &out)
	if out.ID != "light.hall" || len(out.Related) != 2 {
		t.Errorf("%+v", out)
	}
	c.Must(t, "update_registry", `{"kind":"area","changes":{"name":"Attic","floor":"First floor"}}`, &out)
	if text := c.Must(t, "list_registry", `{"kind":"areas"}`, nil).Text; !strings.Contains(text, "attic | Attic | First floor") {
		t.Errorf("%s", text)
	}
	none := s.ann()
	for name, args := range map[string]string{
		"the label taken off": `{"kind":"entity","id":"switch.car_charger","changes":{"labels":[]}}`,
		"moved":               `{"kind":"entity","id":"switch.car_charger","changes":{"area":"kitchen"}}`,
		"of its device":       `{"kind":"entity","id":"lock.front_door","changes":{"name":"x"}}`,
		"blocked by a model":  `{"kind":"entity","id":"light.hall","changes":{"labels":["ai_blocked"]}}`,
		"disabled":            `{"kind":"entity","id":"light.hall","changes":{"disabled":true}}`,
	} {
		if text := none.Refused(t, "update_registry", args); !strings.Contains(text, "elicitation") {
			t.Errorf("%s: %s", name, text)
		}
	}
	c.Must(t, "update_registry", `{"kind":"entity","id":"sensor.bridge_uptime","changes":{"disabled":false}}`, nil) // in no list
}

// What opens a camera's pictures is in no answer.
func TestHouse_cameraToken(t *testing.T) {
	t.Parallel()
	c := home(t, fake.Options{}, nil).ann()
	for _, call := range []struct{ tool, args string }{
		{"get_states", `{"target":["camera.front_door"],"attributes":"all"}`},
		{"search_entities", `{"query":"camera","fields":["access_token","entity_picture"]}`},
		{"render_template", `{"template":"{{ state_attr('camera.front_door', 'access_token') }}"}`},
	} {
		r := c.Must(t, call.tool, call.args, nil)
		if strings.Contains(r.Text+string(r.Structured), "made-up-camera-token") {
			t.Errorf("%s: %s", call.tool, r.Text)
		}
	}
	if text, err := c.Resource(t, "ha://entity/camera.front_door"); err != nil || strings.Contains(text, "made-up-camera-token") {
		t.Errorf("%s, %v", text, err)
	}
}

// To-do lists and calendars.
func TestHouse_lists(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	c := s.ann().Approving()
	list := func(args string) string {
		t.Helper()
		var out struct{ Items string }
		c.Must(t, "get_list", args, &out)
		return out.Items
	}
	uid := func(items, of string) string {
		for line := range strings.SplitSeq(items, "\n") {
			if strings.Contains(line, of) {
				id, _, _ := strings.Cut(line, " | ")
				return id
			}
		}
		t.Fatalf("no %s in %s", of, items)
		return ""
	}
	const todo, family = `"entity_id":"todo.shopping"`, `"entity_id":"calendar.family"`
	c.Must(t, "manage_list", `{`+todo+`,"op":"add","summary":"Cheese","description":"old","due":"2026-12-24"}`, nil)
	cheese := uid(list(`{`+todo+`}`), "Cheese")
	c.Must(t, "manage_list", `{`+todo+`,"op":"update","uid":"`+cheese+`","summary":"Goat cheese"}`, nil)
	c.Must(t, "manage_list", `{`+todo+`,"op":"complete","uid":"`+cheese+`"}`, nil)
	if got := list(`{` + todo + `}`); !strings.Contains(got, "Goat cheese | completed | 2026-12-24") {
		t.Errorf("%s", got)
	}
	c.Must(t, "manage_list", `{`+todo+`,"op":"remove","uid":"`+cheese+`"}`, nil)
	if got := list(`{` + todo + `}`); strings.Contains(got, "cheese") {
		t.Errorf("%s", got)
	}
	day := s.fake.Now().AddDate(0, 0, 3).Format(time.DateOnly)
	c.Must(t, "manage_list", `{`+family+`,"op":"add","summary":"Concert","start":"`+day+`T19:30","description":"row 4"}`, nil)
	concert := uid(list(`{`+family+`}`), "Concert")
	c.Must(t, "manage_list", `{`+family+`,"op":"update","uid":"`+concert+`","start":"`+day+`T20:00"}`, nil)
	if got := list(`{` + family + `}`); !strings.Contains(got, "T20:00") || !strings.Contains(got, "row 4") || !strings.Contains(got, "Dentist") {
		t.Errorf("%s", got)
	}
	c.Must(t, "manage_list", `{`+family+`,"op":"remove","uid":"`+concert+`"}`, nil)
	if text := c.Refused(t, "manage_list", `{`+family+`,"op":"complete","uid":"x"}`); !strings.Contains(text, "cannot be completed") {
		t.Errorf("%s", text)
	}
}

// Settings of many kinds of entities arrive, and the answer says before and after.
func TestHouse_sets(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	c := s.ann()
	for _, tc := range []struct{ target, settings, want string }{
		{"light.kitchen_ceiling", `"brightness_pct":40,"color_temp_kelvin":3000`, "off -> on 40% 3000K"},
		{"climate.living_room", `"temperature":22.5`, "heat 20.6->21 (idle) -> heat 20.6->22.5"},
		{"climate.living_room", `"hvac_mode":"off"`, "-> off"},
		{"media_player.living_room_tv", `"volume_pct":10,"source":"Radio"`, "volume 10% source Radio"},
		{"cover.living_room_blind", `"position":30`, "30%"},
		{"fan.bedroom", `"percentage":50`, "-> on 50%"},
		{"input_number.night_temperature", `"value":"18.5"`, "17.0 -> 18.5"},
		{"input_select.mode", `"value":"away"`, "home -> away"},
	} {
		var out effects
		c.Must(t, "control_entities", `{"target":["`+tc.target+`"],"action":"set","settings":{`+tc.settings+`},"wait_s":10}`, &out)
		if got := out.to(tc.target); !strings.Contains(got, tc.want) {
			t.Errorf("%s %s: %q, %+v", tc.target, tc.settings, got, out)
		}
	}
	var out effects
	c.Must(t, "control_entities", `{"target":["light.garden_path","light.kitchen_ceiling"],"action":"turn_on","wait_s":0}`, &out)
	if len(out.Already) != 1 || len(out.Waiting) != 1 {
		t.Errorf("%+v", out)
	}
	if text := c.Refused(t, "control_entities", `{"target":["light.hallway"],"action":"set","settings":{"position":150}}`); !strings.Contains(text, "0 to 100") {
		t.Errorf("%s", text)
	}
	if text := c.Refused(t, "call_action", `{"action":"light.turn_on","target":["light.hallway"],"data":{"brightnes":5}}`); !strings.Contains(text, "brightnes is not a member") {
		t.Errorf("%s", text)
	}
	c.Must(t, "call_action", `{"action":"weather.get_forecasts","target":["weather.home"],"data":{"type":"daily"},"return_response":true}`, nil)
	if text := c.Refused(t, "call_action", `{"action":"weather.get_forecasts","target":["weather.home"],"data":{"type":"daily"}}`); !strings.Contains(text, "return_response") {
		t.Errorf("%s", text)
	}
}

// A restart is waited for; a backup and an update too.
func TestHouse_maintenance(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{Restarting: fake.Restart{Down: 300 * time.Millisecond, Starting: 300 * time.Millisecond}}, map[string]string{"mode": "all"})
	c := s.ann().Approving()
	var out struct{ Done, Detail string }
	c.Must(t, "run_maintenance", `{"op":"restart"}`, &out)
	if !strings.HasPrefix(out.Done, "restarted") || s.fake.Services("homeassistant", "restart") != 1 {
		t.Errorf("%+v", out)
	}
	c.Must(t, "run_maintenance", `{"op":"reload","target":"automation"}`, nil)
	c.Must(t, "run_maintenance", `{"op":"reload","target":"01MET"}`, nil)
	c.Must(t, "run_maintenance", `{"op":"check_config"}`, nil)
	var health struct{ Report string }
	c.Must(t, "get_system_health", `{}`, &health)
	for _, want := range []string{"logs:", "deprecated_yaml", "update.hue_bridge", "backups:", "setup_retry"} {
		if !strings.Contains(health.Report, want) {
			t.Errorf("no %s in %s", want, health.Report)
		}
	}
	tick := make(chan struct{})
	defer close(tick)
	go func() { // ends with tick: the fake's clock goes on, so that what takes minutes is done
		for {
			select {
			case <-tick:
				return
			case <-time.After(50 * time.Millisecond):
				s.fake.Advance(10 * time.Second)
			}
		}
	}()
	c.Must(t, "run_maintenance", `{"op":"backup"}`, &out)
	if !strings.HasPrefix(out.Done, "backup ") {
		t.Errorf("%+v", out)
	}
	c.Must(t, "run_maintenance", `{"op":"update_install","target":"update.hue_bridge"}`, &out)
	if out.Done != "update.hue_bridge installed" || !strings.Contains(out.Detail, "1.5.0") {
		t.Errorf("%+v", out)
	}
}

// An update that is under way when the connection breaks is followed over the next one.
func TestHouse_updateOutlivesConnection(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	done := make(chan struct{})
	go func() { // ends with the call
		defer close(done)
		s.ann().Approving().Must(t, "run_maintenance", `{"op":"update_install","target":"update.hue_bridge"}`, nil)
	}()
	if !s.fake.Await(t.Context(), func(c fake.Call) bool { return c.Command == "call_service" && c.Done }) {
		t.Fatal("not called")
	}
	s.ann().Must(t, "get_states", `{"target":["light.hallway"]}`, nil) // on the same connection: the answer has come before
	s.fake.Unplug()
	for {
		select {
		case <-done:
			if n := s.fake.Services("update", "install"); n != 1 {
				t.Errorf("called %d times", n)
			}
			return
		case <-time.After(50 * time.Millisecond):
			s.fake.Advance(10 * time.Second)
		}
	}
}

// What there is beside tools: completions and prompts.
func TestHouse_offers(t *testing.T) {
	t.Parallel()
	c := home(t, fake.Options{}, nil).ann()
	for _, tc := range []struct{ ref, argument, typed, want string }{
		{`{"type":"ref/resource","uri":"ha://entity/{entity_id}"}`, "entity_id", "light.ha", "light.hallway"},
		{`{"type":"ref/resource","uri":"ha://area/{area_id}"}`, "area_id", "liv", "living_room"},
		{`{"type":"ref/resource","uri":"ha://automation/{id}"}`, "id", "hallway", "1730000000001"},
		{`{"type":"ref/prompt","name":"troubleshoot_entity"}`, "entity_id", "front door", "lock.front_door"},
		{`{"type":"ref/prompt","name":"create_automation"}`, "area", "bed", "Bedroom"},
	} {
		raw := string(c.Ask(t, mcpwire.MethodComplete, `{"ref":`+tc.ref+`,"argument":{"name":"`+tc.argument+`","value":"`+tc.typed+`"}}`))
		if !strings.Contains(raw, `"`+tc.want+`"`) || strings.Contains(raw, "aquarium") {
			t.Errorf("%s %q: %s", tc.argument, tc.typed, raw)
		}
	}
	raw := string(c.Ask(t, mcpwire.MethodPromptsGet, `{"name":"troubleshoot_entity","arguments":{"entity_id":"light.hallway","symptom":"flickers"}}`))
	if !strings.Contains(raw, "light.hallway") || !strings.Contains(raw, "flickers") {
		t.Errorf("%s", raw)
	}
	if text, err := c.Resource(t, "ha://overview"); err != nil || !strings.Contains(text, "living_room") {
		t.Errorf("%s, %v", text, err)
	}
}

// Names and aliases: what people call things.
func TestHouse_finds(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, nil)
	s.fake.Look(func(h *fakehouse.House) {
		h.Entity("light.hallway").Aliases = []any{"Flurlicht"}
	})
	c := s.ann()
	for query, want := range map[string]string{
		"ceilling lamp": "light.living_room_ceiling", "kitchen light": "light.kitchen_ceiling", "flurlicht": "light.hallway", "bedroom fan": "fan.bedroom", "lounge tv": "media_player.living_room_tv",
	} {
		var out struct {
			Entities []struct {
				ID string `json:"entity_id"`
			}
		}
		c.Must(t, "search_entities", `{"query":"`+query+`"}`, &out)
		if len(out.Entities) == 0 || out.Entities[0].ID != want {
			t.Errorf("%q finds %+v, want %s first", query, out.Entities, want)
		}
	}
}
