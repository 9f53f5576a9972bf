package shell

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// UsageError is a command line that makes no sense; it ends in exit code 2.
type UsageError struct {
	text string
	help string // the command that explains
}

func (e *UsageError) Error() string { return e.text }

// Usagef says what makes no sense about a command line.
func Usagef(cmd *cli.Command, format string, args ...any) error {
	return &UsageError{text: fmt.Sprintf(format, args...), help: cmd.FullName() + " --help"}
}

// Group is the action of a command that only has commands below it.
func Group(_ context.Context, cmd *cli.Command) error {
	if name := cmd.Args().First(); name != "" {
		return Usagef(cmd, "there is no command %q", name)
	}
	var names []string
	for _, c := range cmd.VisibleCommands() {
		if c.Name != "help" {
			names = append(names, c.Name)
		}
	}
	return Usagef(cmd, "a command is missing: %s", strings.Join(names, ", "))
}

// Harden makes every command below report wrong usage in our way, and none end
// the process or take arguments in silence.
func Harden(cmd *cli.Command, path string) {
	cmd.HideHelpCommand = true
	cmd.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error {
		return &UsageError{text: err.Error(), help: path + " --help"}
	}
	cmd.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	for _, c := range cmd.Commands {
		Harden(c, path+" "+c.Name)
	}
}

// Args gives exactly the named positional arguments.
func Args(cmd *cli.Command, names ...string) ([]string, error) {
	got := cmd.Args().Slice()
	switch {
	case len(got) < len(names):
		return nil, Usagef(cmd, "%s is missing", names[len(got)])
	case len(got) > len(names):
		return nil, Usagef(cmd, "unexpected argument %q", got[len(names)])
	}
	return got, nil
}
