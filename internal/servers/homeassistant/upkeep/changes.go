package upkeep

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/show"
)

// lines are what changes.
func (e *edit) lines() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(e.members)) {
		if was, is := word(e.before[name]), word(e.members[name]); was != is {
			all = append(all, name+": "+was+" -> "+is)
		}
	}
	if e.expose != nil {
		all = append(all, fmt.Sprintf("exposed: %s -> %t", word(e.before["exposed"]), *e.expose))
	}
	return all
}

func word(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case []string:
		if len(v) == 0 {
			return "-"
		}
		return show.Clip(strings.Join(v, ", "), 300)
	}
	return show.Clip(fmt.Sprint(v), 300)
}

func (e *edit) target() string {
	if e.id == "" {
		return "a new " + e.kind
	}
	return e.kind + " " + e.id
}

// back are the changes that take these back.
func (e *edit) back() map[string]any {
	names := map[string]string{"name": "name", "name_by_user": "name", "area_id": "area", "floor_id": "floor", "labels": "labels", "icon": "icon", "aliases": "aliases", "new_entity_id": "new_entity_id"}
	changes := map[string]any{}
	for member := range e.members {
		was := e.before[member]
		if member == "disabled_by" {
			changes["disabled"] = was != nil
		} else if was == nil {
			changes[names[member]] = ""
		} else {
			changes[names[member]] = was
		}
	}
	if e.expose != nil {
		changes["exposed"] = e.before["exposed"]
	}
	return changes
}
