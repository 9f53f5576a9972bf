package scenarios_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/homeassistant/fake"
	"drawbridge/internal/servers/homeassistant/fake/house"
)

// home starts a house and a gateway on it. The token is Ada's, who may do all.
func home(t *testing.T, era string) (*fake.Server, *stage) {
	t.Helper()
	f := fake.New(fake.Options{})
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	s := open(t, era, "homeassistant", map[string]string{"url": f.URL(), "token": fake.AdminToken, "mode": "all"})
	s.g.WaitTools("homeassistant_control_entities")
	return f, s
}

// services counts the calls of services that arrived, carried out or not.
func services(f *fake.Server) (n int) {
	for _, c := range f.Calls() {
		if c.Command == "call_service" || c.Method == "POST" && strings.HasPrefix(c.Path, "/api/services/") {
			n++
		}
	}
	return n
}

// Somebody says: turn off the living room, but leave what is on for the holidays.
func livingRoom(t *testing.T, era string) {
	f, s := home(t, era)
	v := s.admit()
	has(t, "the labels", v.must("list_registry", `{"kind":"labels"}`, nil).Text, "Holiday")
	v.refused("control_entities", `{"target":["area:attic"],"action":"turn_off"}`, "attic") // misheard
	const wish = `"target":["living room"],"action":"turn_off","exclude":["label:holiday"]`
	has(t, "the dry run", v.must("control_entities", `{`+wish+`,"dry_run":true}`, nil).Text, "light.living_room_ceiling")
	is(t, "services called before anything was to happen", services(f), 0)
	out := v.must("control_entities", `{`+wish+`}`, nil)
	has(t, "the answer", out.Text, "light.living_room_ceiling", "kept from models")
	for id, want := range map[string]string{
		"light.living_room_ceiling": "off", "switch.tv_socket": "off", "media_player.living_room_tv": "off", "climate.living_room": "off",
		"light.living_room_floor_lamp": "on", // labelled
		"light.aquarium":               "on", // not for models at all
		"switch.aquarium_pump":         "on",
		"light.reading_lamp":           "off", // of a device here, itself in the bedroom
	} {
		is(t, id, f.State(id), want)
	}
	for _, one := range []string{"light", "switch", "media_player", "climate"} {
		is(t, one+".turn_off", f.Services(one, "turn_off"), 1)
	}
	var again struct {
		Changed []any
		Already []string
	}
	v.must("control_entities", `{`+wish+`}`, &again)
	is(t, "changed by the same wish once more", len(again.Changed), 0)
	if len(again.Already) < 4 {
		t.Errorf("so already: %v", again.Already)
	}
}

// Somebody says: unlock the door. The person at the screen declines, then approves.
func frontDoor(t *testing.T, era string) {
	f, s := home(t, era)
	v := s.admit()
	has(t, "the state", v.must("get_states", `{"target":["Front door"]}`, nil).Text, "locked")
	const unlock = `{"target":["lock.front_door"],"action":"unlock"}`
	s.mute().refused("control_entities", unlock, "person has to approve")
	person := func(approves bool) func(string) bool {
		return func(question string) bool {
			has(t, "the question", question, "lock.front_door")
			is(t, "services called before the answer", services(f), 0)
			is(t, "the door before the answer", f.State("lock.front_door"), "locked")
			return approves
		}
	}
	v.will(person(false))
	v.refused("control_entities", unlock, "did not approve")
	is(t, "questions", len(v.questions()), 1)
	is(t, "the door after a no", f.State("lock.front_door"), "locked")
	is(t, "services called after a no", services(f), 0)
	v.will(person(true))
	v.must("control_entities", unlock, nil)
	is(t, "questions", len(v.questions()), 1)
	is(t, "the door after a yes", f.State("lock.front_door"), "unlocked")
	is(t, "lock.unlock", f.Services("lock", "unlock"), 1)
	is(t, "services called", services(f), 1)
}

const (
	motion  = "1730000000001" // Hallway light on motion
	delayed = `{"alias":"Hallway light on motion","triggers":[{"trigger":"state","entity_id":"binary_sensor.hallway_motion","to":"on"}],` +
		`"actions":[{"action":"light.turn_on","target":{"entity_id":"light.hallway"}},{"delay":60}]}`
	opens = `{"alias":"Open at seven","triggers":[{"trigger":"time","at":"07:00:00"}],"actions":[{"action":"lock.unlock","target":{"entity_id":"lock.front_door"}}]}`
)

