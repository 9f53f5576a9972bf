// Package uris matches the URIs of resources against the templates that built-in
// servers use: variables as {name} after some literal text, each of which stands
// for one path element, percent-encoded. Package kit finds resources with it.
package uris

import (
	"fmt"
	"net/url"
	"strings"
)

// Template is a parsed template.
type Template []part

// part is a literal, or a variable that follows one.
type part struct{ literal, variable string }

// Parse splits a template.
func Parse(text string) (Template, error) {
	var t Template
	rest := text
	for rest != "" {
		lit, after, found := strings.Cut(rest, "{")
		if !found {
			t = append(t, part{literal: lit})
			break
		}
		name, next, closed := strings.Cut(after, "}")
		if !closed || name == "" || lit == "" {
			return nil, fmt.Errorf("resource template %q: a variable is {name} with text before it", text)
		}
		t = append(t, part{lit, name})
		rest = next
	}
	if len(t) == 0 {
		return nil, fmt.Errorf("resource template %q is empty", text)
	}
	return t, nil
}

// Match reads the variables of a URI.
func (t Template) Match(uri string) (map[string]string, bool) {
	vars := map[string]string{}
	for _, p := range t {
		rest, ok := strings.CutPrefix(uri, p.literal)
		if !ok {
			return nil, false
		}
		if p.variable == "" {
			return vars, rest == ""
		}
		value, _, _ := strings.Cut(rest, "/")
		decoded, err := url.PathUnescape(value)
		if err != nil || value == "" {
			return nil, false
		}
		vars[p.variable] = decoded
		uri = rest[len(value):]
	}
	return vars, uri == ""
}

// Expand is the URI of a template with its variables, in their order.
func Expand(template string, values ...string) string {
	for _, v := range values {
		from, to := strings.IndexByte(template, '{'), strings.IndexByte(template, '}')
		if from < 0 || to < from {
			break
		}
		template = template[:from] + url.PathEscape(v) + template[to+1:]
	}
	return template
}
