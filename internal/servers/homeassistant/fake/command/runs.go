package command

import (
	"slices"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

// runs is trace/websocket_api.py, search/__init__.py, and the config commands of
// automation and script.
func runs() Table {
	domain := schema.OneOf("automation", "script")
	config := func(kind string) Command {
		return Command{Fields: dict{"entity_id": need(str)}, Do: func(r *Request) (any, error) {
			x := r.H.Item(r.text("entity_id"))
			if x == nil || house.Domain(x.EntityID) != kind {
				return nil, fail("not_found", "Entity not found")
			}
			return m{"config": x.Body}, nil
		}}
	}
	return Table{
		"trace/list": {Admin: true, Fields: dict{"domain": need(domain), "item_id": may(str)}, Do: func(r *Request) (any, error) {
			out := []m{}
			for _, t := range r.H.Traces {
				if t.Domain == r.text("domain") && (!r.has("item_id") || t.ItemID == r.text("item_id")) {
					out = append(out, t.Short())
				}
			}
			return out, nil
		}},
		"trace/get": {Admin: true, Fields: dict{"domain": need(domain), "item_id": need(str), "run_id": need(str)}, Do: func(r *Request) (any, error) {
			for _, t := range r.H.Traces {
				if t.Domain == r.text("domain") && t.ItemID == r.text("item_id") && t.RunID == r.text("run_id") {
					return t.Long(), nil
				}
			}
			return nil, fail("not_found", "The trace could not be found")
		}},
		"automation/config": config("automation"),
		"script/config":     config("script"),
		"search/related": {Fields: dict{"item_type": need(schema.OneOf("area", "automation", "automation_blueprint",
			"config_entry", "device", "entity", "floor", "group", "integration",
			"label", "person", "scene", "script", "script_blueprint")), "item_id": need(str)}, Do: related},
	}
}

// finding collects what is related.
type finding struct {
	h   *house.House
	out map[string][]string
}

func (f *finding) add(kind string, ids ...string) {
	for _, id := range ids {
		if id != "" && !slices.Contains(f.out[kind], id) {
			f.out[kind] = append(f.out[kind], id)
		}
	}
}

func related(r *Request) (any, error) {
	f := &finding{r.H, map[string][]string{}}
	kind, id := r.text("item_type"), r.text("item_id")
	switch kind {
	case "entity", "automation", "script", "scene", "group", "person":
		f.entity(id, true)
	case "device":
		f.device(id)
		if d := r.H.Device(id); d != nil {
			f.add("label", d.Labels...)
		}
	case "area":
		f.area(id)
	case "floor":
		for _, a := range r.H.Areas {
			if house.Val(a.Floor) == id {
				f.add("area", a.ID)
				f.area(a.ID)
			}
		}
		f.usedBy("floor_id", id)
	case "label":
		for _, e := range r.H.Entities {
			if slices.Contains(e.Labels, id) {
				f.add("entity", e.EntityID)
				f.up(e)
			}
		}
		for _, d := range r.H.Devices {
			if slices.Contains(d.Labels, id) {
				f.add("device", d.ID)
			}
		}
		f.usedBy("label_id", id)
	case "config_entry":
		for _, e := range r.H.Entities {
			if house.Val(e.ConfigEntry) == id {
				f.add("entity", e.EntityID)
				f.up(e)
			}
		}
	}
	f.out[kind] = slices.DeleteFunc(f.out[kind], func(x string) bool { return x == id })
	out := m{}
	for k, ids := range f.out {
		if slices.Sort(ids); len(ids) > 0 {
			out[k] = ids
		}
	}
	return out, nil
}

// up adds where an entity is and what it is part of.
func (f *finding) up(e *house.Entry) {
	f.add("device", house.Val(e.Device))
	f.add("config_entry", house.Val(e.ConfigEntry))
	f.add("integration", e.Platform)
	if room := f.h.RoomOfEntity(e.EntityID); room != "" {
		f.add("area", room)
		f.add("floor", house.Val(f.h.Area(room).Floor))
	}
}

func (f *finding) entity(id string, entry bool) {
	if e := f.h.Entity(id); e != nil {
		f.up(e)
		if entry {
			f.add("label", e.Labels...)
		}
	}
	f.usedBy("entity_id", id)
	for _, g := range f.h.States {
		if members, ok := g.Attributes["entity_id"].([]string); ok && slices.Contains(members, id) && house.Domain(g.EntityID) == "group" {
			f.add("group", g.EntityID)
		}
	}
	x := f.h.Item(id)
	if x == nil {
		return
	}
	for key, kind := range map[string]string{"entity_id": "entity", "device_id": "device", "area_id": "area", "floor_id": "floor", "label_id": "label"} {
		f.add(kind, house.Mentions(x.Body, key)...)
	}
	for _, named := range house.Mentions(x.Body, "entity_id") {
		if e := f.h.Entity(named); e != nil {
			f.up(e)
		}
	}
}

func (f *finding) device(id string) {
	f.usedBy("device_id", id)
	for _, e := range f.h.OfDevice(id) {
		f.add("entity", e.EntityID)
		f.entity(e.EntityID, false)
	}
}

func (f *finding) area(id string) {
	f.usedBy("area_id", id)
	if a := f.h.Area(id); a != nil {
		f.add("label", a.Labels...)
		f.add("floor", house.Val(a.Floor))
	}
	for _, d := range f.h.Devices {
		if f.h.RoomOf(d) == id {
			f.add("device", d.ID)
		}
	}
	for _, e := range f.h.Entities {
		if f.h.RoomOfEntity(e.EntityID) == id {
			f.add("entity", e.EntityID)
			f.usedBy("entity_id", e.EntityID)
			f.add("config_entry", house.Val(e.ConfigEntry))
		}
	}
}

// usedBy adds the automations, scripts and scenes that name an id.
func (f *finding) usedBy(key, id string) {
	for kind, list := range map[string][]*house.Config{"automation": f.h.Automations, "script": f.h.Scripts, "scene": f.h.Scenes} {
		for _, x := range list {
			if slices.Contains(house.Mentions(x.Body, key), id) {
				f.add(kind, x.EntityID)
			}
		}
	}
}
