// Package seed fills the fake's house: a small home, and a large one. Only the fake uses it.
package seed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/homeassistant/fake/house"
)

// Tokens of the users in both homes.
const (
	AdminToken = "made-up.long-lived.token-of-ada"
	UserToken  = "made-up.long-lived.token-of-ben"
	GuestToken = "made-up.long-lived.token-of-eve"
)

// thing is an entity to be.
type thing struct {
	id, name, state string
	device, area    string
	attrs           house.Map
	labels          string // between spaces
	as              string // hidden, disabled, config, diagnostic
	plain           bool   // not registered, as entities from YAML without unique_id
}

type builder struct {
	h       *house.House
	at      time.Time
	devices map[string]*house.Device
}

// on makes a supported_features bit set readable.
func on(bits ...int) int {
	n := 0
	for _, b := range bits {
		n |= b
	}
	return n
}

func (b *builder) area(id, name, floor string, aliases ...string) {
	t := house.Seconds(b.at)
	b.h.Areas = append(b.h.Areas, &house.Area{ID: id, Name: name, Floor: house.Opt(floor), Aliases: append([]string{}, aliases...), Labels: []string{}, Created: t, Modified: t})
}

func (b *builder) floor(id, name string, level int) {
	t := house.Seconds(b.at)
	b.h.Floors = append(b.h.Floors, &house.Floor{ID: id, Name: name, Level: &level, Aliases: []string{}, Created: t, Modified: t})
}

func (b *builder) entry(id, domain, title string) {
	b.h.Entries = append(b.h.Entries, &house.ConfigEntry{ID: id, Domain: domain, Title: title, State: "loaded", CanRemove: domain != "sun", CanUnload: true})
}

// device adds one under a key; a parent makes a child of it where the version has those.
func (b *builder) device(key, entry, name, maker, model, area, parent string) {
	t := house.Seconds(b.at)
	d := &house.Device{ID: b.h.Hex(), Name: name, Entry: entry, Maker: maker, Model: model, Area: house.Opt(area), Firmware: "1.4.2",
		Identifiers: [][2]string{{entry, key}}, Created: t, Modified: t}
	if parent != "" {
		d.Parent, d.Maker, d.Model, d.Firmware = &b.devices[parent].ID, "", "", ""
	}
	if parent != "" && !b.h.Modern() { // before child devices the parts belong to the device itself
		b.devices[key] = b.devices[parent]
		return
	}
	b.devices[key] = d
	b.h.Devices = append(b.h.Devices, d)
}

func (b *builder) add(t thing) {
	attrs := house.Map{"friendly_name": t.name}
	maps.Copy(attrs, t.attrs)
	if !t.plain {
		b.register(t, attrs)
	}
	if t.as == "disabled" {
		return
	}
	c := b.h.NewContext(nil, "")
	s := &house.State{EntityID: t.id, State: t.state, Attributes: attrs, Changed: b.at, Reported: b.at, Updated: b.at, Context: c}
	b.h.States[t.id] = s
	b.h.Past[t.id] = []house.State{*s}
}

func (b *builder) register(t thing, attrs house.Map) {
	at := house.Seconds(b.at)
	e := &house.Entry{ID: b.h.Hex(), EntityID: t.id, Platform: "demo", Unique: strings.ReplaceAll(t.id, ".", "-"), OriginalName: t.name,
		Area: house.Opt(t.area), Labels: strings.Fields(t.labels), Aliases: []any{}, Created: at, Modified: at}
	if class, ok := attrs["device_class"].(string); ok {
		e.Class = &class
	}
	if d := b.devices[t.device]; d != nil {
		e.Device, e.ConfigEntry, e.HasName = &d.ID, &d.Entry, true
		e.Platform = b.h.ConfigEntry(d.Entry).Domain
	}
	switch t.as {
	case "hidden":
		e.Hidden = house.Opt("integration")
	case "disabled":
		e.Disabled = house.Opt("user")
	case "config", "diagnostic":
		e.Category = house.Opt(t.as)
	}
	if attrs["device_class"] == "temperature" {
		e.Options = house.Map{"sensor": house.Map{"suggested_display_precision": 1}}
	}
	exposed := slices.Contains([]string{"light", "switch", "climate", "cover", "lock", "fan", "scene", "script", "vacuum"}, house.Domain(t.id))
	if exposed && e.Category == nil && e.Hidden == nil { // homeassistant/exposed_entities.py, DEFAULT_EXPOSED_DOMAINS
		e.Options = house.Map{"conversation": house.Map{"should_expose": true}}
	}
	b.h.Add(e)
}

// past writes earlier states of an entity: value and age, oldest first; the last one stays
// its state.
func (b *builder) past(id string, points ...any) {
	now, s := b.h.Clock.Now(), b.h.States[id]
	var list []house.State
	for i := 0; i < len(points); i += 2 {
		p := *s
		p.State = fmt.Sprint(points[i])
		p.Updated = now.Add(-points[i+1].(time.Duration)).Truncate(time.Millisecond)
		p.Changed, p.Reported, p.Context = p.Updated, p.Updated, b.h.NewContext(nil, "")
		list = append(list, p)
	}
	last := list[len(list)-1]
	b.h.Past[id], b.h.States[id] = list, &last
}

// Users live in every home: one may do all, one no administration, one only looks.
func users(h *house.House) {
	h.Users = []*house.User{
		{ID: "0a11ce00000000000000000000000001", Name: "Ada", Token: AdminToken, Admin: true},
		{ID: "0be9000000000000000000000000b002", Name: "Ben", Token: UserToken},
		{ID: "0e7e000000000000000000000000e003", Name: "Eve", Token: GuestToken, ReadOnly: true},
	}
}
