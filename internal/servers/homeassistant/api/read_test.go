package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/servers/homeassistant/api"
)

// Registry entries of three versions, and of none: what cannot be read hides nothing.
func TestDevice_lenient(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ raw, entry, parent, name string }{
		"2026.7": {`{"id":"a","name":"Lamp","name_by_user":null,"config_entries":["e1","e2"],"primary_config_entry":"e2","area_id":null,"labels":[]}`, "e2", "", "Lamp"},
		"2026.8": {`{"id":"a","name":"Lamp","name_by_user":"My lamp","config_entry_id":"e1","config_subentry_id":null,"connections":[["mac","00:11"]],"labels":["x"]}`, "e1", "", "My lamp"},
		"2026.9": {`{"id":"b","name":"Socket","parent_device_id":"a","config_entry_id":"e1","new_thing":{"x":[1]}}`, "e1", "a", "Socket"},
		"odd":    {`{"id":"c","name":7,"labels":"one","area_id":{},"config_entries":null}`, "", "", "7"},
	} {
		var d api.Device
		if err := json.Unmarshal([]byte(tc.raw), &d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d.ConfigEntry() != tc.entry || string(d.Parent) != tc.parent || d.Called() != tc.name {
			t.Errorf("%s: %+v", name, d)
		}
	}
	var l api.Listed
	if err := json.Unmarshal([]byte(`{"ei":"light.x","pl":"hue","ec":1,"hb":true,"lb":["a"],"zz":[]}`), &l); err != nil || !l.IsHidden() || !l.IsExtra() {
		t.Errorf("%+v, %v", l, err)
	}
	var s api.State
	if err := json.Unmarshal([]byte(`{"entity_id":"light.x","state":5,"attributes":{"friendly_name":null,"brightness":"180","list":["a",1]},"last_changed":"nonsense","context":null}`), &s); err != nil ||
		s.State != "5" || s.Attributes.Text("friendly_name") != "" || !s.LastChanged.IsZero() || len(s.Attributes.Texts("list")) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for raw, want := range map[string]time.Time{
		`"2026-11-23T11:00:00+01:00"`: at, `"2026-11-23T10:00:00.000000+00:00"`: at, `1795428000`: at, `1795428000.0`: at, `"2026-11-23 10:00:00"`: at, `null`: {}, `{}`: {}, `"x"`: {},
	} {
		var m api.Moment
		if err := json.Unmarshal([]byte(raw), &m); err != nil || !m.Equal(want) {
			t.Errorf("%s: %v, %v", raw, m, err)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"entity_id":"light.x","state":"on","attributes":{"brightness":180},"last_changed":1,"context":{"id":"a"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var a, b api.State
		if json.Unmarshal(raw, &a) != nil {
			return
		}
		if err := json.Unmarshal(raw, &b); err != nil || !cmp.Equal(a.Attributes, b.Attributes) {
			t.Errorf("%v", err)
		}
		a.Attributes.Number("brightness")
	})
}
