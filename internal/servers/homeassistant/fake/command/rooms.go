package command

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

var (
	opt     = may(schema.OrNull(str))
	colors  = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	anyList = may(schema.List(schema.Any))
	strs    = may(schema.Strings)
	icon    = may(schema.OrNull(func(v any) (any, *schema.Invalid) {
		if s, ok := v.(string); ok && regexp.MustCompile(`^[\w-]+:[\w-]+$`).MatchString(s) {
			return s, nil
		}
		return nil, schema.Fail(`Icons should be specified in the form "prefix:name"`)
	}))
	hex = may(schema.OrNull(func(v any) (any, *schema.Invalid) {
		if s, ok := v.(string); ok && colors.MatchString(s) {
			return s, nil
		}
		return nil, schema.Fail("Color should be in the format #RRGGBB")
	}))
)

// kind is one of the registries of areas, floors, labels and categories, which differ in
// little (config/area_registry.py, floor_registry.py, label_registry.py,
// category_registry.py).
type kind[T any] struct {
	noun, key string // "area", "area_id"
	gone      string // what a delete of something unknown is told
	deleted   any    // what a delete answers
	fields    dict
	scope     bool // of categories
	list      func(r *Request) *[]*T
	id, name  func(*T) *string
	apply     func(r *Request, x *T)
	forget    func(h *house.House, id string)
}

func (k kind[T]) table(t Table) {
	base, scope, key := "config/"+k.noun+"_registry/", dict{}, dict{k.key: need(str)}
	if k.scope {
		scope = dict{"scope": need(str)}
	}
	t[base+"list"] = Command{Fields: scope, Do: func(r *Request) (any, error) { return append([]*T{}, *k.list(r)...), nil }}
	t[base+"create"] = Command{Admin: true, Fields: k.fields.Plus(scope, dict{"name": need(str)}), Do: func(r *Request) (any, error) {
		if err := k.free(r, nil); err != nil {
			return nil, err
		}
		x := new(T)
		list := k.list(r)
		id := house.Free(house.Slug(r.text("name")), func(id string) bool { return k.find(r, id) != nil })
		if k.scope {
			id = r.H.ULID()
		}
		*k.id(x) = id
		k.apply(r, x)
		*list = append(*list, x)
		k.fire(r, "create", id)
		return x, nil
	}}
	t[base+"update"] = Command{Admin: true, Fields: k.fields.Plus(scope, key, dict{"name": may(str)}), Do: func(r *Request) (any, error) {
		x := k.find(r, r.text(k.key))
		if x == nil { // the registry's KeyError is caught by nobody but for labels' ValueError
			return nil, fail("unknown_error", "Unknown error")
		}
		if err := k.free(r, x); err != nil {
			return nil, err
		}
		k.apply(r, x)
		k.fire(r, "update", *k.id(x))
		return x, nil
	}}
	t[base+"delete"] = Command{Admin: true, Fields: key.Plus(scope), Do: func(r *Request) (any, error) {
		x := k.find(r, r.text(k.key))
		if x == nil {
			return nil, fail("invalid_info", k.gone)
		}
		list := k.list(r)
		*list = slices.DeleteFunc(*list, func(y *T) bool { return x == y })
		k.forget(r.H, *k.id(x))
		k.fire(r, "remove", *k.id(x))
		return k.deleted, nil
	}}
}

func (k kind[T]) find(r *Request, id string) *T {
	return house.Find(*k.list(r), func(x *T) bool { return *k.id(x) == id })
}

// free refuses a name that another one has (helpers/normalized_name_base_registry.py).
func (k kind[T]) free(r *Request, self *T) error {
	name := r.text("name")
	for _, x := range *k.list(r) {
		if name != "" && x != self && normal(*k.name(x)) == normal(name) {
			return fail("invalid_info", "The name "+name+" ("+normal(name)+") is already in use")
		}
	}
	return nil
}

func normal(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "") }

func (k kind[T]) fire(r *Request, action, id string) {
	data := m{"action": action, k.key: id}
	if k.scope {
		data["scope"] = r.Msg["scope"]
	}
	r.H.Fire(k.noun+"_registry_updated", data, r.H.NewContext(nil, ""))
}

// put writes a member that was sent, which null clears.
func (r *Request) put(k string, dst **string) {
	if r.has(k) {
		*dst = house.Ptr(r.Msg[k])
	}
}

