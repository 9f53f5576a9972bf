// Package exc is how the fake says no: exceptions of Frappe with their names, HTTP
// codes and words, and the messages that were logged on the way. Only the fake uses it.
//
// Sources: frappe/exceptions.py for names and codes, frappe.msgprint and frappe.throw
// for messages, "ref 2.1" (our facts about business servers, that section) for the table
// of codes.
package exc

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Kind is the name of an exception's class, exc_type on the wire.
type Kind string

// Exceptions with a meaning of their own here.
const (
	Validation       Kind = "ValidationError"
	Mandatory        Kind = "MandatoryError"
	LinkValidation   Kind = "LinkValidationError"
	LinkExists       Kind = "LinkExistsError"
	CancelledLink    Kind = "CancelledLinkError"
	AfterSubmit      Kind = "UpdateAfterSubmitError"
	Timestamp        Kind = "TimestampMismatchError"
	Docstatus        Kind = "DocstatusTransitionError"
	Constant         Kind = "CannotChangeConstantError"
	NonNegative      Kind = "NonNegativeError"
	Data             Kind = "DataError"
	Duplicate        Kind = "DuplicateEntryError"
	Name             Kind = "NameError"
	NotFound         Kind = "DoesNotExistError"
	Permission       Kind = "PermissionError"
	Authentication   Kind = "AuthenticationError"
	BadToken         Kind = "InvalidAuthorizationToken"
	CSRF             Kind = "CSRFTokenError"
	Stopped          Kind = "SessionStopped"
	ReadOnly         Kind = "InReadOnlyMode"
	TooMany          Kind = "TooManyRequestsError"
	AttachmentLimit  Kind = "AttachmentLimitReached"
	MaxFileSize      Kind = "MaxFileSizeReachedError"
	FileExists       Kind = "FileAlreadyAttachedException"
	FrappeType       Kind = "FrappeTypeError"
	FrappeValue      Kind = "FrappeValueError"
	WorkflowMove     Kind = "WorkflowTransitionError"
	WorkflowState    Kind = "WorkflowStateError"
	WorkflowDenied   Kind = "WorkflowPermissionError"
	NegativeStock    Kind = "NegativeStockError"
	Type             Kind = "TypeError"
	Key              Kind = "KeyError"
	Attribute        Kind = "AttributeError"
	Value            Kind = "ValueError"
	Operational      Kind = "OperationalError"
	Programming      Kind = "ProgrammingError"
	JSONDecode       Kind = "JSONDecodeError"
	werkzeugNotFound Kind = "NotFound"
	werkzeugMethod   Kind = "MethodNotAllowed"
	werkzeugNo       Kind = "Forbidden"
)

// Status is the HTTP code of a kind; what has none of its own is a crash (ref 2.1).
func (k Kind) Status() int {
	switch k {
	case Authentication:
		return http.StatusUnauthorized
	case Permission, werkzeugNo:
		return http.StatusForbidden
	case NotFound, werkzeugNotFound:
		return http.StatusNotFound
	case werkzeugMethod:
		return http.StatusMethodNotAllowed
	case Duplicate, Name:
		return http.StatusConflict
	case BadToken, CSRF:
		return http.StatusBadRequest
	case Stopped, ReadOnly:
		return http.StatusServiceUnavailable
	case TooMany:
		return http.StatusTooManyRequests
	case MaxFileSize:
		return http.StatusRequestEntityTooLarge
	case Type, Key, Attribute, Value, Operational, Programming, JSONDecode, FileExists:
		return http.StatusInternalServerError
	}
	return http.StatusExpectationFailed
}

// qualified is the name as a traceback writes it.
func (k Kind) qualified() string {
	switch k {
	case Type, Key, Attribute, Value:
		return string(k)
	case Operational, Programming:
		return "pymysql.err." + string(k)
	case JSONDecode:
		return "json.decoder.JSONDecodeError"
	case WorkflowMove, WorkflowState, WorkflowDenied:
		return "frappe.model.workflow." + string(k)
	case NegativeStock:
		return "erpnext.stock.stock_ledger." + string(k)
	case MaxFileSize:
		return "frappe.core.doctype.file.exceptions." + string(k)
	case FrappeValue:
		return "frappe.api.v2." + string(k)
	}
	return "frappe.exceptions." + string(k)
}

// Message is what msgprint logs. ID ties it to the exception it was thrown with.
type Message struct {
	Message        string `json:"message"`
	AsTable        *bool  `json:"as_table,omitempty"` // version 16 always says it
	Title          string `json:"title,omitempty"`
	Indicator      string `json:"indicator,omitempty"`
	Alert          int    `json:"alert,omitempty"`
	RaiseException int    `json:"raise_exception,omitempty"`
	ID             string `json:"__frappe_exc_id,omitempty"`
}

// Error is an exception on its way out.
type Error struct {
	Kind     Kind
	Text     string    // str() of it
	Messages []Message // logged with it, in order
	ID       string    // of the message it was thrown with
	Flag     string    // frappe.flags.error_message
	Doctype  string    // of a DoesNotExistError: who may not read it learns nothing
	Answer   string    // left as the answer's message, beside the exception
	Quiet    bool      // never with a traceback
	HTML     bool      // raised by the router or a controller for werkzeug itself
}

func (e *Error) Error() string { return e.Line() }

// Line is the last line of the traceback, `exception` on the wire.
func (e *Error) Line() string {
	if e.Text == "" {
		return e.Kind.qualified()
	}
	return e.Kind.qualified() + ": " + e.Text
}

// Traceback is the whole of it, shortened to what is the same in each.
func (e *Error) Traceback() string {
	return "Traceback (most recent call last):\n  File \"apps/frappe/frappe/app.py\", line 115, in application\n" +
		"    response = frappe.api.handle(request)\n" + e.Line() + "\n"
}

// Raise is an exception without a message for anybody.
func Raise(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Text: fmt.Sprintf(format, args...)}
}

// Throw is frappe.throw: the exception and a red message that belongs to it.
func Throw(k Kind, title, format string, args ...any) *Error {
	e := Raise(k, format, args...)
	e.ID = fmt.Sprintf("%016x", len(e.Text)*2654435761+len(k)) // a random hash upstream: only equality counts
	if title == "" {
		title = "Message"
	}
	e.Messages = []Message{{Message: e.Text, Title: title, Indicator: "red", RaiseException: 1, ID: e.ID}}
	return e
}

// Said is msgprint without a consequence.
func Said(format string, args ...any) Message {
	return Message{Message: fmt.Sprintf(format, args...), Title: "Message"}
}

// Missing is what get_doc raises.
func Missing(doctype, name string) *Error {
	e := Throw(NotFound, "", "%s %s not found", doctype, name)
	e.Doctype = doctype
	return e
}

// NoRoute, Forbidden and NoMethod are werkzeug's, which answers in HTML.
func NoRoute(text string) *Error   { return &Error{Kind: werkzeugNotFound, Text: text, HTML: true} }
func Forbidden(text string) *Error { return &Error{Kind: werkzeugNo, Text: text, HTML: true} }
func NoMethod() *Error {
	return &Error{Kind: werkzeugMethod, Text: "The method is not allowed for the requested URL.", HTML: true}
}

// Bold is frappe.bold.
func Bold(s string) string { return "<strong>" + s + "</strong>" }

// From is err as an exception; one that is none is a bug of the fake.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Raise(Type, "%s", strings.TrimSpace(err.Error()))
}
