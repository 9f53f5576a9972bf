// Package control has the tools that change states: control_entities for what people
// switch and set, call_action for every other action, list_actions to find it.
//
// A call is planned first: what the target leads to, which action fits which entity,
// what a person has to approve. Then each action is called once, and the states before
// and after are in the answer: they are followed on the same connection from before
// the first action on, so that no change is missed. The homeassistant server offers
// the tools.
package control

import (
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *desk.Desk }

// All are the tools.
func (t Tools) All() []kit.Tool {
	return []kit.Tool{
		kit.WithPreview(kit.Write("control_entities", "Control Entities",
			"Switch or set entities, and read before and after. Places mean lights, switches, fans, media players and climate. Locks, alarms, garage doors, valves and sirens are asked about.", t.control), t.previewControl).Within(desk.Slow),
		kit.WithPreview(kit.Write("call_action", "Call Action", "Call any other action (service). Risky ones are asked about.", t.call), t.previewCall).Within(desk.Slow),
		kit.Read("list_actions", "List Actions", "List actions; all about one with full.", t.actions),
	}
}
