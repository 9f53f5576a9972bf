package mcpwire

import "slices"

// levels are the log levels, least severe first.
var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// DefaultLevel is what a legacy client that set none is taken to want.
const DefaultLevel = "info"

// Severity is the place of a log level among all, 0 for the least; -1 for a word
// that is no level.
func Severity(level string) int { return slices.Index(levels, level) }
