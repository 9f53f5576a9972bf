package house

import (
	"maps"
	"slices"
	"strings"
)

// Registry is what the house knows of its rooms and things. Lists keep the order in which
// things were added.
type Registry struct {
	Areas      []*Area
	Floors     []*Floor
	Labels     []*Label
	Categories map[string]*[]*Category // by scope
	Devices    []*Device
	Entities   []*Entry
	Entries    []*ConfigEntry
	LegacyShow map[string]Map // exposure of entities that are not registered

	byID     map[string]*Entry
	byDevice map[string][]*Entry
}

func newRegistry() Registry {
	return Registry{Categories: map[string]*[]*Category{}, LegacyShow: map[string]Map{}, byID: map[string]*Entry{}, byDevice: map[string][]*Entry{}}
}

// The nouns of the registries (ref 1.2; frontend src/data/*.ts).
type (
	Area struct {
		ID          string   `json:"area_id"`
		Name        string   `json:"name"`
		Floor       *string  `json:"floor_id"`
		Icon        *string  `json:"icon"`
		Aliases     []string `json:"aliases"`
		Labels      []string `json:"labels"`
		Picture     *string  `json:"picture"`
		Temperature *string  `json:"temperature_entity_id"`
		Humidity    *string  `json:"humidity_entity_id"`
		Created     float64  `json:"created_at"`
		Modified    float64  `json:"modified_at"`
	}
	Floor struct {
		ID       string   `json:"floor_id"`
		Name     string   `json:"name"`
		Level    *int     `json:"level"`
		Icon     *string  `json:"icon"`
		Aliases  []string `json:"aliases"`
		Created  float64  `json:"created_at"`
		Modified float64  `json:"modified_at"`
	}
	// Label has times only inside: config/label_registry.py leaves them out.
	Label struct {
		ID          string  `json:"label_id"`
		Name        string  `json:"name"`
		Icon        *string `json:"icon"`
		Color       *string `json:"color"`
		Description *string `json:"description"`
	}
	Category struct {
		ID       string  `json:"category_id"`
		Name     string  `json:"name"`
		Icon     *string `json:"icon"`
		Created  float64 `json:"created_at"`
		Modified float64 `json:"modified_at"`
	}
	ConfigEntry struct {
		ID, Domain, Title, State string
		Reason, Disabled         *string
		CanRemove, CanUnload     bool
	}
	// Device is one, or a child of one (2026.9: Parent is set).
	Device struct {
		ID, Name, Entry, Maker, Model, Firmware, Serial, Kind string
		ByUser, Area, Via, Parent, Disabled                   *string
		Identifiers, Connections                              [][2]string
		Labels                                                []string
		Created, Modified                                     float64
	}
	// Entry is a registered entity.
	Entry struct {
		ID, EntityID, Platform, Unique, OriginalName  string
		Name, Icon, Device, Area, Disabled, Hidden    *string
		Category, ConfigEntry, Translation, Class, As *string
		HasName                                       bool
		Labels                                        []string
		Aliases                                       []any // null stands for the entity's own name (frontend, entity_registry.ts)
		Options                                       Map
		Categories                                    map[string]string
		Created, Modified                             float64
	}
)

// Find looks an item up by what id says of it.
func Find[T any](list []*T, id func(*T) bool) *T {
	if i := slices.IndexFunc(list, id); i >= 0 {
		return list[i]
	}
	return nil
}

// Area is one by its id, or nil.
func (r *Registry) Area(id string) *Area {
	return Find(r.Areas, func(a *Area) bool { return a.ID == id })
}

// Floor is one by its id, or nil.
func (r *Registry) Floor(id string) *Floor {
	return Find(r.Floors, func(f *Floor) bool { return f.ID == id })
}

// Label is one by its id, or nil.
func (r *Registry) Label(id string) *Label {
	return Find(r.Labels, func(l *Label) bool { return l.ID == id })
}

// Device is one by its id, or nil.
func (r *Registry) Device(id string) *Device {
	return Find(r.Devices, func(d *Device) bool { return d.ID == id })
}

// ConfigEntry is one by its id, or nil.
func (r *Registry) ConfigEntry(id string) *ConfigEntry {
	return Find(r.Entries, func(e *ConfigEntry) bool { return e.ID == id })
}

// Scope is the categories of one kind of thing, such as automations.
func (r *Registry) Scope(name string) *[]*Category {
	if r.Categories[name] == nil {
		r.Categories[name] = &[]*Category{}
	}
	return r.Categories[name]
}

// Entity is the registry's entry of an entity, or nil.
func (r *Registry) Entity(id string) *Entry { return r.byID[id] }

// Add registers an entity.
func (r *Registry) Add(e *Entry) {
	r.Entities = append(r.Entities, e)
	r.byID[e.EntityID] = e
	if e.Device != nil {
		r.byDevice[*e.Device] = append(r.byDevice[*e.Device], e)
	}
}

// Forget takes an entity off the register.
func (r *Registry) Forget(e *Entry) {
	is := func(x *Entry) bool { return x == e }
	r.Entities = slices.DeleteFunc(r.Entities, is)
	delete(r.byID, e.EntityID)
	if e.Device != nil {
		r.byDevice[*e.Device] = slices.DeleteFunc(r.byDevice[*e.Device], is)
	}
}

