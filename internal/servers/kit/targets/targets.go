// Package targets holds names against an operator's lists of what a built-in
// server may touch: repositories, hosts, data sets. Package kit names it Targets.
package targets

import (
	"slices"
	"strings"

	"drawbridge/internal/fault"
)

// Lists are what a server may touch and what it must not. In a pattern * stands
// for any run of characters.
type Lists struct {
	Allow []string // empty: all
	Deny  []string // wins over Allow
	// Setting names what to change, for the refusal: "FORGEJO_REPOS".
	Setting string
}

// Check refuses a target that the lists do not allow. what is its kind:
// "repository". Letter case does not count.
func (t Lists) Check(what, name string) error {
	if !t.Allows(name) {
		return fault.New(fault.Forbidden, "The %s %s is not one that the operator lets this server touch. Take another, or ask the operator to change %s.", what, name, t.Setting)
	}
	return nil
}

// Allows is Check as a question, to filter lists.
func (t Lists) Allows(name string) bool {
	return (len(t.Allow) == 0 || matchAny(t.Allow, name)) && !matchAny(t.Deny, name)
}

func matchAny(patterns []string, name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(patterns, func(p string) bool { return match(strings.ToLower(p), name) })
}

// match takes each part between stars at its first place, which is enough since a
// star takes whatever is left.
func match(pattern, name string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, head)
	for ok {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(name, part)
		}
		_, name, ok = strings.Cut(name, part)
		rest = more
	}
	return false
}
