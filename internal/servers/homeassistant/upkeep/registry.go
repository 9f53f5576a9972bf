package upkeep

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/kit"
)

// registryChanges are what can be changed. A pointer to nothing leaves it.
type registryChanges struct {
	Name     *string   `json:"name,omitempty" jsonschema:"Empty takes it away."`
	Area     *string   `json:"area,omitempty" jsonschema:"Id or name; empty takes it out."`
	Floor    *string   `json:"floor,omitempty" jsonschema:"Of an area."`
	Labels   *[]string `json:"labels,omitempty" jsonschema:"All of them."`
	Icon     *string   `json:"icon,omitempty" jsonschema:"mdi:..."`
	Aliases  *[]string `json:"aliases,omitempty" jsonschema:"All of them."`
	Disabled *bool     `json:"disabled,omitempty" jsonschema:"Of an entity or device."`
	Exposed  *bool     `json:"exposed,omitempty" jsonschema:"Of an entity, to the voice assistant."`
	NewID    *string   `json:"new_entity_id,omitempty" jsonschema:"Of an entity."`
}

type updateIn struct {
	Kind    string          `json:"kind" jsonschema:"Of what." enum:"entity,device,area,floor,label"`
	ID      string          `json:"id,omitempty" jsonschema:"Id or name; a new area, floor or label without it."`
	Changes registryChanges `json:"changes" jsonschema:"Only what shall be another."`
}

type updateOut struct {
	ID      string        `json:"id"`
	Changed kit.Untrusted `json:"changed" jsonschema:"before -> after"`
	Related []string      `json:"related,omitempty" jsonschema:"Use the old id."`
}

// edit is a change of a registry that is about to be made.
type edit struct {
	*desk.Visit
	kind, id string
	members  map[string]any // of the API
	expose   *bool
	ownName  bool           // it is an alias, too; of an entity
	before   map[string]any // what those members are now; of a new item nothing
	related  []string
	ask      []string
}

// takes are the members that a kind has.
var takes = map[string][]string{
	"entity": {"name", "area", "labels", "icon", "aliases", "disabled", "exposed", "new_entity_id"},
	"device": {"name", "area", "labels", "disabled"},
	"area":   {"name", "floor", "labels", "icon", "aliases"},
	"floor":  {"name", "icon", "aliases"},
	"label":  {"name", "icon"},
}

