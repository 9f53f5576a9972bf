// Package look has the tools that show the house: an overview, searches, states, and
// the registries.
//
// What is kept from models (package house) is in none of them. The homeassistant
// server offers the tools.
package look

import (
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *desk.Desk }

// All are the tools.
func (t Tools) All() []kit.Tool {
	return []kit.Tool{
		kit.Read("get_overview", "Get Overview", "What there is in the house, or in one area, and what needs attention.", t.Overview),
		kit.Read("search_entities", "Search Entities", "Find entities by words, or by what they are.", t.Search),
		kit.Read("get_states", "Get States", "Read the states of entities.", t.States),
		kit.Read("list_registry", "List Registry", "List areas, floors, labels, devices or integrations.", t.registry),
	}
}
