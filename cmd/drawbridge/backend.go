package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/accounts"
	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/app"
	"drawbridge/internal/backend"
	"drawbridge/internal/config"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/store"
)

func (p *program) backendCommand() *cli.Command {
	return &cli.Command{
		Name: "backend", Usage: "the MCP servers behind the gateway", Action: shell.Group,
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "all backends with where they are configured", Action: p.backendList,
				Flags: shell.SettingFlags(&cli.BoolFlag{Name: "json", Usage: "as JSON"}),
			},
			{
				Name: "test", Usage: "connect to a backend and say what it offers", ArgsUsage: "NAME", Action: p.backendTest,
				Flags: shell.SettingFlags(&cli.DurationFlag{Name: "timeout", Value: 30 * time.Second, Usage: "how long to wait"}),
			},
			p.backendAddCommand(),
			p.backendImportCommand(),
			{
				Name: "remove", Usage: "remove a backend that was added by hand", ArgsUsage: "NAME", Action: p.backendRemove,
				Flags: shell.SettingFlags(shell.YesFlag()),
			},
		},
	}
}

// backends are those of the configuration and of the store.
func (p *program) backends(ctx context.Context, cmd *cli.Command) (c *config.Config, all []config.Backend, err error) {
	if c, err = p.Load(p.Source(cmd)); err != nil {
		return nil, nil, err
	}
	all, err = p.withStored(ctx, c)
	return c, all, err
}

// withStored are the backends of a configuration and those of its store.
func (p *program) withStored(ctx context.Context, c *config.Config) (all []config.Backend, err error) {
	s, err := store.Open(ctx, p.Quiet(), app.StoreConfig(c))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	stored, err := s.Backends(ctx)
	if err != nil {
		return nil, err
	}
	return c.WithStored(stored)
}

func (p *program) backendList(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	_, all, err := p.backends(ctx, cmd)
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		type row struct {
			Name    string       `json:"name"`
			Type    string       `json:"type"`
			Target  string       `json:"target"`
			Origin  config.Layer `json:"origin"`
			Enabled bool         `json:"enabled"`
		}
		rows := []row{}
		for _, b := range all {
			rows = append(rows, row{b.Name, b.Type, target(b), b.Origin, b.Enabled})
		}
		return p.PrintJSON(rows)
	}
	rows := [][]string{{"NAME", "TYPE", "TARGET", "FROM", "STATE"}}
	for _, b := range all {
		state := "on"
		if !b.Enabled {
			state = "off"
		}
		rows = append(rows, []string{b.Name, b.Type, target(b), string(b.Origin), state})
	}
	shell.Table(p.Out, rows)
	if len(all) == 0 {
		fmt.Fprintln(p.Err, "There are none yet. Add one: drawbridge backend add NAME --url URL, or NAME -- COMMAND ARG...")
	}
	return nil
}

// target is what a backend is, without the parts of it that may be secret:
// arguments and the query of a URL often are.
func target(b config.Backend) string {
	if b.Command != "" {
		return b.Command
	}
	address, _, _ := strings.Cut(b.URL, "?")
	return address
}

func (p *program) backendTest(ctx context.Context, cmd *cli.Command) (err error) {
	name, err := shell.Args(cmd, "the name of the backend")
	if err != nil {
		return err
	}
	c, all, err := p.backends(ctx, cmd)
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.Name == name[0] {
			return p.testBackend(ctx, cmd, c, b)
		}
	}
	return fault.New(fault.NotFound, "There is no backend %q. See drawbridge backend list.", name[0])
}

func (p *program) testBackend(ctx context.Context, cmd *cli.Command, c *config.Config, b config.Backend) (err error) {
	ctx, stop := interruptible(ctx)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, cmd.Duration("timeout"))
	defer cancel()
	start := time.Now()
	peer, greeting, err := p.dial(ctx, c, b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, peer.Close(context.WithoutCancel(ctx))) }()
	fmt.Fprintf(p.Out, "ok: %s, in %s\n", shell.Clean(greeting), time.Since(start).Round(time.Millisecond))
	asking := &client{handler: peer, say: func(mcpwire.Notification) {}}
	tools, err := asking.list(ctx)
	if err != nil {
		fmt.Fprintf(p.Out, "no list of tools: %s\n", shell.Clean(err.Error()))
		return nil
	}
	fmt.Fprintf(p.Out, "%d tools:\n", len(tools))
	for _, raw := range tools {
		var t struct{ Name string }
		if json.Unmarshal(raw, &t) == nil {
			fmt.Fprintf(p.Out, "  %s\n", shell.Clean(t.Name))
		}
	}
	return nil
}

// dial connects to a backend and says what answered; the peer must be closed.
func (p *program) dial(ctx context.Context, c *config.Config, b config.Backend) (peer backend.Peer, greeting string, err error) {
	d, _, err := app.Dialer(p.Quiet(), c, app.Options{Version: version, Environ: p.Environ}, b)
	if err != nil {
		return nil, "", err
	}
	if peer, err = d.Dial(ctx, backend.Hello{}); err != nil {
		return nil, "", err
	}
	info := peer.Info()
	var self struct{ Name, Version string }
	_ = json.Unmarshal(info.ServerInfo, &self) // a server may keep its name to itself
	return peer, fmt.Sprintf("%s %s over %s, MCP %s", self.Name, self.Version, info.Transport, info.Revision), nil
}

func (p *program) backendRemove(ctx context.Context, cmd *cli.Command) error {
	name, err := shell.Args(cmd, "the name of the backend")
	if err != nil {
		return err
	}
	if err := p.Sure(cmd, "Remove the backend %s with its secrets?", name[0]); err != nil {
		return err
	}
	return accounts.AtDesk(ctx, p.Shell, cmd, func(ctx context.Context, o *accounts.Office) error {
		err := o.Store.DeleteBackend(ctx, name[0])
		o.Record("admin/backend.delete", name[0], err)
		if err != nil {
			return err
		}
		return p.Say("removed %s", name[0])
	})
}
