package homeassistant_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/homeassistant"
	"drawbridge/internal/servers/homeassistant/fake"
	fakehouse "drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// stage is a fake that a test looks into, and the server on it.
type stage struct {
	fake *fake.Server
	log  *kittest.Log
	srv  *kit.Server
}

// home starts a fake and opens the server on it, as Ada unless settings say otherwise.
func home(t *testing.T, o fake.Options, settings map[string]string) stage {
	t.Helper()
	f := fake.New(o)
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	s := stage{fake: f, log: &kittest.Log{}}
	s.srv = s.open(t, settings, nil)
	return s
}

func (s stage) open(t *testing.T, settings map[string]string, own kit.Credentials) *kit.Server {
	t.Helper()
	set := kit.Settings{Mode: kit.Mode(settings["mode"]), Values: map[string]secret.String{"url": secret.New(s.fake.URL()), "token": secret.New(fake.AdminToken), "toolsets": secret.New("all")}}
	for k, v := range settings {
		set.Values[k] = secret.New(v)
	}
	deps := kittest.Deps(s.log, kittest.Engines(homeassistant.Name)[0].Open(t))
	deps.Credentials = own
	srv, err := kittest.Opens(homeassistant.ReadConfig, homeassistant.New)(set, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return srv
}

// ann is a client that can be asked nothing.
func (s stage) ann() *kittest.Client { return kittest.NewClient(s.srv, "ann") }

// effects is what actions answer.
type effects struct {
	Changed []struct {
		ID   string `json:"entity_id"`
		From string
		To   string
	}
	Already, Failed, Skipped []string
	Waiting                  []string `json:"no_effect_yet"`
	Undo                     struct {
		Tool      string
		Arguments json.RawMessage
	}
}

func (e effects) to(id string) string {
	for _, c := range e.Changed {
		if c.ID == id {
			return c.From + " -> " + c.To
		}
	}
	return ""
}

// Must show 3: 3,300 entities, "turn off the living room except what is labelled", in
// at most 5 calls and 12,000 tokens of answers; what inherits its area from its device
// is found, and what is blocked or labelled is left alone.
func TestHouse_turnsOffTheLivingRoom(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{Seed: fake.Large}, nil)
	c := s.ann()
	texts, structured, calls := 0, 0, 0
	call := func(tool, args string, out any) kittest.Result {
		t.Helper()
		r := c.Must(t, tool, args, out)
		texts, structured, calls = texts+kittest.Tokens(t, []byte(r.Text)), structured+kittest.Tokens(t, r.Structured), calls+1
		return r
	}
	call("get_overview", `{}`, nil)
	call("list_registry", `{"kind":"labels"}`, nil)
	dry := call("control_entities", `{"target":["living room"],"action":"turn_off","exclude":["label:holiday"],"dry_run":true}`, nil)
	var out effects
	call("control_entities", `{"target":["living room"],"action":"turn_off","exclude":["label:holiday"]}`, &out)
	call("get_states", `{"target":["area:living_room"],"attributes":"none"}`, nil)

	t.Logf("%d calls, %d tokens of text (%d structured)", calls, texts, structured)
	if calls > 5 || texts > 12_000 || structured > 12_000 {
		t.Errorf("%d calls, %d tokens of text, %d structured; at most 5 and 12,000", calls, texts, structured)
	}
	for id, want := range map[string]string{
		"light.living_room_ceiling":    "off", // in the area by its device
		"light.living_room_spot_3":     "off", // by its device, too
		"switch.tv_socket":             "off", // by the parent of its device
		"media_player.living_room_tv":  "off",
		"climate.living_room":          "off",
		"switch.living_room_socket_1":  "off",
		"light.living_room_floor_lamp": "on", // has the label
		"light.aquarium":               "on", // is blocked
		"switch.aquarium_pump":         "on",
		"cover.living_room_blind":      "open", // nobody means it
	} {
		if got := s.fake.State(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	if !strings.HasSuffix(out.to("light.living_room_ceiling"), "-> off") || strings.Contains(dry.Text, "aquarium") || len(out.Skipped) != 1 {
		t.Errorf("%+v\n%s", out, dry.Text)
	}
	if n := s.fake.Services("light", "turn_off"); n != 1 {
		t.Errorf("%d calls of light.turn_off, want one for all", n)
	}
}

// Must show 3: what inherits its area is found, in both versions of the registries.
func TestHouse_inheritedArea(t *testing.T) {
	t.Parallel()
	for _, version := range []fake.Profile{fake.V2026_8, fake.V2026_9} {
		c := home(t, fake.Options{Profile: version}, nil).ann()
		var out struct {
			Entities []struct {
				ID   string `json:"entity_id"`
				Area string
			}
		}
		c.Must(t, "search_entities", `{"area":"lounge","domain":["light","switch"]}`, &out)
		found := map[string]string{}
		for _, e := range out.Entities {
			found[e.ID] = e.Area
		}
		for _, id := range []string{"light.living_room_ceiling", "switch.tv_socket", "light.living_room_floor_lamp"} {
			if found[id] != "Living Room" {
				t.Errorf("%s: %s is in %q: %v", version.Version(), id, found[id], found)
			}
		}
		if _, there := found["light.reading_lamp"]; there { // its device is in the living room, it is not
			t.Errorf("%s: the reading lamp is in the bedroom", version.Version())
		}
	}
}

// Must show 3: a lock moves only after a person answered outside of the model,
// whatever way leads to it.
func TestHouse_lockNeedsAPerson(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]struct{ tool, args string }{
		"itself":          {"control_entities", `{"target":["lock.front_door"],"action":"unlock"}`},
		"by its name":     {"control_entities", `{"target":["Front door"],"action":"unlock"}`},
		"by its area":     {"control_entities", `{"target":["area:hallway"],"action":"unlock","domains":["lock"]}`},
		"an action":       {"call_action", `{"action":"lock.unlock","target":["lock.front_door"]}`},
		"in the data":     {"call_action", `{"action":"lock.unlock","data":{"entity_id":"lock.front_door"}}`},
		"all of them":     {"call_action", `{"action":"lock.unlock","data":{"entity_id":"all"}}`},
		"area in data":    {"call_action", `{"action":"lock.unlock","data":{"area_id":["hallway"]}}`},
		"in capitals":     {"call_action", `{"action":"lock.unlock","data":{"entity_id":" LOCK.Front_Door"}}`},
		"ALL":             {"call_action", `{"action":"lock.unlock","data":{"entity_id":"ALL"}}`},
		"registry's id":   {"save_automation", `{"config":{"alias":"x","triggers":[],"actions":[{"action":"lock.unlock","target":{"entity_id":"%LOCK%"}}]}}`},
		"by a script":     {"call_action", `{"action":"script.good_night"}`},
		"script entity":   {"control_entities", `{"target":["script.good_night"],"action":"turn_on"}`},
		"in a new script": {"save_automation", `{"kind":"script","config":{"alias":"Open up","sequence":[{"action":"lock.unlock","target":{"entity_id":"lock.front_door"}}]}}`},
		"by a template":   {"save_automation", `{"config":{"alias":"x","triggers":[],"actions":[{"action":"homeassistant.turn_on","target":{"entity_id":"{{ 'lo' ~ 'ck.front_door' }}"}}]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := home(t, fake.Options{}, nil)
			s.fake.Look(func(h *fakehouse.House) {
				call.args = strings.ReplaceAll(call.args, "%LOCK%", h.Entity("lock.front_door").ID)
				for _, d := range h.Devices { // that it is a lock is enough
					d.Labels = []string{}
				}
				free(h) // good_night switches all lights of the living room off
			})
			moved := func() int {
				return s.fake.Services("lock", "unlock") + s.fake.Services("lock", "lock") + s.fake.Services("script", "good_night") + s.fake.Services("script", "turn_on") + posts(s.fake)
			}
			if text := s.ann().Refused(t, call.tool, call.args); !strings.Contains(text, "elicitation") {
				t.Errorf("a client that cannot be asked reads %q", text)
			}
			s.ann().With(mcpwire.Rev20251125, kittest.Declines).Refused(t, call.tool, call.args)
			if n := moved(); n != 0 {
				t.Fatalf("%d calls without an approval", n)
			}
			asked := ""
			s.ann().With(mcpwire.LatestModern, func(message string) string { asked = message; return kittest.Approves(message) }).Must(t, call.tool, call.args, nil)
			if n := moved(); n != 1 {
				t.Errorf("%d calls after the approval, want 1", n)
			}
			if name != "by a template" && name != "ALL" && !strings.Contains(asked, "lock.front_door") {
				t.Errorf("the person read: %s", asked)
			}
		})
	}
}

// posts counts configurations that were saved.
func posts(f *fake.Server) (n int) {
	for _, c := range f.Calls() {
		if c.Method == "POST" && strings.HasPrefix(c.Path, "/api/config/") && c.Done {
			n++
		}
	}
	return n
}

// Other things that a person is asked about.
func TestHouse_asks(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"alarm":         `{"action":"alarm_control_panel.alarm_disarm","target":["alarm_control_panel.home"]}`,
		"garage door":   `{"action":"cover.open_cover","target":["cover.garage_door"]}`,
		"valve":         `{"action":"valve.open_valve","target":["valve.irrigation"]}`,
		"siren":         `{"action":"siren.turn_on","target":["siren.garden"]}`,
		"ai_confirm":    `{"action":"switch.turn_on","target":["switch.car_charger"]}`,
		"camera off":    `{"action":"camera.turn_off","target":["camera.front_door"]}`,
		"generic":       `{"action":"homeassistant.turn_on","target":["siren.garden"]}`,
		"update":        `{"action":"update.install","target":["update.hue_bridge"]}`,
		"by its device": `{"action":"homeassistant.toggle","data":{"device_id":"%DEVICE%"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := home(t, fake.Options{}, nil)
			s.fake.Look(func(h *fakehouse.House) {
				for _, d := range h.Devices {
					if d.Name == "Garage gate" {
						args = strings.ReplaceAll(args, "%DEVICE%", d.ID)
					}
				}
			})
			if text := s.ann().Refused(t, "call_action", args); !strings.Contains(text, "elicitation") {
				t.Errorf("%s", text)
			}
		})
	}
	s := home(t, fake.Options{Seed: fake.Large}, map[string]string{"max_entities": "10"})
	if text := s.ann().Refused(t, "control_entities", `{"target":["living room"],"action":"turn_off"}`); !strings.Contains(text, "elicitation") {
		t.Errorf("more than the operator lets pass: %s", text)
	}
	s.ann().Must(t, "call_action", `{"action":"cover.close_cover","target":["cover.living_room_blind"]}`, nil) // nobody is asked
}

// What the owner has labelled ai_blocked is in no answer and no action.
func TestHouse_blocked(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, map[string]string{"mode": "all"})
	c := s.ann().Approving()
	s.fake.Look(func(h *fakehouse.House) {
		h.States["group.downstairs_lights"].Attributes["entity_id"] = []string{"light.hallway", "light.aquarium"}
	})
	s.fake.Press("light.aquarium", "off", nil) // so that the logbook has it
	s.fake.Press("light.aquarium", "on", nil)
	for name, call := range map[string]struct{ tool, args string }{
		"by id":         {"control_entities", `{"target":["light.aquarium"],"action":"turn_off"}`},
		"by name":       {"control_entities", `{"target":["Aquarium"],"action":"turn_off"}`},
		"by label":      {"control_entities", `{"target":["label:ai_blocked"],"action":"turn_off"}`},
		"in a group":    {"control_entities", `{"target":["group.downstairs_lights"],"action":"turn_off"}`},
		"in data":       {"call_action", `{"action":"light.turn_off","data":{"entity_id":["light.hallway","light.aquarium"]}}`},
		"area in data":  {"call_action", `{"action":"light.turn_off","data":{"area_id":"living_room"}}`},
		"all":           {"call_action", `{"action":"light.turn_off","data":{"entity_id":"all"}}`},
		"scene.apply":   {"call_action", `{"action":"scene.apply","data":{"entities":{"light.aquarium":"off"}}}`},
		"state":         {"get_states", `{"target":["light.aquarium"]}`},
		"history":       {"get_history", `{"entity_ids":["light.aquarium"]}`},
		"explained":     {"explain_state", `{"entity_id":"light.aquarium"}`},
		"template":      {"render_template", `{"template":"{{ states('light.aquarium') }}"}`},
		"put together":  {"render_template", `{"template":"{{ states('light.' ~ 'aquarium') }}"}`},
		"automation":    {"save_automation", `{"config":{"alias":"x","triggers":[],"actions":[{"action":"light.turn_off","target":{"entity_id":"light.aquarium"}}]}}`},
		"as a trigger":  {"save_automation", `{"config":{"alias":"x","triggers":[{"trigger":"state","entity_id":"light.aquarium"}],"actions":[{"action":"light.turn_off","target":{"entity_id":"light.hallway"}}]}}`},
		"label taken":   {"update_registry", `{"kind":"entity","id":"light.aquarium","changes":{"labels":[]}}`},
		"in capitals":   {"call_action", `{"action":"light.turn_off","data":{"entity_id":"LIGHT.AQUARIUM"}}`},
		"registry's id": {"call_action", `{"action":"light.turn_off","data":{"entity_id":"%AQUARIUM%"}}`},
		"label renamed": {"update_registry", `{"kind":"label","id":"ai_blocked","changes":{"name":"free"}}`},
	} {
		s.fake.Look(func(h *fakehouse.House) {
			call.args = strings.ReplaceAll(call.args, "%AQUARIUM%", h.Entity("light.aquarium").ID)
		})
		text := c.Refused(t, call.tool, call.args)
		if strings.Contains(text, "internal") || strings.Contains(text, "Something went wrong") {
			t.Errorf("%s: %s", name, text)
		}
	}
	for _, call := range []struct{ tool, args string }{
		{"search_entities", `{"query":"aquarium"}`}, {"search_entities", `{"area":"living room"}`}, {"get_overview", `{"area":"living room","full":true}`},
		{"get_states", `{"target":["area:living_room"]}`}, {"get_logbook", `{"start":"-3d"}`},
	} {
		if r := c.Must(t, call.tool, call.args, nil); strings.Contains(strings.ToLower(r.Text+string(r.Structured)), "aquarium") {
			t.Errorf("%s %s: %s", call.tool, call.args, r.Text)
		}
	}
	if s.fake.State("light.aquarium") != "on" || s.fake.State("switch.aquarium_pump") != "on" || s.fake.State("light.hallway") != "off" {
		t.Error("something blocked was touched")
	}
}

// An automation that is blocked is so by its id, too.
func TestHouse_blockedAutomation(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, map[string]string{"mode": "all"})
	s.fake.Look(func(h *fakehouse.House) {
		h.Entity("automation.hallway_light_on_motion").Labels = []string{"ai_blocked"}
	})
	for tool, args := range map[string]string{"get_automation": `{"id":"1730000000001"}`, "get_trace": `{"id":"1730000000001"}`, "delete_automation": `{"id":"1730000000001"}`,
		"save_automation": `{"id":"1730000000001","config":` + hall + `}`, "call_action": `{"action":"automation.trigger","target":["automation.hallway_light_on_motion"]}`} {
		if text := s.ann().Approving().Refused(t, tool, args); !strings.Contains(text, "ai_blocked") {
			t.Errorf("%s: %s", tool, text)
		}
	}
}

