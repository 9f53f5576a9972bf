package upkeep // what a template looked at is decided without a house that answers

import (
	"testing"

	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
)

// A result is kept back where a listener covers something that is kept from models.
func TestSees(t *testing.T) {
	t.Parallel()
	h := house.New(&api.Registries{Entities: []api.Listed{{ID: "light.a"}, {ID: "light.b", Labels: api.Texts{"ai_blocked"}}}}, []api.State{{ID: "light.a"}, {ID: "light.b"}, {ID: "lock.c"}}, house.Policy{})
	v := &desk.Visit{House: h}
	rendered := func(change func(*api.Rendered)) (r api.Rendered) { change(&r); return r }
	for name, tc := range map[string]struct {
		r    api.Rendered
		sees bool
	}{
		"everything":     {rendered(func(r *api.Rendered) { r.Listeners.All = true }), true},
		"its domain":     {rendered(func(r *api.Rendered) { r.Listeners.Domains = api.Texts{"lock", "light"} }), true},
		"itself":         {rendered(func(r *api.Rendered) { r.Listeners.Entities = api.Texts{"light.a", "light.b"} }), true},
		"another domain": {rendered(func(r *api.Rendered) { r.Listeners.Domains = api.Texts{"lock"} }), false},
		"another":        {rendered(func(r *api.Rendered) { r.Listeners.Entities = api.Texts{"light.a"} }), false},
		"only the time":  {rendered(func(r *api.Rendered) { r.Listeners.Time = true }), false},
	} {
		if got := sees(v, tc.r); got != tc.sees {
			t.Errorf("%s: %v", name, got)
		}
	}
}
