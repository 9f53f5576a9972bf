package archtest

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Layers checks every import of the program against the rules: downward only,
// none of the bans, no siblings. Test files may import anything.
func Layers(t *Tree, rules []Rule, bans []Ban) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		if _, ok := ruleFor(rules, p.Dir); !ok {
			out = append(out, Finding{p.Dir, "no rule says on which layer this package stands: add one to internal/archtest/rules.go"})
		}
	}
	t.code(func(p *Package, file *File) {
		from, ok := ruleFor(rules, p.Dir)
		if !ok || from.Layer == TestLayer {
			return
		}
		for _, spec := range file.AST.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
			at := t.line(file, spec.Pos())
			if why := banned(t, bans, p.Dir, imported); why != "" {
				out = append(out, Finding{at, fmt.Sprintf("%s is banned here: %s", imported, why)})
			}
			if to, ok := strings.CutPrefix(imported, t.Module+"/"); ok {
				if why := wrongWay(rules, from, p.Dir, to); why != "" {
					out = append(out, Finding{at, fmt.Sprintf("%s may not import %s: %s", p.Dir, to, why)})
				}
			}
		}
	})
	return out
}

// wrongWay tells why the package in from may not import to, or "".
func wrongWay(rules []Rule, rule Rule, from, to string) string {
	target, ok := ruleFor(rules, to)
	switch {
	case !ok:
		return "it has no layer"
	case target.Layer == TestLayer:
		return "only tests may import a test package"
	case siblingsOf(from, to) != "":
		return siblingsOf(from, to)
	case rule.Only != nil && !matchesAny(rule.Only, to) && !strings.HasPrefix(to, from+"/"):
		return rule.Why
	case target.Layer < rule.Layer, matchesAny(rule.Peers, to):
		return ""
	}
	return fmt.Sprintf("layer %d is not below layer %d; the lower one declares an interface and the upper one hands itself in", target.Layer, rule.Layer)
}

func siblingsOf(from, to string) string {
	for _, family := range siblings {
		a, b := member(family.dir, from), member(family.dir, to)
		if a == "" || b == "" || a == b || slices.Contains(family.except, b) {
			continue
		}
		return family.why
	}
	return ""
}

// member is the element after dir in p, or "" where p is not below dir.
func member(dir, p string) string {
	rest, ok := strings.CutPrefix(p, dir+"/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func banned(t *Tree, bans []Ban, in, imported string) string {
	for _, b := range bans {
		target := b.Import
		if strings.HasPrefix(target, "internal/") {
			target = t.Module + "/" + target
		}
		if imported != target && !strings.HasPrefix(imported, target+"/") {
			continue
		}
		if (len(b.In) > 0 && !matchesAny(b.In, in)) || matchesAny(b.Except, in) {
			continue
		}
		return b.Why
	}
	return ""
}

func ruleFor(rules []Rule, dir string) (Rule, bool) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return matches(r.Path, dir) })
	if i < 0 {
		return Rule{}, false
	}
	return rules[i], true
}

func matchesAny(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, dir) })
}

// matches compares element by element; * stands for any one.
func matches(pattern, dir string) bool {
	ok, err := path.Match(pattern, dir)
	return ok && err == nil
}

// testOnly tells a package that only tests import.
func testOnly(dir string) bool {
	r, ok := ruleFor(Rules, dir)
	return ok && r.Layer == TestLayer
}
