package house

import (
	"maps"
	"slices"
	"strings"
)

// Targeted is what a target refers to (helpers/target.py).
type Targeted struct {
	Named, Found                           []string // entities: by their id, by anything else
	Devices, Areas                         []string
	NoDevices, NoAreas, NoFloors, NoLabels []string
}

// All are the entities, whichever way they were meant.
func (t Targeted) All() []string {
	all := set(t.Named)
	maps.Copy(all, set(t.Found))
	return slices.Sorted(maps.Keys(all))
}

func set(list []string) map[string]bool {
	m := map[string]bool{}
	for _, s := range list {
		m[s] = true
	}
	return m
}

// Resolve finds what a checked target refers to. As in helpers/target.py: hidden entities
// are left out wherever they were not named, configuration and diagnostic ones wherever
// they come by device, area or floor; disabled ones come along by area and label, where
// the index has them, and not by device. With secondary, configuration and diagnostic ones
// come along.
func (h *House) Resolve(target Map, groups, secondary bool) Targeted {
	list := func(k string) []string {
		l, _ := target[k].([]string)
		if slices.Equal(l, []string{"none"}) {
			return nil
		}
		return l
	}
	var t Targeted
	named := list("entity_id")
	if groups {
		named = h.Expand(named)
	}
	t.Named = named
	devices, areas, found := map[string]bool{}, set(list("area_id")), map[string]bool{}
	for _, id := range list("floor_id") {
		if h.Floor(id) == nil {
			t.NoFloors = append(t.NoFloors, id)
		}
		for _, a := range h.Areas {
			if Val(a.Floor) == id {
				areas[a.ID] = true
			}
		}
	}
	for _, id := range list("area_id") {
		if h.Area(id) == nil {
			t.NoAreas = append(t.NoAreas, id)
		}
	}
	for _, id := range list("device_id") {
		if h.Device(id) == nil {
			t.NoDevices = append(t.NoDevices, id)
			devices[id] = true
			continue
		}
		h.withChildren(id, devices)
	}
	for _, id := range list("label_id") {
		h.byLabel(id, &t, devices, areas, found)
	}
	h.expand(devices, areas, found, secondary)
	t.Found = slices.Sorted(maps.Keys(found))
	t.Devices, t.Areas = slices.Sorted(maps.Keys(devices)), slices.Sorted(maps.Keys(areas))
	return t
}

func (h *House) byLabel(id string, t *Targeted, devices, areas, found map[string]bool) {
	if h.Label(id) == nil {
		t.NoLabels = append(t.NoLabels, id)
	}
	for _, e := range h.Entities {
		if e.Hidden == nil && slices.Contains(e.Labels, id) {
			found[e.EntityID] = true
		}
	}
	for _, d := range h.Devices {
		if slices.Contains(d.Labels, id) {
			h.withChildren(d.ID, devices)
		}
	}
	for _, a := range h.Areas {
		if slices.Contains(a.Labels, id) {
			areas[a.ID] = true
		}
	}
}

func (h *House) withChildren(id string, devices map[string]bool) {
	devices[id] = true
	for _, d := range h.Devices {
		if Val(d.Parent) == id {
			devices[d.ID] = true
		}
	}
}

func (h *House) expand(devices, areas, found map[string]bool, secondary bool) {
	primary := func(e *Entry) bool { return e.Hidden == nil && (secondary || e.Category == nil) }
	for id := range devices {
		for _, e := range h.OfDevice(id) {
			if primary(e) && e.Disabled == nil {
				found[e.EntityID] = true
			}
		}
	}
	if len(areas) == 0 {
		return
	}
	for _, d := range h.Devices {
		if room := h.RoomOf(d); room == "" || !areas[room] {
			continue
		}
		devices[d.ID] = true
		for _, e := range h.OfDevice(d.ID) {
			if primary(e) && e.Area == nil && e.Disabled == nil {
				found[e.EntityID] = true
			}
		}
	}
	for _, e := range h.Entities {
		if e.Area != nil && areas[*e.Area] && primary(e) {
			found[e.EntityID] = true
		}
	}
}

// Expand replaces groups of the group integration by their members.
func (h *House) Expand(ids []string) []string {
	out := []string{}
	for _, id := range ids {
		members, ok := []string(nil), false
		if s := h.States[id]; s != nil && strings.HasPrefix(id, "group.") {
			members, ok = s.Attributes["entity_id"].([]string)
		}
		if !ok {
			members = []string{id}
		}
		for _, m := range members {
			if !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}
