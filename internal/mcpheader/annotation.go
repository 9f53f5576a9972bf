package mcpheader

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// Prefix stands before the name of an annotation in the header's name.
const Prefix = "Mcp-Param-"

// Annotation is one x-mcp-header annotation of a tool: the argument at Path is
// also sent as the header Mcp-Param-<Name> (2026-07-28, Streamable HTTP, "Custom
// Headers from Tool Parameters").
type Annotation struct {
	Name string
	Path []string // property names from the root of the arguments
	Type string   // string, integer or boolean
}

const annotationKey = "x-mcp-header"

// Annotations reads the annotations of a tool's inputSchema, which must be
// valid JSON. It returns an error when one breaks the specification's rules; the
// tool must then not be offered over Streamable HTTP.
func Annotations(inputSchema []byte) ([]Annotation, error) {
	if !bytes.Contains(inputSchema, []byte(annotationKey)) && bytes.IndexByte(inputSchema, '\\') < 0 {
		return nil, nil // nearly every tool
	}
	var f finder
	if err := f.schema(inputSchema, nil, true); err != nil {
		return nil, err
	}
	return f.found, nil
}

// Strip is a schema without any annotation, valid or not.
func Strip(schema []byte) []byte {
	switch {
	case len(schema) > 0 && schema[0] == '{':
		out := []byte{'{'}
		for m := range jsonscan.Members(schema) {
			if jsonscan.Is(m.Key, annotationKey) {
				continue
			}
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, schema[m.Whole.From:m.Value.From]...)
			out = append(out, Strip(m.Value.Of(schema))...)
		}
		return append(out, '}')
	case len(schema) > 0 && schema[0] == '[':
		out := []byte{'['}
		for e := range jsonscan.Elements(schema) {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, Strip(e.Of(schema))...)
		}
		return append(out, ']')
	}
	return schema
}

// finder walks a schema and gathers annotations.
type finder struct{ found []Annotation }

