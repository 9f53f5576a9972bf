// Package house is a house as Home Assistant describes it at one moment: areas,
// floors, labels, devices and entities joined with their states.
//
// An entity's area is its own, else its device's, else that of the device's parent;
// its labels are its own, its device's and its area's, as in Home Assistant's own
// targets. What the operator or the owner keeps from models (Policy, and the label
// ai_blocked) is not in the house: nothing that walks through it finds it.
//
// Package desk builds houses, the tools read them. Nothing here asks anybody.
package house

import (
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/kit"
)

// The labels that the owner of a house gives to what models must leave alone, and to
// what a person is always asked about.
const (
	LabelBlocked = "ai_blocked"
	LabelConfirm = "ai_confirm"
)

// Policy is what the operator lets models see and touch.
type Policy struct {
	Entities kit.Targets
	Exposed  map[string]bool // nil: not only what is exposed to the voice assistant
}

// House is one moment. It does not change.
type House struct {
	About    api.Config
	Areas    []api.Area
	Floors   []api.Floor
	Labels   []api.Label
	Devices  []api.Device
	Entities []*Entity // sorted by id; only those that may be seen

	byID    map[string]*Entity
	kept    map[string]*Entity // from models
	devices map[string]*api.Device
	areas   map[string]*api.Area
	floors  map[string]*api.Floor
	named   map[string]string // labels: id to name

	seen, unseen map[string]bool // devices: some of their entities may be seen, some not
}

// Entity is an entity with what it belongs to.
type Entity struct {
	ID       string
	Domain   string
	Name     string
	Area     string // id; "" for none
	Device   string // id
	Labels   []string
	Platform string
	Hidden   bool // people chose not to see it
	Extra    bool // a setting or a diagnosis
	Has      bool // there is a state
	Why      Reason
	State    api.State
}

// Class is its device class.
func (e *Entity) Class() string { return e.State.Attributes.Text("device_class") }

// Gone tells that nobody knows its state.
func (e *Entity) Gone() bool {
	return !e.Has || e.State.State == "unavailable" || e.State.State == "unknown"
}

// Members are the entities that a group stands for.
func (e *Entity) Members() []string { return e.State.Attributes.Texts("entity_id") }

// Reason is why an entity is kept from models.
type Reason string

// The reasons.
const (
	Visible   Reason = ""
	Blocked   Reason = "blocked"     // by its label
	NotListed Reason = "not listed"  // by the operator's lists
	Unexposed Reason = "not exposed" // to the voice assistant, where only that is allowed
)

// New builds a house.
func New(r *api.Registries, states []api.State, p Policy) *House {
	h := &House{About: r.Config, Areas: slices.Clone(r.Areas), Floors: slices.Clone(r.Floors), Labels: slices.Clone(r.Labels), Devices: r.Devices,
		byID: map[string]*Entity{}, kept: map[string]*Entity{}, devices: map[string]*api.Device{}, areas: map[string]*api.Area{}, floors: map[string]*api.Floor{}, named: map[string]string{}, seen: map[string]bool{}, unseen: map[string]bool{}}
	for i := range h.Areas {
		h.areas[h.Areas[i].ID] = &h.Areas[i]
	}
	for i := range h.Floors {
		h.floors[h.Floors[i].ID] = &h.Floors[i]
	}
	for _, l := range h.Labels {
		h.named[l.ID] = string(l.Name)
	}
	for i := range h.Devices {
		h.devices[h.Devices[i].ID] = &h.Devices[i]
	}
	known := make(map[string]*api.Listed, len(r.Entities))
	for i := range r.Entities {
		known[r.Entities[i].ID] = &r.Entities[i]
	}
	for _, s := range states {
		h.add(known[s.ID], s, true, p)
		delete(known, s.ID)
	}
	for id, l := range known {
		h.add(l, api.State{ID: id}, false, p)
	}
	slices.SortFunc(h.Entities, func(a, b *Entity) int { return strings.Compare(a.ID, b.ID) })
	return h
}

