// Package schema checks what clients send the way Home Assistant does, down to the words:
// its errors come from voluptuous, and people search the web for them. Only the fake of
// Home Assistant uses it.
//
// Words and order: voluptuous error.py and humanize.py as Home Assistant's
// websocket_api/connection.py applies them ("expected str for dictionary value @
// data['event_type']. Got 100", developer docs, api/websocket, Error handling).
package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Invalid is one thing that is wrong.
type Invalid struct {
	Msg  string
	Kind string // what the value was for: "dictionary value"
	Path []any  // string keys and int indexes
	Got  any
}

// Error is the short form, which services and REST answer with.
func (e *Invalid) Error() string {
	s := e.Msg
	if e.Kind != "" {
		s += " for " + e.Kind
	}
	if len(e.Path) == 0 {
		return s
	}
	s += " @ data"
	for _, p := range e.Path {
		s += "[" + Repr(p) + "]"
	}
	return s
}

// Human is the long form of WebSocket commands: it repeats the offending value.
func (e *Invalid) Human() string {
	got := Repr(e.Got)
	if len(got) > 500 {
		got = got[:497] + "..."
	}
	return e.Error() + ". Got " + got
}

// Many are all the things that are wrong with one message.
type Many []*Invalid

// Error is what voluptuous prints of several: the first.
func (m Many) Error() string { return m[0].Error() }

// Human has them all, a line each, sorted.
func (m Many) Human() string {
	lines := make([]string, len(m))
	for i, e := range m {
		lines[i] = e.Human()
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Check looks at one value and returns what it stands for.
type Check func(v any) (any, *Invalid)

// Field is one member of a message.
type Field struct {
	Check    Check
	Required bool
	Default  any // what a missing member stands for; nil leaves it out
}

// Dict is what a message may consist of.
type Dict map[string]Field

// Need and May are the two kinds of member, With is one with a default.
func Need(c Check) Field        { return Field{Check: c, Required: true} }
func May(c Check) Field         { return Field{Check: c} }
func With(c Check, d any) Field { return Field{Check: c, Default: d} }
func (d Dict) Plus(others ...Dict) Dict {
	all := maps.Clone(d)
	if all == nil {
		all = Dict{}
	}
	for _, o := range others {
		maps.Copy(all, o)
	}
	return all
}

// Apply checks a whole message. Members of skip pass unseen, as id and type of a command.
func (d Dict) Apply(msg map[string]any, skip ...string) (map[string]any, error) {
	out, bad := map[string]any{}, Many{}
	for _, k := range slices.Sorted(maps.Keys(msg)) {
		v := msg[k]
		f, known := d[k]
		switch {
		case slices.Contains(skip, k):
			out[k] = v
		case !known:
			bad = append(bad, &Invalid{Msg: "extra keys not allowed", Path: []any{k}, Got: v})
		default:
			got, err := f.Check(v)
			if err != nil {
				bad = append(bad, under(err, k, v, "dictionary value"))
				continue
			}
			out[k] = got
		}
	}
	for _, k := range slices.Sorted(maps.Keys(d)) {
		if _, sent := msg[k]; sent {
			continue
		}
		if d[k].Required {
			bad = append(bad, &Invalid{Msg: "required key not provided", Path: []any{k}})
		} else if d[k].Default != nil {
			out[k] = d[k].Default
		}
	}
	if len(bad) > 0 {
		return nil, bad
	}
	return out, nil
}

// under moves an error below a key.
func under(err *Invalid, key, v any, kind string) *Invalid {
	if len(err.Path) == 0 {
		err.Got = v
		if err.Kind == "" {
			err.Kind = kind
		}
	}
	err.Path = append([]any{key}, err.Path...)
	return err
}

// Fail makes the error of a Check.
func Fail(format string, args ...any) *Invalid { return &Invalid{Msg: fmt.Sprintf(format, args...)} }

// Repr writes a JSON value as Python does.
func Repr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
			return `"` + v + `"`
		}
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(v) + "'"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = Repr(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []string:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = Repr(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := []string{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, Repr(k)+": "+Repr(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case float64:
		if s := strconv.FormatFloat(v, 'f', -1, 64); strings.Contains(s, ".") {
			return s
		}
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return fmt.Sprint(v)
	}
}
