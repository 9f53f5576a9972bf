// Package command is the WebSocket commands of the fake: what each takes, who may, what it
// answers. Only the fake uses it.
//
// Members, their checks and error codes are those of the command's own file in Home
// Assistant's core, named at each group, and of the frontend's src/data (ref 1.2).
package command

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
	"drawbridge/internal/servers/homeassistant/fake/service"
)

type (
	m    = house.Map
	dict = schema.Dict
)

var (
	may, need, with = schema.May, schema.Need, schema.With
	str, boolean    = schema.Str, schema.Bool
)

// Line is the connection a command came by.
type Line interface {
	Event(id int, body any)               // an event of a subscription
	Subscribe(id int, stop func())        // until the connection ends
	Unsubscribe(id int) bool              // false if there is none
	Coalesce(on bool)                     // several messages in one array
	Finish(id int, result any, err error) // the answer of a command that was Later
}

// Request is one command.
type Request struct {
	H    *house.House
	S    *service.Set
	User *house.User
	Line Line
	ID   int
	Msg  m // checked, with defaults
}

// Later is the result of a command that answers by Finish, or not by a result at all.
var Later any = later{}

type later struct{}

// Command is one: its members, whether it wants an admin, and what it does.
type Command struct {
	Fields dict
	Admin  bool
	Do     func(r *Request) (any, error)
}

// Table is all commands, by type.
type Table map[string]Command

// All are the commands that a version knows.
func All(modern bool) Table {
	t := Table{}
	for _, part := range []Table{core(), rooms(), devices(modern), entities(), past(), runs(), items(), upkeep()} {
		maps.Copy(t, part)
	}
	return t
}

// Run checks a command and carries it out. Wrong members come ahead of rights: the
// decorators of almost all commands are in that order.
func (t Table) Run(r *Request, raw m) (any, error) {
	c := t[raw["type"].(string)]
	if len(c.Fields) == 0 && len(raw) > 2 { // connection.py: a command without members
		return nil, &schema.Invalid{Msg: "extra keys not allowed", Got: raw}
	}
	msg, err := c.Fields.Apply(raw, "id", "type")
	if err != nil {
		return nil, err
	}
	if c.Admin && !r.User.Admin {
		return nil, service.Refused{}
	}
	r.Msg = msg
	return c.Do(r)
}

// Error is how an error looks on the line (websocket_api/connection.py,
// async_handle_exception, and messages.py).
func Error(err error) m {
	human, isHuman := err.(interface{ Human() string })
	var p *service.Problem
	switch {
	case errors.As(err, &p):
		e := m{"code": p.Code, "message": p.Message}
		if p.Key != "" {
			e["translation_domain"], e["translation_key"], e["translation_placeholders"] = p.Domain, p.Key, p.With
		}
		return e
	case isHuman:
		return m{"code": "invalid_format", "message": human.Human()}
	case errors.Is(err, service.Refused{}):
		return m{"code": "unauthorized", "message": "Unauthorized"}
	}
	return m{"code": "unknown_error", "message": "Unknown error"}
}

// fail makes an error with a code of its own.
func fail(code, message string) error { return &service.Problem{Code: code, Message: message} }

// text is a member that is a string, list one that is a list of them.
func (r *Request) text(k string) string { s, _ := r.Msg[k].(string); return s }

func (r *Request) list(k string) []string {
	l, _ := r.Msg[k].([]string)
	return l
}

func (r *Request) is(k string) bool { b, _ := r.Msg[k].(bool); return b }

func (r *Request) has(k string) bool { _, ok := r.Msg[k]; return ok }

// subscribable are the events that somebody who is no admin may hear
// (auth/permissions/events.py).
var subscribable = []string{"area_registry_updated", "component_loaded", "core_config_updated", "device_registry_updated", "entity_registry_updated",
	"floor_registry_updated", "label_registry_updated", "category_registry_updated", "lovelace_updated", "panels_updated", "persistent_notifications_updated",
	"recorder_5min_statistics_generated", "recorder_hourly_statistics_generated", "service_registered", "service_removed", "shopping_list_updated",
	"state_changed", "themes_updated", "repairs_issue_registry_updated"}

