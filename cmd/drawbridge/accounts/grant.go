package accounts

import (
	"context"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
)

func (cs *commands) grant() *cli.Command {
	return &cli.Command{
		Name: "grant", Usage: "what users have allowed clients to do", Action: shell.Group,
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "all grants, ended ones too, the newest first", Action: cs.grantList,
				Flags: shell.SettingFlags(&cli.StringFlag{Name: "user", Usage: "only those of `USER`"}),
			},
			{Name: "show", Usage: "one grant", ArgsUsage: "ID", Flags: shell.SettingFlags(), Action: cs.grantShow},
			{
				Name: "set", Usage: "replace what a grant allows, from its next call on", ArgsUsage: "ID",
				Description: "Whether it opens the admin pages is said at consent and stays.",
				Flags:       shell.SettingFlags(rightsFlags(0)...), DisableSliceFlagSeparator: true, Action: cs.grantSet,
			},
			{
				Name: "revoke", Usage: "end a grant with all its tokens, from its next call on", ArgsUsage: "ID",
				Flags: shell.SettingFlags(shell.YesFlag()), Action: cs.grantRevoke,
			},
		},
	}
}

const grantArg = "the id of the grant"

func (cs *commands) grantList(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		if user := cmd.String("user"); user != "" {
			if _, err := o.Users.Get(ctx, user); err != nil {
				return err
			}
		}
		grants, err := o.Grants.List(ctx, cmd.String("user"))
		if err != nil {
			return err
		}
		rows := [][]string{{"ID", "USER", "CLIENT", "AT", "STATUS", "RIGHTS", "ADMIN", "CREATED", "LAST USED", "EXPIRES"}}
		for _, g := range grants {
			rows = append(rows, []string{g.ID, g.User, or(g.ClientName, g.Client), g.Resource, g.Status(time.Now()), rightsText(g.Rights),
				yesNo(g.Role == account.RoleAdmin), day(g.Created), day(g.LastUsed), day(g.Expires)})
		}
		shell.Table(cs.Out, rows)
		return nil
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (cs *commands) grantShow(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, grantArg)
	if err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		g, err := o.Grants.Get(ctx, id[0])
		if err != nil {
			return err
		}
		cs.showGrant(g)
		return nil
	})
}

func (cs *commands) showGrant(g account.Grant) {
	shell.Table(cs.Out, [][]string{
		{"id", g.ID},
		{"user", g.User},
		{"client", g.Client},
		{"client name", g.ClientName},
		{"at", g.Resource},
		{"status", g.Status(time.Now())},
		{"rights", rightsText(g.Rights)},
		{"admin pages", yesNo(g.Role == account.RoleAdmin)},
		{"created", day(g.Created)},
		{"last used", day(g.LastUsed)},
		{"expires", day(g.Expires)},
		{"revoked", day(g.Revoked)},
	})
}

func (cs *commands) grantSet(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, grantArg)
	if err != nil {
		return err
	}
	if !cmd.IsSet("tier") {
		return shell.Usagef(cmd, "give --tier, and --backend unless it is for all")
	}
	r, err := rights(cmd)
	if err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		g, err := o.Grants.SetRights(ctx, id[0], r)
		if err != nil {
			return err
		}
		return cs.Say("%s now allows %s", g.ID, rightsText(g.Rights))
	})
}

func (cs *commands) grantRevoke(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, grantArg)
	if err != nil {
		return err
	}
	if err := cs.Sure(cmd, "End the grant %s? Its client has to be let in anew.", id[0]); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		g, err := o.Grants.Revoke(ctx, id[0])
		if err != nil {
			return err
		}
		return cs.Say("revoked %s: %s of %s", g.ID, or(g.ClientName, g.Client), g.User)
	})
}
