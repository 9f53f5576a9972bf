package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/internal/app"
	"drawbridge/internal/backend"
	"drawbridge/internal/config"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

func (p *program) backendCommand() *cli.Command {
	return &cli.Command{
		Name: "backend", Usage: "the MCP servers behind the gateway", Action: group,
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "all backends with where they are configured", Action: p.backendList,
				Flags: settingFlags(&cli.BoolFlag{Name: "json", Usage: "as JSON"}),
			},
			{
				Name: "test", Usage: "connect to a backend and say what it offers", ArgsUsage: "NAME", Action: p.backendTest,
				Flags: settingFlags(&cli.DurationFlag{Name: "timeout", Value: 30 * time.Second, Usage: "how long to wait"}),
			},
			p.backendAddCommand(),
			p.backendImportCommand(),
			{
				Name: "remove", Usage: "remove a backend that was added by hand", ArgsUsage: "NAME", Action: p.backendRemove,
				Flags: settingFlags(),
			},
		},
	}
}

// backends are those of the configuration and of the store.
func (p *program) backends(ctx context.Context, cmd *cli.Command) (c *config.Config, all []config.Backend, err error) {
	c, s, err := p.openStore(ctx, cmd)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	stored, err := s.Backends(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err = c.WithStored(stored)
	return c, all, err
}

func (p *program) backendList(ctx context.Context, cmd *cli.Command) error {
	if _, err := args(cmd); err != nil {
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
		return p.printJSON(rows)
	}
	rows := [][]string{{"NAME", "TYPE", "TARGET", "FROM", "STATE"}}
	for _, b := range all {
		state := "on"
		if !b.Enabled {
			state = "off"
		}
		rows = append(rows, []string{b.Name, b.Type, target(b), string(b.Origin), state})
	}
	table(p.out, rows)
	if len(all) == 0 {
		fmt.Fprintln(p.err, "There are none yet. Add one: drawbridge backend add NAME --url URL, or NAME -- COMMAND ARG...")
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
	name, err := args(cmd, "the name of the backend")
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
	d, _, err := app.Dialer(p.quiet(), c, app.Options{Version: version, Environ: p.environ}, b)
	if err != nil {
		return err
	}
	start := time.Now()
	peer, err := d.Dial(ctx, backend.Hello{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, peer.Close(context.WithoutCancel(ctx))) }()
	info, took := peer.Info(), time.Since(start)
	var self struct{ Name, Version string }
	_ = json.Unmarshal(info.ServerInfo, &self) // a server may keep its name to itself
	fmt.Fprintf(p.out, "ok: %s %s over %s, MCP %s, in %s\n", clean(self.Name), clean(self.Version), info.Transport, info.Revision, took.Round(time.Millisecond))
	asking := &client{handler: peer, say: func(mcpwire.Notification) {}}
	tools, err := asking.list(ctx)
	if err != nil {
		fmt.Fprintf(p.out, "no list of tools: %s\n", clean(err.Error()))
		return nil
	}
	fmt.Fprintf(p.out, "%d tools:\n", len(tools))
	for _, raw := range tools {
		var t struct{ Name string }
		if json.Unmarshal(raw, &t) == nil {
			fmt.Fprintf(p.out, "  %s\n", clean(t.Name))
		}
	}
	return nil
}

func (p *program) backendRemove(ctx context.Context, cmd *cli.Command) (err error) {
	name, err := args(cmd, "the name of the backend")
	if err != nil {
		return err
	}
	_, s, err := p.openStore(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.DeleteBackend(ctx, name[0]); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "removed %s\n", name[0])
	return err
}
