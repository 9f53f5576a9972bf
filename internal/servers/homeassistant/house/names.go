package house

import (
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
)

// Target reads what a call names: entity ids, or names of entities, areas, floors,
// labels and devices, with a kind before them ("area:Kitchen") or without. What the
// house does not have, or has twice, is refused.
func (h *House) Target(words []string) (t api.Target, err error) {
	for _, word := range words {
		kind, name, said := strings.Cut(word, ":")
		kind, name = strings.ToLower(strings.TrimSpace(kind)), strings.TrimSpace(name)
		if !said || !slices.Contains(kinds, kind) {
			kind, name = "", strings.TrimSpace(word)
		}
		if err := h.aim(&t, kind, name); err != nil {
			return t, err
		}
	}
	return t, nil
}

var kinds = []string{"entity", "area", "floor", "label", "device"}

// aim adds one name to a target.
func (h *House) aim(t *api.Target, kind, name string) error {
	if (kind == "" || kind == "entity") && h.byID[name] != nil {
		t.Entities = append(t.Entities, name)
		return nil
	}
	if h.kept[name] != nil {
		return h.Refuse(name)
	}
	var found []hit
	for _, k := range kinds {
		if kind == "" || kind == k {
			found = append(found, h.find(k, name)...)
		}
	}
	// A place goes before a thing of the same name: "kitchen" is the area, not a
	// light that is called like it.
	if i := slices.IndexFunc(found, func(f hit) bool { return f.kind == "area" }); kind == "" && i >= 0 && len(found) > 1 {
		found = found[i : i+1]
	}
	switch {
	case len(found) == 0:
		return fault.New(fault.NotFound, "There is nothing called %q here%s. search_entities finds entities, list_registry areas, floors, labels and devices.", name, of(kind))
	case len(found) > 1:
		var all []string
		for _, f := range found[:min(len(found), 8)] {
			all = append(all, f.kind+":"+f.id)
		}
		return fault.New(fault.Invalid, "%q is the name of several things. Choose from %s.", name, strings.Join(all, ", "))
	}
	f := found[0]
	to := map[string]*[]string{"entity": &t.Entities, "area": &t.Areas, "floor": &t.Floors, "label": &t.Labels, "device": &t.Devices}[f.kind]
	if !slices.Contains(*to, f.id) {
		*to = append(*to, f.id)
	}
	return nil
}

func of(kind string) string {
	if kind == "" {
		return ""
	}
	return " (" + kind + ")"
}

// Refuse is the error about an entity that is kept from models, or not there.
func (h *House) Refuse(id string) error {
	switch h.why(id) {
	case Blocked:
		return fault.New(fault.Forbidden, "%s has the label %s, so that no model may see or touch it. The owner can take the label off in Home Assistant.", id, LabelBlocked)
	case NotListed:
		return fault.New(fault.Forbidden, "%s is left out by the operator's lists. The operator can change HASS_ENTITIES or HASS_ENTITIES_DENY.", id)
	case Unexposed:
		return fault.New(fault.Forbidden, "%s is not exposed to the voice assistant, and HASS_SCOPE is exposed. The owner can expose it in Home Assistant under Settings, Voice assistants, Expose.", id)
	}
	return fault.New(fault.NotFound, "There is no entity %s. search_entities finds entities by their names.", id)
}

func (h *House) why(id string) Reason {
	if e := h.kept[id]; e != nil {
		return e.Why
	}
	return Visible
}

// hit is something with the name that was looked for.
type hit struct{ kind, id string }

// find looks for things of a kind by id, name or alias, without regard to case.
func (h *House) find(kind, name string) (found []hit) {
	add := func(id string, names ...string) {
		if strings.EqualFold(id, name) || slices.ContainsFunc(names, func(n string) bool { return n != "" && strings.EqualFold(n, name) }) {
			found = append(found, hit{kind, id})
		}
	}
	switch kind {
	case "entity":
		for _, e := range h.Entities {
			add(e.ID, e.Name)
		}
	case "area":
		for _, a := range h.Areas {
			add(a.ID, append([]string{string(a.Name)}, a.Aliases...)...)
		}
	case "floor":
		for _, f := range h.Floors {
			add(f.ID, append([]string{string(f.Name)}, f.Aliases...)...)
		}
	case "label":
		for _, l := range h.Labels {
			add(l.ID, string(l.Name))
		}
	case "device":
		for _, d := range h.Devices {
			add(d.ID, d.Called(), string(d.Name))
		}
	}
	return found
}

// One finds one thing of a kind and gives its id.
func (h *House) One(kind, name string) (string, error) {
	var t api.Target
	if err := h.aim(&t, kind, name); err != nil {
		return "", err
	}
	all := slices.Concat(t.Entities, t.Areas, t.Floors, t.Labels, t.Devices)
	return all[0], nil
}

// Resolve does for an installation that cannot (before 2025.11) what
// extract_from_target does: the entities of a target. As there, those that an area,
// floor, label or device stands for are without hidden ones, settings and diagnoses.
// What is kept from models is among them: an action would reach it.
func (h *House) Resolve(t api.Target) []string {
	ids := slices.Clone(t.Entities)
	for _, e := range slices.AppendSeq(slices.Clone(h.Entities), maps.Values(h.kept)) {
		area := h.areas[e.Area]
		meant := slices.Contains(t.Areas, e.Area) || area != nil && slices.Contains(t.Floors, string(area.Floor)) ||
			slices.ContainsFunc(e.Labels, func(l string) bool { return slices.Contains(t.Labels, l) }) ||
			slices.ContainsFunc(h.Lineage(e.Device), func(d *api.Device) bool { return slices.Contains(t.Devices, d.ID) })
		if meant && !e.Hidden && !e.Extra {
			ids = append(ids, e.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
