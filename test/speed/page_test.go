package speed_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/test/harness"
)

// The part of the page between these lines is written from bench/results.json.
const (
	pageStart = "<!-- written by make bench -->\n"
	pageEnd   = "<!-- end -->\n"
)

// TestPage holds the page to the recorded results, so that nobody rounds by hand.
// Whether the limits were met is for the page to say: times are no gate of a test
// that has to pass on any machine.
func TestPage(t *testing.T) {
	t.Parallel()
	root := harness.Root(t)
	raw, err := os.ReadFile(filepath.Join(root, "bench", "results.json"))
	if errors.Is(err, fs.ErrNotExist) {
		harness.Missing(t, "no results are recorded: run make bench BENCHFLAGS=-update")
	}
	if err != nil {
		t.Fatal(err)
	}
	var all results
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "reference", "measurements.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := splice(string(page), all)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("docs/reference/measurements.md does not say what bench/results.json says (-results +page):\n%s", diff)
	}
}

func writePage(file string, all results) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	page, err := splice(string(old), all)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(page), 0o644)
}

// splice replaces the written part of the page.
func splice(page string, all results) (string, error) {
	head, rest, ok := strings.Cut(page, pageStart)
	_, tail, ok2 := strings.Cut(rest, pageEnd)
	if !ok || !ok2 {
		return "", errors.New("the page has lost the lines between which the results stand")
	}
	return head + pageStart + render(all) + pageEnd + tail, nil
}

func render(all results) string {
	var b strings.Builder
	for _, o := range all.Outcomes {
		times := ""
		if o.Rounds > 0 {
			times = fmt.Sprintf(" %d times with new processes,", o.Rounds)
		}
		fmt.Fprintf(&b, "\n### %s\n\n`mcpbench %s`%s at commit %s, %s, %d CPUs shared by everything that ran\n", o.Name, o.Command, times, o.Commit, o.Go, o.CPUs)
		if len(o.Rows) > 0 {
			b.WriteString("\n| target | CPU ms per call | of direct's throughput | p50 ms | added p50 ms | peak MB | errors |\n|---|---|---|---|---|---|---|\n")
		}
		for _, r := range o.Rows {
			fmt.Fprintf(&b, "| %s | %.3f | %.2f | %.2f | %.2f | %.0f | %d |\n", r.Target, r.CPU, r.OfDirect, r.P50, r.AddedP50, r.PeakMB, r.Errors)
		}
		b.WriteString("\n| figure | measured | limit | met |\n|---|---|---|---|\n")
		for _, g := range o.Gates {
			met := "yes"
			if !g.holds() {
				met = "**no**"
			}
			fmt.Fprintf(&b, "| %s | %.2f | %s | %s |\n", g.What, g.Got, g.limit(), met)
		}
	}
	b.WriteString("\n")
	return b.String()
}
