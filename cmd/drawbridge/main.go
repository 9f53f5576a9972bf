// Drawbridge is an MCP gateway: many MCP servers behind one door.
//
// There is one file per command, here or in accounts. A command reads the
// configuration, opens what it needs, and ends in an exit code: 0 done, 1 failed, 2
// wrong usage. What a script may want goes to standard output, everything else to
// standard error, and every error says what to do next.
package main

import (
	"context"
	"os"
	"slices"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/accounts"
	"drawbridge/cmd/drawbridge/shell"
)

// version is set by the linker; see the Makefile.
var version = "dev"

func main() {
	p := &program{&shell.Shell{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ()}}
	os.Exit(p.run(context.Background(), os.Args))
}

// program is the commands.
type program struct{ *shell.Shell }

// run runs one command and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	return p.End(p.root().Run(ctx, args))
}

// root is the table of commands.
func (p *program) root() *cli.Command {
	root := &cli.Command{
		Name: "drawbridge", Usage: "many MCP servers behind one door", HideVersion: true,
		Description: "With no configuration at all, drawbridge serve starts a working gateway on this\nmachine and says how to connect.",
		Writer:      p.Out, ErrWriter: p.Err, Action: shell.Group,
		Commands: slices.Concat(
			[]*cli.Command{p.serveCommand(), p.checkCommand(), p.doctorCommand(), p.backendCommand(), p.toolCommand()},
			accounts.Commands(p.Shell),
			[]*cli.Command{p.serverCommand(), p.versionCommand(), p.healthcheckCommand()},
		),
	}
	shell.Harden(root, root.Name)
	return root
}
