package control

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type actionsIn struct {
	Domain string `json:"domain,omitempty" jsonschema:"Only of this: light, ..."`
	Query  string `json:"query,omitempty" jsonschema:"Words of name or description."`
	For    string `json:"for_entity,omitempty" jsonschema:"Only what fits this entity."`
	Full   string `json:"full,omitempty" jsonschema:"All about this one: domain.service"`
	kit.PageIn
}

type actionsOut struct {
	Actions kit.Untrusted `json:"actions" jsonschema:"A line each."`
	kit.PageOut
}

func (t Tools) actions(ctx context.Context, c *kit.Call, in actionsIn) (out actionsOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	all, err := s.Services(ctx)
	if err != nil {
		return out, err
	}
	if in.Full != "" {
		domain, name, _ := strings.Cut(in.Full, ".")
		one, there := all[domain][name]
		if !there {
			return out, fault.New(fault.NotFound, "There is no action %q. list_actions with a query finds its name.", in.Full)
		}
		return actionsOut{kit.Untrusted(strings.Join(full(in.Full, one), "\n")), kit.PageOut{Total: 1}}, nil
	}
	var fitting []string
	if in.For != "" {
		v, err := t.Visit(ctx, c)
		if err != nil {
			return out, err
		}
		e, err := v.Find(in.For)
		if err != nil {
			return out, err
		}
		if fitting, err = s.ServicesFor(ctx, api.Target{Entities: []string{e.ID}}); api.Unknown(err) {
			fitting = fallback(all, e.Domain)
		} else if err != nil {
			return out, err
		}
	}
	var lines []string
	for _, domain := range slices.Sorted(maps.Keys(all)) {
		for _, name := range slices.Sorted(maps.Keys(all[domain])) {
			id, one := domain+"."+name, all[domain][name]
			line := show.Row(id, show.Clip(string(one.Name), 60), show.Clip(string(one.Description), 100), takes(one))
			switch {
			case in.Domain != "" && in.Domain != domain,
				in.For != "" && !slices.Contains(fitting, id),
				!t.Everything && desk.Denied(id),
				in.Query != "" && !containsAll(line, in.Query):
				continue
			}
			lines = append(lines, line)
		}
	}
	lines, out.PageOut = kit.Cut(w, lines)
	out.Actions = kit.Untrusted(strings.Join(lines, "\n"))
	return out, nil
}

// fallback are the actions that a version which cannot tell would have named: those
// of the domain that have a target.
func fallback(all map[string]map[string]api.Service, domain string) (ids []string) {
	for name, s := range all[domain] {
		if s.HasTarget() {
			ids = append(ids, domain+"."+name)
		}
	}
	return ids
}

// takes says what calls have to know.
func takes(s api.Service) string {
	var all []string
	if s.HasTarget() {
		all = append(all, "target")
	}
	if s.Response != nil && s.Response.Optional {
		all = append(all, "may answer")
	} else if s.Response != nil {
		all = append(all, "answers")
	}
	return strings.Join(all, ", ")
}

// full is all about an action: a line for each field.
func full(id string, s api.Service) []string {
	lines := []string{show.Row(id, show.Clip(string(s.Name), 60), show.Clip(string(s.Description), 600), takes(s))}
	return append(lines, fields(s.Fields)...)
}

func fields(all map[string]json.RawMessage) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var f api.Field
		if json.Unmarshal(all[name], &f) != nil {
			continue
		}
		if len(f.Fields) > 0 { // a section of fields
			lines = append(lines, fields(f.Fields)...)
			continue
		}
		must := ""
		if f.Required {
			must = "required"
		}
		example := strings.Trim(string(f.Example), `"`)
		if example == "null" {
			example = ""
		}
		lines = append(lines, show.Row("- "+show.Clip(name, 60), show.Clip(string(f.Description), 200), must, selector(f.Selector), show.Clip(example, 80)))
	}
	return lines
}

// selector is the kind of value that a field takes, with its bounds or options.
func selector(all map[string]json.RawMessage) string {
	for kind, raw := range all {
		rest := show.Clip(string(raw), 160)
		if rest == "null" || rest == "{}" {
			rest = ""
		}
		return strings.TrimSpace(show.Clip(kind, 30) + " " + rest)
	}
	return ""
}

func containsAll(text, words string) bool {
	text = strings.ToLower(text)
	for w := range strings.FieldsSeq(strings.ToLower(words)) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
