package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/config"
)

func (p *program) checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "read the configuration and report every fault; touches nothing",
		Flags: shell.SettingFlags(
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT`, as for serve"},
			&cli.BoolFlag{Name: "show", Usage: "print every value with where it was set; secrets stay hidden"},
			&cli.BoolFlag{Name: "schema", Usage: "print the JSON Schema of the configuration file"},
		),
		Action: p.check,
	}
}

func (p *program) check(_ context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	if cmd.Bool("schema") {
		_, err := p.Out.Write(config.Schema())
		return err
	}
	c, err := p.Load(p.Source(cmd))
	if err != nil {
		return err
	}
	p.noteMissing(c)
	if cmd.Bool("show") {
		return c.Dump(p.Out)
	}
	from := c.File()
	if from == "" {
		from = "environment and defaults"
	}
	_, err = fmt.Fprintf(p.Out, "ok: %s, %d backends\n", from, len(c.Backends))
	return err
}
