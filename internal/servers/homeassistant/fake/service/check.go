package service

import (
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

// What automations may be made of (helpers/config_validation.py, trigger.py, condition.py).
var (
	triggerKinds = []string{"calendar", "conversation", "device", "event", "geo_location", "homeassistant", "mqtt", "numeric_state", "persistent_notification",
		"state", "sun", "tag", "template", "time", "time_pattern", "webhook", "zone"}
	conditionKinds = []string{"and", "device", "not", "numeric_state", "or", "state", "sun", "template", "time", "trigger", "zone"}
	actionKinds    = []string{"action", "service", "delay", "wait_template", "wait_for_trigger", "condition", "event", "device_id", "choose", "if", "repeat", "parallel",
		"sequence", "stop", "variables", "scene", "set_conversation_response"}
	modes = schema.OneOf("single", "restart", "queued", "parallel")
)

func at(path []any, key ...any) []any { return append(slices.Clone(path), key...) }

// CheckTriggers is strict where an assistant errs most: unknown kinds, missing members.
func CheckTriggers(_ *house.House, list, path []any) error {
	for i, x := range list {
		t, ok := x.(m)
		kind, _ := t["trigger"].(string)
		if kind == "" {
			kind, _ = t["platform"].(string)
		}
		switch {
		case !ok:
			return &schema.Invalid{Msg: "expected a dictionary", Path: at(path, i), Got: x}
		case kind == "":
			return &schema.Invalid{Msg: "required key not provided", Path: at(path, i, "trigger")}
		case !slices.Contains(triggerKinds, kind) && !strings.Contains(kind, "."):
			return schema.Fail("Invalid trigger '%s' specified", kind)
		case (kind == "state" || kind == "numeric_state") && t["entity_id"] == nil:
			return &schema.Invalid{Msg: "required key not provided", Path: at(path, i, "entity_id")}
		case kind == "numeric_state" && t["above"] == nil && t["below"] == nil:
			return &schema.Invalid{Msg: "must contain at least one of below, above.", Path: at(path, i)}
		case kind == "time" && t["at"] == nil:
			return &schema.Invalid{Msg: "required key not provided", Path: at(path, i, "at")}
		}
		if err := checkEntities(t, at(path, i)); err != nil {
			return err
		}
	}
	return nil
}

func checkEntities(t m, path []any) error {
	if v, has := t["entity_id"]; has {
		if _, err := schema.Entities(v); err != nil {
			err.Kind, err.Path = "dictionary value", at(path, "entity_id")
			return err
		}
	}
	return nil
}

// CheckConditions is it for conditions, also those inside of others.
func CheckConditions(h *house.House, list, path []any) error {
	for i, x := range list {
		if s, isText := x.(string); isText && strings.Contains(s, "{{") {
			continue
		}
		c, ok := x.(m)
		kind, _ := c["condition"].(string)
		switch {
		case !ok:
			return &schema.Invalid{Msg: "Expected a dictionary", Path: at(path, i), Got: x}
		case c["condition"] == nil && !slices.ContainsFunc([]string{"and", "or", "not"}, func(k string) bool { return c[k] != nil }):
			return &schema.Invalid{Msg: "required key not provided", Path: at(path, i, "condition")}
		case kind != "" && !slices.Contains(conditionKinds, kind) && !strings.Contains(kind, "."):
			return schema.Fail("Invalid condition \"%s\" specified", kind)
		case kind == "state" && c["state"] == nil:
			return &schema.Invalid{Msg: "required key not provided", Path: at(path, i, "state")}
		}
		if err := checkEntities(c, at(path, i)); err != nil {
			return err
		}
		if err := CheckConditions(h, house.Steps(c, "conditions"), at(path, i, "conditions")); err != nil {
			return err
		}
	}
	return nil
}

// CheckActions is it for actions, whose services need not exist but have to look like some.
func CheckActions(h *house.House, list, path []any) error {
	for i, x := range list {
		a, ok := x.(m)
		if !ok {
			return &schema.Invalid{Msg: "expected a dictionary", Path: at(path, i), Got: x}
		}
		if !slices.ContainsFunc(actionKinds, func(k string) bool { _, has := a[k]; return has }) {
			return &schema.Invalid{Msg: "Unable to determine action", Path: at(path, i), Got: x}
		}
		for _, k := range []string{"action", "service"} {
			name, isText := a[k].(string)
			if a[k] == nil || isText && (strings.Contains(name, "{{") || schema.ValidEntity(name)) {
				continue
			}
			return &schema.Invalid{Msg: "Service " + schema.Repr(a[k])[1:len(schema.Repr(a[k]))-1] + " does not match format <domain>.<name>", Kind: "dictionary value",
				Path: at(path, i, k), Got: a[k]}
		}
		if id, has := a["device_id"].(string); has && h.Device(id) == nil {
			return schema.Fail("Unknown device '%s'", id)
		}
	}
	return nil
}

// CheckItem is what POST /api/config/<domain>/config/<id> checks (automation/config.py,
// script/config.py, scene.py).
func CheckItem(h *house.House, domain string, body m) error {
	common := dict{"id": may(text), "alias": may(text), "description": may(text), "mode": may(modes), "max": may(whole(2, huge)), "max_exceeded": may(text),
		"variables": may(schema.Map), "trace": may(schema.Map), "icon": may(text)}
	list := may(func(v any) (any, *schema.Invalid) { return v, nil })
	switch domain {
	case "scene":
		_, err := dict{"id": may(text), "name": need(text), "icon": may(text), "entities": need(schema.Map), "metadata": may(schema.Map)}.Apply(body)
		return err
	case "script":
		if _, blueprint := body["use_blueprint"]; blueprint {
			return nil
		}
		if _, err := common.Plus(dict{"sequence": need(schema.Any), "fields": may(schema.Map)}).Apply(body); err != nil {
			return err
		}
		return CheckActions(h, house.Steps(body, "sequence"), []any{"sequence"})
	}
	if _, blueprint := body["use_blueprint"]; blueprint {
		return nil
	}
	body, err := plural(body)
	if err != nil {
		return err
	}
	fields := common.Plus(dict{"triggers": schema.Need(list.Check), "conditions": list, "actions": schema.Need(list.Check), "initial_state": may(schema.Truth),
		"hide_entity": may(schema.Truth), "trigger_variables": may(schema.Map), "stored_traces": may(schema.Any)})
	if _, err := fields.Apply(body); err != nil {
		return err
	}
	if err := CheckTriggers(h, house.Steps(body, "triggers"), []any{"triggers"}); err != nil {
		return err
	}
	if err := CheckConditions(h, house.Steps(body, "conditions"), []any{"conditions"}); err != nil {
		return err
	}
	return CheckActions(h, house.Steps(body, "actions"), []any{"actions"})
}

// plural moves the old names to the new ones; both at once are refused
// (automation/config.py, backward compatibility of 2024.10).
func plural(body m) (m, error) {
	out := m{}
	maps.Copy(out, body)
	for _, k := range []string{"trigger", "condition", "action"} {
		v, old := body[k]
		if _, both := body[k+"s"]; old && both {
			return nil, schema.Fail("Cannot specify both '%s' and '%ss'. Please use '%ss' only.", k, k, k)
		}
		if old {
			delete(out, k)
			out[k+"s"] = v
		}
	}
	return out, nil
}
