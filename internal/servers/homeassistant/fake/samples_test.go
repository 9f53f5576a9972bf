package fake_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/servers/homeassistant/fake"
)

// What a public sample or type says of an answer: its members and their kinds. The file
// names the source of each.
type sample struct {
	Command string
	Members obj
	Pick    []any // way into the result: a member, an index, or the name of one in a list
	Source  string
	Has     map[string][]string
	Only    bool // and no others
}

func TestSamples(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	data, err := os.ReadFile("testdata/members.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []sample
	if err := json.Unmarshal(data, &samples); err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		got, _ := pick(c.must(s.Command, s.Members), s.Pick).(obj)
		if got == nil {
			t.Fatalf("%s has no %v", s.Command, s.Pick)
		}
		for name, kinds := range s.Has {
			v, has := got[name]
			if !has || !slices.Contains(kinds, kindOf(v)) {
				t.Errorf("%s (%s): %s is %v, want %v", s.Command, s.Source, name, v, kinds)
			}
		}
		for name := range got {
			if _, known := s.Has[name]; s.Only && !known {
				t.Errorf("%s (%s): %s is too much", s.Command, s.Source, name)
			}
		}
	}
}

func pick(v any, way []any) any {
	for _, p := range way {
		list, isList := v.([]any)
		switch p := p.(type) {
		case float64:
			v = list[int(p)]
		case string:
			if !isList {
				v = v.(obj)[p]
				continue
			}
			i := slices.IndexFunc(list, func(x any) bool { return x.(obj)["name"] == p || x.(obj)["entity_id"] == p })
			if i < 0 {
				return nil
			}
			v = list[i]
		}
	}
	return v
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// The short list of entities has members of two letters and no others (frontend
// src/data/entity/entity_registry.ts).
func TestSamples_displayEntries(t *testing.T) {
	t.Parallel()
	_, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	kinds := map[string]string{"ei": "string", "di": "string", "ai": "string", "lb": "array", "ec": "number", "en": "string", "ic": "string", "pl": "string", "tk": "string", "hb": "boolean", "dp": "number", "hn": "boolean"}
	for _, x := range c.must("config/entity_registry/list_for_display", nil).(obj)["entities"].([]any) {
		for k, v := range x.(obj) {
			if kinds[k] != kindOf(v) {
				t.Errorf("%v: %s is a %s, want %q", x.(obj)["ei"], k, kindOf(v), kinds[k])
			}
		}
		if x.(obj)["ei"] == nil || x.(obj)["lb"] == nil {
			t.Errorf("entry is %v", x)
		}
	}
}

// Times and ids look as in the samples of the developer docs and the stored registries.
func TestSamples_looks(t *testing.T) {
	t.Parallel()
	s, url := home(t, fake.Options{})
	c := enter(t, url, fake.AdminToken)
	c.must("subscribe_events", obj{"event_type": "state_changed"})
	s.Press("light.hallway", "on", nil)
	e := c.read()["event"].(obj)
	state := e["data"].(obj)["new_state"].(obj)
	iso := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$`)
	for what, v := range map[string]any{"time_fired": e["time_fired"], "last_changed": state["last_changed"]} {
		if !iso.MatchString(fmt.Sprint(v)) {
			t.Errorf("%s is %v", what, v)
		}
	}
	if e["origin"] != "LOCAL" || e["event_type"] != "state_changed" || e["data"].(obj)["old_state"].(obj)["state"] != "off" {
		t.Errorf("event is %v", e)
	}
	if id := fmt.Sprint(state["context"].(obj)["id"]); !regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`).MatchString(id) {
		t.Errorf("context is %s", id)
	}
	device := c.must("config/device_registry/list", nil).([]any)[0].(obj)
	if id := fmt.Sprint(device["id"]); len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		t.Errorf("device is %s", id)
	}
}
