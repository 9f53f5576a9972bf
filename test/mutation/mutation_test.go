// Package mutation_test breaks the guarantees of docs/explanation/security.md, one at
// a time, and looks whether the test that is said to hold each of them notices. A
// promise whose test passes without the code that keeps it is held by nobody.
//
// A mutation changes one place of one file for the compiler alone (go test -overlay);
// the tree is never touched. Three of them run each time, all of them with -all, which
// takes minutes: make long does it.
package mutation_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"drawbridge/test/harness"
)

var (
	all  = flag.Bool("all", false, "try all mutations")
	only = flag.String("only", "", "try the mutations whose names match this regular expression")
)

// mutation is a change that takes a guarantee away.
type mutation struct {
	name   string // as the page has it
	file   string // from the root of the repository
	edits  []edit
	target string // package of the test, from the root; "" is that of the file
	test   string // the one that fails then
}

// edit replaces a text that stands in the file once.
type edit struct{ old, new string }

// one is the edits of a mutation that needs a single one.
func one(old, new string) []edit { return []edit{{old, new}} }

// mutations are all there are.
func mutations() []mutation {
	return slices.Concat(doors(), signingIn(), clients(), inside(), outside(), records(), builtin())
}

// sample are tried every time, to keep all this alive.
var sample = []string{"second-header", "loopback-host", "duplicate-key"}

// TestMutations tries mutations: the test of each must fail, and pass without it.
func TestMutations(t *testing.T) {
	t.Parallel()
	chosen := slices.DeleteFunc(mutations(), func(m mutation) bool {
		switch {
		case *only != "":
			return !regexp.MustCompile(*only).MatchString(m.name)
		case *all:
			return false
		}
		return !slices.Contains(sample, m.name)
	})
	if *only == "" && len(chosen) < len(sample) {
		t.Fatalf("only %d of the %d mutations that run every time exist", len(chosen), len(sample))
	}
	for _, m := range chosen {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			root := harness.Root(t)
			if out := asItIs(t, root, m); out != "" {
				t.Fatalf("%s does not pass as it is:\n%s", m.test, tail(out))
			}
			out, ok := run(t, root, m, overlay(t, root, m))
			switch {
			case ok:
				t.Errorf("survived: %s passes although %s was changed", m.test, m.file)
			case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
				t.Errorf("the change does not compile:\n%s", tail(out))
			case !strings.Contains(out, "--- FAIL: "+m.test):
				t.Errorf("%s did not say so:\n%s", m.test, tail(out))
			}
		})
	}
}

// passed holds the tests that were found to pass as things are, by what it takes to
// run them; several mutations may share one.
var passed sync.Map

// asItIs runs the mutation's test without it, once, and gives the output of a failure.
func asItIs(t *testing.T, root string, m mutation) string {
	t.Helper()
	key := m.place() + " " + m.test
	if _, known := passed.Load(key); known {
		return ""
	}
	out, ok := run(t, root, m, "")
	if !ok {
		return out
	}
	passed.Store(key, true)
	return ""
}

// place is the package of the test.
func (m mutation) place() string {
	if m.target != "" {
		return m.target
	}
	return path.Dir(m.file)
}

// overlay writes the changed file, and what tells the compiler about it.
func overlay(t *testing.T, root string, m mutation) string {
	t.Helper()
	file := filepath.Join(root, filepath.FromSlash(m.file))
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for _, e := range m.edits {
		if n := strings.Count(text, e.old); n != 1 {
			t.Fatalf("%s has %d times, not once:\n%s", m.file, n, e.old)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	changed, plan := filepath.Join(t.TempDir(), "changed.go"), filepath.Join(t.TempDir(), "overlay.json")
	raw, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err == nil {
		err = os.WriteFile(changed, []byte(text), 0o600)
	}
	if err == nil {
		err = os.WriteFile(plan, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// run runs the mutation's test; plan "" leaves the tree as it is.
func run(t *testing.T, root string, m mutation, plan string) (string, bool) {
	t.Helper()
	args := []string{"test", "-count=1", "-vet=off", "-timeout", "3m", "-run", "^" + m.test + "$", "-v"}
	if plan != "" {
		args = append(args, "-overlay", plan)
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./"+m.place())...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err == nil && !strings.Contains(string(out), "--- PASS: "+m.test) {
		t.Fatalf("%s did not run in %s:\n%s", m.test, m.place(), tail(string(out)))
	}
	return string(out), err == nil
}

// tail is the end of a long output.
func tail(out string) string { return out[max(0, len(out)-3000):] }

// row is a promise of the page: ids, the promise, the tests that hold it, and the
// changes that make one of them fail.
var (
	named  = regexp.MustCompile("`((?:Test|Fuzz)\\w+|[a-z-]+\\.txtar)`")
	change = regexp.MustCompile("`([a-z0-9]+(?:-[a-z0-9]+)+)`")
)

// TestPage holds the page and the table of mutations to each other: every promise
// names the change that breaks it, every change is named once, and beside the test
// that fails.
func TestPage(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "explanation", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]mutation{}
	for _, m := range mutations() {
		if _, twice := known[m.name]; twice {
			t.Errorf("two mutations are called %s", m.name)
		}
		known[m.name] = m
	}
	told := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.HasPrefix(strings.TrimSpace(cells[1]), "-") || strings.TrimSpace(cells[3]) == "held by" {
			continue
		}
		changes := change.FindAllStringSubmatch(cells[4], -1)
		if len(changes) == 0 {
			t.Errorf("nothing is said to break this promise: %s", strings.TrimSpace(line))
		}
		var tests []string
		for _, name := range named.FindAllStringSubmatch(cells[3], -1) {
			tests = append(tests, name[1])
		}
		for _, c := range changes {
			m, ok := known[c[1]]
			switch {
			case !ok:
				t.Errorf("the page names %s, which is no mutation", c[1])
			case told[c[1]]:
				t.Errorf("the page names %s twice", c[1])
			case !slices.Contains(tests, m.test):
				t.Errorf("%s makes %s fail, which is not among what holds that promise", m.name, m.test)
			}
			told[c[1]] = true
		}
	}
	for name := range known {
		if !told[name] {
			t.Errorf("the page does not name the mutation %s", name)
		}
	}
	if len(told) < 45 {
		t.Errorf("only %d mutations", len(told))
	}
}

// TestEdits looks whether every mutation still finds what it changes: one that does not
// would be noticed only where all of them are tried.
func TestEdits(t *testing.T) {
	t.Parallel()
	root := harness.Root(t)
	for _, m := range mutations() {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
		if err != nil {
			t.Error(err)
			continue
		}
		if len(m.edits) == 0 {
			t.Errorf("%s changes nothing", m.name)
		}
		for _, e := range m.edits {
			if n := strings.Count(string(source), e.old); n != 1 {
				t.Errorf("%s: %s has %d times, not once: %q", m.name, m.file, n, e.old)
			}
		}
	}
}
