// Package automations has the tools about automations, scripts and scenes: what there
// is, how it is made, how it ran, and changes of it.
//
// What runs later runs without anybody: a configuration is looked through before it is
// saved, and a person approves what moves locks and the like, what is chosen by
// templates and blueprints, and what the owner has labelled. The version before a change is kept
// (package versions). The homeassistant server offers the tools.
package automations

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/lenient"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/homeassistant/versions"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct {
	*desk.Desk
	Versions *versions.Store
}

// All are the tools.
func (t Tools) All() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_automations", "List Automations", "List automations, or scripts and scenes.", t.list),
		kit.Read("get_automation", "Get Automation", "Read the configuration of an automation, script or scene, its last runs and kept versions.", t.Get),
		kit.WithPreview(kit.Write("save_automation", "Save Automation", "Make or change an automation, script or scene. The version before is kept; restore takes it back. Risky ones are asked about.", t.save), t.previewSave).Idempotent().Undoable().Within(desk.Slow),
		kit.WithPreview(kit.Destroy("delete_automation", "Delete Automation", "Delete an automation, script or scene. A person approves it.", t.remove), t.previewRemove).Undoable(),
		kit.Read("get_trace", "Get Trace", "Read how an automation or script ran, step by step.", t.trace),
	}
}

// The kinds.
var kinds = []string{"automation", "script", "scene"}

// itemIn names an automation, script or scene.
type itemIn struct {
	Kind string `json:"kind,omitempty" jsonschema:"automation without it." enum:"automation,script,scene"`
	ID   string `json:"id" jsonschema:"Its id, or entity_id."`
}

// item is an automation, script or scene that there is.
type item struct {
	*desk.Visit
	kind   string
	id     string        // of the editor
	entity *house.Entity // nil where there is none (yet)
}

func (i item) String() string { return i.kind + " " + i.id }

// find looks an item up. One that is kept from models is refused; one without an
// entity may be there all the same.
func (t Tools) find(ctx context.Context, c *kit.Call, in itemIn) (i item, err error) {
	if i.Visit, err = t.Visit(ctx, c); err != nil {
		return i, err
	}
	i.kind, i.id = cmp.Or(in.Kind, "automation"), in.ID
	if domain := api.DomainOf(in.ID); strings.Contains(in.ID, ".") && slices.Contains(kinds, domain) {
		i.kind = domain
		e, err := i.Find(in.ID)
		if err != nil {
			return i, err
		}
		i.entity = e
		i.id, err = idOf(ctx, i.Visit, e)
		return i, err
	}
	for _, kept := range i.KeptOf(i.kind) {
		e := i.Kept(kept)
		if e.State.Attributes.Text("id") == in.ID || kept == i.kind+"."+in.ID {
			return i, i.Refuse(kept)
		}
	}
	for _, e := range i.Of(func(e *house.Entity) bool { return e.Domain == i.kind }) {
		if e.State.Attributes.Text("id") == in.ID || e.ID == i.kind+"."+in.ID || strings.EqualFold(e.Name, in.ID) {
			i.entity = e
			i.id, err = idOf(ctx, i.Visit, e)
			return i, err
		}
	}
	return i, nil
}

// idOf is the id of the editor for an entity: an attribute of automations and scenes,
// for scripts the unique id.
func idOf(ctx context.Context, v *desk.Visit, e *house.Entity) (string, error) {
	if id := e.State.Attributes.Text("id"); id != "" {
		return id, nil
	}
	own := strings.TrimPrefix(e.ID, e.Domain+".")
	if e.Platform == "" {
		return own, nil
	}
	entry, err := v.Entry(ctx, e.ID)
	if err != nil && api.CodeOf(err) != "not_found" {
		return "", err
	}
	return cmp.Or(string(entry.Unique), own), nil
}

type listIn struct {
	Query string   `json:"query,omitempty" jsonschema:"Words."`
	Area  string   `json:"area,omitempty" jsonschema:"Id or name."`
	State string   `json:"state,omitempty" jsonschema:"Of automations." enum:"on,off"`
	Kinds []string `json:"kinds,omitempty" jsonschema:"automation, script, scene; automation without it."`
	kit.PageIn
}

