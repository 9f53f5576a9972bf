package look

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

// SearchIn are the arguments of search_entities.
type SearchIn struct {
	Query   string   `json:"query,omitempty" jsonschema:"Words of name, area, kind."`
	Domains []string `json:"domain,omitempty" jsonschema:"light, sensor, ..."`
	Area    string   `json:"area,omitempty" jsonschema:"Id or name."`
	Label   string   `json:"label,omitempty" jsonschema:"Id or name."`
	Class   string   `json:"device_class,omitempty" jsonschema:"temperature, motion, ..."`
	State   string   `json:"state,omitempty" jsonschema:"Exactly."`
	Since   string   `json:"changed_since,omitempty" jsonschema:"A time, or -2h."`
	Fields  []string `json:"fields,omitempty" jsonschema:"More columns: attributes, labels, device."`
	kit.PageIn
}

// Row is an entity in an answer.
type Row struct {
	ID    string   `json:"entity_id"`
	Name  string   `json:"name"`
	Area  string   `json:"area,omitempty"`
	State string   `json:"state"`
	Since string   `json:"for,omitempty"`
	More  []string `json:"more,omitempty"`
}

func (r Row) line() string {
	return show.Row(append([]string{r.ID, r.Name, r.Area, r.State, r.Since}, r.More...)...)
}

// Found is what a search found. Names and states come from outside.
type Found struct {
	Entities []Row `json:"entities"`
	kit.PageOut
	Missing []string `json:"missing,omitempty"`

	visit *desk.Visit
	say   string
}

// Plain is a line for each entity, for a resource.
func (f Found) Plain() string {
	lines := make([]string, len(f.Entities))
	for i, r := range f.Entities {
		lines[i] = r.line()
	}
	return strings.Join(lines, "\n")
}

// Text is a table.
func (f Found) Text() string {
	head := fmt.Sprintf("%d of %d", len(f.Entities), f.Total)
	if len(f.Entities) > 0 {
		head += ": entity_id | name | area | state | for"
	}
	lines := make([]string, len(f.Entities))
	for i, r := range f.Entities {
		lines[i] = r.line()
	}
	text := head + f.say + f.visit.Table(lines)
	for _, m := range f.Missing {
		text += "\nmissing: " + m
	}
	if f.NextCursor != "" {
		text += "\nnext_cursor: " + f.NextCursor
	}
	return text
}

// Search finds entities.
func (t Tools) Search(ctx context.Context, c *kit.Call, in SearchIn) (out Found, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	f := house.Filter{Query: in.Query, Domains: in.Domains, Class: in.Class, State: in.State}
	if in.Since != "" {
		if f.Since, err = show.Moment("changed_since", in.Since, v.Now, time.Time{}, v.Zone); err != nil {
			return out, err
		}
	}
	if in.Area != "" {
		if f.Area, err = v.One("area", in.Area); err != nil {
			return out, err
		}
	}
	if in.Label != "" {
		if f.Label, err = v.One("label", in.Label); err != nil {
			return out, err
		}
	}
	found := v.Search(f)
	if len(found) == 0 && in.Query != "" {
		if found, err = byAlias(ctx, v, f); err != nil {
			return out, err
		}
	}
	rows := make([]Row, len(found))
	for i, e := range found {
		rows[i] = rowOf(v, e, in.Fields)
	}
	rows, page := kit.Cut(w, rows)
	return Found{Entities: rows, PageOut: page, visit: v}, nil
}

// byAlias searches once more with the aliases that the voice assistant knows, which
// no list has.
func byAlias(ctx context.Context, v *desk.Visit, f house.Filter) ([]*house.Entity, error) {
	without := f
	without.Query, without.Extra = "", true
	var ids []string
	for _, e := range v.Search(without) {
		if e.Platform != "" {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	entries, err := v.Entries(ctx, ids)
	if err != nil {
		return nil, err
	}
	f.Aliases = map[string][]string{}
	for id, e := range entries {
		f.Aliases[id] = e.Aliases.Texts
	}
	return v.Search(f), nil
}

// rowOf is an entity as a row, with more columns.
func rowOf(v *desk.Visit, e *house.Entity, fields []string) Row {
	r := Row{ID: e.ID, Name: show.Clip(e.Name, show.Word), Area: show.Clip(v.AreaName(e.Area), show.Word), State: show.State(e.State),
		Since: show.Since(e.State.LastChanged.Time, v.Now)}
	for _, f := range fields {
		value := ""
		switch f {
		case "labels":
			value = strings.Join(v.LabelNames(e.Labels), ", ")
		case "device":
			if d := v.Device(e.Device); d != nil {
				value = d.Called()
			}
		case "floor":
			value = v.FloorName(e.Area)
		case "entity_id", "name", "area", "state":
			continue
		default:
			if !secret(f) {
				value = show.Hide(strings.Trim(string(e.State.Attributes[f]), `"`))
			}
		}
		if value != "" {
			r.More = append(r.More, show.Clip(f, 40)+"="+show.Clip(value, 200))
		}
	}
	return r
}

// StatesIn are the arguments of get_states.
type StatesIn struct {
	Target     []string `json:"target" jsonschema:"Entity ids or names, or area:, floor:, label:, device: with a name." min:"1" max:"50"`
	Attributes string   `json:"attributes,omitempty" jsonschema:"key without it." enum:"none,key,all"`
	kit.PageIn
}

// States reads states.
func (t Tools) States(ctx context.Context, c *kit.Call, in StatesIn) (out Found, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	var known []string
	for _, word := range in.Target {
		if _, err := v.House.Target([]string{word}); err != nil {
			out.Missing = append(out.Missing, fault.PublicOf(err))
			continue
		}
		known = append(known, word)
	}
	if len(known) == 0 {
		return out, fault.New(fault.NotFound, "%s", strings.Join(out.Missing, "\n"))
	}
	found, err := v.Resolve(ctx, known, nil)
	if err != nil {
		return out, err
	}
	rows := make([]Row, len(found.Entities))
	for i, e := range found.Entities {
		rows[i] = rowOf(v, e, nil)
		switch in.Attributes {
		case "none":
			rows[i].State = show.Clip(string(e.State.State), show.Word)
		case "all":
			rows[i].More = attributes(e)
		}
	}
	if found.Left > 0 {
		out.Missing = append(out.Missing, fmt.Sprintf("%d more are kept from models", found.Left))
	}
	out.visit = v
	out.Entities, out.PageOut = kit.Cut(w, rows)
	return out, nil
}

// secret tells attributes that open something: access_token and entity_picture of
// cameras, entity_picture_local of players, and what integrations add of the kind.
func secret(attribute string) bool {
	attribute = strings.ToLower(attribute)
	return strings.HasPrefix(attribute, "entity_picture") || slices.ContainsFunc([]string{"token", "passw", "secret", "api_key", "apikey", "credential"}, func(s string) bool { return strings.Contains(attribute, s) })
}

const mostAttribute = 600

// attributes are all of an entity, by name, each clipped.
func attributes(e *house.Entity) (all []string) {
	for name, raw := range e.State.Attributes {
		if name != "friendly_name" && name != "icon" && !secret(name) {
			all = append(all, show.Clip(name, 60)+"="+show.Clip(show.Hide(strings.Trim(string(raw), `"`)), mostAttribute))
		}
	}
	slices.Sort(all)
	return all
}
