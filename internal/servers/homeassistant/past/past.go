// Package past has the tools about what has been: histories, the logbook, and why
// something is as it is.
//
// Histories are reduced to what an answer holds: points are chosen so that the lowest
// and the highest of each stretch stay. The homeassistant server offers the tools.
package past

import (
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *desk.Desk }

// All are the tools.
func (t Tools) All() []kit.Tool {
	return []kit.Tool{
		kit.Read("get_history", "Get History", "How states went: changes, a summary of numbers, or long-term statistics.", t.history).Within(desk.Slow),
		kit.Read("get_logbook", "Get Logbook", "What happened, newest first, and what caused it.", t.logbook),
		kit.Read("explain_state", "Explain State", "Why an entity is as it is: changes, causes, automations.", t.explain),
	}
}
