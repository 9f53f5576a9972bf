// Package service is what can be called in the fake's house: light.turn_on and all the
// others, with their fields, checks and effects. Only the fake uses it.
//
// The order of checks and the words of errors are those of core.py (ServiceRegistry) and
// helpers/service.py (entity_service_call); what a service does to a state is that of the
// demo integration.
package service

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

type (
	m    = house.Map
	dict = schema.Dict
)

// Def is one service.
type Def struct {
	Domain, Name, About string
	Fields              dict
	Keys                func(m) error // rules about several fields at once
	Entities            bool          // it has a target, and runs once for each of its entities
	Any                 bool          // of any domain, not only its own
	Feature             int           // an entity must have one of these
	Response            string        // "", "optional" or "only"
	Admin               bool
	Run                 func(c *Call, id string) (any, error)
}

// Call is one call on its way.
type Call struct {
	H       *house.House
	User    *house.User
	Def     *Def
	Data    m
	Context house.Context
	Returns bool
	set     *Set
}

// Problem is an error of Home Assistant with the way it is translated.
type Problem struct {
	Code, Message string // of the WebSocket API
	Domain, Key   string
	With          m
}

func (p *Problem) Error() string { return p.Message }

// Refused is somebody without the right.
type Refused struct{}

func (Refused) Error() string { return "Unauthorized" }

// Missing is a service that is not there.
type Missing struct{ Domain, Service string }

func (e Missing) Error() string { return fmt.Sprintf("Action %s.%s not found", e.Domain, e.Service) }

// Invalid is a ServiceValidationError. Its text has no full stop at the end: what comes
// from the translations loses it (helpers/translation.py).
func Invalid(domain, key string, with m, format string, args ...any) *Problem {
	return &Problem{Code: "service_validation_error", Message: fmt.Sprintf(format, args...), Domain: domain, Key: key, With: with}
}

// Failed is a HomeAssistantError.
func Failed(format string, args ...any) *Problem {
	return &Problem{Code: "home_assistant_error", Message: fmt.Sprintf(format, args...)}
}

// Set is all services of a house.
type Set struct {
	h    *house.House
	defs map[string]map[string]*Def
}

// New registers the services, and hears what automations wait for.
func New(h *house.House) *Set {
	s := &Set{h: h, defs: map[string]map[string]*Def{}}
	for _, list := range [][]Def{lights(), movers(), climates(), players(), guards(), helpers(), lists(), core(), runners()} {
		for _, d := range list {
			s.add(d)
		}
	}
	for _, sc := range h.Scripts {
		s.script(sc)
	}
	h.Listen("state_changed", s.automate)
	return s
}

func (s *Set) add(d Def) {
	if s.defs[d.Domain] == nil {
		s.defs[d.Domain] = map[string]*Def{}
	}
	s.defs[d.Domain][d.Name] = &d
}

// Pad adds services of many integrations that do nothing, for the size of a real list.
func (s *Set) Pad(n int) {
	for i := range n {
		f := dict{}
		for j := range 8 {
			f[fmt.Sprintf("parameter_%d", j)] = schema.May(schema.Text)
		}
		s.add(Def{Domain: fmt.Sprintf("integration_%02d", i/12), Name: fmt.Sprintf("action_%02d", i%12), Fields: f,
			About: "One of the many actions that integrations bring along, with a description of the usual length.", Run: nothing})
	}
}

func nothing(*Call, string) (any, error) { return nil, nil }

// Find is a service, or nil.
func (s *Set) Find(domain, name string) *Def { return s.defs[domain][name] }

// Call does what call_service and POST /api/services do: data and target are merged, the
// target wins. What comes back is the response, if one was asked for.
func (s *Set) Call(u *house.User, domain, name string, data, target m, returns bool, at house.Context) (any, error) {
	d := s.Find(strings.ToLower(domain), strings.ToLower(name))
	if d == nil {
		return nil, Missing{domain, name}
	}
	if err := d.responds(returns); err != nil {
		return nil, err
	}
	all := m{}
	for _, part := range []m{data, target} {
		maps.Copy(all, part)
	}
	checked, err := d.check(all)
	if err != nil {
		return nil, err
	}
	if d.Admin && u != nil && !u.Admin {
		return nil, Refused{}
	}
	if s.h.Calls[at.ID] == nil {
		s.h.Calls[at.ID] = m{"context_event_type": "call_service", "context_domain": domain, "context_service": name}
	}
	s.h.Fire("call_service", m{"domain": domain, "service": name, "service_data": all}, at)
	c := &Call{H: s.h, User: u, Def: d, Data: checked, Context: at, Returns: returns, set: s}
	if !d.Entities {
		return d.Run(c, "")
	}
	return c.each()
}

// responds checks return_response (core.py, async_call; strings.json of homeassistant).
func (d *Def) responds(returns bool) error {
	with := m{"return_response": "return_response=True"}
	switch {
	case returns && d.Response == "":
		return Invalid("homeassistant", "service_does_not_support_response", with, "An action which does not return responses can't be called with return_response=True")
	case !returns && d.Response == "only":
		return Invalid("homeassistant", "service_lacks_response_request", with, "The action requires responses and must be called with return_response=True")
	}
	return nil
}

