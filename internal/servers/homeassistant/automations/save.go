package automations

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type saveIn struct {
	Kind    string         `json:"kind,omitempty" jsonschema:"automation without it." enum:"automation,script,scene"`
	ID      string         `json:"id,omitempty" jsonschema:"Of one that is there; a new one without it."`
	Config  map[string]any `json:"config,omitempty" jsonschema:"All of it: alias, triggers, conditions, actions; or sequence; or name, entities."`
	Restore string         `json:"restore,omitempty" jsonschema:"Instead: a kept version."`
}

type saveOut struct {
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Entity  string `json:"entity_id,omitempty"`
	New     bool   `json:"new,omitempty"`
	Version string `json:"version_before,omitempty"`
}

// edit is a configuration that is about to be saved.
type edit struct {
	item
	config map[string]any
	raw    json.RawMessage
	before json.RawMessage // nil for a new one
	ask    []string
	wrong  string // what Home Assistant says against it, in its own words
}

// reloadWait is how long a new item's entity is waited for.
const reloadWait = 3 * time.Second

// plan reads what is there, what shall be, and what speaks against it.
func (t Tools) plan(ctx context.Context, c *kit.Call, in saveIn) (e edit, err error) {
	if (in.Config == nil) == (in.Restore == "") || in.Restore != "" && in.ID == "" {
		return e, fault.New(fault.Invalid, "Send either config, or id and restore. get_automation has the present configuration and the versions.")
	}
	if in.ID == "" {
		if e.Visit, err = t.Visit(ctx, c); err != nil {
			return e, err
		}
		e.kind = cmp.Or(in.Kind, "automation")
		if e.id, err = e.newID(in.Config); err != nil {
			return e, err
		}
	} else {
		if e.item, err = t.find(ctx, c, itemIn{in.Kind, in.ID}); err != nil {
			return e, err
		}
		if e.before, err = e.present(ctx); err != nil {
			return e, err
		}
	}
	e.config = in.Config
	if in.Restore != "" {
		old, err := t.Versions.Find(ctx, c.User(), e.kind, e.id, in.Restore)
		if err != nil {
			return e, err
		}
		if err := json.Unmarshal([]byte(old.Config), &e.config); err != nil {
			return e, err
		}
	}
	e.config = maps.Clone(e.config)
	delete(e.config, "id") // stands in the path
	if err := shape(e.kind, e.config); err != nil {
		return e, err
	}
	if e.raw, err = json.Marshal(e.config); err != nil {
		return e, err
	}
	if e.ask, err = e.examine(ctx); err != nil {
		return e, err
	}
	e.wrong, err = e.validate(ctx)
	return e, err
}

// present is the configuration there is; nil where a version of something deleted is
// restored. What stands in YAML cannot be edited.
func (i item) present(ctx context.Context) (json.RawMessage, error) {
	raw, editable, err := i.config(ctx)
	switch {
	case kit.StatusOf(err) == 404 && i.entity == nil:
		return nil, nil
	case err != nil:
		return nil, err
	case !editable:
		return nil, fault.New(fault.Conflict, "The %s stands in a YAML file that Home Assistant's editor does not keep, so it cannot be changed from here. Change the file, or save a new one without id.", i)
	}
	return raw, nil
}

// newID is the id of a new item, as the editor makes it: milliseconds, for a script
// its name.
func (e edit) newID(config map[string]any) (string, error) {
	if e.kind != "script" {
		return strconv.FormatInt(e.Now.UnixMilli(), 10), nil
	}
	alias, _ := config["alias"].(string)
	id := house.Slug(alias)
	if id == "" {
		return "", fault.New(fault.Invalid, "A new script needs an alias, of which its id is made. Add it to config.")
	}
	if e.Entity("script."+id) != nil || e.Kept("script."+id) != nil {
		return "", fault.New(fault.Conflict, "There is a script of this name. Send its id to change it, or choose another alias.")
	}
	return id, nil
}

// needs are the members of a configuration of which one has to be there. The second
// names are those from before 2024.10, which Home Assistant still takes.
var needs = map[string][][]string{
	"automation": {{"triggers", "trigger", "use_blueprint"}, {"actions", "action", "use_blueprint"}},
	"script":     {{"sequence", "use_blueprint"}},
	"scene":      {{"name"}, {"entities"}},
}

func shape(kind string, config map[string]any) error {
	for _, names := range needs[kind] {
		if !slices.ContainsFunc(names, func(n string) bool { return config[n] != nil }) {
			return fault.New(fault.Invalid, "The configuration of the %s has no %s. Send all of it: it replaces what is there.", kind, names[0])
		}
	}
	return nil
}

// examine looks through a configuration: nothing in it may name what is kept from
// models or an action that the operator has to allow, and its actions are judged as
// if they were called.
func (e edit) examine(ctx context.Context) (ask []string, err error) {
	if _, err := e.Mentioned(ctx, e.config, desk.Steps); err != nil {
		return nil, err
	}
	actions := desk.Actions(e.config)
	moved, err := e.Mentioned(ctx, actions, desk.Steps)
	if err != nil {
		return nil, err
	}
	verdict, err := e.Judge(ctx, moved, desk.Any)
	if err != nil {
		return nil, err
	}
	if len(verdict.Refused) > 0 {
		return nil, fault.New(fault.Forbidden, "Not saved: %s. Leave it out.", verdict.Refused[0])
	}
	ask = verdict.Ask
	if e.entity != nil && e.Confirm(e.entity) {
		ask = append(ask, e.entity.ID+" has the label "+house.LabelConfirm)
	}
	if e.config["use_blueprint"] != nil {
		ask = append(ask, "a blueprint decides what it does")
	}
	unforeseen, err := e.Foresee(actions)
	return slices.Concat(ask, unforeseen, e.Peeks(e.config)), err
}