// given are the members that a call sets.
func (c registryChanges) given() (names []string) {
	for name, set := range map[string]bool{"name": c.Name != nil, "area": c.Area != nil, "floor": c.Floor != nil, "labels": c.Labels != nil, "icon": c.Icon != nil,
		"aliases": c.Aliases != nil, "disabled": c.Disabled != nil, "exposed": c.Exposed != nil, "new_entity_id": c.NewID != nil} {
		if set {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (t Tools) planUpdate(ctx context.Context, c *kit.Call, in updateIn) (e edit, err error) {
	given := in.Changes.given()
	if len(given) == 0 {
		return e, fault.New(fault.Invalid, "changes is empty. Set what shall be another.")
	}
	for _, name := range given {
		if !slices.Contains(takes[in.Kind], name) {
			return e, fault.New(fault.Invalid, "A %s has no %s to change. It has %s.", in.Kind, name, strings.Join(takes[in.Kind], ", "))
		}
	}
	if e.Visit, err = t.Visit(ctx, c); err != nil {
		return e, err
	}
	e.kind = in.Kind
	if in.ID == "" {
		if in.Kind == "entity" || in.Kind == "device" || in.Changes.Name == nil || *in.Changes.Name == "" {
			return e, fault.New(fault.Invalid, "Only areas, floors and labels can be made, and they need a name. Send the id of an entity or device.")
		}
	} else if err := e.locate(ctx, t, in); err != nil {
		return e, err
	}
	if err := e.translate(in.Changes); err != nil {
		return e, err
	}
	return e, e.risks(ctx, t, in.Changes)
}

// locate finds what is to be changed and reads what it is.
func (e *edit) locate(ctx context.Context, t Tools, in updateIn) (err error) {
	if in.Kind == "entity" && e.Entity(in.ID) == nil && e.Kept(in.ID) == nil && strings.Contains(in.ID, ".") {
		return e.disabled(ctx, t, in.ID) // which stands in no list
	}
	if e.id, err = e.One(in.Kind, in.ID); err != nil {
		return err
	}
	switch in.Kind {
	case "entity":
		entry, err := e.Entry(ctx, e.id)
		if err != nil {
			return err
		}
		e.before, e.ownName = entity(entry), entry.Aliases.Own
	case "device":
		d := e.Device(e.id)
		e.before = map[string]any{"name_by_user": orNull(d.ByUser), "area_id": orNull(d.Area), "labels": texts(d.Labels), "disabled_by": orNull(d.Disabled)}
	case "area":
		a := e.Area(e.id)
		e.before = map[string]any{"name": string(a.Name), "floor_id": orNull(a.Floor), "labels": texts(a.Labels), "aliases": texts(a.Aliases)}
	case "floor":
		i := slices.IndexFunc(e.House.Floors, func(f api.Floor) bool { return f.ID == e.id })
		e.before = map[string]any{"name": string(e.House.Floors[i].Name), "aliases": texts(e.House.Floors[i].Aliases)}
	case "label":
		i := slices.IndexFunc(e.House.Labels, func(l api.Label) bool { return l.ID == e.id })
		e.before = map[string]any{"name": string(e.House.Labels[i].Name)}
	}
	return nil
}

// disabled finds an entity that is switched off. Nobody has judged it, so it is judged
// here.
func (e *edit) disabled(ctx context.Context, t Tools, id string) error {
	entry, err := e.Entry(ctx, id)
	if err != nil {
		return err
	}
	policy := house.Policy{Entities: t.Entities}
	if t.Exposed {
		policy.Exposed = map[string]bool{id: entry.ExposedToAssist()}
	}
	one := house.New(&api.Registries{Areas: e.House.Areas, Floors: e.House.Floors, Labels: e.House.Labels, Devices: e.House.Devices,
		Entities: []api.Listed{{ID: id, Area: entry.Area, Labels: entry.Labels, Device: entry.Device}}}, nil, policy)
	if one.Entity(id) == nil {
		return one.Refuse(id)
	}
	if one.Confirm(one.Entity(id)) {
		e.ask = append(e.ask, id+" has the label "+house.LabelConfirm)
	}
	e.id, e.before, e.ownName = id, entity(entry), entry.Aliases.Own
	return nil
}

func entity(entry api.Entry) map[string]any {
	return map[string]any{"name": orNull(entry.Name), "area_id": orNull(entry.Area), "labels": texts(entry.Labels), "icon": orNull(entry.Icon), "aliases": texts(entry.Aliases.Texts),
		"disabled_by": orNull(entry.Disabled), "new_entity_id": entry.ID, "exposed": entry.ExposedToAssist()}
}

func orNull(t api.Text) any {
	if t == "" {
		return nil
	}
	return string(t)
}

func texts(t api.Texts) []string { return append([]string{}, t...) }

// translate makes members of the API of changes.
func (e *edit) translate(c registryChanges) error {
	e.members = map[string]any{}
	text := func(member string, value *string) {
		if value != nil && *value == "" {
			e.members[member] = nil
		} else if value != nil {
			e.members[member] = *value
		}
	}
	text(map[bool]string{true: "name_by_user", false: "name"}[e.kind == "device"], c.Name)
	text("icon", c.Icon)
	text("new_entity_id", c.NewID)
	for member, place := range map[string]*string{"area": c.Area, "floor": c.Floor} {
		if place == nil {
			continue
		}
		e.members[member+"_id"] = nil
		if *place != "" {
			id, err := e.One(member, *place)
			if err != nil {
				return err
			}
			e.members[member+"_id"] = id
		}
	}
	if c.Labels != nil {
		ids := []string{}
		for _, name := range *c.Labels {
			id, err := e.One("label", name)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		e.members["labels"] = ids
	}
	if c.Aliases != nil {
		e.members["aliases"] = append([]string{}, *c.Aliases...)
	}
	if c.Disabled != nil {
		e.members["disabled_by"] = nil
		if *c.Disabled {
			e.members["disabled_by"] = "user"
		}
	}
	e.expose = c.Exposed
	return nil
}

// risks refuses what would take the owner's or the operator's protection away, and
// says what a person is asked about.
func (e *edit) risks(ctx context.Context, t Tools, c registryChanges) error {
	if e.kind == "label" && (guards(e.id) || guards(fmt.Sprint(e.before["name"]))) {
		return fault.New(fault.Forbidden, "The labels %s and %s protect the house from models and can be changed only in Home Assistant.", house.LabelBlocked, house.LabelConfirm)
	}
	if e.kind == "label" && c.Name != nil && guards(*c.Name) {
		e.ask = append(e.ask, "what has a label of this name is kept from models, or asked about; only the owner can take it off")
	}
	seen := 0
	for id := range e.affected() {
		if e.Entity(id) != nil {
			seen++
		}
		if kept := e.Kept(id); kept != nil && kept.Why == house.Blocked {
			return fault.New(fault.Forbidden, "Something in it has the label %s, so that no model may change it. The owner can do it in Home Assistant.", house.LabelBlocked)
		}
		if one := e.Entity(id); one != nil && e.Confirm(one) {
			e.ask = append(e.ask, id+" has the label "+house.LabelConfirm)
		}
	}
	if e.kind == "device" && seen == 0 && len(e.affected()) > 0 {
		return fault.New(fault.Forbidden, "All that belongs to this device is kept from models, so that none may change it. The operator can change HASS_ENTITIES, HASS_ENTITIES_DENY or HASS_SCOPE.")
	}
	if one := e.Entity(e.id); one != nil && c.Exposed != nil && *c.Exposed {
		if why := desk.Sensitive(one, desk.Any); why != "" {
			e.ask = append(e.ask, "it "+why+", which the voice assistant could move then")
		}
	}
	if e.kind == "area" && e.id != "" && slices.ContainsFunc(e.LabelNames(e.Area(e.id).Labels), guards) {
		e.ask = append(e.ask, "the area has a label that protects what is in it")
	}
	for _, label := range stringsOf(e.members["labels"]) {
		if guards(label) && !slices.Contains(stringsOf(e.before["labels"]), label) {
			e.ask = append(e.ask, "the label "+label+" keeps models away; only the owner can take it off")
		}
	}
	if c.Disabled != nil && *c.Disabled {
		e.ask = append(e.ask, "what is disabled is missing to automations and dashboards")
	}
	if c.NewID != nil {
		if api.DomainOf(*c.NewID) != api.DomainOf(e.id) {
			return fault.New(fault.Invalid, "An entity keeps its domain: the new id begins with %s. Choose another.", api.DomainOf(e.id)+".")
		}
		if err := t.Entities.Check("entity", *c.NewID); err != nil {
			return err
		}
		related, err := e.Visit.Related(ctx, "entity", e.id)
		if err != nil {
			return err
		}
		for _, kind := range []string{"automation", "script", "scene", "group"} {
			e.related = append(e.related, related[kind]...)
		}
		e.ask = append(e.ask, fmt.Sprintf("the id changes, which %d automations, scripts and scenes use", len(e.related)))
	}
	slices.Sort(e.ask)
	e.ask = slices.Compact(e.ask)
	return nil
}

// guards tells the labels that protect a house.
func guards(label string) bool {
	slug := house.Slug(label)
	return slug == house.LabelBlocked || slug == house.LabelConfirm
}

func stringsOf(v any) []string {
	all, _ := v.([]string)
	return all
}

// affected are the entities that a change reaches, those kept from models too.
func (e *edit) affected() map[string]bool {
	all := map[string]bool{}
	has := func(one *house.Entity) bool {
		switch e.kind {
		case "entity":
			return one.ID == e.id
		case "device":
			return slices.ContainsFunc(e.Lineage(one.Device), func(d *api.Device) bool { return d.ID == e.id })
		case "area":
			_, moves := e.members["labels"]
			return moves && one.Area == e.id
		}
		return false
	}
	for _, one := range e.House.Entities {
		if has(one) {
			all[one.ID] = true
		}
	}
	for _, id := range e.KeptOf("homeassistant") {
		if has(e.Kept(id)) {
			all[id] = true
		}
	}
	return all
}

func (t Tools) previewUpdate(ctx context.Context, c *kit.Call, in updateIn) (kit.Preview, error) {
	e, err := t.planUpdate(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	p := kit.Preview{Target: e.target(), Effect: "Changes the registry.", Changes: e.lines()}
	for _, id := range e.related {
		p.Changes = append(p.Changes, id+" uses the old id")
	}
	for _, a := range e.ask {
		p.Changes = append(p.Changes, "will be asked about: "+a)
	}
	return p, nil
}

func (t Tools) update(ctx context.Context, c *kit.Call, in updateIn) (out updateOut, err error) {
	e, err := t.planUpdate(ctx, c, in)
	if err != nil {
		return out, err
	}
	if len(e.ask) > 0 {
		lines := strings.Join(e.lines(), "\n")
		if err := desk.Approve(c, kit.Question{Target: e.target(), Effect: lines}, e.ask); err != nil {
			return out, err
		}
	}
	out = updateOut{ID: e.id, Changed: kit.Untrusted(strings.Join(e.lines(), "\n")), Related: e.related}
	defer e.Forget()
	if e.id == "" {
		out.ID, err = e.CreateInRegistry(ctx, e.kind, e.members)
		return out, err
	}
	if len(e.members) > 0 {
		if names, ok := e.members["aliases"].([]string); ok && e.ownName {
			e.members["aliases"] = withNull(names)
		}
		if err := e.UpdateRegistry(ctx, e.kind, e.id, e.members); err != nil {
			return out, err
		}
	}
	if id, ok := e.members["new_entity_id"].(string); ok {
		out.ID = id
	}
	if e.expose != nil {
		if err := e.Expose(ctx, out.ID, *e.expose); err != nil {
			if len(e.members) > 0 {
				err = fault.Wrap(err, fault.CodeOf(err), "All but the exposure was changed; that failed. Look at it with get_states and list_registry, and set exposed alone.")
			}
			return out, err
		}
	}
	c.Undo("update_registry", map[string]any{"kind": e.kind, "id": out.ID, "changes": e.back()})
	return out, nil
}

// withNull are aliases with the one that stands for the entity's own name.
func withNull(names []string) []any {
	all := []any{nil}
	for _, n := range names {
		all = append(all, n)
	}
	return all
}
