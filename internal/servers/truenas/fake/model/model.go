// Package model checks parameters of calls as TrueNAS's pydantic models do: strictly (no
// "1" for 1), with every problem at once, in pydantic's words, and with members that
// nobody defined refused (ref 2.2 "Errors"; truenas/middleware
// api/base/handler/accept.py, api/base/model.py). Only the fake uses it.
//
// Values are as decoded from JSON: nil, bool, int64, float64, string, []any and
// map[string]any.
package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"drawbridge/internal/servers/truenas/fake/fail"
)

// Type is what a value may be. Check returns it with defaults filled in.
type Type interface {
	Check(at string, v any, p *fail.Problems) any
}

// Arg is a parameter, or a member of an object.
type Arg struct {
	Name     string
	Type     Type
	Required bool
	Default  any // nil also for "not there": see Object
	Absent   bool
}

// Need is an argument that must be given.
func Need(name string, t Type) Arg { return Arg{Name: name, Type: t, Required: true} }

// May is one with a default.
func May(name string, t Type, def any) Arg { return Arg{Name: name, Type: t, Default: def} }

// Free is a member that stays away when it is not given.
func Free(name string, t Type) Arg { return Arg{Name: name, Type: t, Absent: true} }

// Accept checks the positional parameters of a call.
func Accept(args []Arg, params []any) ([]any, error) {
	var p fail.Problems
	if len(params) > len(args) {
		p.Add("", fmt.Sprintf("Too many arguments (expected %d, found %d)", len(args), len(params)), 0)
		return nil, p.Err()
	}
	out := make([]any, len(args))
	for i, a := range args {
		switch {
		case i < len(params):
			out[i] = a.Type.Check(a.Name, params[i], &p)
		case a.Required:
			p.Add(a.Name, "Field required", 0)
		default:
			out[i] = a.fallback()
		}
	}
	return out, p.Err()
}

// fallback is the default, complete: an empty object becomes one with all its defaults.
func (a Arg) fallback() any {
	if o, is := a.Type.(Object); is && a.Default == nil {
		return o.Check(a.Name, map[string]any{}, &fail.Problems{})
	}
	return a.Default
}

type text struct {
	nonEmpty bool
	max      int
	pattern  *regexp.Regexp
}

// Texts.
var (
	Text  Type = text{}
	Words Type = text{nonEmpty: true}
)

// Match is a text of at most max characters that fits a pattern.
func Match(pattern string, most int) Type {
	return text{nonEmpty: true, max: most, pattern: regexp.MustCompile(pattern)}
}

func (t text) Check(at string, v any, p *fail.Problems) any {
	s, ok := v.(string)
	switch {
	case !ok:
		p.Add(at, "Input should be a valid string", 0)
	case t.nonEmpty && s == "":
		p.Add(at, "String should have at least 1 character", 0)
	case t.max > 0 && utf8.RuneCountInString(s) > t.max:
		p.Add(at, fmt.Sprintf("String should have at most %d characters", t.max), 0)
	case t.pattern != nil && !t.pattern.MatchString(s):
		p.Add(at, "String should match pattern '"+t.pattern.String()+"'", 0)
	}
	return v
}

type integer struct{ low, high *int64 }

// Int is a whole number.
var Int Type = integer{}

// AtLeast is a whole number that is not smaller than low.
func AtLeast(low int64) Type { return integer{low: &low} }

// Between has both bounds.
func Between(low, high int64) Type { return integer{low: &low, high: &high} }

func (t integer) Check(at string, v any, p *fail.Problems) any {
	n, ok := v.(int64)
	switch {
	case !ok:
		p.Add(at, "Input should be a valid integer", 0)
	case t.low != nil && n < *t.low:
		p.Add(at, fmt.Sprintf("Input should be greater than or equal to %d", *t.low), 0)
	case t.high != nil && n > *t.high:
		p.Add(at, fmt.Sprintf("Input should be less than or equal to %d", *t.high), 0)
	}
	return v
}

type boolean struct{}

// Bool is true or false.
var Bool Type = boolean{}

func (boolean) Check(at string, v any, p *fail.Problems) any {
	if _, ok := v.(bool); !ok {
		p.Add(at, "Input should be a valid boolean", 0)
	}
	return v
}

type literal []any

// OneOf is one of some values.
func OneOf(values ...any) Type { return literal(values) }

