package mcpwire

import (
	"errors"
	"fmt"
	"strconv"

	"drawbridge/internal/fault"
)

// JSON-RPC and MCP error codes.
const (
	CodeParse               = -32700
	CodeInvalidRequest      = -32600
	CodeMethodNotFound      = -32601
	CodeInvalidParams       = -32602
	CodeInternal            = -32603
	CodeResourceNotFound    = -32002 // legacy revisions; -32602 in 2026-07-28
	CodeHeaderMismatch      = -32020 // 2026-07-28: header and body disagree
	CodeMissingCapability   = -32021 // 2026-07-28: the client lacks a capability
	CodeUnsupportedVersion  = -32022 // 2026-07-28: {supported, requested}
	CodeURLElicitationNeeds = -32042 // 2025-11-25 only
)

// Errors of the wire itself.
var (
	// ErrCannotAsk says that the client behind a call can never answer the question.
	ErrCannotAsk = errors.New("the client cannot answer this question")
	// ErrBadFrame says that a peer sent a message that breaks the rules.
	ErrBadFrame = errors.New("bad frame")
)

// Error is a JSON-RPC error. One that a backend sent keeps its bytes in Raw and
// is passed on as it came.
type Error struct {
	Code    int
	Message string
	Data    []byte // raw value; nil when absent
	Raw     []byte // the whole error object as received; nil for our own
}

// Errorf makes an error of our own.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error is the text for logs.
func (e *Error) Error() string { return "JSON-RPC " + strconv.Itoa(e.Code) + ": " + e.Message }

// Append writes the error object.
func (e *Error) Append(dst []byte) []byte {
	if e.Raw != nil {
		return append(dst, e.Raw...)
	}
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(e.Code), 10)
	dst = append(dst, `,"message":`...)
	dst = AppendString(dst, e.Message)
	if e.Data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, e.Data...)
	}
	return append(dst, '}')
}

// FromFault turns one of our errors into the JSON-RPC error a client sees.
func FromFault(err error) *Error {
	return &Error{Code: codeOf(fault.CodeOf(err)), Message: fault.PublicOf(err)}
}

func codeOf(c fault.Code) int {
	switch c {
	case fault.Invalid, fault.NotFound:
		return CodeInvalidParams
	default:
		return CodeInternal
	}
}
