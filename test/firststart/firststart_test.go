// Package firststart_test is the first minute of a new user: an empty home, no
// configuration, `drawbridge serve`, and then the curl line that it prints.
package firststart_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// curlLine is what the block of the first start says under "curl:".
var curlLine = regexp.MustCompile(`(?m)^ *(curl -sS .*?)\r?$`)

// serve starts drawbridge as a new user of an empty machine would, but for the
// port. wrap goes around the command.
func serve(t *testing.T, wrap ...string) (p *harness.Process, state string) {
	t.Helper()
	home := t.TempDir()
	addr := harness.FreeAddr(t)
	args := append(wrap, "exec "+harness.Binary(t)+" serve")
	cmd := harness.Command(t, args[0], args[1:])
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "DRAWBRIDGE_LISTEN=" + addr}
	p = harness.Start(t, cmd)
	p.Await(t, addr)
	return p, filepath.Join(home, ".local", "state", "drawbridge")
}

// TestTerminal sees the key on the terminal, once, and nowhere else.
func TestTerminal(t *testing.T) {
	t.Parallel()
	script, err := exec.LookPath("script")
	if err != nil {
		harness.Missing(t, "script is not installed: install the package bsdutils")
	}
	p, state := serve(t, script, "--quiet", "--return", "/dev/null", "--command")
	var line []string
	p.AwaitReady(t, "print a curl line", func(context.Context) bool {
		line = curlLine.FindStringSubmatch(p.Output())
		return line != nil
	})
	call(t, line[1])
	if n := strings.Count(p.Output(), "shown this once"); n != 2 {
		t.Errorf("%d secrets are said to be shown once; want the key and the password", n)
	}
	if _, err := os.Stat(filepath.Join(state, "first-secrets")); err == nil {
		t.Error("the secrets are in a file although a person saw them")
	}
}

// TestNoTerminal finds the same block in a file that only its owner can read,
// and no secret in the log.
func TestNoTerminal(t *testing.T) {
	t.Parallel()
	p, state := serve(t, "sh", "-c")
	file := filepath.Join(state, "first-secrets")
	var text []byte
	p.AwaitReady(t, "write "+file, func(context.Context) bool {
		var err error
		text, err = os.ReadFile(file)
		return err == nil && curlLine.Match(text)
	})
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.FileMode(0o600) {
		t.Errorf("%s has mode %v", file, info.Mode())
	}
	line := string(curlLine.FindSubmatch(text)[1])
	call(t, line)
	key := regexp.MustCompile(`Bearer ([^']+)'`).FindStringSubmatch(line)
	if key == nil || strings.Contains(p.Output(), key[1]) {
		t.Errorf("the key %v is not in the line, or is in the log:\n%s", key, p.Output())
	}
	if !strings.Contains(p.Output(), file) {
		t.Errorf("the log does not say where the secrets are:\n%s", p.Output())
	}
}

// call runs the printed line as it stands.
func call(t *testing.T, line string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Env = append(os.Environ(), "no_proxy=*")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"result"`) || !strings.Contains(string(out), "thoughtHistoryLength") {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}
