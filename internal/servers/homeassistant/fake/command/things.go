package command

import (
	"slices"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

var byUser = may(schema.OrNull(schema.OneOf("user")))

// devices is config/device_registry.py: children and remove came with 2026.9 (developer
// blog 2026-08-19), single config entries and list_linked_devices with 2026.8.
func devices(modern bool) Table {
	remove := func(r *Request) (any, error) {
		d := r.H.Device(r.text("device_id"))
		var entry *house.ConfigEntry
		if d != nil {
			entry = r.H.ConfigEntry(d.Entry)
		}
		switch {
		case d == nil:
			return nil, fail("unknown_error", "Unknown device")
		case r.has("config_entry_id") && r.text("config_entry_id") != d.Entry:
			return nil, fail("unknown_error", "Config entry not in device")
		case entry == nil:
			return nil, fail("unknown_error", "Unknown config entry")
		case !entry.CanRemove:
			return nil, fail("unknown_error", "Config entry does not support device removal")
		}
		removeDevice(r.H, d)
		return nil, nil
	}
	t := Table{
		"config/device_registry/list": {Do: func(r *Request) (any, error) {
			whole, children := []m{}, []m{}
			for _, d := range r.H.Devices {
				if d.Parent != nil {
					children = append(children, d.Shape())
				} else {
					whole = append(whole, d.Shape())
				}
			}
			return append(whole, children...), nil
		}},
		"config/device_registry/update": {Admin: true, Fields: dict{"device_id": need(str), "area_id": opt,
			"disabled_by": byUser, "labels": strs, "name_by_user": opt}, Do: func(r *Request) (any, error) {
			d := r.H.Device(r.text("device_id"))
			if d == nil {
				return nil, fail("unknown_error", "Unknown error")
			}
			r.put("area_id", &d.Area)
			r.put("disabled_by", &d.Disabled)
			r.put("name_by_user", &d.ByUser)
			r.puts("labels", &d.Labels)
			r.now(&d.Created, &d.Modified)
			r.H.Fire("device_registry_updated", m{"action": "update", "device_id": d.ID, "changes": m{}}, r.H.NewContext(nil, ""))
			return d.Shape(), nil
		}},
		"config/device_registry/remove_config_entry": {Admin: true, Fields: dict{"config_entry_id": need(str), "device_id": need(str)}, Do: remove},
	}
	if modern {
		t["config/device_registry/remove"] = Command{Admin: true, Fields: dict{"device_id": need(str)}, Do: remove}
	}
	return t
}

func removeDevice(h *house.House, d *house.Device) {
	at := h.NewContext(nil, "")
	for _, child := range slices.Clone(h.Devices) {
		if house.Val(child.Parent) == d.ID {
			removeDevice(h, child)
		}
	}
	for _, e := range slices.Clone(h.OfDevice(d.ID)) {
		h.Forget(e)
		h.Drop(e.EntityID, at)
		h.Fire("entity_registry_updated", m{"action": "remove", "entity_id": e.EntityID}, at)
	}
	h.Devices = slices.DeleteFunc(h.Devices, func(x *house.Device) bool { return x == d })
	h.Fire("device_registry_updated", m{"action": "remove", "device_id": d.ID}, at)
}

// entities is config/entity_registry.py and homeassistant/exposed_entities.py.
func entities() Table {
	assistants := schema.OneOf("cloud.alexa", "cloud.google_assistant", "conversation")
	return Table{
		"config/entity_registry/list": {Do: func(r *Request) (any, error) { return each(r.H.Entities, (*house.Entry).Partial), nil }},
		"config/entity_registry/list_for_display": {Do: func(r *Request) (any, error) {
			enabled := slices.DeleteFunc(slices.Clone(r.H.Entities), func(e *house.Entry) bool { return e.Disabled != nil })
			return m{"entity_categories": m{"0": "config", "1": "diagnostic"}, "entities": each(enabled, (*house.Entry).Display)}, nil
		}},
		"config/entity_registry/get": {Fields: dict{"entity_id": need(schema.Entity)}, Do: func(r *Request) (any, error) {
			if e := r.H.Entity(r.text("entity_id")); e != nil {
				return e.Extended(), nil
			}
			return nil, fail("not_found", "Entity not found")
		}},
		"config/entity_registry/get_entries": {Fields: dict{"entity_ids": need(schema.Entities)}, Do: func(r *Request) (any, error) {
			out := m{}
			for _, id := range r.list("entity_ids") {
				if out[id] = nil; r.H.Entity(id) != nil {
					out[id] = r.H.Entity(id).Extended()
				}
			}
			return out, nil
		}},
		"config/entity_registry/update": {Admin: true, Do: updateEntity,
			Fields: dict{"entity_id": need(schema.Entity), "aliases": anyList, "area_id": opt, "categories": may(schema.Map),
				"device_class": opt, "icon": opt, "labels": strs, "name": opt, "new_entity_id": may(str), "disabled_by": byUser, "hidden_by": byUser,
				"options_domain": may(str), "options": may(schema.OrNull(schema.Map))}},
		"config/entity_registry/remove": {Admin: true, Fields: dict{"entity_id": need(schema.Entity)}, Do: func(r *Request) (any, error) {
			e := r.H.Entity(r.text("entity_id"))
			if e == nil {
				return nil, fail("not_found", "Entity not found")
			}
			r.H.Forget(e)
			r.H.Drop(e.EntityID, r.H.NewContext(nil, ""))
			r.H.Fire("entity_registry_updated", m{"action": "remove", "entity_id": e.EntityID}, r.H.NewContext(nil, ""))
			return nil, nil
		}},
		"homeassistant/expose_entity": {Admin: true, Fields: dict{"assistants": need(schema.List(assistants)), "entity_ids": need(schema.Strings), "should_expose": need(boolean)},
			Do: expose},
		"homeassistant/expose_entity/list": {Admin: true, Do: func(r *Request) (any, error) {
			out := m{}
			for id, options := range r.H.LegacyShow {
				out[id] = exposed(options)
			}
			for _, e := range r.H.Entities {
				out[e.EntityID] = exposed(e.Options)
			}
			return m{"exposed_entities": out}, nil
		}},
	}
}

func each[T any](list []*T, as func(*T) m) []m {
	out := make([]m, len(list))
	for i, x := range list {
		out[i] = as(x)
	}
	return out
}

func exposed(options m) m {
	out := m{}
	for _, a := range []string{"cloud.alexa", "cloud.google_assistant", "conversation"} {
		if o, ok := options[a].(m); ok && o["should_expose"] != nil {
			out[a] = o["should_expose"]
		}
	}
	return out
}

func expose(r *Request) (any, error) {
	for _, id := range r.list("entity_ids") {
		for _, a := range schema.Texts(r.Msg["assistants"]) {
			options := r.H.LegacyShow[id]
			if e := r.H.Entity(id); e != nil {
				if e.Options == nil {
					e.Options = m{}
				}
				options = e.Options
			} else if options == nil {
				options = m{}
				r.H.LegacyShow[id] = options
			}
			options[a] = m{"should_expose": r.is("should_expose")}
			r.H.Fire("entity_registry_updated", m{"action": "update", "entity_id": id, "changes": m{"options": m{}}}, r.H.NewContext(nil, ""))
		}
	}
	return nil, nil
}

func updateEntity(r *Request) (any, error) {
	e := r.H.Entity(r.text("entity_id"))
	if e == nil {
		return nil, fail("not_found", "Entity not found")
	}
	wish, old := r.text("new_entity_id"), e.EntityID
	switch {
	case (r.has("options_domain")) != (r.has("options")):
		return nil, &schema.Invalid{Msg: "some but not all values in the same group of inclusion 'entity_option'", Path: []any{"<entity_option>"}, Got: nil}
	case wish == "" || wish == old:
	case !schema.ValidEntity(wish):
		return nil, fail("invalid_info", "Invalid entity ID")
	case house.Domain(wish) != house.Domain(old):
		return nil, fail("invalid_info", "New entity ID should be same domain")
	case r.H.Entity(wish) != nil || r.H.States[wish] != nil:
		return nil, fail("invalid_info", "Entity with this ID is already registered")
	}
	if was := house.Val(e.Disabled); r.has("disabled_by") && r.Msg["disabled_by"] == nil && was != "" && e.Device != nil {
		if d := r.H.Device(*e.Device); d != nil && d.Disabled != nil {
			return nil, fail("invalid_info", "Device is disabled")
		}
	}
	answer := m{}
	r.write(e)
	if r.has("disabled_by") {
		if e.Disabled == nil {
			answer["reload_delay"] = 30 // config_entries.py, RELOAD_AFTER_UPDATE_DELAY
			r.H.After(30e9, func() { r.revive(e) })
		} else {
			r.H.Drop(e.EntityID, r.H.NewContext(nil, ""))
		}
	}
	if wish != "" && wish != old {
		r.move(e, wish)
	}
	if s := r.H.States[e.EntityID]; s != nil && r.has("name") {
		name := house.Val(e.Name)
		if name == "" {
			name = e.OriginalName
		}
		r.H.Change(e.EntityID, "", m{"friendly_name": name}, r.H.NewContext(nil, ""))
	}
	r.H.Fire("entity_registry_updated", m{"action": "update", "entity_id": e.EntityID, "changes": m{}}, r.H.NewContext(nil, ""))
	answer["entity_entry"] = e.Extended()
	return answer, nil
}

// write takes over the members that were sent.
func (r *Request) write(e *house.Entry) {
	for k, p := range map[string]**string{"name": &e.Name, "icon": &e.Icon, "area_id": &e.Area, "device_class": &e.As,
		"disabled_by": &e.Disabled, "hidden_by": &e.Hidden} {
		r.put(k, p)
	}
	r.puts("labels", &e.Labels)
	if l, ok := r.Msg["aliases"].([]any); ok {
		e.Aliases = l
	}
	for scope, id := range asMap(r.Msg["categories"]) {
		if e.Categories == nil {
			e.Categories = map[string]string{}
		}
		if s, ok := id.(string); ok {
			e.Categories[scope] = s
		} else {
			delete(e.Categories, scope)
		}
	}
	if r.has("options_domain") {
		if e.Options == nil {
			e.Options = m{}
		}
		e.Options[r.text("options_domain")] = r.Msg["options"]
	}
	r.now(&e.Created, &e.Modified)
}

func asMap(v any) m { x, _ := v.(m); return x }

// revive is the reload of the integration after an entity was enabled.
func (r *Request) revive(e *house.Entry) {
	if r.H.States[e.EntityID] == nil && e.Disabled == nil {
		r.H.Set(e.EntityID, "unknown", m{"friendly_name": e.OriginalName}, r.H.NewContext(nil, ""))
	}
}

// move gives an entity another id: the old state goes, the new one comes; automations that
// name the old one are left as they are.
func (r *Request) move(e *house.Entry, id string) {
	old, at := e.EntityID, r.H.NewContext(nil, "")
	s := r.H.States[old]
	r.H.Rename(e, id)
	if x := r.H.Item(old); x != nil {
		x.EntityID = id
	}
	if s != nil {
		r.H.Drop(old, at)
		r.H.Past[id] = r.H.Past[old]
		delete(r.H.Past, old)
		r.H.Set(id, s.State, s.Attributes, at)
	}
}
