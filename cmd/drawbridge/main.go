// Drawbridge is an MCP gateway: many MCP servers behind one door.
//
// There is one file per command. A command reads the configuration, opens what
// it needs, and ends in an exit code: 0 done, 1 failed, 2 wrong usage. What a
// script may want goes to standard output, everything else to standard error,
// and every error says what to do next.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"drawbridge/internal/fault"
)

// version is set by the linker; see the Makefile.
var version = "dev"

// The exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}
	os.Exit(p.run(context.Background(), os.Args))
}

// program is what the commands get from the process around them.
type program struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
}

// run runs one command and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	err := p.root().Run(ctx, args)
	if err == nil {
		return 0
	}
	if wrong, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintf(p.err, "drawbridge: %s\nRun %q for the way it is used.\n", wrong.text, wrong.help)
		return exitUsage
	}
	p.report(err)
	return exitFailed
}

// report tells a failure: the public sentence, and for the operator the cause.
func (p *program) report(err error) {
	if errors.Is(err, errSaid) {
		return
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Public == "" {
		fmt.Fprintf(p.err, "drawbridge: %s\n", clean(err.Error()))
		return
	}
	fmt.Fprintf(p.err, "drawbridge: %s\n", clean(f.Public))
	if f.Err != nil {
		fmt.Fprintf(p.err, "  cause: %s\n", clean(f.Err.Error()))
	}
}

// errSaid ends a command that has told its failure itself.
var errSaid = errors.New("already told")

// root is the table of commands.
func (p *program) root() *cli.Command {
	root := &cli.Command{
		Name: "drawbridge", Usage: "many MCP servers behind one door", HideVersion: true,
		Description: "With no configuration at all, drawbridge serve starts a working gateway on this\nmachine and says how to connect.",
		Writer:      p.out, ErrWriter: p.err, Action: group,
		Commands: []*cli.Command{
			p.serveCommand(), p.checkCommand(), p.backendCommand(), p.toolCommand(),
			p.keyCommand(), p.serverCommand(), p.versionCommand(), p.healthcheckCommand(),
		},
	}
	harden(root, root.Name)
	return root
}
