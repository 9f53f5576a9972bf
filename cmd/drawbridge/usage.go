package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// usageError is a command line that makes no sense; it ends in exit code 2.
type usageError struct {
	text string
	help string // the command that explains
}

func (e *usageError) Error() string { return e.text }

func usagef(cmd *cli.Command, format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...), help: cmd.FullName() + " --help"}
}

// group is the action of a command that only has commands below it.
func group(_ context.Context, cmd *cli.Command) error {
	if name := cmd.Args().First(); name != "" {
		return usagef(cmd, "there is no command %q", name)
	}
	var names []string
	for _, c := range cmd.VisibleCommands() {
		if c.Name != "help" {
			names = append(names, c.Name)
		}
	}
	return usagef(cmd, "a command is missing: %s", strings.Join(names, ", "))
}

// harden makes every command below report wrong usage in our way, and none end
// the process or take arguments in silence.
func harden(cmd *cli.Command, path string) {
	cmd.HideHelpCommand = true
	cmd.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error {
		return &usageError{text: err.Error(), help: path + " --help"}
	}
	cmd.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	for _, c := range cmd.Commands {
		harden(c, path+" "+c.Name)
	}
}

// args gives exactly the named positional arguments.
func args(cmd *cli.Command, names ...string) ([]string, error) {
	got := cmd.Args().Slice()
	switch {
	case len(got) < len(names):
		return nil, usagef(cmd, "%s is missing", names[len(got)])
	case len(got) > len(names):
		return nil, usagef(cmd, "unexpected argument %q", got[len(names)])
	}
	return got, nil
}