// core is websocket_api/commands.py.
func core() Table {
	return Table{
		"ping": {Do: func(r *Request) (any, error) { return Pong{}, nil }},
		"supported_features": {Fields: dict{"features": need(schema.Map)}, Do: func(r *Request) (any, error) {
			_, on := r.Msg["features"].(m)["coalesce_messages"]
			r.Line.Coalesce(on)
			return nil, nil
		}},
		"get_config":   {Do: func(r *Request) (any, error) { return r.H.Config(), nil }},
		"get_states":   {Do: func(r *Request) (any, error) { return States(r.H), nil }},
		"get_services": {Do: func(r *Request) (any, error) { return r.S.Descriptions(), nil }},
		"call_service": {Fields: dict{"domain": need(str), "service": need(str), "target": may(schema.In(schema.Target)), "service_data": may(schema.Map),
			"return_response": with(boolean, false)}, Do: callService},
		"fire_event": {Admin: true, Fields: dict{"event_type": need(str), "event_data": may(schema.Map)}, Do: func(r *Request) (any, error) {
			c, data := r.H.NewContext(r.User, ""), r.Msg["event_data"]
			if data == nil {
				data = m{}
			}
			r.H.Fire(r.text("event_type"), data.(m), c)
			return m{"context": c}, nil
		}},
		"subscribe_events": {Fields: dict{"event_type": with(str, "*")}, Do: func(r *Request) (any, error) {
			kind := r.text("event_type")
			if !r.User.Admin && !slices.Contains(subscribable, kind) {
				return nil, service.Refused{}
			}
			r.Line.Subscribe(r.ID, r.H.Listen(kind, func(e house.Event) { r.Line.Event(r.ID, e.Envelope()) }))
			return nil, nil
		}},
		"unsubscribe_events": {Fields: dict{"subscription": need(schema.Int)}, Do: func(r *Request) (any, error) {
			if !r.Line.Unsubscribe(r.Msg["subscription"].(int)) {
				return nil, fail("not_found", "Subscription not found.")
			}
			return nil, nil
		}},
		"subscribe_entities": {Fields: dict{"entity_ids": may(schema.Entities), "include": may(schema.Map), "exclude": may(schema.Map)}, Do: subscribeEntities},
		"test_condition": {Admin: true, Fields: dict{"condition": need(schema.Any), "variables": may(schema.Map)}, Do: func(r *Request) (any, error) {
			if err := service.CheckConditions(r.H, listOf(r.Msg["condition"]), nil); err != nil {
				return nil, err
			}
			ok, err := r.S.Test(r.Msg["condition"])
			return m{"result": ok}, err
		}},
		"validate_config": {Fields: dict{"triggers": may(schema.Any), "conditions": may(schema.Any), "actions": may(schema.Any)}, Do: validateConfig},
		"render_template": {Fields: dict{"template": need(str), "entity_ids": may(schema.Entities), "variables": may(schema.Map), "timeout": may(schema.Number(-1e9, 1e9)),
			"strict": with(boolean, false), "report_errors": with(boolean, false)}, Do: renderTemplate},
		"extract_from_target": {Fields: dict{"target": need(schema.In(schema.Target)), "expand_group": with(boolean, false), "primary_entities_only": with(boolean, true)},
			Do: extract},
		"get_services_for_target": {Fields: targetFields, Do: func(r *Request) (any, error) { return r.S.For(r.target().All()), nil }},
		"auth/current_user": {Do: func(r *Request) (any, error) {
			return m{"id": r.User.ID, "name": r.User.Name, "is_owner": r.User.Admin, "is_admin": r.User.Admin, "credentials": []any{}, "mfa_modules": []any{}}, nil
		}},
	}
}

// targetFields are those of get_*_for_target, whose default is the other way round.
var targetFields = dict{"target": need(schema.In(schema.Target)), "expand_group": with(boolean, true)}

func (r *Request) target() house.Targeted {
	return r.H.Resolve(r.Msg["target"].(m), r.is("expand_group"), !r.is("primary_entities_only"))
}

// Pong is the one answer that is no result.
type Pong struct{}

// States are all states, in the order of their ids.
func States(h *house.House) []any {
	list := make([]any, 0, len(h.States))
	for _, id := range sortedStates(h) {
		list = append(list, house.Full(h.States[id]))
	}
	return list
}

