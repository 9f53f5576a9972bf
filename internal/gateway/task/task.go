// Package task is what the gateway does about MCP tasks: calls that a backend
// answers with a handle first and with a result later. There are two kinds, and
// they are not compatible on the wire: tasks of 2025-11-25, which a client asks
// for with params.task, and those of the extension io.modelcontextprotocol/tasks,
// which a 2026-07-28 backend makes for clients that declared it (protocol
// reference 2.7).
//
// Where client and backend know the same kind, tasks pass through: Ids seals the
// backend's task ids, so that a handle leads back to its backend and is of use to
// nobody but its owner, and the Wrap functions put the sealed ids where the
// backend's stood. Every other byte stays as it came.
//
// A tool that can only be called as a task is run by Runner for everybody who has
// not asked for one: it makes the task, brings the backend's questions to the
// caller, and ends with the result as if the call had been an ordinary one. Guard
// keeps handles from clients that cannot use them.
//
// The package does not translate one kind into the other, keeps no state between
// calls, and never sends a tools/call twice. The gateway is its caller.
package task

import (
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// Extension is the id of the tasks of 2026-07-28.
const Extension = "io.modelcontextprotocol/tasks"

// MetaRelated is the key of _meta under which a message of 2025-11-25 names the
// task it belongs to.
const MetaRelated = "io.modelcontextprotocol/related-task"

// The methods of both kinds. Result and List are those of 2025-11-25 alone,
// Update that of the extension.
const (
	MethodGet    = "tasks/get"
	MethodResult = "tasks/result"
	MethodList   = "tasks/list"
	MethodUpdate = "tasks/update"
	MethodCancel = "tasks/cancel"

	MethodStatus  = "notifications/tasks/status" // 2025-11-25
	MethodChanged = "notifications/tasks"        // the extension
)

// Required tells a tool, raw and checked, that 2025-11-25 lets a client call as a
// task only. It counts where Augments is true of its server.
func Required(tool []byte) bool {
	support, _ := mcpwire.TextMember(mcpwire.ObjectMember(tool, "execution"), "taskSupport")
	return support == "required"
}

// Augments tells server capabilities that let a client call tools as tasks of
// 2025-11-25. Of a server that does not declare it no task may be asked, whatever
// its tools say (2025-11-25, basic/utilities/tasks, "Tool-Level Negotiation").
func Augments(capabilities []byte) bool {
	requests := mcpwire.ObjectMember(mcpwire.ObjectMember(capabilities, "tasks"), "requests")
	return mcpwire.ObjectMember(mcpwire.ObjectMember(requests, "tools"), "call") != nil
}

// Asked tells a call for which its client wants a task of 2025-11-25. To clients of
// other revisions params.task means nothing.
func Asked(req *mcpwire.Request) bool {
	return revisionOf(req.Caller) == mcpwire.Rev20251125 && mcpwire.Member(req.Params, "task") != nil
}

// Declared tells a client that takes tasks of the extension for an answer.
func Declared(caller *mcpwire.Caller) bool {
	if !revisionOf(caller).Modern() {
		return false
	}
	return mcpwire.Member(mcpwire.ObjectMember(caller.Capabilities, "extensions"), Extension) != nil
}

func revisionOf(caller *mcpwire.Caller) mcpwire.Revision {
	if caller == nil {
		return ""
	}
	return caller.Revision
}

// kind says what a result is.
type kind int

const (
	plain     kind = iota // a result, not a task
	legacy                // {"task":{…}} of 2025-11-25
	extension             // "resultType":"task"
)

// kindOf tells a handle from a result. A tool's result has content, so one that
// names a task beside it is a result with a member that nobody knows.
func kindOf(result []byte) kind {
	task, content, flat := false, false, false
	for m := range jsonscan.Members(result) {
		value := m.Value.Of(result)
		switch {
		case jsonscan.Is(m.Key, "resultType"):
			text, _ := jsonscan.Unquote(value)
			flat = flat || text == "task"
		case jsonscan.Is(m.Key, "task"):
			task = task || mcpwire.IsObject(value)
		case jsonscan.Is(m.Key, "content") || jsonscan.Is(m.Key, "structuredContent"):
			content = true
		}
	}
	switch {
	case flat:
		return extension
	case task && !content:
		return legacy
	}
	return plain
}

// kindOfOutcome is kindOf for an outcome. What is too large to hold is no handle.
func kindOfOutcome(o *mcpwire.Outcome) kind {
	if o.Kind != mcpwire.Complete || o.Result.Rest != nil {
		return plain
	}
	return kindOf(o.Result.Bytes)
}

// Guard is the outcome of a tools/call as its client may have it: in place of a
// task that the client has not asked for, or of a kind that it does not know, it
// gets an error. Everything else passes untouched.
func Guard(req *mcpwire.Request, o mcpwire.Outcome) mcpwire.Outcome {
	k := kindOfOutcome(&o)
	if k == plain || k == legacy && Asked(req) || k == extension && Declared(req.Caller) {
		return o
	}
	o.Close()
	return mcpwire.Fail(unwanted(req, k))
}

// unwanted is the error in place of a task that its client cannot use.
func unwanted(req *mcpwire.Request, k kind) *mcpwire.Error {
	const told = "The tool's backend answered with a task instead of a result, which this client did not ask for. " + unknown
	switch rev := revisionOf(req.Caller); {
	case k == extension && rev.Modern():
		return mcpwire.Errorf(mcpwire.CodeInternal, told+" Declare the extension "+Extension+" to get such a task.")
	case k == legacy && rev == mcpwire.Rev20251125:
		return mcpwire.Errorf(mcpwire.CodeInternal, told+" Send params.task to get such a task.")
	case k == legacy:
		return mcpwire.Errorf(mcpwire.CodeInternal, told+" Its tasks are those of 2025-11-25: use a client of that revision for this tool.")
	}
	return mcpwire.Errorf(mcpwire.CodeInternal, told+" Its tasks are those of 2026-07-28: use a client of that revision for this tool.")
}
