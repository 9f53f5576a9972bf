package past

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type logbookIn struct {
	Target []string `json:"target,omitempty" jsonschema:"As in get_states; everything without it."`
	Start  string   `json:"start,omitempty" jsonschema:"A time; -24h without it."`
	End    string   `json:"end,omitempty" jsonschema:"Now without it."`
	kit.PageIn
}

type logbookOut struct {
	Entries kit.Untrusted `json:"entries" jsonschema:"when | what | became | by"`
	kit.PageOut
}

func (t Tools) logbook(ctx context.Context, c *kit.Call, in logbookIn) (out logbookOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	from, to, err := span(v, in.Start, in.End)
	if err != nil {
		return out, err
	}
	var ids []string
	if len(in.Target) > 0 {
		found, err := v.Resolve(ctx, in.Target, nil)
		if err != nil {
			return out, err
		}
		for _, e := range found.Entities {
			ids = append(ids, e.ID)
		}
		if len(ids) == 0 { // which would mean everything
			return out, nil
		}
	}
	if in.End == "" { // the house's clock may be ahead of ours
		to = to.Add(time.Minute)
	}
	all, err := v.Logbook(ctx, ids, from, to)
	if err != nil {
		return out, err
	}
	lines := entries(v, all)
	slices.Reverse(lines)
	lines, out.PageOut = kit.Cut(w, lines)
	out.Entries = kit.Untrusted(strings.Join(lines, "\n"))
	return out, nil
}

// entries are the lines of a logbook without what is kept from models.
func entries(v *desk.Visit, all []api.LogEntry) (lines []string) {
	for _, e := range all {
		if v.Kept(string(e.ID)) != nil || v.Kept(string(e.ByEntity)) != nil || v.Tells(string(e.Message)+" "+string(e.BySource)) {
			continue
		}
		what := cmp.Or(string(e.ID), string(e.Domain))
		if name := show.Clip(string(e.Name), 60); name != "" && e.ID == "" {
			what += " " + name
		}
		lines = append(lines, show.Row(show.Exact(e.When.Time, v.Zone), show.Clip(what, show.Word), show.Clip(cmp.Or(string(e.Message), string(e.State)), show.Word), cause(e)))
	}
	return lines
}

// cause is what an entry came from.
func cause(e api.LogEntry) string {
	switch {
	case e.ByEntity != "" && e.ByEntity != e.ID:
		text := string(e.ByEntity)
		if e.BySource != "" {
			text += " on " + string(e.BySource)
		}
		return show.Clip(text, show.Word)
	case e.ByService != "" && e.ByUser != "":
		return show.Clip(fmt.Sprintf("a user, by %s.%s", e.ByDomain, e.ByService), show.Word)
	case e.ByService != "":
		return show.Clip(fmt.Sprintf("%s.%s", e.ByDomain, e.ByService), show.Word)
	case e.ByUser != "":
		return "a user"
	case e.ByEvent != "":
		return show.Clip("event "+string(e.ByEvent), show.Word)
	case e.BySource != "":
		return show.Clip(string(e.BySource), show.Word)
	}
	return ""
}

type explainIn struct {
	Entity string `json:"entity_id" jsonschema:"Id or name."`
	At     string `json:"at,omitempty" jsonschema:"A time; now without it."`
}

type explainOut struct {
	Entity  string        `json:"entity_id"`
	State   kit.Untrusted `json:"state"`
	Since   string        `json:"since,omitempty"`
	By      string        `json:"by,omitempty"`
	Changes kit.Untrusted `json:"changes" jsonschema:"when | what | became | by"`
	Related kit.Untrusted `json:"related,omitempty" jsonschema:"What can change it."`
	Runs    kit.Untrusted `json:"runs,omitempty" jsonschema:"Of these."`
}

// How much explain_state looks at.
const (
	explainTime  = 24 * time.Hour
	mostChanges  = 12
	mostRuns     = 6
	mostExplored = 8 // automations and scripts whose traces are read
)

