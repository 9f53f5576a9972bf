package accounts

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/fault"
)

func (cs *commands) key() *cli.Command {
	return &cli.Command{
		Name: "key", Usage: "API keys: who may come in", Action: shell.Group,
		Commands: []*cli.Command{
			{
				Name: "create", Usage: "make a key and print it, alone, on standard output",
				Flags: shell.SettingFlags(append([]cli.Flag{
					&cli.StringFlag{Name: "name", Usage: "`NAME` to tell the key apart by", Required: true},
					&cli.StringFlag{Name: "user", Usage: "`USER` it belongs to", Value: account.Admin},
					&cli.StringFlag{Name: "role", Usage: "admin, which opens the admin pages and API, or member; left out, admin, or member with --profile"},
				}, rightsFlags(account.TierDestroy,
					&cli.StringFlag{Name: "profile", Usage: "`NAME` of the only profile it may be used at"},
					&cli.StringSliceFlag{Name: "network", Usage: "`CIDR` it may be used from, such as 192.168.1.0/24; may be repeated; left out, anywhere"},
					&cli.DurationFlag{Name: "expires", Usage: "how long it lives, such as 720h; left out, until it is revoked"},
				)...)...),
				DisableSliceFlagSeparator: true,
				Action:                    cs.keyCreate,
			},
			{Name: "list", Usage: "all keys, without their values", Flags: shell.SettingFlags(), Action: cs.keyList},
			{
				Name: "revoke", Usage: "end a key, from its next call on", ArgsUsage: "ID|NAME",
				Flags: shell.SettingFlags(shell.YesFlag()), Action: cs.keyRevoke,
			},
		},
	}
}

func (cs *commands) keyCreate(ctx context.Context, cmd *cli.Command) error {
	request, err := keyRequest(cmd)
	if err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		key, value, err := o.Keys.Create(ctx, request)
		if err != nil {
			return err
		}
		return cs.Shown(fmt.Sprintf("Key %s (%s, %s of %s) works at once.", key.Name, key.ID, key.Role, key.User), value)
	})
}

// keyRequest is the key that the flags ask for.
func keyRequest(cmd *cli.Command) (r account.KeyRequest, err error) {
	if _, err := shell.Args(cmd); err != nil {
		return r, err
	}
	r = account.KeyRequest{Name: cmd.String("name"), User: cmd.String("user"), Role: account.Role(cmd.String("role")), Profile: cmd.String("profile")}
	switch {
	case r.Role != "":
	case r.Profile != "": // a key that is bound to an address opens no other, the admin's included
		r.Role = account.RoleMember
	default:
		r.Role = account.RoleAdmin
	}
	if r.Rights, err = rights(cmd); err != nil {
		return r, err
	}
	if r.Networks, err = desk.ParseNetworks(cmd.StringSlice("network")); err != nil {
		return r, shell.Usagef(cmd, "%s", fault.PublicOf(err))
	}
	if cmd.IsSet("expires") {
		r.Expires = time.Now().Add(cmd.Duration("expires"))
	}
	if err := r.Check(time.Now()); err != nil {
		return r, shell.Usagef(cmd, "%v", err)
	}
	return r, nil
}

func (cs *commands) keyList(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		keys, err := o.Keys.List(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"ID", "NAME", "KEY", "USER", "ROLE", "STATUS", "RIGHTS", "PROFILE", "FROM", "CREATED", "LAST USED", "EXPIRES"}}
		for _, k := range keys {
			var from []string
			for _, n := range k.Networks {
				from = append(from, n.String())
			}
			rows = append(rows, []string{k.ID, k.Name, k.Prefix + "...", k.User, string(k.Role), k.Status(time.Now()),
				rightsText(k.Rights), or(k.Profile, "any"), or(strings.Join(from, " "), "anywhere"),
				day(k.Created), day(k.LastUsed), day(k.Expires)})
		}
		shell.Table(cs.Out, rows)
		return nil
	})
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func (cs *commands) keyRevoke(ctx context.Context, cmd *cli.Command) error {
	ref, err := shell.Args(cmd, "the id or name of the key")
	if err != nil {
		return err
	}
	if err := cs.Sure(cmd, "End the key %s for good?", ref[0]); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		key, err := o.Keys.Revoke(ctx, ref[0])
		if err != nil {
			return err
		}
		return cs.Say("revoked %s (%s)", key.Name, key.ID)
	})
}
