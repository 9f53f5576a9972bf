// Package template renders the small part of Jinja that tests of the fake need: text with
// {{ expressions }} made of literals, variables, the functions of Home Assistant that read
// states and areas, a few filters and comparisons. Whatever else is an error, in Jinja's
// words for something unknown. Only the fake uses it.
package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

// Template is one to render.
type Template struct {
	House     *house.House
	Text      string
	Variables house.Map
	Strict    bool
}

// Seen is what a template looked at.
type Seen struct {
	Entities map[string]bool
	Time     bool
}

// Sorted are the entities.
func (s Seen) Sorted() []string { return append([]string{}, slices.Sorted(maps.Keys(s.Entities))...) }

var hole = regexp.MustCompile(`(?s)\{\{-?(.*?)-?\}\}`)

// Check finds what no template may have: a hole that does not end, and statements.
func (t Template) Check() error {
	switch left := hole.ReplaceAllString(t.Text, ""); {
	case strings.Contains(left, "{{"):
		return fmt.Errorf("TemplateSyntaxError: unexpected 'end of template'")
	case strings.Contains(left, "{%"):
		return fmt.Errorf("TemplateSyntaxError: Encountered unknown tag") // the fake renders expressions only
	}
	return nil
}

// Render is the text with its holes filled.
func (t Template) Render() (string, Seen, error) {
	r := &run{t: t, seen: Seen{Entities: map[string]bool{}}}
	if err := t.Check(); err != nil {
		return "", r.seen, err
	}
	var failed error
	out := hole.ReplaceAllStringFunc(t.Text, func(s string) string {
		p := &parser{run: r, tokens: scan(hole.FindStringSubmatch(s)[1])}
		v, err := p.expression()
		if err == nil && len(p.tokens) > 0 {
			err = fmt.Errorf("TemplateSyntaxError: expected token 'end of print statement', got '%s'", p.tokens[0])
		}
		if err != nil && failed == nil {
			failed = err
		}
		return Text(v)
	})
	return strings.TrimSpace(out), r.seen, failed
}

// Text writes a value as Python prints it; a text as it is.
func Text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64: // whole numbers are int there
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return schema.Repr(v)
}

// Native gives a result the type it looks like, as results of templates get it.
func Native(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && strings.Contains(s, ".") {
		return f
	}
	switch s {
	case "True":
		return true
	case "False":
		return false
	}
	var list []any
	if strings.HasPrefix(s, "[") && json.Unmarshal([]byte(strings.ReplaceAll(s, "'", `"`)), &list) == nil {
		return list
	}
	return s
}

type run struct {
	t    Template
	seen Seen
}

var token = regexp.MustCompile(`\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?|[A-Za-z_]\w*|==|!=|<=|>=|[-+*/~|().,<>\[\]])`)

func scan(s string) []string {
	var out []string
	for strings.TrimSpace(s) != "" {
		loc := token.FindStringSubmatchIndex(s)
		if loc == nil || loc[0] != 0 {
			return append(out, strings.TrimSpace(s))
		}
		out = append(out, s[loc[2]:loc[3]])
		s = s[loc[1]:]
	}
	return out
}

type parser struct {
	*run
	tokens []string
}

func (p *parser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *parser) next() string {
	t := p.peek()
	if t != "" {
		p.tokens = p.tokens[1:]
	}
	return t
}

