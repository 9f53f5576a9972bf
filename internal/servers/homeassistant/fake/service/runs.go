package service

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

// runners are automations, scripts and scenes.
func runners() []Def {
	defs := switchable("automation", 0, on, off, dict{"stop_actions": may(schema.Truth)})
	defs[0].Fields = nil
	defs = append(defs, switchable("script", 0, func(c *Call, id string) (any, error) {
		return nil, c.set.runItem(c.H.Item(id), c.Context, "", "")
	}, off, dict{"variables": may(schema.Map)})...)
	defs = append(defs,
		Def{Domain: "automation", Name: "trigger", About: "Runs an automation.", Entities: true,
			Fields: dict{"skip_condition": schema.With(schema.Truth, true), "variables": may(schema.Map)},
			Run: func(c *Call, id string) (any, error) {
				return nil, c.set.runItem(c.H.Item(id), c.H.NewContext(c.User, c.Context.ID), "", "")
			}},
		Def{Domain: "scene", Name: "turn_on", About: "Activates a scene.", Entities: true, Fields: dict{"transition": may(number(0, 6553))}, Run: activate},
		Def{Domain: "scene", Name: "apply", About: "Applies states.", Fields: dict{"entities": need(schema.Map), "transition": may(number(0, 6553))},
			Run: func(c *Call, _ string) (any, error) {
				c.apply(c.Data["entities"].(m))
				return nil, nil
			}})
	for _, domain := range []string{"automation", "script", "scene", "group", "input_boolean", "input_number", "input_select", "template"} {
		defs = append(defs, Def{Domain: domain, Name: "reload", About: "Reloads from YAML.", Admin: true, Run: nothing})
	}
	return defs
}

// script registers script.<id>, which takes any data.
func (s *Set) script(c *house.Config) {
	fields := dict{}
	for k := range asMap(c.Body["fields"]) {
		fields[k] = may(schema.Any)
	}
	s.add(Def{Domain: "script", Name: c.ID, About: s.h.Name(c.EntityID), Fields: fields, Response: "optional", Run: func(call *Call, _ string) (any, error) {
		return m{}, s.runItem(c, call.Context, "", "")
	}})
}

func asMap(v any) m { x, _ := v.(m); return x }

// Changed keeps the services of scripts in step after an edit.
func (s *Set) Changed(domain string, c *house.Config, gone bool) {
	if domain != "script" {
		return
	}
	if delete(s.defs["script"], c.ID); !gone {
		s.script(c)
	}
}

func activate(c *Call, id string) (any, error) {
	if x := c.H.Item(id); x != nil {
		c.apply(asMap(x.Body["entities"]))
	}
	c.become(id, house.ISO(c.H.Clock.Now()), nil)
	return nil, nil
}

func (c *Call) apply(entities m) {
	for _, id := range house.Keys(entities) {
		attrs, state := m{}, ""
		switch v := entities[id].(type) {
		case string:
			state = v
		case m:
			maps.Copy(attrs, v)
			state, _ = attrs["state"].(string)
			delete(attrs, "state")
		}
		if c.H.States[id] != nil {
			c.become(id, state, attrs)
		}
	}
}

// automate starts the automations that wait for a change of state.
func (s *Set) automate(e house.Event) {
	if e.Old == nil || e.New == nil || e.Old.State == e.New.State {
		return
	}
	for _, a := range slices.Clone(s.h.Automations) {
		if st := s.h.States[a.EntityID]; st == nil || st.State != "on" || !Waits(a.Body, e) {
			continue
		}
		at := s.h.NewContext(nil, e.Context.ID)
		source := "state of " + e.New.EntityID
		if !s.holds(a.Body) {
			s.h.Ran(a, at, s.h.Clock.Now(), source, e.New.EntityID, "failed_conditions", "")
			continue
		}
		_ = s.runItem(a, at, source, e.New.EntityID) // what went wrong is in the trace
	}
}

// Waits tells whether a state trigger is for this change. Other triggers never fire here.
func Waits(body m, e house.Event) bool {
	for _, t := range house.Steps(body, "triggers", "trigger") {
		t := asMap(t)
		kind, _ := t["trigger"].(string)
		if kind == "" {
			kind, _ = t["platform"].(string)
		}
		if kind == "state" && slices.Contains(house.Mentions(t, "entity_id"), e.New.EntityID) && fits(t["to"], e.New.State) && fits(t["from"], e.Old.State) {
			return true
		}
	}
	return false
}

func fits(want any, state string) bool {
	switch want := want.(type) {
	case nil:
		return true
	case []any:
		return slices.Contains(schema.Texts(want), state)
	}
	return want == state
}

// holds evaluates conditions about states; others count as true.
func (s *Set) holds(body m) bool {
	for _, c := range house.Steps(body, "conditions", "condition") {
		if ok, err := s.Test(c); err != nil || !ok {
			return false
		}
	}
	return true
}

// Test is one condition: state, numeric_state, and, or, not.
func (s *Set) Test(v any) (bool, error) {
	c := asMap(v)
	kind, _ := c["condition"].(string)
	sub := house.Steps(c, "conditions")
	switch kind {
	case "and", "or", "not":
		for _, x := range sub {
			ok, err := s.Test(x)
			if err != nil {
				return false, err
			}
			if ok != (kind == "and") {
				return kind == "or", nil
			}
		}
		return kind != "or", nil
	}
	for _, id := range house.Mentions(c, "entity_id") {
		st := s.h.States[id]
		if st == nil {
			return false, Failed("In '%s':\n  In '%s' condition: unknown entity %s", kind, kind, id)
		}
		if kind == "state" && !fits(c["state"], st.State) {
			return false, nil
		}
		if kind == "numeric_state" {
			n, err := number(-1e300, 1e300)(st.State)
			lo, lerr := number(-1e300, 1e300)(c["above"])
			hi, herr := number(-1e300, 1e300)(c["below"])
			if err != nil || lerr == nil && n.(float64) <= lo.(float64) || herr == nil && n.(float64) >= hi.(float64) {
				return false, nil
			}
		}
	}
	return true, nil
}

// runItem runs the actions of an automation or script: calls of services, one after the
// other; everything else passes.
func (s *Set) runItem(a *house.Config, at house.Context, source, trigger string) error {
	if a == nil {
		return nil
	}
	t := s.h.Ran(a, at, s.h.Clock.Now(), source, trigger, "finished", "")
	s.h.Change(a.EntityID, "", m{"last_triggered": house.ISO(s.h.Clock.Now())}, at)
	s.h.Fire(house.Domain(a.EntityID)+map[bool]string{true: "_triggered", false: "_started"}[house.Domain(a.EntityID) == "automation"],
		m{"name": s.h.Name(a.EntityID), "entity_id": a.EntityID, "source": source}, at)
	err := s.RunSequence(house.Steps(a.Body, "actions", "action", "sequence"), at)
	if err != nil {
		t.Error, t.Execution = err.Error(), "error"
	}
	return err
}

// RunSequence calls the services of a list of actions.
func (s *Set) RunSequence(steps []any, at house.Context) error {
	for i, x := range steps {
		x := asMap(x)
		action, _ := x["action"].(string)
		if action == "" {
			action, _ = x["service"].(string)
		}
		if domain, name, ok := strings.Cut(action, "."); ok {
			if _, err := s.Call(nil, domain, name, asMap(x["data"]), asMap(x["target"]), false, at); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
	}
	return nil
}