type listOut struct {
	Rows kit.Untrusted `json:"rows" jsonschema:"entity_id | name | state | last run | mode | id"`
	kit.PageOut
}

func (t Tools) list(ctx context.Context, c *kit.Call, in listIn) (out listOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	f := house.Filter{Query: in.Query, Domains: in.Kinds, State: in.State, Extra: true}
	if len(f.Domains) == 0 {
		f.Domains = kinds[:1]
	}
	for _, k := range f.Domains {
		if !slices.Contains(kinds, k) {
			return out, fault.New(fault.Invalid, "kinds has a word that is none of automation, script, scene. Use these.")
		}
	}
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	if in.Area != "" {
		if f.Area, err = v.One("area", in.Area); err != nil {
			return out, err
		}
	}
	var lines []string
	for _, e := range v.Search(f) {
		a := e.State.Attributes
		last := show.Time(lenient.ParseTime(a.Text("last_triggered")), v.Zone)
		if e.Domain == "scene" {
			last = show.Time(lenient.ParseTime(string(e.State.State)), v.Zone)
			e.State.State = ""
		}
		lines = append(lines, show.Row(e.ID, show.Clip(e.Name, show.Word), show.Clip(string(e.State.State), 30), cmp.Or(last, "never"), show.Clip(a.Text("mode"), 20), show.Clip(a.Text("id"), 60)))
	}
	lines, out.PageOut = kit.Cut(w, lines)
	out.Rows = kit.Untrusted(strings.Join(lines, "\n"))
	return out, nil
}

// GetIn are the arguments of get_automation.
type GetIn struct {
	itemIn
	Traces  int    `json:"with_traces,omitempty" jsonschema:"So many of its last runs; 3 without it." max:"20"`
	Version string `json:"version,omitempty" jsonschema:"A kept one instead."`
}

// Named are the arguments for one item.
func Named(kind, id, version string) GetIn { return GetIn{itemIn{kind, id}, 0, version} }

// GetOut is an automation, script or scene.
type GetOut struct {
	Kind     string        `json:"kind"`
	ID       string        `json:"id"`
	Entity   string        `json:"entity_id,omitempty"`
	Editable bool          `json:"editable" jsonschema:"Not in a YAML package."`
	Config   kit.Untrusted `json:"config" jsonschema:"JSON"`
	Runs     kit.Untrusted `json:"runs,omitempty" jsonschema:"run_id | when | how it ended | last step | trigger"`
	Versions []string      `json:"versions,omitempty" jsonschema:"version, when"`
}

const defaultTraces = 3

// Get reads an item.
func (t Tools) Get(ctx context.Context, c *kit.Call, in GetIn) (out GetOut, err error) {
	i, err := t.find(ctx, c, in.itemIn)
	if err != nil {
		return out, err
	}
	out = GetOut{Kind: i.kind, ID: i.id}
	if i.entity != nil {
		out.Entity = i.entity.ID
	}
	kept, err := t.Versions.List(ctx, c.User(), i.kind, i.id)
	if err != nil {
		return out, err
	}
	for _, k := range kept {
		out.Versions = append(out.Versions, k.ID+", "+show.Exact(k.At, i.Zone))
	}
	if in.Version != "" {
		old, err := t.Versions.Find(ctx, c.User(), i.kind, i.id, in.Version)
		out.Config = kit.Untrusted(old.Config)
		return out, err
	}
	raw, editable, err := i.config(ctx)
	if err != nil {
		return out, err
	}
	out.Editable, out.Config = editable, kit.Untrusted(raw)
	if i.kind != "scene" {
		out.Runs = kit.Untrusted(strings.Join(i.runs(ctx, cmp.Or(in.Traces, defaultTraces)), "\n"))
	}
	return out, nil
}