// explain joins the logbook, what is related, and the runs of it around the change.
func (t Tools) explain(ctx context.Context, c *kit.Call, in explainIn) (out explainOut, err error) {
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	e, err := v.Find(in.Entity)
	if err != nil {
		return out, err
	}
	at, err := show.Moment("at", in.At, v.Now, v.Now, v.Zone)
	if err != nil {
		return out, err
	}
	out = explainOut{Entity: e.ID, State: kit.Untrusted(show.State(e.State)), Since: show.Exact(e.State.LastChanged.Time, v.Zone)}
	from := at.Add(-explainTime)
	if in.At == "" && e.State.LastChanged.Before(from) && e.State.LastChanged.Year() > 1970 {
		from = e.State.LastChanged.Add(-time.Hour)
	}
	all, err := v.Logbook(ctx, []string{e.ID}, from, at.Add(time.Minute))
	if err != nil {
		return out, err
	}
	lines := entries(v, all)
	slices.Reverse(lines)
	out.Changes = kit.Untrusted(strings.Join(lines[:min(len(lines), mostChanges)], "\n"))
	related, err := v.Related(ctx, "entity", e.ID)
	if err != nil && !api.Denied(err) && !api.Unknown(err) {
		return out, err
	}
	var can []string
	for _, kind := range []string{"automation", "script", "scene", "group"} {
		can = append(can, related[kind]...)
	}
	can = slices.DeleteFunc(can, func(id string) bool { return v.Kept(id) != nil })
	out.Related = kit.Untrusted(list(v, can))
	runs, by := t.runs(ctx, v, can, e.State.Context, from, at)
	out.Runs = kit.Untrusted(strings.Join(runs, "\n"))
	out.By = cmp.Or(by, chain(e.State.Context))
	return out, nil
}

// chain is what the context of a state alone tells.
func chain(c api.Context) string {
	switch {
	case c.User != "":
		return "a user, or a program with a user's token"
	case c.Parent != "":
		return "an automation or script"
	}
	return "the device or its integration"
}

func list(v *desk.Visit, ids []string) string {
	var lines []string
	for _, id := range ids {
		if e := v.Entity(id); e != nil {
			lines = append(lines, show.Row(id, show.Clip(e.Name, 60), show.State(e.State)))
		}
	}
	return strings.Join(lines[:min(len(lines), 20)], "\n")
}

// runs are the runs of automations and scripts in a time, newest first; by is the one
// whose context the state has.
func (t Tools) runs(ctx context.Context, v *desk.Visit, ids []string, c api.Context, from, to time.Time) (lines []string, by string) {
	type run struct {
		of string
		api.Trace
	}
	var all []run
	for _, id := range ids[:min(len(ids), mostExplored)] {
		e := v.Entity(id)
		if e == nil || e.Domain != "automation" && e.Domain != "script" {
			continue
		}
		item := cmp.Or(e.State.Attributes.Text("id"), strings.TrimPrefix(e.ID, e.Domain+"."))
		traces, err := v.Traces(ctx, e.Domain, item)
		if err != nil { // for administrators only; the rest is an answer, too
			v.Call.Log.DebugContext(ctx, "traces not read", "error", err)
			break
		}
		for _, one := range traces {
			if one.Time.Start.After(from) && one.Time.Start.Before(to) {
				all = append(all, run{id, one})
			}
			if one.Context.ID != "" && (one.Context.ID == c.ID || one.Context.ID == c.Parent) {
				by = id + ", run " + show.Clip(string(one.RunID), 40)
			}
		}
	}
	slices.SortFunc(all, func(a, b run) int { return b.Time.Start.Compare(a.Time.Start.Time) })
	for _, r := range all[:min(len(all), mostRuns)] {
		lines = append(lines, show.Row(show.Exact(r.Time.Start.Time, v.Zone), r.of, show.Clip(string(r.RunID), 40), show.Clip(string(r.Execution), 40), show.Clip(strings.Trim(string(r.Trigger), `"`), 100)))
	}
	return lines, by
}
