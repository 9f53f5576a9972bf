package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/app"
	"drawbridge/internal/config"
	"drawbridge/internal/doctor"
	"drawbridge/internal/store"
)

func (p *program) doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "find out why clients cannot connect, and what to do",
		Description: "Looks at the address that clients type, as they do, and at the state directory, the\n" +
			"database and every backend. Run it beside the gateway. It repairs nothing. With a failure\n" +
			"it ends in exit code 1.",
		Flags: shell.SettingFlags(
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` the gateway serves on"},
			&cli.StringFlag{Name: "url", Usage: "`URL` as clients type it, instead of the issuer's"},
			&cli.BoolFlag{Name: "json", Usage: "as JSON"},
		),
		Action: p.doctor,
	}
}

func (p *program) doctor(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	c, err := p.Load(p.Source(cmd))
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	deps := doctor.Deps{
		// Without the proxy of the environment, as a client elsewhere would come.
		HTTP:     &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true}},
		Resolver: net.DefaultResolver, Now: time.Now,
	}
	all := c.Backends
	if started(c.StateDir) {
		deps.Open = func(ctx context.Context) (doctor.Database, error) { return p.openDatabase(ctx, c) }
		// A database that does not open is the doctor's to report.
		if with, err := p.withStored(ctx, c); err == nil {
			all = with
		}
	}
	d, err := doctor.New(deps, doctor.Config{
		Issuer: c.IssuerURL, URL: cmd.String("url"), Local: baseURL(c), RedirectHosts: c.OAuth.HTTPRedirectHosts,
		StateDir: c.StateDir, Backends: p.patients(c, all),
	})
	if err != nil {
		return err
	}
	return p.diagnosis(d.Examine(ctx), cmd.Bool("json"))
}

// started tells whether a state directory shows a first start, before which opening
// the database would make one.
func started(stateDir string) bool {
	_, err := os.Stat(filepath.Join(stateDir, "initialized"))
	return !errors.Is(err, os.ErrNotExist)
}

func (p *program) openDatabase(ctx context.Context, c *config.Config) (doctor.Database, error) {
	s, err := store.Open(ctx, p.Quiet(), app.StoreConfig(c))
	if err != nil {
		return nil, err // not s: a nil *store.Store in a Database is not nil
	}
	return s, nil
}

// patients are the backends as the doctor tries them.
func (p *program) patients(c *config.Config, all []config.Backend) []doctor.Backend {
	var list []doctor.Backend
	for _, b := range all {
		list = append(list, doctor.Backend{Name: b.Name, Off: !b.Enabled, Try: func(ctx context.Context) (string, error) {
			peer, greeting, err := p.dial(ctx, c, b)
			if err != nil {
				return "", err
			}
			return greeting, peer.Close(context.WithoutCancel(ctx))
		}})
	}
	return list
}

// diagnosis prints what was found.
func (p *program) diagnosis(findings []doctor.Finding, asJSON bool) error {
	if asJSON {
		if err := p.PrintJSON(findings); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			fmt.Fprintf(p.Out, "%-4s  %s: %s\n", f.Level, shell.Clean(f.What), shell.Clean(f.Found))
			if f.Cure != "" {
				fmt.Fprintf(p.Out, "      %s\n", shell.Clean(f.Cure))
			}
		}
	}
	if doctor.Failed(findings) {
		return shell.ErrSaid
	}
	return nil
}
