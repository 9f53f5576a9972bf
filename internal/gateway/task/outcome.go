package task

import (
	"strings"

	"drawbridge/internal/mcpwire"
)

// What a model has to know of a call that brought no result.
const (
	unknown = "It is unknown whether the call took effect: look before you repeat it."
	hasRun  = "The call has run: look at what it did before you repeat it."
)

// toolError is a tool's result that a model can read and react to.
func toolError(sentence string) mcpwire.Outcome {
	body := mcpwire.AppendString([]byte(`{"content":[{"type":"text","text":`), sentence)
	return mcpwire.Done(mcpwire.LatestLegacy, append(body, `}],"isError":true}`...))
}

func unusable() mcpwire.Outcome {
	return toolError("The tool's backend made a task of this call, but gave it an id that cannot be used. " + unknown)
}

func forgotten() mcpwire.Outcome {
	return toolError("The tool's backend no longer knows the task of this call. " + unknown)
}

func unreachable() mcpwire.Outcome {
	return toolError("The tool's backend took this call as a task and then stopped answering. " + unknown)
}

// withdrawn is the end of a task that the backend cancelled.
func withdrawn(s state) mcpwire.Outcome {
	return toolError("The tool's backend cancelled the task of this call" + quoted(s) + ". " + unknown)
}

// withheld is the end of a task whose result the backend does not hand out.
func withheld(s state) mcpwire.Outcome {
	switch s.status {
	case statusCancelled:
		return withdrawn(s)
	case statusFailed:
		return toolError("The task of this call failed at the tool's backend" + quoted(s) + ". " + unknown)
	}
	return toolError("The tool's backend has completed the task of this call but does not hand out its result. " + hasRun)
}

// cutShort is the end of a call that its caller ended, or its time. confirmed tells
// that the backend has cancelled the task.
func cutShort(confirmed bool) mcpwire.Outcome {
	if confirmed {
		return toolError("This call was ended before it was done, and its task at the tool's backend was cancelled. " + unknown)
	}
	return toolError("This call was ended before it was done. Its task at the tool's backend may go on. " + unknown)
}

// garbled is the end of a call whose result is none.
func garbled() mcpwire.Outcome {
	return toolError("The tool's backend handed out something else than the result of this call's task. " + unknown)
}

// refused is the error that the backend gave in place of a result, which is what
// the call itself would have answered. Of a failed task the status often says
// more than the error does, so the sentence gets it too.
func refused(e *mcpwire.Error, s state) mcpwire.Outcome {
	if s.status != statusFailed || s.message == "" || strings.Contains(e.Message, s.message) {
		return mcpwire.Fail(e)
	}
	return mcpwire.Fail(&mcpwire.Error{Code: e.Code, Message: e.Message + " (" + s.message + ")", Data: e.Data})
}

// quoted is what the backend says of a status.
func quoted(s state) string {
	if s.message == "" {
		return ""
	}
	return ` and said "` + s.message + `"`
}
