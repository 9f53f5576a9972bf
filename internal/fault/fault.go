// Package fault is the one error type of Drawbridge: a code for the machine, a
// public sentence for whoever called, and a cause for the log.
//
// The public sentence is a literal or built from values the caller sent; it is
// never taken from a cause. It ends in what to do next. An error without a code
// is internal and shows a fixed sentence only. The tables that map a code to a
// protocol live with the protocol: HTTP statuses here, JSON-RPC codes in
// mcpwire, OAuth words in oauth.
package fault

import (
	"errors"
	"fmt"
	"net/http"
)

// Code says what kind of thing went wrong.
type Code string

// The codes, each with its HTTP status in Status.
const (
	Invalid         Code = "invalid"         // the caller sent something unusable
	Unauthenticated Code = "unauthenticated" // no credential, or one we do not know
	Forbidden       Code = "forbidden"       // known, but not allowed
	NotFound        Code = "not_found"       // no such thing, or not visible
	Conflict        Code = "conflict"        // the state forbids it
	Limited         Code = "limited"         // too much or too often
	Upstream        Code = "upstream"        // a backend answered with a failure
	Unavailable     Code = "unavailable"     // a part we need is down
	Timeout         Code = "timeout"         // it took too long
	Internal        Code = "internal"        // our own fault
)

// PublicInternal is all that a caller learns of an internal error.
const PublicInternal = "Something went wrong inside Drawbridge. The log has the cause under this request's id."

// Error carries a code, a public sentence and a private cause.
type Error struct {
	Code   Code
	Public string // shown to the caller; never from a cause
	Err    error  // for the log; may be nil
}

// New makes an error whose public sentence is built from the format.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Public: fmt.Sprintf(format, args...)}
}

// Wrap is New with a cause that only the log sees.
func Wrap(err error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Public: fmt.Sprintf(format, args...), Err: err}
}

// Error is the text for logs: the public sentence and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Public
	}
	return e.Public + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of the outermost Error in err's chain, or Internal.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// PublicOf is what may be shown of err.
func PublicOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Code != Internal && e.Public != "" {
		return e.Public
	}
	return PublicInternal
}

// Status is the HTTP status of a code.
func Status(c Code) int {
	switch c {
	case Invalid:
		return http.StatusBadRequest
	case Unauthenticated:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case Limited:
		return http.StatusTooManyRequests
	case Upstream:
		return http.StatusBadGateway
	case Unavailable:
		return http.StatusServiceUnavailable
	case Timeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}