// schema looks at the schema that raw is and at those in it. reachable says that
// only properties led here.
func (f *finder) schema(raw []byte, path []string, reachable bool) error {
	if !mcpwire.IsObject(raw) {
		return nil
	}
	for m := range jsonscan.Members(raw) {
		value := m.Value.Of(raw)
		var err error
		switch name, _ := jsonscan.Unquote(raw[m.Whole.From : m.Whole.From+len(m.Key)+2]); name {
		case annotationKey:
			err = f.add(raw, value, path, reachable)
		case "properties":
			err = f.named(value, path, reachable)
		case "$defs", "definitions", "patternProperties", "dependentSchemas", "dependencies":
			err = f.named(value, path, false)
		case "default", "const", "enum", "examples", "example":
			// data, not schemas
		default:
			err = f.anywhere(value, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// named goes through an object whose keys are names and whose values are schemas.
func (f *finder) named(raw []byte, path []string, reachable bool) error {
	if !mcpwire.IsObject(raw) {
		return nil
	}
	for m := range jsonscan.Members(raw) {
		name, _ := jsonscan.Unquote(raw[m.Whole.From : m.Whole.From+len(m.Key)+2])
		if err := f.schema(m.Value.Of(raw), append(slices.Clip(path), name), reachable); err != nil {
			return err
		}
	}
	return nil
}

// anywhere goes through the value of any other keyword, where annotations are
// not allowed.
func (f *finder) anywhere(raw []byte, path []string) error {
	if !bytes.HasPrefix(raw, []byte("[")) {
		return f.schema(raw, path, false)
	}
	for e := range jsonscan.Elements(raw) {
		if err := f.schema(e.Of(raw), path, false); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) add(schema, value []byte, path []string, reachable bool) error {
	at := strings.Join(path, ".")
	if !reachable || len(path) == 0 {
		return fmt.Errorf("%s near %q is not on a plain property", annotationKey, at)
	}
	name, ok := jsonscan.Unquote(value)
	if !ok || !isToken(name) {
		return fmt.Errorf("%s of %q is not a header name", annotationKey, at)
	}
	kind := ""
	if m, ok := jsonscan.Find(schema, "type"); ok {
		kind, _ = jsonscan.Unquote(m.Value.Of(schema))
	}
	if kind != "string" && kind != "integer" && kind != "boolean" {
		return fmt.Errorf("%s of %q is not on a string, integer or boolean", annotationKey, at)
	}
	for _, other := range f.found {
		if strings.EqualFold(other.Name, name) {
			return fmt.Errorf("%s of %q is the same as that of %q", annotationKey, at, strings.Join(other.Path, "."))
		}
	}
	f.found = append(f.found, Annotation{Name: name, Path: path, Type: kind})
	return nil
}

// isToken tells the names that RFC 9110, section 5.6.2, allows.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		known := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
		if !known {
			return false
		}
	}
	return s != ""
}

// Of returns the headers, by full name, that a call with these
// arguments carries: nil when there are none. Arguments no header can carry are
// left to the backend to refuse.
func Of(annotations []Annotation, arguments []byte) map[string]string {
	var headers map[string]string
	for _, a := range annotations {
		value := argumentAt(arguments, a.Path)
		if value == nil {
			continue
		}
		text, ok := headerText(value)
		if !ok {
			continue
		}
		if headers == nil {
			headers = make(map[string]string, len(annotations))
		}
		headers[Prefix+a.Name] = Encode(text)
	}
	return headers
}

// Check tells whether the Mcp-Param-* headers of a call say what its
// arguments say. header returns the values of a header by its full name. The
// error is a HeaderMismatch, for HTTP status 400.
func Check(annotations []Annotation, arguments []byte, header func(name string) []string) *mcpwire.Error {
	for _, a := range annotations {
		name := Prefix + a.Name
		if why := mismatch(argumentAt(arguments, a.Path), header(name)); why != "" {
			return mcpwire.Errorf(mcpwire.CodeHeaderMismatch, "Header mismatch: %s %s (argument %q). List the tools again and send the header with the argument's value.",
				name, why, strings.Join(a.Path, "."))
		}
	}
	return nil
}

// mismatch says what is wrong between an argument, nil when it has no value, and
// the values of its header.
func mismatch(argument []byte, values []string) string {
	switch {
	case argument == nil && len(values) == 0:
		return ""
	case argument == nil:
		return "is sent, but the body has no value for it"
	case len(values) == 0:
		return "is missing"
	case len(values) > 1:
		return "is sent more than once"
	}
	got, ok := Decode(values[0])
	if !ok {
		return "holds invalid characters or invalid base64"
	}
	want, ok := headerText(argument)
	if !ok {
		return "belongs to a value that is no string, boolean or integer within 2^53"
	}
	if got == want {
		return ""
	}
	// 42.0 is 42 (specification, "Server Validation"); a string is only itself.
	if isNumber(argument) && jsonscan.Valid([]byte(got)) == nil && isNumber([]byte(got)) {
		if number, ok := headerText([]byte(got)); ok && number == want {
			return ""
		}
	}
	return "differs from the value in the body"
}

// argumentAt returns the raw value at path, or nil when it is absent or null.
func argumentAt(arguments []byte, path []string) []byte {
	value := arguments
	for _, name := range path {
		m, ok := jsonscan.Find(value, name)
		if !ok {
			return nil
		}
		value = m.Value.Of(value)
	}
	if string(value) == "null" {
		return nil
	}
	return value
}

func isNumber(raw []byte) bool {
	return len(raw) > 0 && (raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9')
}

// headerText is what a raw argument is in a header, before encoding. It is not
// ok for what no header can carry.
func headerText(raw []byte) (string, bool) {
	switch raw[0] {
	case '"':
		return jsonscan.Unquote(raw)
	case 't', 'f':
		return string(raw), true
	}
	n, ok := safeInteger(string(raw))
	return strconv.FormatInt(n, 10), ok
}

// safeInteger reads a JSON number whose value is an integer that a double holds
// exactly. It is not ok for anything else.
func safeInteger(number string) (int64, bool) {
	const most = 1<<53 - 1
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(number, 64)
		if err != nil || f < -most || f > most || f != float64(int64(f)) {
			return 0, false
		}
		n = int64(f)
	}
	return n, -most <= n && n <= most
}
