package desk

import (
	"context"
	"encoding/json"
	"slices"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/house"
)

// reached is an entity that an action moves, and by which action.
type reached struct {
	*house.Entity
	action string
}

// reach is an entity and what an action on it moves: members of groups and scenes, and
// what scripts and triggered automations do, however deep. ask is what nobody can
// foresee of it.
func (v *Visit) reach(ctx context.Context, e *house.Entity, action string) (all []reached, ask []string, err error) {
	all = []reached{{e, action}}
	for i := 0; i < len(all); i++ { // grows
		r := all[i]
		name := nameFor(r.Entity, r.action)
		if name == "update_entity" {
			continue
		}
		next, by := r.Members(), r.action
		if runs(r.Domain, name) {
			done, unsure, err := v.does(ctx, r.ID)
			if err != nil {
				return nil, nil, fault.Wrap(err, fault.Unavailable, "Nobody can tell what %s would move, so it was not run. Try again in a minute, or let a person run it.", r.ID)
			}
			next, ask = append(next, done...), append(ask, unsure...)
		}
		if runs(r.Domain, name) || r.Domain == "scene" { // nobody knows what it makes of them
			by = Any
		}
		for _, id := range next {
			m := v.Entity(id)
			if m == nil {
				m = v.Kept(id)
			}
			if m != nil && !slices.ContainsFunc(all, func(o reached) bool { return o.Entity == m }) {
				all = append(all, reached{m, by})
			}
		}
	}
	return all, ask, nil
}

// runs tells whether an action has a script or an automation run.
func runs(domain, name string) bool {
	switch domain {
	case "script":
		return name != "turn_off" && name != "reload"
	case "automation":
		return name == "trigger" || name == Any
	}
	return false
}

// does are the entities that a script or an automation of the house names or has as
// places. Its configuration tells them all; what search/related tells is in it, and
// alone where a blueprint makes the configuration, or only administrators may read it.
func (v *Visit) does(ctx context.Context, id string) (ids, ask []string, err error) {
	domain := api.DomainOf(id)
	related, err := v.Related(ctx, domain, id)
	if err != nil {
		return nil, nil, err
	}
	ids = slices.Concat(related["entity"], related["group"], related["scene"], related["script"])
	raw, err := v.EntityConfig(ctx, id)
	switch {
	case api.Denied(err), api.Unknown(err), api.CodeOf(err) == "not_found":
		return distinct(ids), []string{id + " can be read by administrators only, so that nobody can tell all that it moves"}, nil
	case err != nil:
		return nil, nil, err
	}
	var config map[string]any
	if json.Unmarshal(raw, &config) != nil || config["use_blueprint"] != nil {
		ask = append(ask, id+" does what a blueprint says, and nobody can tell all that it moves")
	}
	actions := Actions(config)
	named, placed, err := v.named(ctx, actions, Steps)
	if err != nil {
		return nil, nil, err
	}
	for _, why := range v.foreseen(actions) {
		ask = append(ask, id+": "+why)
	}
	return slices.DeleteFunc(distinct(ids, named, placed), func(o string) bool { return o == id }), ask, nil
}

// Actions are the parts of a configuration that do something.
func Actions(config map[string]any) map[string]any {
	actions := map[string]any{}
	for _, name := range []string{"actions", "action", "sequence", "entities", "use_blueprint"} {
		if part := config[name]; part != nil {
			actions[name] = part
		}
	}
	return actions
}
