package kit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schemer is a named type with a schema of its own, for an enumeration or bounds
// that several structs share. The method is called on the zero value.
type Schemer interface{ JSONSchema() *jsonschema.Schema }

// prepared is what New derives from a tool's types.
type prepared struct {
	input      *jsonschema.Schema
	inputJSON  []byte
	outputJSON []byte // nil for Text
	defaults   []byte // object with the defaults of the input's own members; nil when none
	contract   *Contract
}

// The tags of a struct field, beside json and jsonschema (the description):
//
//	enum:"a,b"      the values of a string
//	min:"1"         least number, length of a string, or number of items
//	max:"50"        the same, most
//	pattern:"^a"    regular expression of a string
//	default:"20"    used when the member is absent; a string needs no quotes
//
// A field is optional when its json tag has omitempty or omitzero.
func prepareTypes(t *Tool) (*prepared, error) {
	p := &prepared{contract: t.contract}
	in, err := schemaOf(t.in)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	p.input = in
	if p.defaults, err = defaultsOf(in); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	shown := in
	if t.contract != nil {
		shown = opened(in)
		shown.Schema = t.contract.Schema
	}
	if p.inputJSON, err = json.Marshal(shown); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if t.out == reflect.TypeFor[Text]() {
		return p, nil
	}
	if t.out.Kind() != reflect.Struct {
		return nil, fmt.Errorf("the output is %s, neither a struct nor kit.Text", t.out)
	}
	out, err := schemaOf(t.out)
	if err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	if t.contract != nil {
		out.Schema = t.contract.Schema
	}
	if p.outputJSON, err = json.Marshal(out); err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	return p, nil
}

// schemaOf is the closed schema of a struct, with our tags applied.
func schemaOf(t reflect.Type) (*jsonschema.Schema, error) {
	own := map[reflect.Type]*jsonschema.Schema{}
	collectSchemers(t, own, map[reflect.Type]bool{})
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: own})
	if err != nil {
		return nil, err
	}
	if err := refine(t, s, own); err != nil {
		return nil, err
	}
	return s, nil
}

func collectSchemers(t reflect.Type, own map[reflect.Type]*jsonschema.Schema, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	if s, ok := reflect.Zero(t).Interface().(Schemer); ok && t.Kind() != reflect.Pointer {
		own[t] = s.JSONSchema()
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		collectSchemers(t.Elem(), own, seen)
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() {
				collectSchemers(f.Type, own, seen)
			}
		}
	}
}

// refine walks a type and its inferred schema together: no value is null, since
// optional members are left out and the kit writes nil lists as [], and tags
// become keywords.
func refine(t reflect.Type, s *jsonschema.Schema, own map[reflect.Type]*jsonschema.Schema) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	dropNull(s)
	if own[t] != nil {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		if s.Items != nil {
			return refine(t.Elem(), s.Items, own)
		}
	case reflect.Map:
		if s.AdditionalProperties != nil {
			return refine(t.Elem(), s.AdditionalProperties, own)
		}
	case reflect.Struct:
		if s.Type != "object" { // time.Time and its like
			return nil
		}
		if s.Properties == nil {
			s.Properties = map[string]*jsonschema.Schema{} // some clients insist on "properties"
		}
		for _, f := range reflect.VisibleFields(t) {
			prop := s.Properties[jsonName(f)]
			if prop == nil || f.Anonymous {
				continue
			}
			if err := refine(f.Type, prop, own); err != nil {
				return err
			}
			if err := applyTags(f, prop); err != nil {
				return fmt.Errorf("field %s: %w", f.Name, err)
			}
		}
	}
	return nil
}

func dropNull(s *jsonschema.Schema) {
	if len(s.Types) == 0 {
		return
	}
	s.Types = slices.DeleteFunc(s.Types, func(t string) bool { return t == "null" })
	if len(s.Types) == 1 {
		s.Type, s.Types = s.Types[0], nil
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}

func applyTags(f reflect.StructField, s *jsonschema.Schema) error {
	if v, ok := f.Tag.Lookup("enum"); ok {
		for one := range strings.SplitSeq(v, ",") {
			s.Enum = append(s.Enum, one)
		}
	}
	if v, ok := f.Tag.Lookup("pattern"); ok {
		s.Pattern = v
	}
	for _, tag := range []string{"min", "max"} {
		v, ok := f.Tag.Lookup(tag)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
		bound(s, tag, n)
	}
	if v, ok := f.Tag.Lookup("default"); ok {
		s.Default = json.RawMessage(v)
		if s.Type == "string" {
			s.Default = mustJSON(v)
		}
		if !json.Valid(s.Default) {
			return fmt.Errorf("tag default: %q is not JSON", v)
		}
	}
	return nil
}

func bound(s *jsonschema.Schema, tag string, n float64) {
	least, most := &s.Minimum, &s.Maximum
	switch s.Type {
	case "string":
		setLength(tag, n, &s.MinLength, &s.MaxLength)
		return
	case "array":
		setLength(tag, n, &s.MinItems, &s.MaxItems)
		return
	}
	if tag == "min" {
		*least = &n
	} else {
		*most = &n
	}
}

func setLength(tag string, n float64, least, most **int) {
	length := int(n)
	if tag == "min" {
		*least = &length
	} else {
		*most = &length
	}
}

// opened is a copy of s that allows members it does not name, at every level.
func opened(s *jsonschema.Schema) *jsonschema.Schema {
	c := s.CloneSchemas()
	var open func(s *jsonschema.Schema)
	open = func(s *jsonschema.Schema) {
		if s == nil {
			return
		}
		if s.Type == "object" && isFalse(s.AdditionalProperties) {
			s.AdditionalProperties = nil
		}
		for _, p := range s.Properties {
			open(p)
		}
		open(s.Items)
	}
	open(c)
	return c
}

func isFalse(s *jsonschema.Schema) bool { return s != nil && s.Not != nil }

// defaultsOf is the object of the defaults of s's own properties.
func defaultsOf(s *jsonschema.Schema) ([]byte, error) {
	m := map[string]json.RawMessage{}
	for name, p := range s.Properties {
		if p.Default != nil {
			m[name] = p.Default
		}
	}
	if len(m) == 0 {
		return nil, nil
	}
	return json.Marshal(m)
}

// mustJSON encodes values of our own types, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of the kit that cannot be encoded
	}
	return b
}
