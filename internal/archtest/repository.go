package archtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// readMod takes from go.mod what the checks need: the module's path, direct
// requirements and replacements.
func (t *Tree) readMod() error {
	raw, err := fs.ReadFile(t.FS, "go.mod")
	if err != nil {
		return fmt.Errorf("read go.mod: %w", err)
	}
	block := ""
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		text, comment, _ := strings.Cut(lines.Text(), "//")
		words := strings.Fields(text)
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case len(words) == 2 && words[1] == "(":
			block = words[0]
			continue
		case block != "":
			words = append([]string{block}, words...)
		}
		switch {
		case words[0] == "module":
			t.Module = words[1]
		case words[0] == "require" && strings.TrimSpace(comment) != "indirect":
			t.Require = append(t.Require, words[1])
		case words[0] == "replace":
			t.Replace = append(t.Replace, words[1])
		}
	}
	return lines.Err()
}

// Requirements finds direct requirements nobody decided on, decisions for
// modules that are gone, modules nothing imports, and replacements.
func Requirements(t *Tree, allowed map[string]string) []Finding {
	var out []Finding
	for _, m := range t.Replace {
		out = append(out, Finding{"go.mod", "replaces " + m + ": others could not build it; wait for a release or copy what is needed"})
	}
	imported := map[string]bool{}
	for _, p := range t.Packages {
		for _, file := range p.Files {
			for _, spec := range file.AST.Imports {
				name, _ := strconv.Unquote(spec.Path.Value)
				imported[name] = true
			}
		}
	}
	for _, m := range t.Require {
		below := func(name string) bool { return name == m || strings.HasPrefix(name, m+"/") }
		if allowed[m] == "" {
			out = append(out, Finding{"go.mod", "requires " + m + ", which is not on the list of internal/archtest/rules.go: add it with its reason, or do without"})
		} else if !slices.ContainsFunc(slices.Collect(maps.Keys(imported)), below) {
			out = append(out, Finding{"go.mod", "requires " + m + ", which nothing imports"})
		}
	}
	for m := range allowed {
		if !slices.Contains(t.Require, m) {
			out = append(out, Finding{"internal/archtest/rules.go", "allows " + m + ", which go.mod does not require: remove it"})
		}
	}
	return out
}

var folderRow = regexp.MustCompile("^\\| `([^`]+)` \\|")

// Folders finds differences between the folder table of ARCHITECTURE.md and the
// tree: every Go package and every other top-level folder has one row.
func Folders(t *Tree) []Finding {
	raw, err := fs.ReadFile(t.FS, "ARCHITECTURE.md")
	if err != nil {
		return []Finding{{"ARCHITECTURE.md", "cannot be read: " + err.Error()}}
	}
	listed := map[string]bool{}
	var out []Finding
	for line := range strings.SplitSeq(string(raw), "\n") {
		if m := folderRow.FindStringSubmatch(line); m != nil {
			dir := strings.TrimSuffix(m[1], "/")
			if listed[dir] {
				out = append(out, Finding{"ARCHITECTURE.md", "lists " + dir + " twice"})
			}
			listed[dir] = true
		}
	}
	present := folders(t)
	for dir := range present {
		if !listed[dir] {
			out = append(out, Finding{"ARCHITECTURE.md", "does not list " + dir + " in its folder table"})
		}
	}
	for dir := range listed {
		if !present[dir] {
			out = append(out, Finding{"ARCHITECTURE.md", "lists " + dir + ", which does not exist"})
		}
	}
	return out
}

func folders(t *Tree) map[string]bool {
	dirs := map[string]bool{}
	for _, p := range t.Packages {
		dirs[p.Dir] = true
	}
	for _, name := range t.Files {
		top, _, nested := strings.Cut(name, "/")
		inside := func(p *Package) bool { return strings.HasPrefix(p.Dir+"/", top+"/") }
		if nested && !strings.HasPrefix(top, ".") && !slices.ContainsFunc(t.Packages, inside) {
			dirs[top] = true
		}
	}
	return dirs
}

// leak matches what says more about where the project was made than about the
// project. The brackets keep the pattern from matching itself.
var leak = regexp.MustCompile(`/wor[k]/(main|shared|steering|[.]librar[y])|/far[m]/|/tm[p]/bash_jobs|/roo[t]/[.]|prox[y][.]golang|registr[y][.]npmjs|de[b][.]debian|\b[sS]ub-?[a]gents?\b|\bC[E]O\b`)

// Words finds lines that name paths of a machine or the host of a package
// registry. Lock files are made by tools and are not read.
func Words(t *Tree) []Finding {
	var out []Finding
	for _, name := range t.Files {
		if path.Ext(name) == ".sum" || path.Base(name) == "package-lock.json" {
			continue
		}
		raw, err := fs.ReadFile(t.FS, name)
		if err != nil {
			out = append(out, Finding{name, err.Error()})
			continue
		}
		if !utf8.Valid(raw) {
			continue
		}
		n := 0
		for line := range bytes.Lines(raw) {
			n++
			if m := leak.Find(line); m != nil {
				out = append(out, Finding{fmt.Sprintf("%s:%d", name, n), fmt.Sprintf("%q says where it was made", m)})
			}
		}
	}
	return out
}