func (r *Request) puts(k string, dst *[]string) {
	if r.has(k) {
		*dst = schema.Texts(r.Msg[k])
		if l, ok := r.Msg[k].([]string); ok {
			*dst = l
		}
	}
	if *dst == nil {
		*dst = []string{}
	}
}

func (r *Request) rename(dst *string) {
	if r.has("name") {
		*dst = r.text("name")
	}
}

func (r *Request) now(created, modified *float64) {
	if *modified = house.Seconds(r.H.Clock.Now()); *created == 0 {
		*created = *modified
	}
}

func rooms() Table {
	t := Table{}
	kind[house.Area]{noun: "area", key: "area_id", gone: "Area ID doesn't exist", deleted: "success",
		fields: dict{"aliases": anyList, "floor_id": opt, "humidity_entity_id": opt, "temperature_entity_id": opt, "icon": opt, "picture": opt, "labels": strs},
		list:   func(r *Request) *[]*house.Area { return &r.H.Areas },
		id:     func(a *house.Area) *string { return &a.ID }, name: func(a *house.Area) *string { return &a.Name },
		apply: func(r *Request, a *house.Area) {
			r.rename(&a.Name)
			for k, p := range map[string]**string{"floor_id": &a.Floor, "icon": &a.Icon, "picture": &a.Picture,
				"temperature_entity_id": &a.Temperature, "humidity_entity_id": &a.Humidity} {
				r.put(k, p)
			}
			r.puts("aliases", &a.Aliases)
			r.puts("labels", &a.Labels)
			r.now(&a.Created, &a.Modified)
		}, forget: func(h *house.House, id string) {
			for _, d := range h.Devices {
				clearIf(&d.Area, id)
			}
			for _, e := range h.Entities {
				clearIf(&e.Area, id)
			}
		}}.table(t)
	kind[house.Floor]{noun: "floor", key: "floor_id", gone: "Floor ID doesn't exist",
		fields: dict{"aliases": anyList, "icon": opt, "level": may(schema.OrNull(schema.Int))},
		list:   func(r *Request) *[]*house.Floor { return &r.H.Floors },
		id:     func(f *house.Floor) *string { return &f.ID }, name: func(f *house.Floor) *string { return &f.Name },
		apply: func(r *Request, f *house.Floor) {
			r.rename(&f.Name)
			r.put("icon", &f.Icon)
			r.puts("aliases", &f.Aliases)
			if n, ok := r.Msg["level"].(int); ok {
				f.Level = &n
			} else if r.has("level") {
				f.Level = nil
			}
			r.now(&f.Created, &f.Modified)
		}, forget: func(h *house.House, id string) {
			for _, a := range h.Areas {
				clearIf(&a.Floor, id)
			}
		}}.table(t)
	kind[house.Label]{noun: "label", key: "label_id", gone: "Label ID doesn't exist",
		fields: dict{"color": hex, "description": opt, "icon": icon},
		list:   func(r *Request) *[]*house.Label { return &r.H.Labels },
		id:     func(l *house.Label) *string { return &l.ID }, name: func(l *house.Label) *string { return &l.Name },
		apply: func(r *Request, l *house.Label) {
			r.rename(&l.Name)
			r.put("color", &l.Color)
			r.put("description", &l.Description)
			r.put("icon", &l.Icon)
		}, forget: func(h *house.House, id string) {
			drop := func(l *[]string) { *l = slices.DeleteFunc(slices.Clone(*l), func(s string) bool { return s == id }) }
			for _, e := range h.Entities {
				drop(&e.Labels)
			}
			for _, d := range h.Devices {
				drop(&d.Labels)
			}
			for _, a := range h.Areas {
				drop(&a.Labels)
			}
		}}.table(t)
	kind[house.Category]{noun: "category", key: "category_id", gone: "Category ID doesn't exist", deleted: "success", scope: true,
		fields: dict{"icon": icon},
		list:   func(r *Request) *[]*house.Category { return r.H.Scope(r.text("scope")) },
		id:     func(c *house.Category) *string { return &c.ID }, name: func(c *house.Category) *string { return &c.Name },
		apply: func(r *Request, c *house.Category) {
			r.rename(&c.Name)
			r.put("icon", &c.Icon)
			r.now(&c.Created, &c.Modified)
		}, forget: func(h *house.House, id string) {
			for _, e := range h.Entities {
				maps.DeleteFunc(e.Categories, func(_, c string) bool { return c == id })
			}
		}}.table(t)
	return t
}

func clearIf(p **string, id string) {
	if house.Val(*p) == id {
		*p = nil
	}
}
