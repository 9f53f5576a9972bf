package manual_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"drawbridge/test/harness"
)

var (
	inText    = regexp.MustCompile("`([^`\n]+)`")
	inBlock   = regexp.MustCompile(`(?m)^ {4,}(\S.*)$`)
	inFence   = regexp.MustCompile(`(?m)^((?:[A-Z_]+=\S+ )*drawbridge .+)$`)
	flagIn    = regexp.MustCompile(`(?:^|\s)(--[a-z][a-z-]*)`)
	variable  = regexp.MustCompile(`\b(?:OAUTH|DRAWBRIDGE|GATEWAY)_[A-Z_]+\b`)
	linkTo    = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	pageFiles = []string{"docs/how-to/*.md", "docs/explanation/*.md", "README.md", "SECURITY.md", "CONTRIBUTING.md", "deploy/README.md"}
)

// TestPages holds what people are told to type to the reference: commands with
// their flags, variables, and files that are linked to.
func TestPages(t *testing.T) {
	t.Parallel()
	root := harness.Root(t)
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	commands := map[string]string{} // with what their help says
	for section := range strings.SplitSeq(read("docs/reference/cli.md"), "\n## ") {
		name, help, _ := strings.Cut(section, "\n")
		commands[name] = help
	}
	settings := read("docs/reference/configuration.md") + "DRAWBRIDGE_KEY DRAWBRIDGE_URL DRAWBRIDGE_CONFIG"
	found := 0
	for _, pattern := range pageFiles {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			name, _ := filepath.Rel(root, file)
			page := read(name)
			for _, m := range slices.Concat(inText.FindAllStringSubmatch(page, -1), inBlock.FindAllStringSubmatch(page, -1), inFence.FindAllStringSubmatch(page, -1)) {
				_, said, ok := strings.Cut(m[1], "drawbridge ")
				if !ok || strings.HasPrefix(m[1], "claude ") {
					continue
				}
				found++
				said, _, _ = strings.Cut(said, "#")
				said, _, _ = strings.Cut(said, " && ")
				command := longest(commands, strings.Fields(said))
				if command == "" {
					t.Errorf("%s: there is no command %q", name, m[1])
				}
				for _, f := range flagIn.FindAllStringSubmatch(said, -1) {
					if !strings.Contains(commands[command], f[1]) {
						t.Errorf("%s: drawbridge %s has no %s", name, command, f[1])
					}
				}
			}
			for _, v := range variable.FindAllString(page, -1) {
				if !strings.Contains(settings, v) {
					t.Errorf("%s: there is no setting %s", name, v)
				}
			}
			for _, l := range linkTo.FindAllStringSubmatch(page, -1) {
				if strings.Contains(l[1], "://") {
					continue
				}
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), l[1])); err != nil {
					t.Errorf("%s: links to %s, which is not there", name, l[1])
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d commands were found", found)
	}
}

// longest is the longest name of a command that words begin with, or "" if there is
// none; of a group, its first member will do.
func longest(commands map[string]string, words []string) string {
	for n := min(len(words), 3); n > 0; n-- {
		name := strings.Join(words[:n], " ")
		if _, ok := commands[name]; ok {
			return name
		}
		for group := range commands {
			if n == len(words) && strings.HasPrefix(group, name+" ") {
				return group
			}
		}
	}
	return ""
}