// expression is a comparison or sum of terms; there is no precedence among operators.
func (p *parser) expression() (any, error) {
	left, err := p.term()
	for err == nil && slices.Contains([]string{"==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "~"}, p.peek()) {
		op := p.next()
		right, rerr := p.term()
		if rerr != nil {
			return nil, rerr
		}
		left, err = operate(op, left, right)
	}
	return left, err
}

func operate(op string, a, b any) (any, error) {
	switch op {
	case "==":
		return Text(a) == Text(b), nil
	case "!=":
		return Text(a) != Text(b), nil
	case "~":
		return Text(a) + Text(b), nil
	}
	x, xok := a.(float64)
	y, yok := b.(float64)
	if !xok || !yok {
		return nil, fmt.Errorf("TypeError: unsupported operand type(s) for %s", op)
	}
	switch op {
	case "<":
		return x < y, nil
	case ">":
		return x > y, nil
	case "<=":
		return x <= y, nil
	case ">=":
		return x >= y, nil
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	}
	if y == 0 {
		return nil, fmt.Errorf("ZeroDivisionError: division by zero")
	}
	return x / y, nil
}

// term is a primary with filters.
func (p *parser) term() (any, error) {
	v, err := p.primary()
	for err == nil && p.peek() == "|" {
		p.next()
		name := p.next()
		var args []any
		if p.peek() == "(" {
			if args, err = p.arguments(); err != nil {
				return nil, err
			}
		}
		v, err = filter(name, v, args)
	}
	return v, err
}

func (p *parser) primary() (any, error) {
	t := p.next()
	switch {
	case t == "":
		return nil, fmt.Errorf("TemplateSyntaxError: Expected an expression, got 'end of print statement'")
	case t == "(":
		v, err := p.expression()
		p.next()
		return v, err
	case t[0] == '\'' || t[0] == '"':
		return strings.NewReplacer(`\'`, "'", `\"`, `"`, `\n`, "\n").Replace(t[1 : len(t)-1]), nil
	case t[0] >= '0' && t[0] <= '9':
		return strconv.ParseFloat(t, 64)
	case t == "true" || t == "True":
		return true, nil
	case t == "false" || t == "False":
		return false, nil
	case t == "none" || t == "None":
		return nil, nil
	case p.peek() == "(":
		args, err := p.arguments()
		if err != nil {
			return nil, err
		}
		return p.call(t, args)
	case p.peek() == "." && t == "states":
		p.next()
		domain := p.next()
		p.next()
		return p.state(domain + "." + p.next()), nil
	}
	if v, has := p.t.Variables[t]; has {
		return plain(v), nil
	}
	if p.t.Strict || !regexp.MustCompile(`^\w+$`).MatchString(t) {
		return nil, fmt.Errorf("UndefinedError: '%s' is undefined", t)
	}
	return "", nil // an unknown variable is empty, and a warning in the log
}

func plain(v any) any {
	if n, ok := v.(json.Number); ok {
		f, _ := n.Float64()
		return f
	}
	return v
}

func (p *parser) arguments() ([]any, error) {
	p.next()
	var args []any
	for p.peek() != ")" {
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		if args = append(args, v); p.peek() == "," {
			p.next()
		}
	}
	p.next()
	return args, nil
}

func (p *parser) state(id string) any {
	p.seen.Entities[id] = true
	if s := p.t.House.States[id]; s != nil {
		return s.State
	}
	return "unknown"
}

// call is the functions of helpers/template that read the house.
func (p *parser) call(name string, args []any) (any, error) {
	arg := func(i int) string {
		if i < len(args) {
			return Text(args[i])
		}
		return ""
	}
	h := p.t.House
	switch name {
	case "states":
		return p.state(arg(0)), nil
	case "is_state":
		return p.state(arg(0)) == arg(1), nil
	case "state_attr":
		if p.state(arg(0)); h.States[arg(0)] != nil {
			v := h.States[arg(0)].Attributes[arg(1)]
			if n, ok := v.(int); ok {
				return float64(n), nil
			}
			return v, nil
		}
		return nil, nil
	case "has_value":
		s := p.state(arg(0))
		return s != "unknown" && s != "unavailable", nil
	case "area_id":
		return orNone(h.RoomOfEntity(arg(0))), nil
	case "area_name":
		if a := h.Area(h.RoomOfEntity(arg(0))); a != nil {
			return a.Name, nil
		}
		return nil, nil
	case "area_entities", "label_entities":
		key := map[string]string{"area_entities": "area_id", "label_entities": "label_id"}[name]
		return list(h.Resolve(house.Map{key: []string{arg(0)}}, false, false).All()), nil
	case "areas":
		ids := []string{}
		for _, a := range h.Areas {
			ids = append(ids, a.ID)
		}
		return list(ids), nil
	case "now", "utcnow":
		p.seen.Time = true
		return house.ISO(h.Clock.Now()), nil
	}
	return nil, fmt.Errorf("UndefinedError: '%s' is undefined", name)
}

func list(ids []string) []any {
	out := []any{}
	for _, s := range ids {
		out = append(out, s)
	}
	return out
}

func orNone(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func filter(name string, v any, args []any) (any, error) {
	l, _ := v.([]any)
	switch name {
	case "upper":
		return strings.ToUpper(Text(v)), nil
	case "lower":
		return strings.ToLower(Text(v)), nil
	case "length", "count":
		return float64(len(l) + len([]rune(textOnly(v)))), nil
	case "join":
		parts := []string{}
		for _, x := range l {
			parts = append(parts, Text(x))
		}
		return strings.Join(parts, Text(args[0])), nil
	case "float", "int":
		f, err := strconv.ParseFloat(Text(v), 64)
		switch {
		case err != nil && len(args) > 0:
			return args[0], nil
		case err != nil:
			return nil, fmt.Errorf("ValueError: Template error: %s got invalid input '%s' when rendering template but no default was specified", name, Text(v))
		case name == "int":
			return float64(int(f)), nil
		}
		return f, nil
	case "default":
		if v == nil || v == "" {
			return args[0], nil
		}
		return v, nil
	case "list", "round":
		return v, nil
	}
	return nil, fmt.Errorf("TemplateAssertionError: No filter named '%s'.", name) //nolint:staticcheck // the words of Jinja
}

func textOnly(v any) string { s, _ := v.(string); return s }
