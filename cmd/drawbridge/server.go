package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
	"drawbridge/internal/app"
	"drawbridge/internal/endpoint/stdio"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers"
)

func (p *program) serverCommand() *cli.Command {
	return &cli.Command{
		Name: "server", Usage: "one built-in server alone, on standard input and output", ArgsUsage: "NAME",
		Description: "Its tools have their original names: a drop-in for the server of that name.\nWith --listen it is served over HTTP instead.\nWith --self-check its tools that only read and need no arguments are called against the real upstream;\nthe report says how each call ended, and holds nothing of what was answered.",
		Flags: shell.SettingFlags(&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` to serve on instead"},
			&cli.BoolFlag{Name: "self-check", Usage: "try the upstream and report"}),
		Action: p.server,
	}
}

func (p *program) server(ctx context.Context, cmd *cli.Command) (err error) {
	name, err := shell.Args(cmd, "the name of the server")
	if err != nil {
		return err
	}
	if _, ok := servers.Find(name[0]); !ok {
		var known []string
		for _, e := range servers.Table {
			known = append(known, e.Name)
		}
		return shell.Usagef(cmd, "there is no built-in server %q; there are %v", name[0], known)
	}
	c, err := p.Load(p.Source(cmd))
	if err != nil {
		return err
	}
	log := p.logger(c)
	c = c.Only(name[0])
	if cmd.IsSet("listen") {
		a, err := app.New(ctx, log, c, app.Options{Version: version, Environ: p.Environ, Terminal: p.terminal(false)})
		if err != nil {
			return err
		}
		s := &service{p: p, log: log, app: a, cfg: c, signals: signals()}
		if err = a.Start(ctx); err == nil {
			err = s.untilSignal(ctx)
		}
		return errors.Join(err, s.stop(ctx))
	}
	a, stop, err := p.inProcess(ctx, log, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	a.Settle(ctx)
	if cmd.Bool("self-check") {
		return p.selfCheck(ctx, &client{handler: a.Gateway(), say: func(mcpwire.Notification) {}})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done, stopped := make(chan error, 1), signals()
	go func() { done <- stdio.Serve(ctx, log, p.In, p.Out, a.Gateway(), account.Local()) }() // ends with ctx
	for {
		select {
		case err := <-done:
			return err
		case sig := <-stopped:
			if sig != syscall.SIGHUP {
				return nil
			}
		}
	}
}

// untilSignal serves without reloading: one server has nothing to reload.
func (s *service) untilSignal(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("serve: %w", ctx.Err())
		case err := <-s.app.Wait():
			return err
		case sig := <-s.signals:
			if sig != syscall.SIGHUP {
				return nil
			}
		}
	}
}