// Rename gives an entity another id.
func (r *Registry) Rename(e *Entry, id string) {
	delete(r.byID, e.EntityID)
	e.EntityID = id
	r.byID[id] = e
}

// OfDevice are the entities of a device.
func (r *Registry) OfDevice(id string) []*Entry { return r.byDevice[id] }

// RoomOf is the area a device counts to: its own, or its parent's (ref 1.2, Semantics).
func (r *Registry) RoomOf(d *Device) string {
	if d.Area != nil {
		return *d.Area
	}
	if d.Parent != nil {
		if p := r.Device(*d.Parent); p != nil {
			return r.RoomOf(p)
		}
	}
	return ""
}

// RoomOfEntity is the area an entity counts to: its own, or its device's.
func (r *Registry) RoomOfEntity(id string) string {
	e := r.byID[id]
	if e == nil {
		return ""
	}
	if e.Area != nil {
		return *e.Area
	}
	if e.Device != nil {
		if d := r.Device(*e.Device); d != nil {
			return r.RoomOf(d)
		}
	}
	return ""
}

// Shape is a device as config/device_registry/list has it: a child has far fewer members
// (developer blog 2026-08-19, Device registry WebSocket API changes). The members that
// 2027.8 takes away are still there.
func (d *Device) Shape() Map {
	m := Map{"id": d.ID, "config_entry_id": d.Entry, "config_subentry_id": nil, "area_id": d.Area, "name": d.Name, "name_by_user": d.ByUser,
		"labels": append([]string{}, d.Labels...), "identifiers": append([][2]string{}, d.Identifiers...), "disabled_by": d.Disabled,
		"created_at": d.Created, "modified_at": d.Modified}
	if d.Parent != nil {
		m["parent_device_id"] = d.Parent
		return m
	}
	maps.Copy(m, Map{"connections": append([][2]string{}, d.Connections...), "via_device_id": d.Via, "configuration_url": nil,
		"entry_type": Opt(d.Kind), "manufacturer": Opt(d.Maker), "model": Opt(d.Model), "model_id": nil, "hw_version": nil,
		"sw_version": Opt(d.Firmware), "serial_number": Opt(d.Serial), "primary_config_entry": d.Entry,
		"config_entries": []string{d.Entry}, "config_entries_subentries": Map{d.Entry: []any{nil}}})
	return m
}

// Opt is a text that is null when empty.
func Opt(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Ptr is a value that is null unless it is a text.
func Ptr(v any) *string {
	if s, ok := v.(string); ok {
		return &s
	}
	return nil
}

// Val is the text of a member that may be null.
func Val(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// Partial is an entity as config/entity_registry/list has it (ref 1.2, Entry).
func (e *Entry) Partial() Map {
	return Map{"id": e.ID, "entity_id": e.EntityID, "unique_id": e.Unique, "platform": e.Platform, "name": e.Name, "icon": e.Icon,
		"original_name": e.OriginalName, "device_id": e.Device, "area_id": e.Area, "labels": append([]string{}, e.Labels...),
		"disabled_by": e.Disabled, "hidden_by": e.Hidden, "entity_category": e.Category, "has_entity_name": e.HasName,
		"config_entry_id": e.ConfigEntry, "config_subentry_id": nil, "options": e.options(), "translation_key": e.Translation,
		"categories": e.categories(), "created_at": e.Created, "modified_at": e.Modified}
}

// Extended is what get, get_entries and update have.
func (e *Entry) Extended() Map {
	m := e.Partial()
	maps.Copy(m, Map{"aliases": append([]any{}, e.Aliases...), "capabilities": nil, "device_class": e.As, "original_device_class": e.Class,
		"original_icon": nil})
	return m
}

func (e *Entry) options() Map {
	if e.Options == nil {
		return Map{}
	}
	return e.Options
}

func (e *Entry) categories() map[string]string {
	if e.Categories == nil {
		return map[string]string{}
	}
	return e.Categories
}

// Display is an entity in the shortest list (frontend src/data/entity/entity_registry.ts):
// what is empty is left out, the name is the user's or else the original one.
func (e *Entry) Display() Map {
	m := Map{"ei": e.EntityID, "pl": e.Platform, "lb": append([]string{}, e.Labels...)}
	put := func(k string, p *string) {
		if p != nil {
			m[k] = *p
		}
	}
	put("ai", e.Area)
	put("di", e.Device)
	put("ic", e.Icon)
	put("tk", e.Translation)
	if e.Category != nil {
		m["ec"] = slices.Index([]string{"config", "diagnostic"}, *e.Category)
	}
	if e.Hidden != nil {
		m["hb"] = true
	}
	if e.HasName {
		m["hn"] = true
	}
	if name := Val(e.Name); name != "" {
		m["en"] = name
	} else if e.OriginalName != "" {
		m["en"] = e.OriginalName
	}
	if sensor, ok := e.options()["sensor"].(Map); ok && strings.HasPrefix(e.EntityID, "sensor.") {
		if p, has := sensor["suggested_display_precision"]; has {
			m["dp"] = p
		}
	}
	return m
}
