package command_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/internal/servers/ssh/command"
)

// make long gives more.
var judgements = flag.Int("judgements", 400, "how many random commands real shells run to see whether they were judged rightly")

// Whatever a command that passes makes a real shell run, the judge has seen: the
// shell finds nothing but programs that note their name.
func TestJudge_realShells(t *testing.T) {
	t.Parallel()
	bin := programs(t)
	var shells [][]string
	for _, s := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		if path, err := exec.LookPath(s[0]); err == nil {
			shells = append(shells, append([]string{path}, s[1:]...))
		}
	}
	if len(shells) == 0 {
		without(t, "there is no shell here")
	}
	r, passed := rand.New(rand.NewPCG(20, 26)), 0
	for range *judgements {
		text := line(r, 3)
		v, err := command.Judge(text, command.Rules{})
		if err != nil {
			continue
		}
		passed++
		seen := map[string]bool{}
		for _, c := range v.Commands {
			name, _, _ := strings.Cut(c, " ")
			seen[name] = true
		}
		for _, sh := range shells {
			for _, ran := range run(t, sh, text, bin) {
				if !seen[ran] {
					t.Fatalf("%s runs %q in %q; the judge has seen %q", sh, ran, text, v.Commands)
				}
			}
		}
	}
	if passed < *judgements/10 {
		t.Errorf("only %d of %d commands pass, so the test shows little", passed, *judgements)
	}
}

// programs makes a folder with programs p0 to p4 that note their name, and with real
// ones that start others.
func programs(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	for i := range 5 {
		script := fmt.Sprintf("#!/bin/sh\necho p%d >>\"$NOTED\"\necho p%d\n", i, (i+1)%5)
		if err := os.WriteFile(filepath.Join(bin, fmt.Sprintf("p%d", i)), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"env", "nice", "xargs", "sh", "timeout", "find", "nohup"} {
		if path, err := exec.LookPath(name); err == nil {
			if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return bin
}

// run gives the programs that noted their name. One in the background may do so when
// nobody looks any more.
func run(t *testing.T, shell []string, text, bin string) []string {
	t.Helper()
	noted := filepath.Join(t.TempDir(), "noted")
	if err := os.WriteFile(noted, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:], "-c", text)...)
	cmd.Dir, cmd.Env = t.TempDir(), []string{"PATH=" + bin, "V=p3", "NOTED=" + noted}
	_ = cmd.Run() // a random command may fail as it likes
	out, err := os.ReadFile(noted)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// line is a random command line. It writes only into its own folder, and ends.
func line(r *rand.Rand, depth int) string {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	words := func() string {
		var w []string
		for range r.IntN(3) {
			w = append(w, one("a", "p1", "'p 2'", "\"$V\"", "$V", "\\p3", "p{1,2}", "*", "-n", "\"a\\\"b\"", "'$(p4)'", "\"`p2`\"", "~", "#", "\\\n", "$'p'", "{}", "x=y", "!"))
		}
		return strings.Join(w, " ")
	}
	if depth == 0 {
		return one("p0", "p1", "\"p2\"", "p''3", "\\p4", "$V", "p?", "p{0,1}", "p$V") + " " + words()
	}
	in := func() string { return line(r, r.IntN(depth)) }
	switch r.IntN(18) {
	case 0:
		return in() + one("; ", " && ", " || ", " | ", " & ", "\n") + in()
	case 1:
		return "( " + in() + "\n)"
	case 2:
		return "{ " + in() + "\n}"
	case 3:
		return "if " + in() + "\nthen " + in() + "\nfi"
	case 4:
		return "for f in " + words() + "\ndo " + in() + "\ndone"
	case 5:
		return one("p0", "p1") + " \"$(" + in() + "\n)\""
	case 6:
		return one("p0 `", "`") + strings.NewReplacer("`", "", "\\", "").Replace(in()) + "`"
	case 7:
		return one("env ", "env A=b ", "nice ", "nice -n 1 ", "command ", "exec ", "nohup ", "timeout 9 ", "timeout -k 1 9 ", "A=b ", "! ") + in()
	case 8:
		return one("sh -c ", "eval ") + "'" + strings.ReplaceAll(in(), "'", `'\''`) + "'"
	case 9:
		return "p0 a | xargs " + one("", "-n 1 ", "-I X ", "-0 ") + in()
	case 10:
		return "find . -maxdepth 0 -exec " + in() + " \\;"
	case 11:
		return "case x in x) " + in() + "\n;; *) " + in() + "\n;; esac"
	case 12:
		return in() + one(" >out", " 2>&1", " <out", " >>out", " >&2", " &>out")
	case 13:
		return "p0 <<E\n" + in() + "\nE\n"
	case 14:
		return "p0 <<'E'\n" + in() + "\nE\n" + in()
	case 15:
		return one("f() { ", "function f { ") + in() + "\n}; f"
	case 16:
		return "x=p2; " + one("$x", "${x}", "\"$x\"", "${x:-p1}", "p1 ${x%2}")
	}
	return in()
}
