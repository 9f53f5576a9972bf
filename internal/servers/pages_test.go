package servers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/servers"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

const docs = "../../docs"

var (
	linkToHowTo = regexp.MustCompile(`\(\.\./\.\./how-to/([a-z-]+\.md)(?:#[a-z-]+)?\)`)
	section     = regexp.MustCompile(`(?m)^## `)
	// An example begins with its goal, as a heading or in bold.
	goal = regexp.MustCompile(`(?m)^(### |\*\*)`)
)

// Whoever sets a server up finds how: a page with credentials, settings and a way
// to try them, and one with three examples that name tools there are.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, e := range servers.Table {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			facts := page(t, "reference", "servers", e.Name+".md")
			common := kit.CommonVariables(e.Name) // which reference/servers.md is about
			own := slices.DeleteFunc(slices.Clone(e.Variables), func(v string) bool { return slices.Contains(common, v) })
			for _, want := range append(own, "# The server "+e.Name+"\n", "\n## Settings\n", "\n## Credentials\n", "`drawbridge server "+e.Name+" --self-check`") {
				if !strings.Contains(facts, want) {
					t.Errorf("the page about %s lacks %q", e.Name, want)
				}
			}
			link := linkToHowTo.FindStringSubmatch(facts)
			if link == nil {
				t.Fatalf("the page about %s has no link to a page of docs/how-to", e.Name)
			}
			guide := page(t, "how-to", link[1])
			if back := "(../reference/servers/" + e.Name + ".md"; !strings.Contains(guide, back) {
				t.Errorf("%s does not link back to %s", link[1], back)
			}
			examples(t, e, link[1], guide)
		})
	}
}

func page(t *testing.T, path ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(append([]string{docs}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// examples looks for three examples, each with a call of a tool.
func examples(t *testing.T, e servers.Entry, name, guide string) {
	t.Helper()
	var text string
	for _, s := range section.Split(guide, -1) {
		if title, rest, _ := strings.Cut(s, "\n"); title == "Three examples" {
			text = rest
		}
	}
	all := open(t, e, kit.ModeAll, "all")
	found := goal.Split(text, -1)[1:]
	if len(found) < 3 {
		t.Errorf("%s has %d examples below \"## Three examples\", each with its goal as a heading or in bold", name, len(found))
	}
	for _, example := range found {
		called := false
		for _, tool := range kittest.Tools(t, all) {
			called = called || strings.Contains(example, "`"+tool.Name+"`") || strings.Contains(example, "\n    "+tool.Name+" {")
		}
		if !called {
			title, _, _ := strings.Cut(example, "\n")
			t.Errorf("%s: no tool of %s is called in the example %q", name, e.Name, title)
		}
	}
}
