package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
)

// Any stands for every action, where nobody knows which it is.
const Any = "*"

// nameFor is the name of an action for an entity. Who is only named in the data of
// another domain's action may meet any.
func nameFor(e *house.Entity, action string) string {
	domain, name, full := strings.Cut(action, ".")
	switch {
	case !full:
		return action
	case domain == "homeassistant" || domain == e.Domain:
		return name
	}
	return Any
}

// Sensitive tells why a person is asked before an action, domain.name or only the
// name, on an entity; "" where nobody is.
func Sensitive(e *house.Entity, action string) string {
	action = nameFor(e, action)
	if action == "update_entity" {
		return ""
	}
	switch e.Domain {
	case "lock":
		return "is a lock"
	case "alarm_control_panel":
		return "is an alarm"
	case "siren":
		return "is a siren"
	case "valve":
		return "is a valve"
	case "cover":
		if class := e.Class(); slices.Contains([]string{"garage", "gate", "door"}, class) {
			return "is a " + class
		}
	case "camera":
		if slices.Contains([]string{Any, "turn_off", "toggle", "disable_motion_detection"}, action) {
			return "is a camera, which will watch no more"
		}
	case "update":
		if action == "install" || action == Any {
			return "is software that cannot be taken back"
		}
	}
	return ""
}

// Verdict is what a guard says of an action on entities.
type Verdict struct {
	Allowed []*house.Entity
	Refused []string // lines: what is not touched, and why
	Ask     []string // why a person is asked; empty where nobody is
}

// Judge looks at everything that an action would reach: members of groups and scenes,
// what scripts and triggered automations name.
func (v *Visit) Judge(ctx context.Context, all []*house.Entity, action string) (out Verdict, err error) {
	for _, e := range all {
		reached, ask, err := v.reach(ctx, e, action)
		if err != nil {
			return out, err
		}
		refused := false
		for _, r := range reached {
			if r.Why == house.Blocked {
				out.Refused = append(out.Refused, e.ID+": reaches something with the label "+house.LabelBlocked)
				refused = true
				break
			}
			why := Sensitive(r.Entity, r.action)
			if why == "" && v.Confirm(r.Entity) {
				why = "has the label " + house.LabelConfirm
			}
			if why == "" {
				continue
			}
			line := fmt.Sprintf("%s (%s) %s", r.ID, show.Clip(r.Name, 60), why)
			if r.ID != e.ID {
				line += ", reached by " + e.ID
			}
			ask = append(ask, line)
		}
		if !refused {
			out.Allowed = append(out.Allowed, e)
			out.Ask = append(out.Ask, ask...)
		}
	}
	return out, nil
}

// Count adds a reason to ask where more is touched than the operator lets pass.
func (v *Visit) Count(out *Verdict) {
	if n := len(out.Allowed); n > v.desk.Most {
		out.Ask = append(out.Ask, fmt.Sprintf("%d entities at once, more than the %d that pass without a question", n, v.desk.Most))
	}
}
