package accounts_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/accounts"
	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
)

// The password that was typed is the one that lets the user in, with its spaces and
// without the end of the line; and what is printed does not show it.
func TestUser_passwordFromStandardInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(in string, args ...string) (code int, said string) {
		var out, err bytes.Buffer
		sh := &shell.Shell{In: strings.NewReader(in), Out: &out, Err: &err, Environ: []string{"HOME=" + dir}}
		root := &cli.Command{Name: "drawbridge", Commands: accounts.Commands(sh), Writer: &out, ErrWriter: &err}
		shell.Harden(root, root.Name)
		code = sh.End(root.Run(t.Context(), append([]string{"drawbridge"}, append(args, "--state-dir", dir)...)))
		return code, out.String() + err.String()
	}
	hash := func() string {
		s, err := store.Open(t.Context(), slog.New(slog.DiscardHandler), store.Config{StateDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		user, err := s.User(t.Context(), "anna")
		if err != nil {
			t.Fatal(err)
		}
		return user.PasswordHash
	}
	for _, c := range []struct {
		command, in, want string
	}{
		{"create", " correct horse ä \r\nsecond line\n", " correct horse ä "},
		{"passwd", "without-an-end-of-line", "without-an-end-of-line"},
	} {
		code, said := run(c.in, "user", c.command, "anna")
		if code != 0 || strings.Contains(said, "horse") || strings.Contains(said, "without-an-end") {
			t.Errorf("%s: exit code %d, %s", c.command, code, said)
		}
		if !secret.CheckPassword(hash(), secret.New(c.want)) {
			t.Errorf("%s: another password was set", c.command)
		}
	}
	before := hash()
	if code, said := run("\n", "user", "passwd", "anna"); code != shell.Usage || hash() != before {
		t.Errorf("an empty line: exit code %d, %s", code, said)
	}
	if code, said := run(strings.Repeat("x", 1<<20), "user", "passwd", "anna"); code != shell.Failed || hash() != before {
		t.Errorf("an endless line: exit code %d, %s", code, said)
	}
}
