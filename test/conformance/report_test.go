package conformance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scenario is one line of the suite's summary.
type scenario struct {
	Name           string
	Passed, Failed int
	Unscored       bool
}

// report is what one run of the suite said.
type report struct {
	Scenarios []scenario
	Passed    int
	Failed    int
	checks    map[string]check // by scenario and name
}

// check is one entry of a checks.json.
type check struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Status       string `json:"status"`
	ErrorMessage string `json:"errorMessage"`
}

// dated is the end of the name of a scenario's folder.
var dated = regexp.MustCompile(`-\d{4}-\d\d-\d\dT[^/]*$`)

// readChecks reads what the suite left in its output folder.
func (r *report) readChecks(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil {
		return err
	}
	r.checks = map[string]check{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var checks []check
		if err := json.Unmarshal(raw, &checks); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		scenario := dated.ReplaceAllString(filepath.Base(filepath.Dir(file)), "")
		for _, c := range checks {
			r.checks[scenario+" "+c.ID+" "+c.Name] = c
		}
	}
	return nil
}

// differences says where a run came out otherwise than the direct one.
func differences(direct, through *report) []string {
	if direct == nil {
		return nil
	}
	names := map[string]bool{}
	for name := range direct.checks {
		names[name] = true
	}
	for name := range through.checks {
		names[name] = true
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, after := direct.checks[name], through.checks[name]
		if before.Status != after.Status {
			out = append(out, fmt.Sprintf("%s: %q directly, %q through Drawbridge %s", name, before.Status, after.Status, after.ErrorMessage))
		}
	}
	return out
}

var (
	scenarioLine = regexp.MustCompile(`^[✓✗] (\S+): (\d+) passed, (\d+) failed`)
	totalLine    = regexp.MustCompile(`^Total: (\d+) passed, (\d+) failed`)
	unscoredLine = regexp.MustCompile(`^  [✓✗] (\S+) \(`)
)

// parse reads the summary at the end of the suite's output.
func parse(out string) (*report, error) {
	_, summary, ok := strings.Cut(out, "=== SUMMARY ===")
	if !ok {
		return nil, errors.New("the suite printed no summary")
	}
	rep := &report{}
	at := map[string]int{}
	total := false
	for line := range strings.Lines(summary) {
		line = strings.TrimRight(line, "\r\n")
		if m := scenarioLine.FindStringSubmatch(line); m != nil {
			at[m[1]] = len(rep.Scenarios)
			rep.Scenarios = append(rep.Scenarios, scenario{Name: m[1], Passed: number(m[2]), Failed: number(m[3])})
		} else if m := totalLine.FindStringSubmatch(line); m != nil {
			rep.Passed, rep.Failed, total = number(m[1]), number(m[2]), true
		} else if m := unscoredLine.FindStringSubmatch(line); m != nil {
			i, known := at[m[1]]
			if !known {
				return nil, fmt.Errorf("the suite does not score %s, which it did not run", m[1])
			}
			rep.Scenarios[i].Unscored = true
		}
	}
	if !total || len(rep.Scenarios) == 0 {
		return nil, errors.New("the suite's summary has another form than expected")
	}
	return rep, nil
}

func number(digits string) int {
	n, _ := strconv.Atoi(digits) // matched as digits
	return n
}

func (r *report) totals() totals {
	sum := totals{Passed: r.Passed, Failed: r.Failed}
	for _, s := range r.Scenarios {
		if s.Unscored {
			continue
		}
		sum.Scored++
		if s.Failed == 0 {
			sum.ScoredPassed++
		}
	}
	return sum
}

// failed names the scenarios with failed checks, in the order they ran.
func (r *report) failed() []string {
	var out []string
	for _, s := range r.Scenarios {
		if s.Failed > 0 {
			out = append(out, fmt.Sprintf("%s %d-%d", s.Name, s.Passed, s.Failed))
		}
	}
	return out
}

const head = "# Conformance\n\n" +
	"The official suite, `@modelcontextprotocol/conformance` 0.2.0-alpha.12, against the Go SDK 1.8.0's\n" +
	"`everything-server`: directly, and through Drawbridge with that server as its one backend, without\n" +
	"a prefix. Written by `go test ./test/conformance -update`; every `make test` runs the suite again\n" +
	"and fails where this page is not what it measured.\n\n" +
	"A scenario is scored where the revision's requirement set counts it. The suite sends no credential,\n" +
	"so a small proxy in front of the gateway adds one and leaves `Host` as it was.\n\n"

const foot = "\nEvery row is demanded. What fails is known: up to 30 checks of 2026-07-28 are the tasks extension,\n" +
	"which `everything-server` does not have. Across the eras the suite's own test tools set the limit: in a\n" +
	"modern server four of them refuse what a legacy client can be asked (directly, too), a legacy server has no\n" +
	"key for its question that the suite could look for, and its tools ask one round only. The matrix in\n" +
	"compatibility.md shows all of these with other servers.\n"

// render writes the page.
func render(runs []run, reports []*report) string {
	var b strings.Builder
	b.WriteString(head)
	b.WriteString("| target | requirements | scored scenarios | checks passed-failed |\n|---|---|---|---|\n")
	for i, r := range runs {
		sum := reports[i].totals()
		fmt.Fprintf(&b, "| %s | %s | %d/%d | %d-%d |\n", r.name, r.requirements, sum.ScoredPassed, sum.Scored, sum.Passed, sum.Failed)
	}
	b.WriteString(foot)
	for i, r := range runs {
		failed := reports[i].failed()
		if len(failed) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## Failed: %s\n\n", r.name)
		for _, name := range failed {
			fmt.Fprintf(&b, "- %s\n", name)
		}
	}
	return b.String()
}

// TestParse reads a summary as the suite prints it.
func TestParse(t *testing.T) {
	t.Parallel()
	const out = `Results saved to somewhere

=== SUMMARY ===
✓ server-initialize: 3 passed, 0 failed
✗ tools-list: 1 passed, 2 failed
✗ tasks-lifecycle: 0 passed, 8 failed

Total: 4 passed, 10 failed

Not scored for 2026-07-28: 1 scenario(s) run, 1 failing. These do not affect conformance.
  ✗ tasks-lifecycle (extension)
`
	rep, err := parse(out)
	if err != nil {
		t.Fatal(err)
	}
	want := totals{ScoredPassed: 1, Scored: 2, Passed: 4, Failed: 10}
	if diff := cmp.Diff(want, rep.totals()); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tools-list 1-2", "tasks-lifecycle 0-8"}, rep.failed()); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "=== SUMMARY ===\n", "=== SUMMARY ===\n✓ a: 1 passed, 0 failed\n", strings.Replace(out, "  ✗ tasks-lifecycle (", "  ✗ tasks-other (", 1)} {
		if _, err := parse(bad); err == nil {
			t.Errorf("parse(%q) took what is no summary", bad)
		}
	}
}