func (t literal) Check(at string, v any, p *fail.Problems) any {
	if slices.Contains(t, v) {
		return v
	}
	said := make([]string, len(t))
	for i, one := range t {
		said[i] = strings.Replace(fmt.Sprint(one), "<nil>", "None", 1)
		if s, is := one.(string); is {
			said[i] = "'" + s + "'"
		}
	}
	list := said[0]
	if n := len(said); n > 1 {
		list = strings.Join(said[:n-1], ", ") + " or " + said[n-1]
	}
	p.Add(at, "Input should be "+list, 0)
	return v
}

type anything struct{}

// Any is not looked at.
var Any Type = anything{}

func (anything) Check(_ string, v any, _ *fail.Problems) any { return v }

// List has items of one type; at least Min.
type List struct {
	Of  Type
	Min int
}

// Check implements Type.
func (t List) Check(at string, v any, p *fail.Problems) any {
	rows, ok := v.([]any)
	if !ok {
		p.Add(at, "Input should be a valid list", 0)
		return v
	}
	if len(rows) < t.Min {
		p.Add(at, fmt.Sprintf("List should have at least %d item after validation, not %d", t.Min, len(rows)), 0)
	}
	out := make([]any, len(rows))
	for i, row := range rows {
		out[i] = t.Of.Check(fmt.Sprintf("%s.%d", at, i), row, p)
	}
	return out
}

type free struct{}

// Map is an object whose members nobody defined.
var Map Type = free{}

func (free) Check(at string, v any, p *fail.Problems) any {
	if _, ok := v.(map[string]any); !ok {
		p.Add(at, "Input should be a valid dictionary", 0)
	}
	return v
}

// Object has defined members, and no others unless Loose, which ignores them. One for an
// Update leaves out what is not given.
type Object struct {
	Name   string // of the model, for the message
	Fields []Arg
	Loose  bool
	Update bool
}

// Check implements Type.
func (t Object) Check(at string, v any, p *fail.Problems) any {
	given, ok := v.(map[string]any)
	if !ok {
		p.Add(at, "Input should be a valid dictionary or instance of "+t.Name, 0)
		return v
	}
	out := map[string]any{}
	for _, f := range t.Fields {
		value, there := given[f.Name]
		switch {
		case there:
			out[f.Name] = f.Type.Check(at+"."+f.Name, value, p)
		case t.Update || f.Absent:
		case f.Required:
			p.Add(at+"."+f.Name, "Field required", 0)
		default:
			out[f.Name] = f.fallback()
		}
	}
	if t.Loose {
		return out
	}
	var odd []string
	for name := range given {
		if !slices.ContainsFunc(t.Fields, func(f Arg) bool { return f.Name == name }) {
			odd = append(odd, name)
		}
	}
	slices.Sort(odd)
	for _, name := range odd {
		p.Add(at+"."+name, "Extra inputs are not permitted", 0)
	}
	return out
}

// Either is the first type that fits; what all of them say, if none does.
type Either []Type

// Check implements Type.
func (t Either) Check(at string, v any, p *fail.Problems) any {
	var said []string
	for _, one := range t {
		var own fail.Problems
		out := one.Check(at, v, &own)
		if len(own) == 0 {
			return out
		}
		said = append(said, own[0].Message)
	}
	p.Add(at, strings.Join(said, " or "), 0)
	return v
}

type null struct{}

// Null is null.
var Null Type = null{}

func (null) Check(at string, v any, p *fail.Problems) any {
	if v != nil {
		p.Add(at, "Input should be None", 0)
	}
	return v
}

// OrNull may also be null. Its problems are those of the type itself.
func OrNull(t Type) Type { return nullable{t} }

type nullable struct{ t Type }

func (n nullable) Check(at string, v any, p *fail.Problems) any {
	if v == nil {
		return nil
	}
	return n.t.Check(at, v, p)
}

// Tagged is a union whose member Tag says which one it is.
type Tagged struct {
	Tag   string
	Order []string
	Of    map[string]Object
}

// Check implements Type.
func (t Tagged) Check(at string, v any, p *fail.Problems) any {
	given, ok := v.(map[string]any)
	if !ok {
		p.Add(at, "Input should be a valid dictionary or object to extract fields from", 0)
		return v
	}
	tag, there := given[t.Tag]
	if !there {
		p.Add(at+"."+t.Tag, "Field required", 0)
		return v
	}
	name, _ := tag.(string)
	o, known := t.Of[name]
	if !known {
		p.Add(at, fmt.Sprintf("Input tag '%v' found using '%s' does not match any of the expected tags: '%s'", tag, t.Tag, strings.Join(t.Order, "', '")), 0)
		return v
	}
	o.Fields = append([]Arg{Need(t.Tag, Text)}, o.Fields...)
	return o.Check(at+"."+name, v, p)
}
