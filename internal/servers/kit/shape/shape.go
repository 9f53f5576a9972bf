// Package shape makes JSON schemas of Go structs and holds JSON against them.
//
// The schema of a struct is closed, says what its tags say, and lists members in
// the order of the fields. Decode reports everything in which a value does not
// fit at once, in words a model can act on, before anything is decoded. Package
// kit uses it for the arguments and outputs of tools; it knows nothing of either.
package shape

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schemer is a named type with a schema of its own, for an enumeration or bounds
// that several structs share. The method is called on the zero value.
type Schemer interface{ JSONSchema() *jsonschema.Schema }

// Shape is a struct type as JSON sees it.
type Shape struct {
	Schema   *jsonschema.Schema
	defaults []byte // object with the defaults of its own members; nil when none
}

// Of makes the shape of a struct. Beside json and jsonschema (the description)
// these tags of a field count:
//
//	enum:"a,b"      the values of a string
//	min:"1"         least number, length of a string, or number of items
//	max:"50"        the same, most
//	pattern:"^a"    regular expression of a string
//	default:"20"    used when the member is absent; a string needs no quotes
//
// A field is optional when its json tag has omitempty or omitzero.
func Of(t reflect.Type) (*Shape, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	s, err := schemaOf(t)
	if err != nil {
		return nil, err
	}
	defaults, err := defaultsOf(s)
	return &Shape{s, defaults}, err
}

// Open is a copy of the schema that allows members it does not name, at every
// level.
func (s *Shape) Open() *jsonschema.Schema { return opened(s.Schema) }

// OpenObject is the schema of an object of which nothing more is known.
func OpenObject(description string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", Description: description, AdditionalProperties: &jsonschema.Schema{}}
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
	if s, ok := reflect.TypeAssert[Schemer](reflect.Zero(t)); ok && t.Kind() != reflect.Pointer {
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
		if _, err := regexp.Compile(v); err != nil {
			return fmt.Errorf("tag pattern: %w", err)
		}
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
			s.Default = []byte(strconv.Quote(v))
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
