package shape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"
)

// Issue is one way in which a value does not fit.
type Issue struct {
	Path     string // "entities[0].name"; "" for the value itself
	Expected string // a JSON type for IssueType, else the rule in words
	Received string // a JSON type, or "undefined" for what is missing
	Kind     IssueKind
}

// IssueKind says which rule was broken.
type IssueKind int

// The kinds of Issue.
const (
	IssueType    IssueKind = iota // wrong type, or missing
	IssueUnknown                  // a member the shape does not have; Expected lists those it has
	IssueValue                    // outside of the bounds or the values allowed
)

// Most issues that are reported at once. An open shape stands for another
// author's, who reports them all.
const (
	maxIssues     = 20
	maxIssuesOpen = 1000
)

// String is one line for the model.
func (i Issue) String() string {
	at := i.Path
	if at == "" {
		at = "arguments"
	}
	switch {
	case i.Kind == IssueUnknown:
		return fmt.Sprintf("%s: unknown; this tool takes %s", at, i.Expected)
	case i.Kind == IssueValue:
		return fmt.Sprintf("%s: must be %s", at, i.Expected)
	case i.Received == undefined:
		return fmt.Sprintf("%s: missing, expected %s", at, withArticle(i.Expected))
	}
	return fmt.Sprintf("%s: expected %s, got %s", at, withArticle(i.Expected), withArticle(i.Received))
}

const undefined = "undefined"

func withArticle(t string) string {
	switch t {
	case "null":
		return t
	case "array", "integer", "object":
		return "an " + t
	}
	return "a " + t
}

// ErrNumber is a number that fits the schema but not the field: an integer too
// large, or one written with a fraction.
var ErrNumber = errors.New("a number does not fit its field")

// Defaults sets the members that have a default.
func (s *Shape) Defaults(into any) error {
	if s.defaults == nil {
		return nil
	}
	return json.Unmarshal(s.defaults, into)
}

// Decode holds an object against the shape and decodes it into a struct of the
// shape's type where it fits. open ignores members that the shape does not name.
func (s *Shape) Decode(object []byte, open bool, into any) ([]Issue, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	c := checker{open: open}
	c.check("", tree, s.Schema)
	if len(c.issues) > 0 {
		return c.issues, nil
	}
	if c.dropped { // encoding/json matches names without case: leave only those the schema knows
		var err error
		if object, err = json.Marshal(tree); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(object, into); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNumber, err)
	}
	return nil, nil
}

// checker walks a decoded value along a schema made by schemaOf, in the order of
// the struct's fields.
type checker struct {
	open    bool // ignore members the schema does not name, removing them
	dropped bool
	issues  []Issue
}

func (c *checker) add(i Issue) {
	most := maxIssues
	if c.open {
		most = maxIssuesOpen
	}
	if len(c.issues) < most {
		c.issues = append(c.issues, i)
	}
}

func (c *checker) check(path string, v any, s *jsonschema.Schema) {
	if want := s.Type; want != "" && !isType(v, want) {
		c.add(Issue{Path: path, Expected: want, Received: typeOf(v)})
		return
	}
	if len(s.Types) > 0 && !slices.ContainsFunc(s.Types, func(t string) bool { return isType(v, t) }) {
		c.add(Issue{Path: path, Expected: strings.Join(s.Types, " or "), Received: typeOf(v)})
		return
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		c.add(Issue{Path: path, Kind: IssueValue, Expected: "one of " + enumText(s.Enum)})
		return
	}
	switch v := v.(type) {
	case map[string]any:
		c.object(path, v, s)
	case []any:
		c.length(path, len(v), s.MinItems, s.MaxItems, "items")
		for i, one := range v {
			if s.Items != nil {
				c.check(path+"["+strconv.Itoa(i)+"]", one, s.Items)
			}
		}
	case string:
		c.length(path, utf8.RuneCountInString(v), s.MinLength, s.MaxLength, "characters")
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
			c.add(Issue{Path: path, Kind: IssueValue, Expected: "text that matches " + s.Pattern})
		}
	case json.Number:
		c.number(path, v, s)
	}
}

func (c *checker) object(path string, v map[string]any, s *jsonschema.Schema) {
	for _, name := range s.PropertyOrder {
		one, there := v[name]
		switch {
		case there:
			c.check(join(path, name), one, s.Properties[name])
		case slices.Contains(s.Required, name):
			want := s.Properties[name].Type
			if want == "" {
				want = strings.Join(s.Properties[name].Types, " or ")
			}
			c.add(Issue{Path: join(path, name), Expected: want, Received: undefined})
		}
	}
	for _, name := range sortedKeys(v) {
		if _, known := s.Properties[name]; known {
			continue
		}
		switch {
		case c.open:
			delete(v, name)
			c.dropped = true
		case isFalse(s.AdditionalProperties):
			c.add(Issue{Path: join(path, name), Kind: IssueUnknown, Expected: takes(s.PropertyOrder)})
		case s.AdditionalProperties != nil:
			c.check(join(path, name), v[name], s.AdditionalProperties)
		}
	}
}

func (c *checker) length(path string, n int, least, most *int, unit string) {
	if least != nil && n < *least {
		c.add(Issue{Path: path, Kind: IssueValue, Expected: fmt.Sprintf("at least %d %s", *least, unit)})
	}
	if most != nil && n > *most {
		c.add(Issue{Path: path, Kind: IssueValue, Expected: fmt.Sprintf("at most %d %s", *most, unit)})
	}
}

func (c *checker) number(path string, v json.Number, s *jsonschema.Schema) {
	n, err := v.Float64()
	if err != nil {
		c.add(Issue{Path: path, Kind: IssueValue, Expected: "a number that a double can hold"})
		return
	}
	if s.Minimum != nil && n < *s.Minimum {
		c.add(Issue{Path: path, Kind: IssueValue, Expected: "at least " + plain(*s.Minimum)})
	}
	if s.Maximum != nil && n > *s.Maximum {
		c.add(Issue{Path: path, Kind: IssueValue, Expected: "at most " + plain(*s.Maximum)})
	}
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func isType(v any, want string) bool {
	if n, ok := v.(json.Number); ok && want == "integer" {
		f, err := n.Float64()
		return err == nil && f == math.Trunc(f)
	}
	return typeOf(v) == want
}

// typeOf is the JSON type of a decoded value; integers are numbers.
func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number, float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func takes(names []string) string {
	if len(names) == 0 {
		return "no arguments"
	}
	return strings.Join(names, ", ")
}

func enumText(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprintf("%q", v)
	}
	return strings.Join(texts, ", ")
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
