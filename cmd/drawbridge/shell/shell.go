// Package shell is what the commands have of the process around them: its streams
// and environment, the configuration and database that its flags name, questions to
// a person, and how a command ends.
//
// What a script may want goes to standard output, everything else to standard
// error. A failure ends in what to do next; passwords come from a terminal without
// echo or from standard input, never as an argument. The commands of drawbridge are
// its callers; it has none itself.
package shell

import (
	"errors"
	"fmt"
	"io"

	"drawbridge/internal/fault"
)

// Shell is the process as commands see it.
type Shell struct {
	In       io.Reader
	Out, Err io.Writer
	Environ  []string // as os.Environ gives it
}

// The exit codes, beside 0.
const (
	Failed = 1
	Usage  = 2
)

// ErrSaid ends a command that has told its failure itself.
var ErrSaid = errors.New("already told")

// End tells how a command failed, if it did, and gives the exit code.
func (s *Shell) End(err error) int {
	if err == nil {
		return 0
	}
	if wrong, ok := errors.AsType[*UsageError](err); ok {
		fmt.Fprintf(s.Err, "drawbridge: %s\nRun %q for the way it is used.\n", wrong.text, wrong.help)
		return Usage
	}
	s.report(err)
	return Failed
}

// report tells a failure: the public sentence, and for the operator the cause.
func (s *Shell) report(err error) {
	if errors.Is(err, ErrSaid) {
		return
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Public == "" {
		fmt.Fprintf(s.Err, "drawbridge: %s\n", Clean(err.Error()))
		return
	}
	fmt.Fprintf(s.Err, "drawbridge: %s\n", Clean(f.Public))
	if f.Err != nil {
		fmt.Fprintf(s.Err, "  cause: %s\n", Clean(f.Err.Error()))
	}
}
