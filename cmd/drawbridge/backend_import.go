package main

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/config"
)

func (p *program) backendImportCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "add the servers of another program's configuration file", ArgsUsage: "FILE",
		Description: "Reads claude_desktop_config.json, .mcp.json, .cursor/mcp.json, .vscode/mcp.json and\n" +
			"files of mcpo. ${VAR} takes the variable's value now; with --print it stays as it is.",
		Flags: shell.SettingFlags(
			&cli.BoolFlag{Name: "print", Usage: "print a block for the configuration file instead of adding anything"},
			&cli.BoolFlag{Name: "replace", Usage: "take the place of backends of the same names that were added before"},
		),
		Action: p.backendImport,
	}
}

func (p *program) backendImport(ctx context.Context, cmd *cli.Command) error {
	file, err := shell.Args(cmd, "the file")
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find working directory: %w", err)
	}
	im, err := config.ReadImport(file[0], p.Environ, dir)
	if err != nil {
		return err
	}
	notices := im.Notices()
	if cmd.Bool("print") {
		p.Note(notices)
		block, err := im.YAML()
		if err != nil {
			return err
		}
		_, err = p.Out.Write(block)
		return err
	}
	added, notices, err := im.Backends()
	p.Note(notices)
	if err != nil {
		return err
	}
	return p.putBackends(ctx, cmd, added)
}