// parts are what validate_config takes, by the names it has since 2024.10, with the
// members of a configuration that they are.
var parts = map[string][]string{"triggers": {"triggers", "trigger"}, "conditions": {"conditions", "condition"}, "actions": {"actions", "action", "sequence"}}

// validate has Home Assistant check triggers, conditions and actions.
func (e edit) validate(ctx context.Context) (wrong string, err error) {
	if e.kind == "scene" {
		return "", nil
	}
	check := map[string]json.RawMessage{}
	for part, names := range parts {
		for _, name := range names {
			if v := e.config[name]; v != nil {
				if check[part], err = json.Marshal(v); err != nil {
					return "", err
				}
			}
		}
	}
	if len(check) == 0 {
		return "", nil
	}
	found, err := e.Validate(ctx, check)
	if api.CodeOf(err) == "invalid_format" { // before 2024.10 the names were singular
		old := map[string]json.RawMessage{}
		for part, raw := range check {
			old[strings.TrimSuffix(part, "s")] = raw
		}
		found, err = e.Validate(ctx, old)
	}
	if err != nil && !api.Unknown(err) {
		return "", err
	}
	for _, part := range slices.Sorted(maps.Keys(found)) {
		if !found[part].Valid {
			wrong += part + ": " + show.Clip(string(found[part].Error), 500) + "\n"
		}
	}
	return strings.TrimSpace(wrong), nil
}

func (e edit) says() kit.Preview {
	p := kit.Preview{Target: e.String(), Effect: "Changes the " + e.String() + "."}
	if e.before == nil { // whose id is made of the time: an approval must not stand on it
		p = kit.Preview{Target: "a new " + e.kind, Effect: "Makes a new " + e.kind + "."}
	}
	p.Changes = shown(difference(e.before, e.raw))
	return p
}

// question is the edit as a person reads it: all of what differs.
func (e edit) question() kit.Question {
	p := e.says()
	return kit.Question{Target: p.Target, Effect: show.Plain(p.Effect + "\n" + strings.Join(whole(e.before, e.raw), "\n"))}
}

func (t Tools) previewSave(ctx context.Context, c *kit.Call, in saveIn) (kit.Preview, error) {
	e, err := t.plan(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	p := e.says()
	for _, a := range e.ask {
		p.Changes = append(p.Changes, "will be asked about: "+a)
	}
	if e.wrong != "" {
		p.Effect = "Home Assistant would not accept it: " + c.Outside(e.wrong)
	}
	return p, nil
}

func (t Tools) save(ctx context.Context, c *kit.Call, in saveIn) (out saveOut, err error) {
	e, err := t.plan(ctx, c, in)
	if err != nil {
		return out, err
	}
	if e.wrong != "" {
		return out, fault.New(fault.Invalid, "Not saved: Home Assistant does not accept the %s. Call it with dry_run to read what it says, and correct that.", invalidParts(e.wrong))
	}
	if len(e.ask) > 0 {
		if err := desk.Approve(c, e.question(), e.ask); err != nil {
			return out, err
		}
	}
	out = saveOut{Kind: e.kind, ID: e.id, New: e.before == nil}
	if e.before != nil {
		if out.Version, err = t.Versions.Keep(ctx, c.User(), e.kind, e.id, string(e.before)); err != nil {
			return out, err
		}
	}
	w, err := desk.Watch(ctx, e.Session, nil)
	if err != nil {
		return out, err
	}
	defer w.Stop()
	if err := e.SaveItem(ctx, e.kind, e.id, e.raw); err != nil {
		return out, err
	}
	c.Updated(URI(e.kind, e.id))
	if e.entity != nil {
		out.Entity = e.entity.ID
	} else {
		out.Entity = e.appeared(ctx, w)
	}
	switch {
	case out.New && t.Everything: // else nobody has the tool
		c.Undo("delete_automation", itemIn{e.kind, e.id})
	case out.Version != "":
		c.Undo("save_automation", saveIn{Kind: e.kind, ID: e.id, Restore: out.Version})
	}
	return out, nil
}

// invalidParts names the parts that were refused, by our own words for them.
func invalidParts(wrong string) string {
	var all []string
	for _, part := range []string{"triggers", "conditions", "actions", "trigger", "condition", "action"} {
		if strings.HasPrefix(wrong, part+":") || strings.Contains(wrong, "\n"+part+":") {
			all = append(all, part)
		}
	}
	return strings.Join(all, ", ")
}

// appeared waits for the entity of a new item.
func (e edit) appeared(ctx context.Context, w *desk.Watching) (id string) {
	w.Until(ctx, reloadWait, func(all map[string]api.State) bool {
		for _, s := range all {
			if api.DomainOf(s.ID) == e.kind && (s.Attributes.Text("id") == e.id || s.ID == e.kind+"."+e.id) {
				id = s.ID
				return true
			}
		}
		return false
	})
	return id
}

// uri is the resource of an item.
const uri = "ha://automation/{id}"

// URI is the resource of an item: for scripts and scenes with their kind.
func URI(kind, id string) string {
	if kind != "automation" {
		id = kind + "." + id
	}
	return kit.Expand(uri, id)
}
