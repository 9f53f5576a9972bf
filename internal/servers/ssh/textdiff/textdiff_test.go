package textdiff_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/internal/servers/ssh/textdiff"
)

// patch makes the second text of the first and the difference.
func TestUnified_patches(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("patch")
	if err != nil {
		program = ""
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a, b := text(r), ""
		for _, l := range strings.SplitAfter(a, "\n") {
			switch r.IntN(8) {
			case 0:
			case 1:
				b += l + "new\n"
			default:
				b += l
			}
		}
		diff := textdiff.Unified(a, b, 1<<20)
		if (diff == "") != (a == b) {
			t.Fatalf("%q to %q: %q", a, b, diff)
		}
		if got := apply(a, diff); got != b {
			t.Fatalf("%q with\n%s\nis %q, wanted %q", a, diff, got, b)
		}
		if program != "" && a != b && a != "" && b != "" {
			byPatch(t, program, a, b, diff)
		}
	}
}

func text(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(40) {
		fmt.Fprintf(&b, "line %d\n", r.IntN(6))
	}
	if r.IntN(3) == 0 {
		b.WriteString("no end")
	}
	return b.String()
}

// apply is the smallest reader of hunks: it trusts them.
func apply(a, diff string) string {
	if diff == "" {
		return a
	}
	old, out, at := strings.SplitAfter(a, "\n"), "", 0
	diff = strings.ReplaceAll(diff, "\n\\ No newline at end of file", "\x00")
	for line := range strings.Lines(diff) {
		body := strings.Replace(line[1:], "\x00\n", "", 1)
		switch line[0] {
		case '@':
			var from, n int
			if _, err := fmt.Sscanf(line, "@@ -%d,%d", &from, &n); err != nil {
				n = 1
			}
			if n > 0 {
				from--
			}
			out += strings.Join(old[at:from], "")
			at = from
		case ' ':
			out, at = out+body, at+1
		case '-':
			at++
		case '+':
			out += body
		}
	}
	return out + strings.Join(old[at:], "")
}

func byPatch(t *testing.T, program, a, b, diff string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte(a), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-s", file)
	cmd.Stdin = strings.NewReader("--- f\n+++ f\n" + diff)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("patch: %v %s for\n%s", err, out, diff)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != b {
		t.Fatalf("patch made %q of %q, wanted %q", got, a, b)
	}
}

func TestUnified_bounds(t *testing.T) {
	t.Parallel()
	var a, b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&a, "a%d\n", i)
		fmt.Fprintf(&b, "b%d\n", i)
	}
	got := textdiff.Unified(a.String(), b.String(), 10)
	if n := strings.Count(got, "\n"); n != 11 || !strings.Contains(got, "39991 more lines") {
		t.Errorf("%d lines: %q", n, got)
	}
}
