package backend

import (
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// KindOf sorts a 2026-07-28 result by its resultType, "" where it has none. It is
// false for a type that the caller must take for invalid: one that no extension
// it declared can have brought. Which extension has which type is known of tasks
// alone; for any other the caller has to have declared some.
func KindOf(caller *mcpwire.Caller, resultType string) (mcpwire.Kind, bool) {
	switch {
	case resultType == "" || resultType == "complete":
		return mcpwire.Complete, true
	case resultType == "input_required":
		return mcpwire.InputRequired, true
	case caller == nil || !caller.Revision.Modern():
		return 0, false
	}
	extensions := mcpwire.ObjectMember(caller.Capabilities, "extensions")
	if resultType == "task" {
		return mcpwire.Complete, mcpwire.Member(extensions, "io.modelcontextprotocol/tasks") != nil
	}
	for range jsonscan.Members(extensions) {
		return mcpwire.Complete, true
	}
	return 0, false
}
