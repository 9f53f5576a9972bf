package house

import (
	"maps"
	"slices"
	"time"
)

// ISO writes a time as Python's isoformat in UTC does: no fraction if it is zero.
func ISO(t time.Time) string {
	if t = t.UTC(); t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05+00:00")
	}
	return t.Format("2006-01-02T15:04:05.000000+00:00")
}

// Seconds is a time as a Unix time with a fraction.
func Seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// Full is a state as REST and events write it (ref 1.2, State). Nil stays null.
func Full(s *State) any {
	if s == nil {
		return nil
	}
	return Map{"entity_id": s.EntityID, "state": s.State, "attributes": s.Attributes, "context": s.Context,
		"last_changed": ISO(s.Changed), "last_reported": ISO(s.Reported), "last_updated": ISO(s.Updated)}
}

// Envelope is an event as subscribers of events get it (developer docs, api/websocket).
func (e Event) Envelope() Map {
	return Map{"event_type": e.Type, "data": e.Data, "origin": e.Origin, "time_fired": ISO(e.Fired), "context": e.Context}
}

// Compressed is a state as subscribe_entities adds it (core.py, as_compressed_state): lu
// only if it differs from lc, the context shortened to its id where it is only that.
func Compressed(s *State) Map {
	m := Map{"s": s.State, "a": s.Attributes, "c": any(s.Context), "lc": Seconds(s.Changed)}
	if s.Context.User == nil && s.Context.Parent == nil {
		m["c"] = s.Context.ID
	}
	if !s.Changed.Equal(s.Updated) {
		m["lu"] = Seconds(s.Updated)
	}
	return m
}

// Delta is a change as subscribe_entities sends it (websocket_api/messages.py).
func Delta(e Event) Map {
	id := e.Data["entity_id"].(string)
	switch {
	case e.New == nil:
		return Map{"r": []string{id}}
	case e.Old == nil:
		return Map{"a": Map{id: Compressed(e.New)}}
	}
	was, is, plus := e.Old, e.New, Map{}
	if was.State != is.State {
		plus["s"] = is.State
	}
	if !was.Changed.Equal(is.Changed) {
		plus["lc"] = Seconds(is.Changed)
	} else if !was.Updated.Equal(is.Updated) {
		plus["lu"] = Seconds(is.Updated)
	}
	context := Map{}
	if !alike(was.Context.Parent, is.Context.Parent) {
		context["parent_id"] = is.Context.Parent
	}
	if !alike(was.Context.User, is.Context.User) {
		context["user_id"] = is.Context.User
	}
	if was.Context.ID != is.Context.ID {
		if plus["c"] = is.Context.ID; len(context) > 0 {
			context["id"] = is.Context.ID
			plus["c"] = context
		}
	}
	attrs, gone := Map{}, []string{}
	for k, v := range is.Attributes {
		if old, had := was.Attributes[k]; !had || !same(Map{k: old}, Map{k: v}) {
			attrs[k] = v
		}
	}
	for _, k := range slices.Sorted(maps.Keys(was.Attributes)) {
		if _, has := is.Attributes[k]; !has {
			gone = append(gone, k)
		}
	}
	diff := Map{}
	if len(attrs) > 0 {
		plus["a"] = attrs
	}
	if len(plus) > 0 {
		diff["+"] = plus
	}
	if len(gone) > 0 {
		diff["-"] = Map{"a": gone}
	}
	return Map{"c": Map{id: diff}}
}

func alike(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// Config is what get_config and /api/config answer (ref 1.2).
func (h *House) Config() Map {
	domains := map[string]bool{"api": true, "automation": true, "config": true, "frontend": true, "history": true, "homeassistant": true,
		"http": true, "logbook": true, "recorder": true, "script": true, "search": true, "trace": true, "websocket_api": true, "todo": true, "calendar": true}
	for id := range h.States {
		domains[Domain(id)] = true
	}
	return Map{
		"components": slices.Sorted(maps.Keys(domains)), "config_dir": "/config", "elevation": 34, "latitude": 52.52, "longitude": 13.405, "radius": 100,
		"location_name": "Home", "time_zone": h.Zone.String(), "version": h.Version, "state": h.Running, "config_source": "storage",
		"unit_system": Map{"length": "km", "accumulated_precipitation": "mm", "area": "m²", "mass": "g", "pressure": "Pa",
			"temperature": "°C", "volume": "L", "wind_speed": "m/s"},
		"safe_mode": false, "recovery_mode": false, "debug": false, "currency": "EUR", "country": "DE", "language": "en",
		"internal_url": nil, "external_url": nil, "allowlist_external_dirs": []string{"/config/www", "/media"},
		"allowlist_external_urls": []string{}, "whitelist_external_dirs": []string{"/config/www", "/media"},
	}
}
