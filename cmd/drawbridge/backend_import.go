package main

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"drawbridge/internal/config"
)

func (p *program) backendImportCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "add the servers of another program's configuration file", ArgsUsage: "FILE",
		Description: "Reads claude_desktop_config.json, .mcp.json, .cursor/mcp.json, .vscode/mcp.json and\n" +
			"files of mcpo. ${VAR} takes the variable's value now; with --print it stays as it is.",
		Flags: settingFlags(
			&cli.BoolFlag{Name: "print", Usage: "print a block for the configuration file instead of adding anything"},
			&cli.BoolFlag{Name: "replace", Usage: "take the place of backends of the same names that were added before"},
		),
		Action: p.backendImport,
	}
}

func (p *program) backendImport(ctx context.Context, cmd *cli.Command) error {
	file, err := args(cmd, "the file")
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find working directory: %w", err)
	}
	im, err := config.ReadImport(file[0], p.environ, dir)
	if err != nil {
		return err
	}
	notices := im.Notices()
	if cmd.Bool("print") {
		p.note(notices)
		block, err := im.YAML()
		if err != nil {
			return err
		}
		_, err = p.out.Write(block)
		return err
	}
	added, notices, err := im.Backends()
	p.note(notices)
	if err != nil {
		return err
	}
	return p.putBackends(ctx, cmd, added)
}

func (p *program) note(notices []config.Notice) {
	for _, n := range notices {
		fmt.Fprintf(p.err, "note: %s\n", clean(n.String()))
	}
}
