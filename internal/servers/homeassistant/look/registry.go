package look

import (
	"context"
	"fmt"
	"strings"

	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type registryIn struct {
	Kind  string `json:"kind" jsonschema:"What to list." enum:"areas,floors,labels,devices,integrations"`
	Query string `json:"query,omitempty" jsonschema:"Part of a line."`
	kit.PageIn
}

// registryOut is a page of a registry.
type registryOut struct {
	Columns string        `json:"columns"`
	Rows    kit.Untrusted `json:"rows" jsonschema:"A line each."`
	kit.PageOut
}

func (t Tools) registry(ctx context.Context, c *kit.Call, in registryIn) (out registryOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	var lines []string
	switch in.Kind {
	case "areas":
		out.Columns = "area_id | name | floor | aliases | labels"
		for _, a := range v.House.Areas {
			lines = append(lines, row(a.ID, string(a.Name), v.FloorName(a.ID), strings.Join(a.Aliases, ", "), strings.Join(v.LabelNames(a.Labels), ", ")))
		}
	case "floors":
		out.Columns = "floor_id | name | level | aliases"
		for _, f := range v.House.Floors {
			lines = append(lines, row(f.ID, string(f.Name), string(f.Level), strings.Join(f.Aliases, ", ")))
		}
	case "labels":
		out.Columns = "label_id | name | description | entities"
		count := map[string]int{}
		for _, e := range v.House.Entities {
			for _, l := range e.Labels {
				count[l]++
			}
		}
		for _, l := range v.House.Labels {
			lines = append(lines, row(l.ID, string(l.Name), string(l.Description), fmt.Sprint(count[l.ID])))
		}
	case "devices":
		out.Columns = "device_id | name | area | maker and model | labels | part of | disabled by"
		lines = devices(v)
	case "integrations":
		out.Columns = "entry_id | domain | title | state | reason"
		all, err := v.Integrations(ctx)
		if err != nil {
			return out, err
		}
		for _, i := range all {
			state := string(i.State)
			if i.Disabled != "" {
				state = "disabled"
			}
			lines = append(lines, row(i.ID, string(i.Domain), string(i.Title), state, string(i.Reason)))
		}
	}
	if in.Query != "" {
		lines = containing(lines, in.Query)
	}
	lines, out.PageOut = kit.Cut(w, lines)
	out.Rows = kit.Untrusted(strings.Join(lines, "\n"))
	return out, nil
}

func row(cells ...string) string {
	for i := range cells {
		cells[i] = show.Clip(cells[i], show.Word)
	}
	return show.Row(cells...)
}

// devices are those of which something may be seen. A child device that has no maker
// and model shows its parent's.
func devices(v *desk.Visit) (lines []string) {
	for _, d := range v.House.Devices {
		if !v.SeesDevice(d.ID) {
			continue
		}
		maker, part := d, ""
		if p := v.Device(string(d.Parent)); p != nil {
			part = p.Called()
			if d.Manufacturer == "" && d.Model == "" {
				maker = *p
			}
		}
		lines = append(lines, row(d.ID, d.Called(), v.AreaName(v.DeviceArea(d.ID)), made(maker), strings.Join(v.LabelNames(d.Labels), ", "), part, string(d.Disabled)))
	}
	return lines
}

func made(d api.Device) string {
	return strings.TrimSpace(string(d.Manufacturer) + " " + string(d.Model))
}

func containing(lines []string, query string) (found []string) {
	for _, l := range lines {
		if strings.Contains(strings.ToLower(l), strings.ToLower(query)) {
			found = append(found, l)
		}
	}
	return found
}
