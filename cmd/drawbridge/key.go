package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/internal/account"
)

func (p *program) keyCommand() *cli.Command {
	return &cli.Command{
		Name: "key", Usage: "API keys: who may come in", Action: group,
		Commands: []*cli.Command{
			{
				Name: "create", Usage: "make a key and print it, alone, on standard output",
				Flags: settingFlags(
					&cli.StringFlag{Name: "name", Usage: "`NAME` to tell the key apart by", Required: true},
					&cli.StringFlag{Name: "user", Usage: "`USER` it belongs to", Value: account.Admin},
					&cli.StringFlag{Name: "role", Usage: "what it may do: admin or member", Value: string(account.RoleAdmin)},
					&cli.DurationFlag{Name: "expires", Usage: "how long it lives, such as 720h; left out, until it is revoked"},
				),
				Action: p.keyCreate,
			},
			{Name: "list", Usage: "all keys, without their values", Flags: settingFlags(), Action: p.keyList},
			{
				Name: "revoke", Usage: "end a key, from its next call on", ArgsUsage: "ID|NAME",
				Flags: settingFlags(), Action: p.keyRevoke,
			},
		},
	}
}

func (p *program) keyCreate(ctx context.Context, cmd *cli.Command) (err error) {
	if _, err := args(cmd); err != nil {
		return err
	}
	request := account.KeyRequest{Name: cmd.String("name"), User: cmd.String("user"), Role: account.Role(cmd.String("role"))}
	if cmd.IsSet("expires") {
		request.Expires = time.Now().Add(cmd.Duration("expires"))
	}
	if err := request.Check(time.Now()); err != nil {
		return usagef(cmd, "%v", err)
	}
	_, s, err := p.openStore(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	key, value, err := s.CreateKey(ctx, request)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.err, "Key %s (%s, %s of %s) works at once. It is shown this once:\n", key.Name, key.ID, key.Role, key.User)
	_, err = fmt.Fprintln(p.out, value.Reveal())
	return err
}

func (p *program) keyList(ctx context.Context, cmd *cli.Command) (err error) {
	if _, err := args(cmd); err != nil {
		return err
	}
	_, s, err := p.openStore(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	keys, err := s.Keys(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{{"ID", "NAME", "KEY", "USER", "ROLE", "STATUS", "CREATED", "LAST USED", "EXPIRES"}}
	for _, k := range keys {
		rows = append(rows, []string{k.ID, k.Name, k.Prefix + "...", k.User, string(k.Role), k.Status(time.Now()),
			day(k.Created), day(k.LastUsed), day(k.Expires)})
	}
	table(p.out, rows)
	return nil
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func (p *program) keyRevoke(ctx context.Context, cmd *cli.Command) (err error) {
	ref, err := args(cmd, "the id or name of the key")
	if err != nil {
		return err
	}
	_, s, err := p.openStore(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	key, err := s.RevokeKey(ctx, ref[0])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "revoked %s (%s)\n", key.Name, key.ID)
	return err
}