// The operator's lists, and the scope of what is exposed to the voice assistant.
func TestHouse_scope(t *testing.T) {
	t.Parallel()
	listed := home(t, fake.Options{}, map[string]string{"entities": "light.*, sensor.*", "entities_deny": "light.hallway"}).ann()
	listed.Must(t, "control_entities", `{"target":["light.kitchen_ceiling"],"action":"turn_on"}`, nil)
	for _, args := range []string{`{"target":["light.hallway"],"action":"turn_on"}`, `{"target":["lock.front_door"],"action":"unlock"}`} {
		if text := listed.Refused(t, "control_entities", args); !strings.Contains(text, "HASS_ENTITIES") {
			t.Errorf("%s: %s", args, text)
		}
	}
	for _, token := range []string{fake.AdminToken, fake.UserToken} { // who is no administrator cannot list what is exposed
		exposed := home(t, fake.Options{}, map[string]string{"scope": "exposed", "token": token}).ann()
		exposed.Must(t, "control_entities", `{"target":["light.kitchen_ceiling"],"action":"turn_on"}`, nil)
		if text := exposed.Refused(t, "get_states", `{"target":["sensor.house_power"]}`); !strings.Contains(text, "HASS_SCOPE") {
			t.Errorf("%s", text)
		}
		if text := exposed.Refused(t, "render_template", `{"template":"{{ states('sensor.house_power') }}"}`); !strings.Contains(text, "HASS_SCOPE") && !strings.Contains(text, "administrators") {
			t.Errorf("%s", text)
		}
	}
}

// free takes the label ai_blocked off everything.
func free(h *fakehouse.House) {
	for _, e := range h.Entities {
		e.Labels = slices.DeleteFunc(e.Labels, func(l string) bool { return l == "ai_blocked" })
	}
	for _, d := range h.Devices {
		d.Labels = slices.DeleteFunc(d.Labels, func(l string) bool { return l == "ai_blocked" })
	}
}

// open2 is a client of another user.
func (s stage) open2(t *testing.T, user string) *kittest.Client {
	t.Helper()
	return kittest.NewClient(s.srv, user)
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// fingerprint is the SHA-256 of a server's certificate.
func fingerprint(srv *httptest.Server) string {
	sum := sha256.Sum256(srv.Certificate().Raw)
	return hex.EncodeToString(sum[:])
}
