package line

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/backend/remote/rawhttp"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// Why a session ends or a call fails, where it is no exchange's own error. Their
// texts are shown to callers.
var (
	ErrLost    = errors.New("the session with it was lost")
	ErrUnknown = errors.New("the connection was lost before the answer came")
	ErrChanged = errors.New("it no longer speaks the revision it spoke before, and is being asked anew")
	ErrHeaders = errors.New("it found the headers of the request at odds with its body")
	ErrRefused = errors.New("it refused to open a session")
	ErrForeign = errors.New("it names an address of another server for its messages")
)

// StatusError is an HTTP status that is no answer.
type StatusError int

// Error says what the status means, without a word of the backend's.
func (s StatusError) Error() string {
	switch {
	case IsCredential(int(s)):
		return fmt.Sprintf("it refused our credential (HTTP %d): set its token or headers", int(s))
	case s >= 300 && s < 400:
		return fmt.Sprintf("it redirects to another address (HTTP %d): set that one as its URL", int(s))
	case s == http.StatusNotFound:
		return "it has no MCP endpoint at this path (HTTP 404): correct its URL"
	case s == http.StatusRequestEntityTooLarge:
		return "it takes no request of this size (HTTP 413)"
	case s == http.StatusTooManyRequests || s == http.StatusServiceUnavailable:
		return fmt.Sprintf("it is overloaded (HTTP %d)", int(s))
	case s >= 500:
		return fmt.Sprintf("it failed (HTTP %d)", int(s))
	case s == http.StatusAccepted || s == http.StatusNoContent:
		return "it took the request but sent no answer"
	case s == http.StatusOK:
		return "it answered with something other than JSON or an event stream"
	}
	return fmt.Sprintf("it refused the request (HTTP %d)", int(s))
}

// IsCredential tells the statuses of a refused credential.
func IsCredential(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// reason is what callers learn of an error. It is never a cause's text.
func (l *Line) reason(err error) string {
	if s, ok := errors.AsType[StatusError](err); ok {
		return s.Error()
	}
	if e, ok := errors.AsType[*rawhttp.Error](err); ok {
		return exchangeReason(e)
	}
	for _, known := range []error{ErrLost, ErrUnknown, ErrChanged, ErrHeaders, ErrRefused, ErrForeign} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	switch {
	case errors.Is(err, answer.ErrTooLarge), errors.Is(err, eventstream.ErrTooLarge):
		return fmt.Sprintf("its answer is larger than %d MiB", l.MaxMessage>>20)
	case errors.Is(err, mcpwire.ErrBadFrame):
		return "its answer breaks the rules of MCP"
	case errors.Is(err, context.DeadlineExceeded):
		return "it did not answer in time"
	case errors.Is(err, context.Canceled):
		return "the call was cancelled"
	}
	return "its answer could not be read"
}

func exchangeReason(e *rawhttp.Error) string {
	switch e.Kind {
	case rawhttp.Unreachable:
		return "no connection to it could be made"
	case rawhttp.TimedOut:
		return "it did not answer in time"
	case rawhttp.Cancelled:
		return "the call was cancelled"
	case rawhttp.Malformed:
		return "its answer is not acceptable HTTP"
	}
	if e.Sent {
		return ErrUnknown.Error()
	}
	return "the connection was lost before the call was sent"
}

// Failed is the outcome of a call that got no answer. The supervisor adds whose
// it was and what to do; the cause is only logged.
func (l *Line) Failed(ctx context.Context, err error) mcpwire.Outcome {
	l.Log.DebugContext(ctx, "call without an answer", "error", err)
	if answered(err) {
		return backend.Garbled(l.reason(err))
	}
	return backend.Broken(l.reason(err))
}

// answered tells an answer that is of no use from none: the backend is there.
func answered(err error) bool {
	if s, ok := errors.AsType[StatusError](err); ok {
		return s < 500
	}
	if e, ok := errors.AsType[*rawhttp.Error](err); ok {
		return e.Kind == rawhttp.Malformed
	}
	return errors.Is(err, answer.ErrTooLarge) || errors.Is(err, eventstream.ErrTooLarge) ||
		errors.Is(err, mcpwire.ErrBadFrame) || errors.Is(err, ErrHeaders)
}

// Fault is the same for a handshake.
func (l *Line) Fault(err error) error {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	code := fault.Upstream
	const again = "Drawbridge keeps trying; look at the backend's own log."
	advice := again
	if s, ok := errors.AsType[StatusError](err); ok {
		switch {
		case IsCredential(int(s)):
			return fault.Wrap(err, fault.Forbidden, "It refused our credential (HTTP %d). Set its token or headers.", int(s))
		case s >= 500 || s == http.StatusTooManyRequests:
			code = fault.Unavailable
		default:
			advice = "Check that its URL is that of an MCP server."
		}
	}
	if e, ok := errors.AsType[*rawhttp.Error](err); ok {
		switch e.Kind {
		case rawhttp.TimedOut:
			code = fault.Timeout
		case rawhttp.Unreachable:
			code, advice = fault.Unavailable, "Check that it runs and that its URL is right."
		case rawhttp.Broken, rawhttp.Cancelled:
			code = fault.Unavailable
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = fault.Timeout
	case errors.Is(err, ErrLost), errors.Is(err, ErrUnknown), errors.Is(err, context.Canceled):
		code = fault.Unavailable
	}
	return fault.Wrap(err, code, "%s. %s", capital(l.reason(err)), advice)
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