// Somebody changes an automation, does not like it, and takes it back. One that would
// open the door is for a person to allow.
func automation(t *testing.T, era string) {
	f, s := home(t, era)
	v := s.admit()
	stored := func() (all string) {
		f.Look(func(h *house.House) {
			for _, a := range h.Automations {
				raw, err := json.Marshal(a.Body)
				if err != nil {
					t.Error(err)
				}
				all += string(raw) + "\n"
			}
		})
		return all
	}
	at := stored()
	has(t, "the dry run", v.must("save_automation", `{"id":"`+motion+`","config":`+delayed+`,"dry_run":true}`, nil).Text, `"delay": 60`)
	v.refused("save_automation", `{"id":"`+motion+`","config":{"alias":"x","triggers":[{"trigger":"no_such"}],"actions":[]}}`, "triggers")
	v.will(no)
	v.refused("save_automation", `{"config":`+opens+`}`, "did not approve")
	is(t, "questions", len(v.questions()), 1)
	has(t, "the question", v.questions()[0], "lock.front_door")
	if stored() != at {
		t.Fatalf("something was saved: %s", stored())
	}
	v.will(nil)
	var saved undo
	v.must("save_automation", `{"id":"`+motion+`","config":`+delayed+`}`, &saved)
	has(t, "what is stored", stored(), `"delay":60`)
	has(t, "what is read", v.must("get_automation", `{"id":"`+motion+`"}`, nil).Text, "delay")
	v.back(saved)
	if now := stored(); strings.Contains(now, `"delay":60`) || !strings.Contains(now, "sun.sun") {
		t.Errorf("not taken back: %s", now)
	}
	posts := 0
	for _, c := range f.Calls() {
		if c.Method == "POST" {
			posts++
		}
	}
	is(t, "times that something was saved", posts, 2)
}

// The house restarts between two wishes, and then in the middle of one.
func houseRestarts(t *testing.T, era string) {
	f, s := home(t, era)
	v := s.admit()
	v.must("control_entities", `{"target":["light.kitchen_ceiling"],"action":"turn_on"}`, nil)
	f.Restart(fake.Restart{Stopping: 50 * time.Millisecond, Down: 50 * time.Millisecond, Proxy: 50 * time.Millisecond})
	v.must("control_entities", `{"target":["light.kitchen_ceiling"],"action":"turn_off"}`, nil) // waits for the house
	is(t, "the light after the restart", f.State("light.kitchen_ceiling"), "off")
	is(t, "light.turn_off", f.Services("light", "turn_off"), 1)

	f.Break(fake.Fault{Service: "switch.turn_on", Late: true, Drop: true, Times: 1}) // done, but nobody hears of it
	before := services(f)
	v.refused("control_entities", `{"target":["switch.coffee_machine"],"action":"turn_on"}`, "Undetermined", "get_states")
	has(t, "finding out", v.must("get_states", `{"target":["switch.coffee_machine"]}`, nil).Text, "| on |")
	is(t, "services called", services(f), before+1)
	is(t, "the coffee machine", f.State("switch.coffee_machine"), "on")
	is(t, "switch.turn_on", f.Services("switch", "turn_on"), 1)
	v.must("control_entities", `{"target":["switch.coffee_machine"],"action":"turn_off"}`, nil) // all goes on
	is(t, "the coffee machine", f.State("switch.coffee_machine"), "off")
}

// The owner does not want models to know of the aquarium, and guests only look.
func aquarium(t *testing.T, era string) {
	f, s := home(t, era)
	eve, ben := s.as(s.member("eve")), s.as(s.member("ben"))
	s.stores("eve", "token", s.g.Secret("token of eve", fake.GuestToken))
	s.stores("ben", "token", s.g.Secret("token of ben", fake.UserToken))
	for _, v := range []*guest{s.admit(), eve} {
		for tool, args := range map[string]string{"get_overview": `{"full":true}`, "search_entities": `{"query":"aquarium"}`, "list_registry": `{"kind":"entities","query":"aquarium"}`} {
			out := v.call(tool, args) // a refusal is as good
			if text := strings.ReplaceAll(strings.ToLower(out.Text+string(out.Raw)), `query "aquarium"`, ""); strings.Contains(text, "light.aquarium") || strings.Contains(text, "aquarium pump") {
				t.Errorf("%s tells: %s", tool, out.Text)
			}
		}
		v.refused("get_states", `{"target":["light.aquarium"]}`, "ai_blocked")
		v.refused("control_entities", `{"target":["light.aquarium"],"action":"turn_off"}`, "ai_blocked")
		v.refused("render_template", `{"template":"{{ states('light.aquarium') }}"}`)
		if a := v.Call("resources/read", `{"uri":"ha://entity/light.aquarium"}`); a.Error() == "" || strings.Contains(a.Message, `"state"`) {
			t.Errorf("the resource: %s", a.Message)
		}
		a := v.Call("completion/complete", `{"ref":{"type":"ref/resource","uri":"ha://entity/{entity_id}"},"argument":{"name":"entity_id","value":"light."}}`)
		if a.Result() == "" || strings.Contains(a.Message, "aquarium") || !strings.Contains(a.Message, "light.hallway") {
			t.Errorf("completed: %s", a.Message)
		}
	}
	is(t, "services called", services(f), 0)
	eve.refused("control_entities", `{"target":["light.hallway"],"action":"turn_on"}`, "does not let the owner")
	ben.refused("update_registry", `{"kind":"area","id":"kitchen","changes":{"name":"Galley"}}`, "administrators")
	is(t, "the light", f.State("light.hallway"), "off")
	ben.must("control_entities", `{"target":["light.hallway"],"action":"turn_on"}`, nil)
	is(t, "the light", f.State("light.hallway"), "on")
	is(t, "the aquarium", f.State("light.aquarium"), "on")
	last := ""
	for _, c := range f.Calls() {
		if c.Command == "call_service" && c.Done {
			last = c.User
		}
	}
	is(t, "who switched it, to Home Assistant", last, "Ben")
}
