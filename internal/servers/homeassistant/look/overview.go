package look

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

// OverviewIn are the arguments of get_overview.
type OverviewIn struct {
	Area string `json:"area,omitempty" jsonschema:"Only this one, with its entities."`
	Full bool   `json:"full,omitempty" jsonschema:"Name what needs attention."`
}

// OverviewOut is an overview.
type OverviewOut struct {
	Version   string        `json:"version"`
	State     string        `json:"state,omitempty" jsonschema:"Unless it runs as it should."`
	Location  kit.Untrusted `json:"location"`
	Now       string        `json:"now" jsonschema:"In the house."`
	Entities  int           `json:"entities"`
	Domains   string        `json:"domains"`
	Areas     kit.Untrusted `json:"areas,omitempty" jsonschema:"id | name | floor | entities | of them on"`
	In        kit.Untrusted `json:"in_area,omitempty"`
	Attention kit.Untrusted `json:"attention,omitempty"`
}

// Overview tells what there is.
func (t Tools) Overview(ctx context.Context, c *kit.Call, in OverviewIn) (out OverviewOut, err error) {
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	all := v.House.Entities
	area := ""
	if in.Area != "" {
		if area, err = v.One("area", in.Area); err != nil {
			return out, err
		}
		all = v.Of(func(e *house.Entity) bool { return e.Area == area })
	}
	out = OverviewOut{Version: show.Clip(string(v.About.Version), 20), Location: kit.Untrusted(show.Clip(string(v.About.Name), show.Word)),
		Now: show.Time(v.Now, v.Zone), Entities: len(all), Domains: domains(all)}
	if s := string(v.About.State); s != "RUNNING" || v.About.SafeMode {
		out.State = show.Clip(s, 20)
		if v.About.SafeMode {
			out.State += ", safe mode"
		}
	}
	if area == "" {
		out.Areas = kit.Untrusted(strings.Join(areas(v), "\n"))
	} else {
		out.In = kit.Untrusted(strings.Join(inArea(v, all), "\n"))
	}
	lines := attention(all, in.Full)
	if area == "" {
		repairs, err := v.Repairs(ctx)
		if err == nil && len(repairs) > 0 {
			lines = append(lines, fmt.Sprintf("repairs: %d (get_system_health)", len(repairs)))
		} else if err != nil && fault.CodeOf(err) != fault.Forbidden && fault.CodeOf(err) != fault.Unavailable {
			return out, err
		}
	}
	out.Attention = kit.Untrusted(strings.Join(lines, "\n"))
	return out, nil
}

// domains counts entities by domain, most first.
func domains(all []*house.Entity) string {
	count := map[string]int{}
	for _, e := range all {
		count[e.Domain]++
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fmt.Sprintf("%s %d", show.Clip(n, 40), count[n])
	}
	return strings.Join(parts, ", ")
}

// switched are domains of which it says something that they are on.
var switched = []string{"light", "switch", "fan", "media_player", "climate", "humidifier", "input_boolean"}

// On tells whether something is on, as people would say.
func On(e *house.Entity) bool {
	if e.Gone() || !slices.Contains(switched, e.Domain) {
		return false
	}
	return !slices.Contains([]string{"off", "idle", "standby"}, string(e.State.State))
}

const mostAreas = 60

func areas(v *desk.Visit) (lines []string) {
	type count struct{ all, on int }
	counts := map[string]count{}
	for _, e := range v.House.Entities {
		n := counts[e.Area]
		n.all++
		if On(e) {
			n.on++
		}
		counts[e.Area] = n
	}
	for _, a := range v.House.Areas {
		n := counts[a.ID]
		lines = append(lines, show.Row(a.ID, show.Clip(string(a.Name), show.Word), show.Clip(v.FloorName(a.ID), show.Word), fmt.Sprint(n.all), fmt.Sprint(n.on)))
	}
	if len(lines) > mostAreas {
		lines = append(lines[:mostAreas], fmt.Sprintf("... %d more: list_registry", len(lines)-mostAreas))
	}
	if n := counts[""]; n.all > 0 {
		lines = append(lines, show.Row("(no area)", "", "", fmt.Sprint(n.all), fmt.Sprint(n.on)))
	}
	return lines
}

const mostInArea = 60

// inArea are the entities of an area, without settings and diagnoses.
func inArea(v *desk.Visit, all []*house.Entity) (lines []string) {
	more := 0
	for _, e := range all {
		switch {
		case e.Hidden || e.Extra:
		case len(lines) >= mostInArea:
			more++
		default:
			lines = append(lines, line(v, e))
		}
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("... %d more: search_entities with this area", more))
	}
	return lines
}

// line is an entity without its area.
func line(v *desk.Visit, e *house.Entity) string {
	return show.Row(e.ID, show.Clip(e.Name, show.Word), show.State(e.State), show.Since(e.State.LastChanged.Time, v.Now))
}

// attention is what somebody should look at: a line for each kind, with names where
// full.
func attention(all []*house.Entity, full bool) (lines []string) {
	kinds := []struct {
		name string
		is   func(*house.Entity) bool
	}{
		{"alarming", func(e *house.Entity) bool {
			return e.Domain == "binary_sensor" && e.State.State == "on" && slices.Contains([]string{"smoke", "gas", "carbon_monoxide", "moisture", "safety", "tamper"}, e.Class())
		}},
		{"problem", func(e *house.Entity) bool {
			return e.Domain == "binary_sensor" && e.State.State == "on" && e.Class() == "problem"
		}},
		{"unavailable", func(e *house.Entity) bool { return e.State.State == "unavailable" && !e.Hidden }},
		{"low battery", LowBattery},
		{"updates", func(e *house.Entity) bool { return e.Domain == "update" && e.State.State == "on" }},
	}
	most := 3
	if full {
		most = 25
	}
	for _, kind := range kinds {
		var names []string
		n := 0
		for _, e := range all {
			if !kind.is(e) {
				continue
			}
			if n++; n <= most {
				names = append(names, e.ID)
			}
		}
		if n == 0 {
			continue
		}
		if n > most {
			names = append(names, "...")
		}
		lines = append(lines, fmt.Sprintf("%s: %d (%s)", kind.name, n, strings.Join(names, ", ")))
	}
	return lines
}

const lowBattery = 20 // percent

// LowBattery tells an empty battery.
func LowBattery(e *house.Entity) bool {
	if e.Class() != "battery" {
		return false
	}
	if e.Domain == "binary_sensor" {
		return e.State.State == "on"
	}
	var n float64
	_, err := fmt.Sscanf(string(e.State.State), "%g", &n)
	return e.Domain == "sensor" && err == nil && n < lowBattery
}