func (d *Def) check(data m) (m, error) {
	fields := d.Fields
	if d.Entities {
		fields = fields.Plus(schema.Target)
	}
	out, err := fields.Apply(data)
	if err != nil {
		return nil, err
	}
	if d.Entities && !slices.ContainsFunc([]string{"entity_id", "device_id", "area_id", "floor_id", "label_id"}, func(k string) bool { return out[k] != nil }) {
		return nil, schema.Fail("must contain at least one of entity_id, device_id, area_id, floor_id, label_id.")
	}
	if d.Keys != nil {
		if err := d.Keys(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// each runs an entity service for the entities of its target (helpers/service.py,
// entity_service_call): unknown ones are only logged, unavailable ones passed over,
// unsuited ones refused if they were named.
func (c *Call) each() (any, error) {
	t := c.H.Resolve(c.Data, true, false)
	ids := t.All()
	if slices.Equal(t.Named, []string{"all"}) {
		ids = nil
		for id := range c.H.States {
			ids = append(ids, id)
		}
		slices.Sort(ids)
	}
	var runs []string
	for _, id := range ids {
		s := c.H.States[id]
		if s == nil || !c.Def.Any && house.Domain(id) != c.Def.Domain {
			if slices.Contains(t.Named, id) {
				c.H.Log("homeassistant.helpers.service", "WARNING", "helpers/service.py", "Referenced entities "+id+" are missing or not currently available")
			}
			continue
		}
		if c.User != nil && c.User.ReadOnly {
			return nil, Refused{}
		}
		if s.State == "unavailable" && !c.Def.Any {
			continue
		}
		if c.Def.Feature != 0 && c.H.Features(id)&c.Def.Feature == 0 {
			if slices.Contains(t.Named, id) {
				action := c.Def.Domain + "." + c.Def.Name
				return nil, Invalid("homeassistant", "service_not_supported", m{"domain": c.Def.Domain, "service": c.Def.Name, "entity_id": id},
					"Entity %s does not support action %s", id, action)
			}
			continue
		}
		runs = append(runs, id)
	}
	answers := m{}
	for _, id := range runs {
		a, err := c.Def.Run(c, id)
		if err != nil {
			return nil, err
		}
		answers[id] = a
	}
	if !c.Returns {
		return nil, nil
	}
	return answers, nil
}

// become changes an entity, as late as the house's devices are.
func (c *Call) become(id, state string, attrs m) {
	c.H.After(c.H.Lag, func() { c.H.Change(id, state, attrs, c.Context) })
}

// has tells whether a field was given.
func (c *Call) has(k string) bool { _, ok := c.Data[k]; return ok }

func (c *Call) attr(id, k string) any { return c.H.States[id].Attributes[k] }

// on and off are what most services do; toggle is the other of both.
func on(c *Call, id string) (any, error)  { c.become(id, "on", nil); return nil, nil }
func off(c *Call, id string) (any, error) { c.become(id, "off", nil); return nil, nil }

// Switchable makes turn_on, turn_off and toggle of a domain.
func switchable(domain string, feature int, up, down func(*Call, string) (any, error), fields dict) []Def {
	flip := func(c *Call, id string) (any, error) {
		if s := c.H.States[id].State; s == "off" || s == "closed" || s == "unknown" || s == "standby" {
			return up(c, id)
		}
		return down(c, id)
	}
	return []Def{
		{Domain: domain, Name: "turn_on", About: "Turns on.", Fields: fields, Entities: true, Feature: feature, Run: up},
		{Domain: domain, Name: "turn_off", About: "Turns off.", Entities: true, Feature: feature, Run: down},
		{Domain: domain, Name: "toggle", About: "Turns on or off, whatever it is not.", Fields: fields, Entities: true, Feature: feature, Run: flip},
	}
}

// Descriptions is what get_services answers (ref 1.2, /api/services).
func (s *Set) Descriptions() map[string]map[string]m {
	out := map[string]map[string]m{}
	for domain, list := range s.defs {
		out[domain] = map[string]m{}
		for name, d := range list {
			fields := m{}
			for k, f := range d.Fields {
				fields[k] = m{"required": f.Required, "name": strings.ReplaceAll(k, "_", " "),
					"description": "The " + strings.ReplaceAll(k, "_", " ") + ".", "selector": m{"object": m{}}}
			}
			x := m{"name": strings.ReplaceAll(name, "_", " "), "description": d.About, "fields": fields}
			if d.Entities {
				filter := m{}
				if !d.Any {
					filter["domain"] = []string{domain}
				}
				if d.Feature != 0 {
					filter["supported_features"] = []int{d.Feature}
				}
				x["target"] = m{"entity": []m{filter}}
			}
			if d.Response != "" {
				x["response"] = m{"optional": d.Response == "optional"}
			}
			out[domain][name] = x
		}
	}
	return out
}

// For lists the services that suit at least one entity.
func (s *Set) For(ids []string) []string {
	out := []string{}
	for domain, list := range s.defs {
		for name, d := range list {
			if d.Entities && slices.ContainsFunc(ids, func(id string) bool {
				return s.h.States[id] != nil && (d.Any || house.Domain(id) == domain) && (d.Feature == 0 || s.h.Features(id)&d.Feature != 0)
			}) {
				out = append(out, domain+"."+name)
			}
		}
	}
	slices.Sort(out)
	return out
}