// config reads the configuration; one that stands in a package of YAML is not
// editable.
func (i item) config(ctx context.Context) (raw json.RawMessage, editable bool, err error) {
	raw, err = i.ItemConfig(ctx, i.kind, i.id)
	if err == nil {
		return raw, true, nil
	}
	if kit.StatusOf(err) != 404 || i.entity == nil || i.kind == "scene" {
		return nil, false, err
	}
	raw, err = i.EntityConfig(ctx, i.entity.ID)
	return raw, false, err
}

// runs are the last runs, newest first. Traces are for administrators; without them
// the rest is an answer, too.
func (i item) runs(ctx context.Context, most int) (lines []string) {
	all, err := i.Traces(ctx, i.kind, i.id)
	if err != nil {
		i.Call.Log.DebugContext(ctx, "traces not read", "error", err)
		return nil
	}
	slices.SortFunc(all, func(a, b api.Trace) int { return b.Time.Start.Compare(a.Time.Start.Time) })
	for _, r := range all[:min(len(all), most)] {
		lines = append(lines, i.run(r))
	}
	return lines
}

func (i item) run(r api.Trace) string {
	ended := string(r.Execution)
	if r.State == "running" {
		ended = "running"
	}
	if r.Error != "" {
		ended += ": " + string(r.Error)
	}
	return show.Row(show.Clip(string(r.RunID), 60), show.Exact(r.Time.Start.Time, i.Zone), show.Clip(ended, show.Word), show.Clip(string(r.Last), 60), show.Clip(strings.Trim(string(r.Trigger), `"`), 100))
}

type traceIn struct {
	itemIn
	Run string `json:"run_id,omitempty" jsonschema:"The last one without it."`
}

type traceOut struct {
	Run   string        `json:"run_id"`
	Start string        `json:"start"`
	Ended string        `json:"ended"`
	Steps kit.Untrusted `json:"steps" jsonschema:"seconds | path | result | variables"`
}

func (t Tools) trace(ctx context.Context, c *kit.Call, in traceIn) (out traceOut, err error) {
	i, err := t.find(ctx, c, in.itemIn)
	if err != nil {
		return out, err
	}
	if i.kind == "scene" {
		return out, fault.New(fault.Invalid, "Scenes leave no traces. get_logbook shows when one was activated.")
	}
	if in.Run == "" {
		all, err := i.Traces(ctx, i.kind, i.id)
		if err != nil {
			return out, err
		}
		if len(all) == 0 {
			return out, fault.New(fault.NotFound, "There is no trace of %s: it has not run since Home Assistant started, or it is not one of the editor's. list_automations shows when it ran last.", i)
		}
		in.Run = string(slices.MaxFunc(all, func(a, b api.Trace) int { return a.Time.Start.Compare(b.Time.Start.Time) }).RunID)
	}
	one, steps, err := i.Trace(ctx, i.kind, i.id, in.Run)
	if err != nil {
		return out, err
	}
	out = traceOut{Run: show.Clip(string(one.RunID), 60), Start: show.Exact(one.Time.Start.Time, i.Zone), Ended: show.Clip(cmp.Or(string(one.Execution), string(one.State)), 40)}
	slices.SortStableFunc(steps, func(a, b api.Step) int { return a.Time.Compare(b.Time.Time) })
	var lines []string
	size := 0
	for _, s := range steps {
		line := i.step(s, one)
		if size += len(line); size > show.TextRoom-500 {
			lines = append(lines, "... more steps")
			break
		}
		lines = append(lines, line)
	}
	out.Steps = kit.Untrusted(strings.Join(lines, "\n"))
	return out, nil
}

func (i item) step(s api.Step, of api.Trace) string {
	result := string(s.Result)
	if s.Error != "" {
		result = "error: " + string(s.Error)
	}
	var changed []string
	for name, raw := range s.Variables {
		if name != "this" && name != "context" {
			changed = append(changed, show.Clip(name, 40)+"="+show.Clip(i.Mask(string(raw)), 160))
		}
	}
	slices.Sort(changed)
	return show.Row(fmt.Sprintf("%.3f", s.Time.Sub(of.Time.Start.Time).Seconds()), show.Clip(string(s.Path), 80), show.Clip(i.Mask(result), 300), strings.Join(changed, ", "))
}
