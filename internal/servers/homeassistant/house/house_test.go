package house_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/kit"
)

func state(id, value, name string) api.State {
	return api.State{ID: id, State: api.Text(value), Attributes: api.Attributes{"friendly_name": []byte(`"` + name + `"`)}}
}

// made is a house with what has to be got right: inherited areas, labels on devices
// and areas, hidden things and settings.
func made(p house.Policy) *house.House {
	r := &api.Registries{
		Areas:  []api.Area{{ID: "kitchen", Name: "Kitchen", Floor: "ground", Aliases: api.Texts{"galley"}}, {ID: "lab", Name: "Lab", Labels: api.Texts{"no"}}, {ID: "hall", Name: "Hall", Floor: "ground"}},
		Floors: []api.Floor{{ID: "ground", Name: "Ground floor"}},
		Labels: []api.Label{{ID: "no", Name: "AI blocked"}, {ID: "ai_confirm", Name: "Ask"}, {ID: "night", Name: "Night"}},
		Devices: []api.Device{{ID: "strip", Name: "Strip", Area: "kitchen", Labels: api.Texts{"night"}}, {ID: "left", Name: "Left socket", Parent: "strip"}, {ID: "ring", Name: "Ring", Parent: "ring"},
			{ID: "safe", Name: "Safe", Area: "hall", Labels: api.Texts{"ai_confirm"}}},
		Entities: []api.Listed{
			{ID: "light.a", Area: "kitchen"}, {ID: "switch.left", Device: "left"}, {ID: "switch.far", Device: "left", Area: "hall"}, {ID: "light.lab", Area: "lab"},
			{ID: "light.hid", Area: "kitchen", Hidden: []byte("true")}, {ID: "number.cfg", Area: "kitchen", Category: []byte("0")}, {ID: "switch.ring", Device: "ring"}, {ID: "lock.safe", Device: "safe"},
			{ID: "light.stateless", Area: "kitchen"},
		},
	}
	states := []api.State{state("light.a", "on", "Ceiling"), state("switch.left", "off", "Kettle"), state("switch.far", "off", "Far"), state("light.lab", "on", "Lab lamp"), state("light.hid", "on", "Hid"),
		state("number.cfg", "1", "Offset"), state("switch.ring", "on", "Ring"), state("lock.safe", "locked", "Safe"), state("sun.sun", "up", "Sun"), state("light.twin", "on", "Ceiling"), state("light.kitchen", "on", "kitchen")}
	return house.New(r, states, p)
}

func TestResolve(t *testing.T) {
	t.Parallel()
	h := made(house.Policy{})
	for name, tc := range map[string]struct {
		words []string
		want  string
	}{
		"area, inherited":   {[]string{"area:Kitchen"}, "light.a light.stateless switch.left"},
		"alias":             {[]string{"GALLEY"}, "light.a light.stateless switch.left"},
		"floor":             {[]string{"floor:ground floor"}, "light.a light.stateless lock.safe switch.far switch.left"},
		"label of a device": {[]string{"label:Night"}, "switch.far switch.left"},
		"device with child": {[]string{"device:strip"}, "switch.far switch.left"},
		"area before thing": {[]string{"kitchen"}, "light.a light.stateless switch.left"},
		"entity by name":    {[]string{"kettle"}, "switch.left"},
		"a setting, named":  {[]string{"number.cfg"}, "number.cfg"},
		"several":           {[]string{"light.a", "area:hall"}, "light.a lock.safe switch.far"},
	} {
		target, err := h.Target(tc.words)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(h.Resolve(target), " "); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	for word, says := range map[string]string{
		"Ceiling": "Choose from", "cellar": "nothing called", "area:Kettle": "nothing called", "light.lab": "no model may", "light.none": "nothing called",
	} {
		if _, err := h.Target([]string{word}); err == nil || !strings.Contains(fault.PublicOf(err), says) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	h := made(house.Policy{Entities: kit.Targets{Deny: []string{"sun.*"}, Setting: "HASS_ENTITIES"}})
	if h.Kept("light.lab").Why != house.Blocked || h.Kept("sun.sun").Why != house.NotListed || h.Entity("light.lab") != nil || !h.Confirm(h.Entity("lock.safe")) || h.Confirm(h.Entity("light.a")) {
		t.Error("what is kept")
	}
	if diff := cmp.Diff([]string{"light.lab"}, h.KeptOf("light")); diff != "" {
		t.Error(diff)
	}
	h = made(house.Policy{Exposed: map[string]bool{"light.a": true}})
	if len(h.Entities) != 1 || !strings.Contains(fault.PublicOf(h.Refuse("lock.safe")), "HASS_SCOPE") {
		t.Errorf("%d entities", len(h.Entities))
	}
	if h.SeesDevice("left") || !h.SeesDevice("unknown") {
		t.Error("devices")
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	h := made(house.Policy{})
	for name, tc := range map[string]struct {
		f    house.Filter
		want string
	}{
		"one letter wrong": {house.Filter{Query: "kettel"}, "switch.left"},
		"area and name":    {house.Filter{Query: "galley kettle"}, "switch.left"},
		"plural":           {house.Filter{Query: "lamps"}, ""}, // the lab's is blocked
		"domain":           {house.Filter{Domains: []string{"lock"}}, "lock.safe"},
		"extra by name":    {house.Filter{Query: "offset"}, "number.cfg"},
		"no extra":         {house.Filter{Area: "kitchen"}, "light.a light.stateless switch.left"},
		"alias":            {house.Filter{Query: "decke", Aliases: map[string][]string{"light.a": {"Deckenlicht"}}}, "light.a"},
		"label":            {house.Filter{Label: "night"}, "switch.far switch.left"},
		"state":            {house.Filter{State: "LOCKED"}, "lock.safe"},
		"nothing":          {house.Filter{Query: "zeppelin"}, ""},
	} {
		var got []string
		for _, e := range h.Search(tc.f) {
			got = append(got, e.ID)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %v, want %s", name, got, tc.want)
		}
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"AI blocked": "ai_blocked", " ai-blocked! ": "ai_blocked", "ai_blocked": "ai_blocked", "": ""} {
		if got := house.Slug(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}
