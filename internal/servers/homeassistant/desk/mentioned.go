package desk

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/house"
)

// Mentioned are the entities that data names, wherever it does: as ids, inside of
// text, by area, floor, label or device, or as "all" of a domain. One that is kept
// from models is an error.
func (v *Visit) Mentioned(ctx context.Context, data any, domain string) (all []*house.Entity, err error) {
	m := mentions{visit: v, domain: domain}
	m.walk("", data)
	if len(m.registered) > 0 {
		ids, err := v.RegistryIDs(ctx)
		if err != nil {
			return nil, err
		}
		for _, id := range m.registered {
			if entity := ids[id]; entity != "" {
				m.ids = append(m.ids, entity)
			}
		}
	}
	for _, id := range m.ids {
		if v.Kept(id) != nil {
			return nil, v.Refuse(id)
		}
	}
	if !m.target.Empty() {
		ids, err := v.extract(ctx, m.target)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if e := v.Kept(id); e != nil {
				return nil, fault.New(fault.Forbidden, "The area, floor, label or device in the data has something in it that is kept from models, so nothing was done. Name the entities one by one.")
			}
		}
		m.ids = append(m.ids, ids...)
	}
	slices.Sort(m.ids)
	for _, id := range slices.Compact(m.ids) {
		if e := v.Entity(id); e != nil {
			all = append(all, e)
		}
	}
	return all, nil
}

// mentions collects what data names.
type mentions struct {
	visit      *Visit
	domain     string
	ids        []string
	target     api.Target
	registered []string // what may be an entity's id in the registry, which actions take, too
}

// entityRule finds what may be an entity's id inside of text, registryRule what may be
// one of the registry, of an entity or a device.
var (
	entityRule   = regexp.MustCompile(`[a-z0-9_]+\.[a-z0-9_]+`)
	registryRule = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
)

func (m *mentions) walk(name string, data any) {
	switch data := data.(type) {
	case map[string]any:
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
	switch name {
	case "area_id":
		add(&m.target.Areas)
	case "floor_id":
		add(&m.target.Floors)
	case "label_id":
		add(&m.target.Labels)
	case "device_id":
		add(&m.target.Devices)
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
	for _, id := range registryRule.FindAllString(text, -1) {
		if m.visit.Device(id) != nil {
			m.target.Devices = append(m.target.Devices, id)
		} else {
			m.registered = append(m.registered, id)
		}
	}
	for _, id := range entityRule.FindAllString(text, -1) {
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
	for _, id := range entityRule.FindAllString(strings.ToLower(text), -1) {
		if v.Kept(id) != nil {
			return "(about something that is kept from models)"
		}
	}
	return text
}