func sortedStates(h *house.House) []string {
	ids := make([]string, 0, len(h.States))
	for id := range h.States {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func listOf(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// callService has words of its own for what goes wrong (handle_call_service).
func callService(r *Request) (any, error) {
	domain, name := r.text("domain"), r.text("service")
	data, _ := r.Msg["service_data"].(m)
	target, _ := r.Msg["target"].(m)
	if templated(target) {
		return nil, &schema.Invalid{Msg: "Templates are not supported here", Got: r.Msg}
	}
	at := r.H.NewContext(r.User, "")
	out, err := r.S.Call(r.User, domain, name, data, plainTarget(target), r.is("return_response"), at)
	result := m{"context": at}
	if r.is("return_response") {
		result["response"] = out
	}
	if err != nil {
		return nil, callError(err, domain, name)
	}
	return result, nil
}

func callError(err error, domain, name string) error {
	var missing service.Missing
	var p *service.Problem
	switch {
	case errors.As(err, &missing) && missing.Domain == domain && missing.Service == name:
		return &service.Problem{Code: "not_found", Message: "Service " + domain + "." + name + " not found.", Domain: "homeassistant",
			Key: "service_not_found", With: m{"domain": domain, "service": name}}
	case errors.As(err, &missing):
		return &service.Problem{Code: "home_assistant_error", Message: "Service " + missing.Domain + "." + missing.Service + " called service " + domain + "." + name + " which was not found.",
			Domain: "websocket_api", Key: "child_service_not_found",
			With: m{"domain": domain, "service": name, "child_domain": missing.Domain, "child_service": missing.Service}}
	case errors.As(err, &p) && p.Code == "service_validation_error":
		q := *p
		q.Message = "Validation error: " + p.Message
		return &q
	case errors.As(err, &p):
		return p
	case errors.Is(err, service.Refused{}): // an Unauthorized is a HomeAssistantError there
		return fail("home_assistant_error", "Unauthorized")
	}
	return fail("invalid_format", err.Error())
}

// plainTarget turns a checked target back into what a service checks again.
func plainTarget(t m) m {
	out := m{}
	for k, v := range t {
		list := []any{}
		for _, s := range v.([]string) {
			list = append(list, s)
		}
		if out[k] = list; len(list) == 1 {
			out[k] = list[0]
		}
	}
	return out
}

func templated(target m) bool {
	for _, v := range target {
		if slices.ContainsFunc(v.([]string), func(s string) bool { return strings.Contains(s, "{{") || strings.Contains(s, "{%") }) {
			return true
		}
	}
	return false
}

func subscribeEntities(r *Request) (any, error) {
	want := r.list("entity_ids")
	all := len(want) == 0
	r.Line.Subscribe(r.ID, r.H.Listen("state_changed", func(e house.Event) {
		if all || slices.Contains(want, e.Data["entity_id"].(string)) {
			r.Line.Event(r.ID, house.Delta(e))
		}
	}))
	r.Line.Finish(r.ID, nil, nil)
	first := m{}
	for id, s := range r.H.States {
		if all || slices.Contains(want, id) {
			first[id] = house.Compressed(s)
		}
	}
	r.Line.Event(r.ID, m{"a": first})
	return Later, nil
}

func validateConfig(r *Request) (any, error) {
	out := m{}
	for k, check := range map[string]func(*house.House, []any, []any) error{"triggers": service.CheckTriggers, "conditions": service.CheckConditions,
		"actions": service.CheckActions} {
		if v, has := r.Msg[k]; has {
			out[k] = m{"valid": true, "error": nil}
			if err := check(r.H, listOf(v), nil); err != nil {
				out[k] = m{"valid": false, "error": err.Error()}
			}
		}
	}
	return out, nil
}

func extract(r *Request) (any, error) {
	t := r.target()
	return m{"referenced_entities": t.All(), "referenced_devices": some(t.Devices), "referenced_areas": some(t.Areas), "missing_devices": some(t.NoDevices),
		"missing_areas": some(t.NoAreas), "missing_floors": some(t.NoFloors), "missing_labels": some(t.NoLabels)}, nil
}

func some(l []string) []string { return append([]string{}, l...) }
