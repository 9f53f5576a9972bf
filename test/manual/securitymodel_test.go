package manual_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"drawbridge/test/harness"
)

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	promised = regexp.MustCompile("`((?:Test|Fuzz)\\w+|[a-z-]+\\.txtar)`")
	threat   = regexp.MustCompile(`^[TA]\d+$`)
)

// threats are those of the reference that this version answers to, A1 to A24 beside
// these; the others belong to servers and pages to come.
var threats = []string{"T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "T13", "T14", "T15", "T17", "T19", "T20", "T21", "T22", "T25"}

// tests are the names of all tests and scripts of the tree.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	root, there := harness.Root(t), map[string]bool{}
	for _, dir := range []string{"cmd", "internal", "test", "testdata"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || d.IsDir():
				return err
			case strings.HasSuffix(path, ".txtar"):
				there[filepath.Base(path)] = true
			case strings.HasSuffix(path, "_test.go"):
				source, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				for _, m := range testFunc.FindAllSubmatch(source, -1) {
					there[string(m[1])] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return there
}

func securityPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "explanation", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestSecurity looks for every test that docs/explanation/security.md names: a
// promise must not outlive what holds it.
func TestSecurity(t *testing.T) {
	t.Parallel()
	there, page := tests(t), securityPage(t)
	names := promised.FindAllStringSubmatch(page, -1)
	if len(names) < 150 {
		t.Fatalf("only %d names were found", len(names))
	}
	for _, m := range names {
		if !there[m[1]] {
			t.Errorf("security.md names %s, which does not exist", m[1])
		}
	}
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		if len(cells) == 6 && !strings.HasPrefix(cells[1], "-") && strings.TrimSpace(cells[3]) != "held by" && !promised.MatchString(cells[3]) {
			t.Errorf("nothing holds this promise: %s", strings.TrimSpace(line))
		}
	}
}

// TestThreats looks for a test of every threat, under its id, and for the id on the
// page.
func TestThreats(t *testing.T) {
	t.Parallel()
	want := slices.Clone(threats)
	for n := range 24 {
		want = append(want, "A"+strconv.Itoa(n+1))
	}
	tested, told := map[string]bool{}, map[string]bool{}
	for name := range tests(t) {
		for part := range strings.SplitSeq(strings.TrimPrefix(name, "Test"), "_") {
			if threat.MatchString(part) {
				tested[part] = true
			}
		}
	}
	for line := range strings.Lines(securityPage(t)) {
		if cells := strings.Split(line, "|"); len(cells) == 6 {
			for id := range strings.FieldsSeq(cells[1]) {
				told[id] = true
			}
		}
	}
	for _, id := range want {
		if !tested[id] {
			t.Errorf("no test is called after threat %s", id)
		}
		if !told[id] {
			t.Errorf("security.md promises nothing about threat %s", id)
		}
	}
	for id := range maps.Keys(told) {
		if threat.MatchString(id) && !slices.Contains(want, id) {
			t.Errorf("security.md has threat %s, which is not one of this version", id)
		}
	}
}

// TestGoVersion: releases of Go before 1.26.6 have known holes in what this program
// is made of: net/http (smuggling, slow headers), html/template, net/url, os.Root.
func TestGoVersion(t *testing.T) {
	t.Parallel()
	var major, minor, patch int
	parts := strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)
	for i, n := range []*int{&major, &minor, &patch} {
		if i < len(parts) {
			digits := parts[i][:len(parts[i])-len(strings.TrimLeft(parts[i], "0123456789"))]
			*n, _ = strconv.Atoi(digits) // none is 0
		}
	}
	if major != 1 || minor < 26 || minor == 26 && patch < 6 {
		t.Errorf("built with %s: use 1.26.6 or later", runtime.Version())
	}
}
