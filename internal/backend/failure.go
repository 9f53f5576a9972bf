package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/backend/pace"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// errStopping ends a call before or while it runs, as pace.ErrBusy and
// pace.ErrTime do.
var errStopping = errors.New("the backend is being stopped")

// Broken is the outcome of a call that failed on the way instead of being
// answered: the connection was lost, the process ended, the answer broke the
// rules. Peers return it; the supervisor counts it for the breaker, says which
// backend it was and what to do. reason is shown to callers, without a period.
func Broken(reason string) mcpwire.Outcome {
	return mcpwire.Fail(&mcpwire.Error{Code: mcpwire.CodeInternal, Message: reason})
}

// Garbled is Broken for an answer that came but is of no use. It says nothing
// against the connection, so it is not counted for the breaker: one caller's bad
// answers must not keep the others from the backend.
func Garbled(reason string) mcpwire.Outcome {
	return mcpwire.Fail(&mcpwire.Error{Code: mcpwire.CodeInternal, Message: reason, Data: []byte(garbled)})
}

// garbled is the data of Garbled; it never leaves the supervisor.
const garbled = `"garbled"`

// isBroken tells an outcome that a peer made, as Broken and Garbled do, from an
// error that the backend sent. What a built-in server says is its own word.
func isBroken(by Transport, o *mcpwire.Outcome) bool {
	return by != BuiltIn && o.Kind == mcpwire.Failed && o.Err.Raw == nil && o.Err.Code == mcpwire.CodeInternal &&
		(o.Err.Data == nil || isGarbled(o))
}

// isGarbled tells Garbled from Broken.
func isGarbled(o *mcpwire.Outcome) bool { return string(o.Err.Data) == garbled }

// trouble is why a call did not get an answer.
type trouble struct {
	reason string // for error.data, and in the sentence
	advice string // what to do next
}

// Advice by how far the call came: what a model has to know first is whether
// something may have happened.
const (
	adviceNotRun  = "Nothing was run. Try again in a moment; if it stays so, the status page shows the backend's last error."
	adviceBusy    = "Nothing was run. Try again in a few seconds, or raise the backend's concurrency."
	adviceUnknown = "It is unknown whether the call took effect: look before you repeat it."
)

func (t *trouble) sentence(name string) string {
	return fmt.Sprintf("Backend %q gave no answer: %s. %s", name, t.reason, t.advice)
}

// outcome is what the caller gets: for a tool call a result that a model can read
// and react to, for everything else an error (protocol reference 2.8).
func (t *trouble) outcome(name, method string) mcpwire.Outcome {
	if method == mcpwire.MethodToolsCall {
		body := mcpwire.AppendString([]byte(`{"content":[{"type":"text","text":`), t.sentence(name))
		return mcpwire.Done(mcpwire.LatestLegacy, append(body, `}],"isError":true}`...))
	}
	return mcpwire.Fail(t.err(name))
}

func (t *trouble) err(name string) *mcpwire.Error {
	return Failure(name, t.reason, t.sentence(name))
}

// Failure is the error of a backend that does not do its part. message is for
// people, reason for programs: error.data has it beside the backend's name.
func Failure(name, reason, message string) *mcpwire.Error {
	data := mcpwire.AppendString([]byte(`{"backend":`), name)
	data = mcpwire.AppendString(append(data, `,"reason":`...), reason)
	return &mcpwire.Error{Code: mcpwire.CodeInternal, Message: message, Data: append(data, '}')}
}

// Unanswered is the Failure of a backend that took a call and ended it without an
// answer. reason is as in Broken.
func Unanswered(name, reason string) *mcpwire.Error {
	t := trouble{reason: reason, advice: adviceUnknown}
	return t.err(name)
}

// fault is the same for callers that are not a request.
func (t *trouble) fault(name string) error {
	return fault.New(fault.Unavailable, "%s", t.sentence(name))
}

// reasonOf is what may be shown of why there is no session.
func reasonOf(err error) string {
	if err == nil {
		return "it is not connected"
	}
	return strings.TrimSuffix(fault.PublicOf(err), ".")
}

// notConnected is the trouble of a call that found no session.
func notConnected(reason string) *trouble { return &trouble{reason: reason, advice: adviceNotRun} }

// unsent explains why a call ended before it was sent.
func unsent(cause error, timeout time.Duration) *trouble {
	switch {
	case errors.Is(cause, pace.ErrBusy):
		return &trouble{reason: pace.ErrBusy.Error(), advice: adviceBusy}
	case errors.Is(cause, pace.ErrTime):
		return &trouble{reason: fmt.Sprintf("no turn within %s", timeout), advice: adviceBusy}
	case errors.Is(cause, errStopping):
		return notConnected(errStopping.Error())
	}
	return notConnected("the caller went away")
}

// broken explains a call that was sent and not answered. cause is that of the
// call's context, nil while it lives.
func broken(o *mcpwire.Outcome, cause error, timeout time.Duration) *trouble {
	switch {
	case errors.Is(cause, pace.ErrTime):
		return &trouble{
			reason: fmt.Sprintf("no answer within %s", timeout),
			advice: adviceUnknown + " The backend's timeout setting allows longer calls.",
		}
	case errors.Is(cause, errStopping):
		return &trouble{reason: errStopping.Error(), advice: adviceUnknown}
	case errors.Is(cause, context.Canceled):
		return &trouble{reason: "the call was cancelled", advice: adviceUnknown}
	}
	return &trouble{reason: o.Err.Message, advice: adviceUnknown}
}