// add joins one entity; l is nil where it is in no registry.
func (h *House) add(l *api.Listed, s api.State, has bool, p Policy) {
	e := &Entity{ID: s.ID, Domain: api.DomainOf(s.ID), State: s, Has: has, Name: s.Attributes.Text("friendly_name")}
	if l != nil {
		e.Area, e.Device, e.Platform, e.Hidden, e.Extra = string(l.Area), string(l.Device), string(l.Platform), l.IsHidden(), l.IsExtra()
		e.Labels = slices.Clone(l.Labels)
		if e.Name == "" {
			e.Name = string(l.Name)
		}
	}
	for _, d := range h.Lineage(e.Device) {
		if e.Area == "" {
			e.Area = string(d.Area)
		}
		e.Labels = append(e.Labels, d.Labels...)
	}
	if a := h.areas[e.Area]; a != nil {
		e.Labels = append(e.Labels, a.Labels...)
	}
	slices.Sort(e.Labels)
	e.Labels = slices.Compact(e.Labels)
	if e.Why = h.reason(e, p); e.Why != Visible {
		h.kept[e.ID] = e
		h.unseen[e.Device] = true
		return
	}
	h.byID[e.ID] = e
	h.seen[e.Device] = true
	h.Entities = append(h.Entities, e)
}

// most parents that a device is followed to: a ring would have no end.
const mostParents = 8

// Lineage is a device, its parent, and so on.
func (h *House) Lineage(device string) (all []*api.Device) {
	for d := h.devices[device]; d != nil && len(all) < mostParents; d = h.devices[string(d.Parent)] {
		all = append(all, d)
	}
	return all
}

func (h *House) reason(e *Entity, p Policy) Reason {
	switch {
	case h.labelled(e.Labels, LabelBlocked):
		return Blocked
	case !p.Entities.Allows(e.ID):
		return NotListed
	case p.Exposed != nil && !p.Exposed[e.ID]:
		return Unexposed
	}
	return Visible
}

// labelled tells whether one of labels is the one meant, by its id or its name.
func (h *House) labelled(labels []string, meant string) bool {
	return slices.ContainsFunc(labels, func(id string) bool { return id == meant || Slug(h.named[id]) == meant })
}

// Slug is how Home Assistant makes an id of a name, near enough to compare.
func Slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(name)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	return strings.TrimSuffix(b.String(), "_")
}

// Entity finds an entity that may be seen.
func (h *House) Entity(id string) *Entity { return h.byID[id] }

// Kept finds an entity that is kept from models: for the question what else an action
// would reach, and never to show it.
func (h *House) Kept(id string) *Entity { return h.kept[id] }

// KeptOf are the entities of a domain that are kept from models; of "homeassistant",
// whose actions are for all domains, all of them.
func (h *House) KeptOf(domain string) (all []string) {
	for id, e := range h.kept {
		if e.Domain == domain || domain == "homeassistant" {
			all = append(all, id)
		}
	}
	return all
}

// Confirm tells that a person is always asked about an entity.
func (h *House) Confirm(e *Entity) bool { return h.labelled(e.Labels, LabelConfirm) }

// Device finds a device.
func (h *House) Device(id string) *api.Device { return h.devices[id] }

// SeesDevice tells whether a device may be seen: not if it is blocked itself, or all
// of its entities are kept from models.
func (h *House) SeesDevice(id string) bool {
	for _, d := range h.Lineage(id) {
		if h.labelled(d.Labels, LabelBlocked) {
			return false
		}
	}
	return h.seen[id] || !h.unseen[id]
}

// Area finds an area.
func (h *House) Area(id string) *api.Area { return h.areas[id] }

// AreaName is the name of an area; "" for none.
func (h *House) AreaName(id string) string {
	if a := h.areas[id]; a != nil {
		return string(a.Name)
	}
	return id
}

// FloorName is the name of the floor of an area; "" for none.
func (h *House) FloorName(area string) string {
	a := h.areas[area]
	if a == nil || a.Floor == "" {
		return ""
	}
	if f := h.floors[string(a.Floor)]; f != nil {
		return string(f.Name)
	}
	return string(a.Floor)
}

// DeviceArea is the area of a device, its own or its parent's.
func (h *House) DeviceArea(id string) string {
	for _, d := range h.Lineage(id) {
		if d.Area != "" {
			return string(d.Area)
		}
	}
	return ""
}

// LabelNames are the names of labels.
func (h *House) LabelNames(ids []string) (names []string) {
	for _, id := range ids {
		if name := h.named[id]; name != "" {
			id = name
		}
		names = append(names, id)
	}
	return names
}

// Of are the entities that f chooses.
func (h *House) Of(f func(*Entity) bool) (all []*Entity) {
	for _, e := range h.Entities {
		if f(e) {
			all = append(all, e)
		}
	}
	return all
}
