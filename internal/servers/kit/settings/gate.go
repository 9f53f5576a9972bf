package settings

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
)

// Mode caps what a server's tools may do.
type Mode string

// The modes.
const (
	ModeRead  Mode = "read"  // only tools that change nothing
	ModeWrite Mode = "write" // not those that destroy
	ModeAll   Mode = "all"
)

// Tier is what a tool may do.
type Tier int

// The tiers, least first.
const (
	Read Tier = iota
	Write
	Destroy
)

// allows: an unknown mode is the least.
func (m Mode) allows(t Tier) bool {
	switch m {
	case ModeAll:
		return true
	case ModeWrite:
		return t <= Write
	default:
		return t == Read
	}
}

func modeFor(t Tier) Mode {
	if t == Destroy {
		return ModeAll
	}
	return ModeWrite
}

// Set is a group of tools that an operator switches together.
type Set struct {
	Name    string
	Default bool
}

// allSets chooses every toolset.
const allSets = "all"

// Gate tells which tools of a server are offered.
type Gate struct {
	Server   string
	Sets     []Set // all of them
	Mode     Mode
	Toolsets []string // see Common
}

// Check tells what is wrong with the choice of toolsets.
func (g Gate) Check() error {
	for _, name := range g.Toolsets {
		if !g.Has(name) && name != allSets {
			names := make([]string, len(g.Sets))
			for i, set := range g.Sets {
				names[i] = set.Name
			}
			return fmt.Errorf("there is no toolset %q; choose from %s, %s", name, strings.Join(names, ", "), allSets)
		}
	}
	return nil
}

// Has tells whether there is a toolset.
func (g Gate) Has(set string) bool {
	return slices.ContainsFunc(g.Sets, func(s Set) bool { return s.Name == set })
}

// Refuse tells why a tool is not offered, with the way to it. A tool without a set is
// always there.
func (g Gate) Refuse(tool, set string, tier Tier) error {
	name := VariableName(g.Server)
	if !g.Mode.allows(tier) {
		return fault.New(fault.Forbidden, "The tool %s is switched off because %s_MODE is %s. The operator can set %s_MODE=%s.",
			tool, name, g.Mode, name, modeFor(tier))
	}
	if set == "" || g.active(set) {
		return nil
	}
	return fault.New(fault.Forbidden, "The tool %s is in the toolset %s, which is off. The operator can add it to %s_TOOLSETS.", tool, set, name)
}

func (g Gate) active(name string) bool {
	if len(g.Toolsets) > 0 {
		return slices.Contains(g.Toolsets, name) || slices.Contains(g.Toolsets, allSets)
	}
	return slices.ContainsFunc(g.Sets, func(set Set) bool { return set.Name == name && set.Default })
}
