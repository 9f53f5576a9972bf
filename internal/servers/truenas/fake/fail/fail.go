// Package fail is the errors of TrueNAS as JSON-RPC carries them (ref 2.2 "Errors";
// truenas/middleware api/base/server/ws_handler/rpc.py and service_exception.py). Only
// the fake uses it.
package fail

import (
	"errors"
	"fmt"
	"strings"
)

// Numbers of errors. Those above 200 are TrueNAS's own.
const (
	EPERM             = 1
	ENOENT            = 2
	ENOMEM            = 12
	EACCES            = 13
	EFAULT            = 14
	EBUSY             = 16
	EEXIST            = 17
	EINVAL            = 22
	ENOTEMPTY         = 39
	EOPNOTSUPP        = 95
	ELOCKED           = 205
	ENOTAUTHENTICATED = 207
)

// Codes of JSON-RPC errors.
const (
	BadJSON      = -32700
	BadRequest   = -32600
	NoMethod     = -32601
	BadParams    = -32602
	TooManyCalls = -32000
	CallFailed   = -32001
)

var names = map[int]string{EPERM: "EPERM", ENOENT: "ENOENT", EACCES: "EACCES", EFAULT: "EFAULT", EBUSY: "EBUSY",
	EEXIST: "EEXIST", EINVAL: "EINVAL", ENOTEMPTY: "ENOTEMPTY", EOPNOTSUPP: "EOPNOTSUPP",
	ELOCKED: "EDATASETISLOCKED", ENOTAUTHENTICATED: "ENOTAUTHENTICATED", ENOMEM: "ENOMEM"}

// Name of an error number, as the real one spells it.
func Name(errno int) string {
	if n := names[errno]; n != "" {
		return n
	}
	return "EUNKNOWN"
}

// Fault is a call that failed. Class is the Python one, of which only the trace speaks.
type Fault struct {
	Class    string
	Errno    int
	Reason   string
	Problems []Problem // of a validation fault
}

// Problem is one thing that is wrong with parameters. A nil Attribute says that what the
// parameters name does not exist.
type Problem struct {
	Attribute any
	Message   string
	Errno     int
}

func (f *Fault) Error() string { return f.Reason }

// Call is the fault most methods end in when they fail (CallError).
func Call(errno int, format string, args ...any) error {
	return &Fault{Class: "CallError", Errno: errno, Reason: "[" + Name(errno) + "] " + fmt.Sprintf(format, args...)}
}

// Missing says that a named instance does not exist (InstanceNotFound), which is a
// validation fault without an attribute.
func Missing(format string, args ...any) error {
	return One(nil, fmt.Sprintf(format, args...), ENOENT)
}

// One is a single validation fault (ValidationError).
func One(attribute any, message string, errno int) error {
	return &Fault{Class: "ValidationError", Errno: EINVAL, Reason: line(Problem{attribute, message, errno}), Problems: []Problem{{attribute, message, errno}}}
}

// NoMatch is a query that had to find one row and found none (MatchNotFound: an
// exception without words, of which only its name is left).
func NoMatch() error { return &Fault{Class: "MatchNotFound", Errno: EINVAL, Reason: "MatchNotFound()"} }

// Crash is an exception nobody foresaw.
func Crash(class, reason string) error {
	return &Fault{Class: class, Errno: EINVAL, Reason: reason}
}

// Problems collects validation problems (ValidationErrors).
type Problems []Problem

// Add one; errno 0 is EINVAL.
func (p *Problems) Add(attribute, message string, errno int) {
	if errno == 0 {
		errno = EINVAL
	}
	*p = append(*p, Problem{attribute, message, errno})
}

// Err is nil without problems.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	var b strings.Builder
	for _, one := range p {
		b.WriteString(line(one) + "\n")
	}
	return &Fault{Class: "ValidationErrors", Errno: EINVAL, Reason: b.String(), Problems: p}
}

func line(p Problem) string {
	at := "None"
	if s, ok := p.Attribute.(string); ok {
		at = s
	}
	return fmt.Sprintf("[%s] %s: %s", Name(p.Errno), at, p.Message)
}

// Of is the fault in an error; any other error is a crash.
func Of(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return Of(Crash("RuntimeError", err.Error()))
}

// Extra is the list of [attribute, message, errno] of a validation fault, else nil.
func (f *Fault) Extra() any {
	if f.Problems == nil {
		return nil
	}
	extra := make([]any, len(f.Problems))
	for i, p := range f.Problems {
		extra[i] = []any{p.Attribute, p.Message, p.Errno}
	}
	return extra
}

// Object is the error member of a JSON-RPC answer. The trace is what a client must not
// show to anybody: it has file names and frames in it.
func (f *Fault) Object() map[string]any {
	code, message := CallFailed, "Method call error"
	if f.Problems != nil {
		code, message = BadParams, "Invalid params"
	}
	return map[string]any{"code": code, "message": message, "data": f.Data()}
}

// Data is what the error member, or the end of a subscription, says about a fault.
func (f *Fault) Data() map[string]any {
	return map[string]any{
		"error": f.Errno, "errname": Name(f.Errno), "reason": f.Reason, "extra": f.Extra(),
		"trace": map[string]any{
			"class":     f.Class,
			"frames":    []any{map[string]any{"filename": "/usr/lib/python3/dist-packages/middlewared/main.py", "lineno": 1001, "method": "_call", "line": "return await methodobj(*prepared_call.args)", "argspec": []any{}, "locals": map[string]any{}}},
			"formatted": f.Formatted(),
			"repr":      fmt.Sprintf("%s(%q)", f.Class, f.Reason),
		},
	}
}

// Formatted is a Python traceback.
func (f *Fault) Formatted() string {
	return "Traceback (most recent call last):\n  File \"/usr/lib/python3/dist-packages/middlewared/main.py\", line 1001, in _call\n    return await methodobj(*prepared_call.args)\nmiddlewared.service_exception." + f.Class + ": " + f.Reason + "\n"
}
