package shell_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/fault"
)

func TestClean(t *testing.T) {
	t.Parallel()
	if got := shell.Clean("a\x1b[2Jb\u009bc\x7f\r\n\tä\u202ex\u2066"); got != "a�[2Jb�c��\n\tä�x�" {
		t.Errorf("got %q", got)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	shell.Table(&b, [][]string{{"NAME", "X"}, {"ä\x1b", "long"}, {"b", ""}, {"c\nd", "e\tf"}})
	if got := b.String(); got != "NAME  X\nä�    long\nb\nc�d   e�f\n" {
		t.Errorf("got %q", got)
	}
}

// The cause is for the operator, below the sentence that says what to do.
func TestShell_End(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s := &shell.Shell{Err: &b}
	var codes []int
	for _, err := range []error{
		nil, fault.Wrap(errors.New("disk\x1b full"), fault.Unavailable, "It cannot be written. Make room."),
		errors.New("plain"), shell.ErrSaid, shell.Usagef(&cli.Command{Name: "drawbridge"}, "no %s", "name"),
	} {
		codes = append(codes, s.End(err))
	}
	if diff := cmp.Diff([]int{0, 1, 1, 1, 2}, codes); diff != "" {
		t.Error(diff)
	}
	if got, want := b.String(), "drawbridge: It cannot be written. Make room.\n  cause: disk� full\ndrawbridge: plain\ndrawbridge: no name\nRun \"drawbridge --help\" for the way it is used.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
