package backend

import (
	"iter"

	"drawbridge/internal/mcpwire"
)

// Cause finds, among the calls by id that run in one upstream session, the one
// that a question or log message without a mark of its own belongs to: the only
// call, or the latest where all are one client's. ok is false where nobody can
// tell. n counts the calls of clients; the gateway's own ask nothing.
func Cause[C any](calls iter.Seq2[int64, C], callerOf func(C) *mcpwire.Caller) (cause C, n int, ok bool) {
	var latest int64
	client, one := "", true
	for id, c := range calls {
		caller := callerOf(c)
		if caller == nil || caller.Revision == "" {
			continue
		}
		if n++; n == 1 {
			client = caller.Session
		}
		one = one && caller.Session == client
		if id > latest {
			latest, cause = id, c
		}
	}
	return cause, n, n == 1 || n > 1 && one && client != ""
}

// Decline is the answer to a question that nobody answers, one that lets the
// backend go on (protocol reference 2.5, last table). A server that gets no roots
// keeps to those it was started with.
func Decline(method string) mcpwire.Answer {
	switch method {
	case mcpwire.MethodElicit:
		return mcpwire.Answer{Result: []byte(`{"action":"cancel"}`)}
	case mcpwire.MethodRootsList:
		return mcpwire.Answer{Result: []byte(`{"roots":[]}`)}
	}
	return mcpwire.Answer{Err: &mcpwire.Error{Code: -1, Message: "User rejected sampling request"}}
}

// MayAsk tells the methods during which a backend may ask or log. A look at a task
// causes nothing: the task's questions come with the request for its result
// (2025-11-25, basic/utilities/tasks, "Input Required Status").
func MayAsk(method string) bool {
	switch method {
	case "tasks/get", "tasks/list", "tasks/cancel":
		return false
	}
	return true
}
