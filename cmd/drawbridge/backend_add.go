package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/accounts"
	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/config"
	"drawbridge/internal/fault"
	"drawbridge/internal/store"
)

func (p *program) backendAddCommand() *cli.Command {
	return &cli.Command{
		Name: "add", Usage: "add a backend; a running gateway takes it up within a second",
		ArgsUsage:   "NAME --url URL | NAME -- COMMAND ARG...",
		Description: "Secrets are sealed in the database. A name that is taken is refused unless --replace\nis given.",
		Flags: shell.SettingFlags(
			&cli.StringFlag{Name: "url", Usage: "`URL` of a remote backend; without a path it gets /mcp"},
			&cli.StringFlag{Name: "type", Usage: "http or sse, for a URL"},
			&cli.StringFlag{Name: "token", Usage: "`TOKEN` to send as Authorization: Bearer; - reads it from standard input"},
			&cli.StringSliceFlag{Name: "header", Usage: "`NAME=VALUE` to send with every request; may be repeated"},
			&cli.StringSliceFlag{Name: "env", Usage: "`NAME=VALUE` for the command; may be repeated"},
			&cli.StringFlag{Name: "cwd", Usage: "`DIR` the command runs in"},
			&cli.StringFlag{Name: "prefix", Usage: "`PREFIX` of its tools' names instead of NAME; \"\" for none"},
			&cli.BoolFlag{Name: "shared", Usage: "let all users share one session"},
			&cli.BoolFlag{Name: "interactive", Usage: "give each client a process of its own"},
			&cli.BoolFlag{Name: "disabled", Usage: "add it switched off"},
			&cli.BoolFlag{Name: "replace", Usage: "take the place of a backend of this name that was added before"},
		),
		DisableSliceFlagSeparator: true, // values may hold commas
		Action:                    p.backendAdd,
	}
}

func (p *program) backendAdd(ctx context.Context, cmd *cli.Command) error {
	name := cmd.Args().First()
	if name == "" {
		return shell.Usagef(cmd, "the name of the backend is missing")
	}
	entry, err := p.entry(cmd)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("encode backend: %w", err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find working directory: %w", err)
	}
	b, notices, err := config.NewBackend(name, raw, dir)
	p.Note(notices)
	if err != nil {
		return err
	}
	return p.putBackends(ctx, cmd, []config.Backend{b})
}

// entry is the command line as the entry of a configuration file.
func (p *program) entry(cmd *cli.Command) (map[string]any, error) {
	entry := map[string]any{}
	command := cmd.Args().Tail()
	switch {
	case len(command) > 0 && cmd.IsSet("url"):
		return nil, shell.Usagef(cmd, "give either --url or a command, not both")
	case len(command) > 0:
		entry["command"], entry["args"] = command[0], command[1:]
	case !cmd.IsSet("url"):
		return nil, shell.Usagef(cmd, "give --url URL, or -- COMMAND ARG...")
	}
	for _, key := range []string{"url", "type", "cwd", "prefix"} {
		if cmd.IsSet(key) {
			entry[key] = cmd.String(key)
		}
	}
	for _, key := range []string{"shared", "interactive"} {
		if cmd.Bool(key) {
			entry[key] = true
		}
	}
	if cmd.Bool("disabled") {
		entry["enabled"] = false
	}
	for flag, key := range map[string]string{"header": "headers", "env": "env"} {
		values := map[string]string{}
		for _, pair := range cmd.StringSlice(flag) {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return nil, shell.Usagef(cmd, "--%s takes NAME=VALUE", flag)
			}
			values[name] = value
		}
		if len(values) > 0 {
			entry[key] = values
		}
	}
	if token := cmd.String("token"); token == "-" {
		if _, err := fmt.Fscanln(p.In, &token); err != nil {
			return nil, shell.Usagef(cmd, "there is no token on standard input")
		}
		entry["token"] = token
	} else if token != "" {
		entry["token"] = token
	}
	return entry, nil
}

// putBackends writes backends to the store, none if one of the names is taken.
func (p *program) putBackends(ctx context.Context, cmd *cli.Command, added []config.Backend) error {
	return accounts.AtDesk(ctx, p.Shell, cmd, func(ctx context.Context, o *accounts.Office) error {
		stored, err := o.Store.Backends(ctx)
		if err != nil {
			return err
		}
		for _, b := range added {
			if err := free(b.Name, o.Config.Backends, stored, cmd.Bool("replace")); err != nil {
				return err
			}
		}
		for _, b := range added {
			row, err := b.ToStore()
			if err != nil {
				return err
			}
			err = o.Store.PutBackend(ctx, row)
			o.Record("admin/backend.save", b.Name, err)
			if err != nil {
				return err
			}
			if err := p.Say("added %s: %s", b.Name, target(b)); err != nil {
				return err
			}
		}
		return nil
	})
}

// free refuses a name that another backend has, or may not be taken from it.
func free(name string, configured []config.Backend, stored []store.Backend, replace bool) error {
	for _, other := range configured {
		if strings.EqualFold(other.Name, name) {
			return fault.New(fault.Conflict, "The backend %s is configured already, in the file or the environment. Change it there, or choose another name.", other.Name)
		}
	}
	for _, other := range stored {
		if strings.EqualFold(other.Name, name) && (!replace || other.Name != name) {
			return fault.New(fault.Conflict, "There is a backend %s already. Choose another name, or give --replace.", other.Name)
		}
	}
	return nil
}
