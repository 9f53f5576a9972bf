package api

import (
	"context"
	"encoding/json"
	"slices"

	"drawbridge/internal/servers/homeassistant/link"
)

// Service is an action that Home Assistant offers.
type Service struct {
	Name        Text                       `json:"name"`
	Description Text                       `json:"description"`
	Fields      map[string]json.RawMessage `json:"fields"`
	Target      json.RawMessage            `json:"target"`
	Response    *struct {
		Optional bool `json:"optional"`
	} `json:"response"`
}

// Field is what an action takes.
type Field struct {
	Description Text                       `json:"description"`
	Required    bool                       `json:"required"`
	Example     json.RawMessage            `json:"example"`
	Selector    map[string]json.RawMessage `json:"selector"`
	Fields      map[string]json.RawMessage `json:"fields"` // of a section
}

// HasTarget tells whether it takes entities, devices or areas.
func (s Service) HasTarget() bool { return len(s.Target) > 0 && string(s.Target) != "null" }

// Services are the actions by domain and name. What cannot be read is left out.
func (s Session) Services(ctx context.Context) (map[string]map[string]Service, error) {
	var raw map[string]map[string]json.RawMessage
	if err := s.ask(ctx, link.Command{"type": "get_services"}, &raw, "the actions"); err != nil {
		return nil, err
	}
	all := make(map[string]map[string]Service, len(raw))
	for domain, services := range raw {
		all[domain] = make(map[string]Service, len(services))
		for name, r := range services {
			var one Service
			if json.Unmarshal(r, &one) == nil {
				all[domain][name] = one
			}
		}
	}
	return all, nil
}

// ServicesFor are the actions that fit a target, as "domain.service".
func (s Session) ServicesFor(ctx context.Context, t Target) ([]string, error) {
	var all Texts
	err := s.ask(ctx, link.Command{"type": "get_services_for_target", "target": t}, &all, "the actions for a target")
	slices.Sort(all)
	return all, err
}

// Target is what an action is for. Empty members are not sent.
type Target struct {
	Entities []string `json:"entity_id,omitempty"`
	Devices  []string `json:"device_id,omitempty"`
	Areas    []string `json:"area_id,omitempty"`
	Floors   []string `json:"floor_id,omitempty"`
	Labels   []string `json:"label_id,omitempty"`
}

// Empty tells whether there is nothing in it.
func (t Target) Empty() bool {
	return len(t.Entities)+len(t.Devices)+len(t.Areas)+len(t.Floors)+len(t.Labels) == 0
}

// Extracted is what a target leads to.
type Extracted struct {
	Entities Texts `json:"referenced_entities"`
	Devices  Texts `json:"referenced_devices"`
	Areas    Texts `json:"referenced_areas"`

	NoDevices Texts `json:"missing_devices"`
	NoAreas   Texts `json:"missing_areas"`
	NoFloors  Texts `json:"missing_floors"`
	NoLabels  Texts `json:"missing_labels"`
}

// Missing is what the target names and the house does not have.
func (e Extracted) Missing() []string {
	return slices.Concat(e.NoDevices, e.NoAreas, e.NoFloors, e.NoLabels)
}

// Extract has Home Assistant resolve a target, as it would for an action. expand
// puts the members in the place of groups.
func (s Session) Extract(ctx context.Context, t Target, expand bool) (e Extracted, err error) {
	cmd := link.Command{"type": "extract_from_target", "target": t}
	if expand {
		cmd["expand_group"] = true
	}
	err = s.ask(ctx, cmd, &e, "the target")
	slices.Sort(e.Entities)
	return e, err
}

// Called is what an action answered.
type Called struct {
	Context  Context         `json:"context"`
	Response json.RawMessage `json:"response"`
}

// Call runs an action. It is never repeated.
func (s Session) Call(ctx context.Context, domain, service string, t Target, data map[string]any, response bool) (out Called, err error) {
	cmd := link.Command{"type": "call_service", "domain": domain, "service": service}
	if len(data) > 0 {
		cmd["service_data"] = data
	}
	if !t.Empty() {
		cmd["target"] = t
	}
	if response {
		cmd["return_response"] = true
	}
	return out, s.do(ctx, cmd, &out, domain+"."+service)
}
