package desk

import (
	"context"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit/pattern"
)

// Steps, in the place of a domain, says that the data is a configuration, in which each
// step has its own.
const Steps = "steps"

// Mentioned are the entities that data names, wherever it does: as ids, inside of
// text, by area, floor, label or device, or as "all" of a domain. One that is kept
// from models is an error.
func (v *Visit) Mentioned(ctx context.Context, data any, domain string) (all []*house.Entity, err error) {
	named, placed, err := v.named(ctx, data, domain)
	if err != nil {
		return nil, err
	}
	for _, id := range named {
		if v.Kept(id) != nil {
			return nil, v.Refuse(id)
		}
	}
	for _, id := range placed {
		if v.Kept(id) != nil {
			return nil, fault.New(fault.Forbidden, "The area, floor, label or device in the data has something in it that is kept from models, so nothing was done. Name the entities one by one.")
		}
	}
	for _, id := range distinct(named, placed) {
		if e := v.Entity(id); e != nil {
			all = append(all, e)
		}
	}
	return all, nil
}

// named are the entities that data names, and those of the places that it names; those
// that are kept from models too.
func (v *Visit) named(ctx context.Context, data any, domain string) (named, placed []string, err error) {
	m := mentions{visit: v, domain: domain, targets: map[string]*api.Target{}}
	if domain == Steps {
		m.domain, m.steps = "homeassistant", true
	}
	m.walk("", data)
	if len(m.registered) > 0 {
		ids, err := v.RegistryIDs(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, id := range m.registered {
			if entity := ids[id]; entity != "" {
				m.ids = append(m.ids, entity)
			}
		}
	}
	for domain, target := range m.targets {
		ids, err := v.extract(ctx, *target)
		if err != nil {
			return nil, nil, err
		}
		if slices.Contains(ownDomains, domain) {
			ids = slices.DeleteFunc(ids, func(id string) bool { return api.DomainOf(id) != domain })
		}
		placed = append(placed, ids...)
	}
	return m.ids, placed, nil
}

// ownDomains are those whose actions move, of a place, only entities of the domain.
var ownDomains = []string{"alarm_control_panel", "button", "climate", "cover", "fan", "humidifier", "input_boolean", "lawn_mower", "light", "lock", "media_player", "number",
	"select", "siren", "switch", "vacuum", "valve", "water_heater"}

func distinct(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}

// mentions collects what data names.
type mentions struct {
	visit      *Visit
	domain     string // of the action whose data it is
	steps      bool   // it is a configuration, whose steps have actions of their own
	ids        []string
	targets    map[string]*api.Target // places, by the domain of the action they are for
	registered []string               // what may be an entity's id in the registry, which actions take, too
}

// dottedRule finds words with dots between them, in which entities' ids stand
// (states.light.hall.state); registryRule what may be an id of the registry, of an
// entity or a device.
var (
	dottedRule   = pattern.New(`[a-z0-9_]+(?:\.[a-z0-9_]+)+`)
	registryRule = pattern.New(`\b[0-9a-f]{32}\b`)
)

// idsIn are the words of a text that may be ids of entities.
func idsIn(text string) (ids []string) {
	for _, chain := range dottedRule().FindAllString(strings.ToLower(text), -1) {
		words := strings.Split(chain, ".")
		for i := range words[1:] {
			ids = append(ids, words[i]+"."+words[i+1])
		}
	}
	return ids
}

// stepOf is the domain of the one action that a step of a configuration names; "" where
// it is none.
func stepOf(step map[string]any) (domain string) {
	for _, k := range actionNames {
		action, _ := step[k].(string)
		switch {
		case action == "":
		case domain != "" || isTemplate(action) || !strings.Contains(action, "."):
			return ""
		default:
			domain = api.DomainOf(strings.ToLower(strings.TrimSpace(action)))
		}
	}
	return domain
}

func (m *mentions) walk(name string, data any) {
	switch data := data.(type) {
	case map[string]any:
		if domain := stepOf(data); m.steps && domain != "" { // what is in it is its data
			defer func(was string) { m.domain, m.steps = was, true }(m.domain)
			m.domain, m.steps = domain, false
		}
		for k, one := range data {
			m.text("", k) // scene.apply has entities as names of members
			m.walk(k, one)
		}
	case []any:
		for _, one := range data {
			m.walk(name, one)
		}
	case string:
		m.text(name, data)
	}
}

// text reads one text, in lower case, as which Home Assistant takes ids.
func (m *mentions) text(name, text string) {
	text = strings.ToLower(text)
	add := func(to *[]string) {
		for one := range strings.SplitSeq(text, ",") {
			*to = append(*to, strings.TrimSpace(one))
		}
	}
	target := m.targets[m.domain]
	if target == nil {
		target = &api.Target{}
		m.targets[m.domain] = target
	}
	switch name {
	case "area_id":
		add(&target.Areas)
	case "floor_id":
		add(&target.Floors)
	case "label_id":
		add(&target.Labels)
	case "device_id":
		add(&target.Devices)
	case "entity_id":
		if text == "all" {
			for _, e := range m.visit.House.Entities {
				if e.Domain == m.domain || m.domain == "homeassistant" {
					m.ids = append(m.ids, e.ID)
				}
			}
			m.ids = append(m.ids, m.visit.KeptOf(m.domain)...)
		}
	}
	for _, id := range registryRule().FindAllString(text, -1) {
		if m.visit.Device(id) != nil {
			target.Devices = append(target.Devices, id)
		} else {
			m.registered = append(m.registered, id)
		}
	}
	for _, id := range idsIn(text) {
		if m.visit.Entity(id) != nil || m.visit.Kept(id) != nil {
			m.ids = append(m.ids, id)
		}
	}
}

// Mask takes what opens the pictures of cameras out of text that the house made: it
// stands in their attributes, which templates and traces show. What names something
// that is kept from models is not shown either.
func (v *Visit) Mask(text string) string {
	for _, e := range v.Of(func(e *house.Entity) bool { return e.State.Attributes["access_token"] != nil }) {
		if token := e.State.Attributes.Text("access_token"); len(token) > 4 {
			text = strings.ReplaceAll(text, token, "***")
		}
	}
	if text = show.Hide(text); v.Tells(text) {
		return "(about something that is kept from models)"
	}
	return text
}

// Tells tells whether a text names something that is kept from models.
func (v *Visit) Tells(text string) bool {
	return slices.ContainsFunc(idsIn(text), func(id string) bool { return v.Kept(id) != nil })
}
