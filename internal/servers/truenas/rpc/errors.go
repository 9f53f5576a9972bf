package rpc

import (
	"encoding/json"
	"errors"
	"fmt"

	"drawbridge/internal/servers/kit/pattern"
)

// Codes of JSON-RPC and of the middleware.
const (
	CodeNoMethod  = -32601
	CodeParams    = -32602
	CodeTooMany   = -32000
	CodeCallError = -32001
)

// Error is what the server answers in place of a result. Its texts come from outside:
// they are for the log.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Errno  int             `json:"error"`
		Name   string          `json:"errname"`
		Reason string          `json:"reason"`
		Extra  json.RawMessage `json:"extra"` // of a validation: [[attribute, message, errno], ...]
	} `json:"data"`
}

// Error is for the log; the trace, which may quote arguments, is not in it.
func (e *Error) Error() string {
	return fmt.Sprintf("truenas error %d (%s): %s", e.Code, e.Data.Name, e.Data.Reason)
}

// Is tells an error of the server with a code.
func Is(err error, code int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// attributeRule is what an attribute of a validation error can be called.
var attributeRule = pattern.New(`^[A-Za-z0-9_.\-]{1,80}$`)

// Attribute is one value that the server refuses.
type Attribute struct {
	Name  string // "pool_dataset_create.name"; harmless characters only
	Errno int
	Text  string // from outside
}

// Attributes are the values that a validation refuses.
func (e *Error) Attributes() (all []Attribute) {
	var rows [][]json.RawMessage
	if json.Unmarshal(e.Data.Extra, &rows) != nil {
		return nil
	}
	for _, row := range rows {
		var a Attribute
		if len(row) < 3 || json.Unmarshal(row[0], &a.Name) != nil || json.Unmarshal(row[1], &a.Text) != nil || json.Unmarshal(row[2], &a.Errno) != nil {
			continue
		}
		if attributeRule().MatchString(a.Name) {
			all = append(all, a)
		}
	}
	return all
}
