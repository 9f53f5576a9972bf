package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/truenas/fake/fail"
)

// Sizes of messages, in characters (ref 2.2 "Wire"; truenas/middleware utils/limits.py).
const (
	beforeLogin = 8192
	afterLogin  = 65536
	files       = 2 << 20
)

// extended is the method that may be as long as a file.
const extended = "filesystem.file_receive"

// Request is a call that arrived.
type Request struct {
	ID     any // nil also when there was none: it is answered all the same
	Method string
	Params []any
	Raw    string
}

// refused is a message that is not a call: answered with an error, or with a close.
type refused struct {
	code    int
	message string
	close   websocket.StatusCode
}

func (r *refused) Error() string { return r.message }

// parse reads one message.
func parse(text string, loggedIn bool) (Request, error) {
	n := utf8.RuneCountInString(text)
	tooLong := &refused{close: websocket.StatusMessageTooBig, message: "Max message length is 64 kB"}
	switch {
	case !loggedIn && n > beforeLogin:
		return Request{}, &refused{close: websocket.StatusInvalidFramePayloadData, message: "Anonymous connection max message length is 8 kB"}
	case n > files:
		return Request{}, tooLong
	}
	v, err := Decode([]byte(text))
	if err != nil {
		return Request{}, &refused{code: fail.BadJSON, message: "Expecting value: " + err.Error()}
	}
	if _, batch := v.([]any); batch {
		return Request{}, &refused{code: fail.BadJSON, message: "Batch messages are not supported yet"}
	}
	m, ok := v.(map[string]any)
	if !ok {
		return Request{}, &refused{code: fail.BadJSON, message: "Invalid Message Format"}
	}
	if m["method"] != extended && n > afterLogin {
		return Request{}, tooLong
	}
	if wrong := check(m); wrong != "" {
		return Request{}, &refused{code: fail.BadRequest, message: wrong}
	}
	r := Request{ID: m["id"], Method: m["method"].(string), Raw: text}
	r.Params, _ = m["params"].([]any)
	return r, nil
}

// check holds a message to REQUEST_SCHEMA of rpc.py, in the words of Python's jsonschema.
func check(m map[string]any) string {
	for name := range m {
		if !slices.Contains([]string{"jsonrpc", "method", "params", "id"}, name) {
			return fmt.Sprintf("Additional properties are not allowed ('%s' was unexpected)", name)
		}
	}
	for _, name := range []string{"jsonrpc", "method"} {
		if _, there := m[name]; !there {
			return fmt.Sprintf("'%s' is a required property", name)
		}
	}
	if m["jsonrpc"] != "2.0" {
		return fmt.Sprintf("%v is not one of ['2.0']", m["jsonrpc"])
	}
	if _, ok := m["method"].(string); !ok {
		return fmt.Sprintf("%v is not of type 'string'", m["method"])
	}
	if p, there := m["params"]; there {
		if _, ok := p.([]any); !ok {
			return fmt.Sprintf("%v is not of type 'array'", p)
		}
	}
	switch m["id"].(type) {
	case nil, string, int64, float64:
		return ""
	}
	return fmt.Sprintf("%v is not of type 'null', 'number', 'string'", m["id"])
}

// Decode reads one JSON value. Whole numbers are int64.
func Decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("extra data")
	}
	return plain(v), nil
}

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			if n, err := v.Int64(); err == nil {
				return n
			}
		}
		f, _ := v.Float64() // beyond its range it is infinite, as in Python
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}
