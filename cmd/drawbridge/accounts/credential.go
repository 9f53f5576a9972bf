package accounts

import (
	"context"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
)

func (cs *commands) credential() *cli.Command {
	return &cli.Command{
		Name: "credential", Usage: "what a user has of its own toward the systems behind built-in servers", Action: shell.Group,
		Commands: []*cli.Command{
			{Name: "list", Usage: "what a user has stored, without the values", ArgsUsage: "USER", Flags: shell.SettingFlags(), Action: cs.credentialList},
			{
				Name: "set", Usage: "store a value, such as the token of forgejo; it is asked for, or read from standard input", ArgsUsage: "USER SERVER NAME",
				Flags: shell.SettingFlags(), Action: cs.credentialSet,
			},
			{
				Name: "delete", Usage: "remove what a user has stored for a server; it works with the operator's again", ArgsUsage: "USER SERVER",
				Flags: shell.SettingFlags(shell.YesFlag()), Action: cs.credentialDelete,
			},
		},
	}
}

func (cs *commands) credentialList(ctx context.Context, cmd *cli.Command) error {
	args, err := shell.Args(cmd, userArg)
	if err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		found, err := o.Credentials.List(ctx, args[0])
		if err != nil {
			return err
		}
		rows := [][]string{{"SERVER", "NAME", "UPDATED"}}
		for _, c := range found {
			rows = append(rows, []string{c.Server, c.Name, day(c.Updated)})
		}
		shell.Table(cs.Out, rows)
		return nil
	})
}

const (
	serverArg = "the built-in server"
	nameArg   = "the name of the value, such as token"
)

func (cs *commands) credentialSet(ctx context.Context, cmd *cli.Command) error {
	args, err := shell.Args(cmd, userArg, serverArg, nameArg)
	if err != nil {
		return err
	}
	value, err := cs.Secret(cmd, args[2])
	if err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		if err := o.Credentials.Put(ctx, args[0], args[1], args[2], value); err != nil {
			return err
		}
		return cs.Say("stored the %s of %s; %s now works for %s with that", args[2], args[0], args[1], args[0])
	})
}

func (cs *commands) credentialDelete(ctx context.Context, cmd *cli.Command) error {
	args, err := shell.Args(cmd, userArg, serverArg)
	if err != nil {
		return err
	}
	if err := cs.Sure(cmd, "Remove what %s has stored for %s?", args[0], args[1]); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		if err := o.Credentials.Delete(ctx, args[0], args[1], ""); err != nil {
			return err
		}
		return cs.Say("removed what %s had stored for %s", args[0], args[1])
	})
}
