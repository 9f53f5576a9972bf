package upkeep

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type healthIn struct {
	Sections []string `json:"sections,omitempty" jsonschema:"logs, repairs, updates, backups, integrations; all without it."`
}

type healthOut struct {
	Version string        `json:"version"`
	State   string        `json:"state"`
	Report  kit.Untrusted `json:"report"`
}

var sections = []string{"logs", "repairs", "updates", "backups", "integrations"}

const mostProblems = 25

func (t Tools) health(ctx context.Context, c *kit.Call, in healthIn) (out healthOut, err error) {
	for _, s := range in.Sections {
		if !slices.Contains(sections, s) {
			return out, fault.New(fault.Invalid, "sections has a word that is none of %s. Use these.", strings.Join(sections, ", "))
		}
	}
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	out.Version, out.State = show.Clip(string(v.About.Version), 20), show.Clip(string(v.About.State), 20)
	var report []string
	for _, s := range sections {
		if len(in.Sections) > 0 && !slices.Contains(in.Sections, s) {
			continue
		}
		lines, err := section(ctx, v, s)
		switch {
		case api.Denied(err):
			lines = []string{"for administrators only"}
		case api.Unknown(err):
			lines = []string{"not offered by this installation"}
		case err != nil:
			return out, err
		case len(lines) == 0:
			lines = []string{"nothing"}
		}
		report = append(append(report, s+":"), lines...)
	}
	out.Report = kit.Untrusted(show.Fit(report))
	return out, nil
}

func section(ctx context.Context, v *desk.Visit, name string) (lines []string, err error) {
	switch name {
	case "logs":
		all, err := v.Problems(ctx)
		for _, p := range all[:min(len(all), mostProblems)] {
			lines = append(lines, show.Row(show.Time(p.At.Time, v.Zone), show.Clip(string(p.Level), 10), fmt.Sprintf("%dx", p.Count), show.Clip(string(p.Name), 80), show.Clip(v.Mask(strings.Join(p.Message, " ")), 240)))
		}
		return lines, err
	case "repairs":
		all, err := v.Repairs(ctx)
		for _, r := range all {
			if !r.Ignored {
				lines = append(lines, show.Row(show.Clip(string(r.Severity), 20), show.Clip(string(r.Domain), 40), show.Clip(string(r.Key), 80), show.Clip(string(r.ID), 80), breaks(r)))
			}
		}
		return lines, err
	case "updates":
		for _, e := range v.Of(func(e *house.Entity) bool { return e.Domain == "update" && e.State.State == "on" }) {
			a := e.State.Attributes
			lines = append(lines, show.Row(e.ID, show.Clip(a.Text("title"), 60), show.Clip(a.Text("installed_version")+" -> "+a.Text("latest_version"), 60)))
		}
		return lines, nil
	case "backups":
		b, err := v.Backups(ctx)
		if err != nil {
			return nil, err
		}
		lines = append(lines, "state "+show.Clip(string(b.State), 30)+", last automatic "+show.Clip(string(b.Last), 40))
		slices.SortFunc(b.All, func(a, b api.Backup) int { return b.Date.Compare(a.Date.Time) })
		for _, one := range b.All[:min(len(b.All), 5)] {
			lines = append(lines, show.Row(show.Time(one.Date.Time, v.Zone), show.Clip(string(one.Name), 80), show.Clip(string(one.ID), 40)))
		}
		return lines, nil
	}
	all, err := v.Integrations(ctx)
	for _, i := range all {
		if i.State != "loaded" && i.Disabled == "" {
			lines = append(lines, show.Row(i.ID, show.Clip(string(i.Domain), 40), show.Clip(string(i.Title), 60), show.Clip(string(i.State), 30), show.Clip(string(i.Reason), 200)))
		}
	}
	return lines, err
}

func breaks(r api.Repair) string {
	if r.Breaks == "" {
		return ""
	}
	return "breaks in " + show.Clip(string(r.Breaks), 20)
}

type renderIn struct {
	Template string `json:"template" jsonschema:"Jinja." max:"20000"`
	Timeout  int    `json:"timeout,omitempty" jsonschema:"Seconds; 5 without it." min:"1" max:"20"`
}

type renderOut struct {
	Result kit.Untrusted `json:"result"`
	Reads  []string      `json:"reads,omitempty" jsonschema:"What it looked at."`
}

// render renders a template. Home Assistant tells what it looked at, so that nothing
// that is kept from models is shown by it.
func (t Tools) render(ctx context.Context, c *kit.Call, in renderIn) (out renderOut, err error) {
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	within := time.Duration(in.Timeout) * time.Second
	if in.Timeout == 0 {
		within = 5 * time.Second
	}
	if _, err := v.Mentioned(ctx, in.Template, ""); err != nil {
		return out, err
	}
	r, err := v.Render(ctx, in.Template, within)
	if err != nil {
		return out, err
	}
	if r.Error != "" {
		return out, fault.New(fault.Invalid, "Home Assistant cannot render the template: it has a mistake, or names what there is not. Correct it; try it in pieces.")
	}
	if sees(v, r) {
		return out, fault.New(fault.Forbidden, "The template looks at something that is kept from models, so its result is not shown. Name the entities one by one instead of walking through all.")
	}
	result := strings.TrimSpace(string(r.Result))
	if strings.HasPrefix(result, `"`) {
		var text api.Text
		_ = text.UnmarshalJSON(r.Result) // never fails
		result = string(text)
	}
	out.Result = kit.Untrusted(show.Cut(v.Mask(result), show.TextRoom))
	for _, id := range r.Listeners.Entities {
		out.Reads = append(out.Reads, show.Clip(id, show.Word))
	}
	out.Reads = out.Reads[:min(len(out.Reads), 50)]
	return out, nil
}

// sees tells whether a template looked at what is kept from models.
func sees(v *desk.Visit, r api.Rendered) bool {
	if r.Listeners.All && len(v.KeptOf("homeassistant")) > 0 {
		return true
	}
	for _, domain := range r.Listeners.Domains {
		if len(v.KeptOf(domain)) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(r.Listeners.Entities, func(id string) bool { return v.Kept(id) != nil })
}
