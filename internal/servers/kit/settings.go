package kit

import (
	"drawbridge/internal/servers/kit/settings"
	"drawbridge/internal/servers/kit/targets"
)

// What an operator sets for a server; see package settings. Targets are the operator's
// lists of what a server may touch: repositories, hosts, data sets.
type (
	Settings = settings.Settings
	Common   = settings.Common
	Mode     = settings.Mode
	Set      = settings.Set
	Targets  = targets.Lists
)

// The modes.
const (
	ModeRead  = settings.ModeRead
	ModeWrite = settings.ModeWrite
	ModeAll   = settings.ModeAll
)

// Bounds of the settings in Common.
const (
	MaxParallel = settings.MaxParallel
	MaxTimeout  = settings.MaxTimeout
)

// VariableName is how a server is called in the names of its environment variables.
func VariableName(server string) string { return settings.VariableName(server) }

// CommonVariables names the environment variables of the settings in Common.
func CommonVariables(server string) []string { return settings.CommonVariables(server) }
