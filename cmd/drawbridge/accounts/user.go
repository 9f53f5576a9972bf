package accounts

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
)

func (cs *commands) user() *cli.Command {
	return &cli.Command{
		Name: "user", Usage: "people with an account", Action: shell.Group,
		Commands: []*cli.Command{
			{
				Name: "create", Usage: "make a user; the password is asked for, or read from standard input", ArgsUsage: "ID",
				Flags: shell.SettingFlags(append(shell.PasswordFlags(),
					&cli.StringFlag{Name: "name", Usage: "`NAME` as it is shown; left out, the id"},
					&cli.StringFlag{Name: "role", Usage: "admin or member", Value: string(account.RoleMember)},
					&cli.StringFlag{Name: "profile", Usage: "`NAME` of the profile that bounds whatever this user does"},
				)...),
				Action: cs.userCreate,
			},
			{Name: "list", Usage: "all users", Flags: shell.SettingFlags(), Action: cs.userList},
			{
				Name: "set", Usage: "change a user's name, role or profile", ArgsUsage: "ID",
				Flags: shell.SettingFlags(
					&cli.StringFlag{Name: "name", Usage: "`NAME` as it is shown"},
					&cli.StringFlag{Name: "role", Usage: "admin or member"},
					&cli.StringFlag{Name: "profile", Usage: "`NAME` of the profile that bounds whatever this user does; \"\" for none"},
				),
				Action: cs.userSet,
			},
			{
				Name: "passwd", Usage: "replace a user's password; what is signed in with the old one is signed out", ArgsUsage: "ID",
				Flags: shell.SettingFlags(shell.PasswordFlags()...), Action: cs.userPasswd,
			},
			{
				Name: "disable", Usage: "shut a user out with all keys and grants, and keep what it has", ArgsUsage: "ID",
				Flags: shell.SettingFlags(shell.YesFlag()), Action: cs.userDisable,
			},
			{Name: "enable", Usage: "let a disabled user in again", ArgsUsage: "ID", Flags: shell.SettingFlags(), Action: cs.userEnable},
			{
				Name: "sign-out", Usage: "end a user's browser sessions and grants everywhere; keys stay", ArgsUsage: "ID",
				Flags: shell.SettingFlags(shell.YesFlag()), Action: cs.userSignOut,
			},
			{
				Name: "delete", Usage: "delete a user with all keys, grants and sessions", ArgsUsage: "ID",
				Flags: shell.SettingFlags(shell.YesFlag()), Action: cs.userDelete,
			},
		},
	}
}

const userArg = "the id of the user"

func (cs *commands) userCreate(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, userArg)
	if err != nil {
		return err
	}
	n := desk.NewUser{ID: id[0], Name: cmd.String("name"), Role: account.Role(cmd.String("role")), Profile: cmd.String("profile")}
	if err := account.CheckUserID(n.ID); err != nil {
		return shell.Usagef(cmd, "%v", err)
	}
	if !n.Role.Valid() {
		return shell.Usagef(cmd, "unknown role %q: use %s or %s", n.Role, account.RoleAdmin, account.RoleMember)
	}
	if n.Password, err = cs.Password(cmd); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		user, made, err := o.Users.Create(ctx, n)
		if err != nil {
			return err
		}
		done := fmt.Sprintf("created %s (%s)", user.ID, user.Role)
		if made.Empty() {
			return cs.Say("%s", done)
		}
		return cs.Shown(done+" with this password.", made)
	})
}

func (cs *commands) userList(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		users, err := o.Users.List(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"ID", "NAME", "ROLE", "STATUS", "PASSWORD", "PROFILE", "CREATED"}}
		for _, u := range users {
			status, password := "enabled", "set"
			if u.Disabled {
				status = "disabled"
			}
			if u.PasswordHash == "" {
				password = "none"
			}
			rows = append(rows, []string{u.ID, u.Name, string(u.Role), status, password, or(u.Profile, "none"), day(u.Created)})
		}
		shell.Table(cs.Out, rows)
		return nil
	})
}

func (cs *commands) userSet(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, userArg)
	if err != nil {
		return err
	}
	change := desk.UserChange{Name: given(cmd, "name"), Profile: given(cmd, "profile"), Role: (*account.Role)(given(cmd, "role"))}
	if change == (desk.UserChange{}) {
		return shell.Usagef(cmd, "give --name, --role or --profile")
	}
	if change.Role != nil && !change.Role.Valid() {
		return shell.Usagef(cmd, "unknown role %q: use %s or %s", *change.Role, account.RoleAdmin, account.RoleMember)
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		user, err := o.Users.Change(ctx, id[0], change)
		if err != nil {
			return err
		}
		return cs.Say("%s is now %q, %s, profile %s", user.ID, user.Name, user.Role, or(user.Profile, "none"))
	})
}

// given is the value of a flag, or nil if it was left out.
func given(cmd *cli.Command, flag string) *string {
	if !cmd.IsSet(flag) {
		return nil
	}
	value := cmd.String(flag)
	return &value
}

func (cs *commands) userPasswd(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, userArg)
	if err != nil {
		return err
	}
	password, err := cs.Password(cmd)
	if err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		made, err := o.Users.SetPassword(ctx, id[0], password)
		if err != nil {
			return err
		}
		if id[0] == account.Admin && !o.Config.OAuth.Password.Empty() {
			fmt.Fprintln(cs.Err, "note: OAUTH_PASSWORD is set, and becomes the admin's password again at the next start; change or remove it there")
		}
		if made.Empty() {
			return cs.Say("the password of %s was replaced; it is signed out everywhere, keys stay", id[0])
		}
		return cs.Shown("The password of "+id[0]+" was replaced; it is signed out everywhere, keys stay.", made)
	})
}

func (cs *commands) userDisable(ctx context.Context, cmd *cli.Command) error {
	return cs.setDisabled(ctx, cmd, true, "disabled")
}

func (cs *commands) userEnable(ctx context.Context, cmd *cli.Command) error {
	return cs.setDisabled(ctx, cmd, false, "enabled")
}

func (cs *commands) setDisabled(ctx context.Context, cmd *cli.Command, disabled bool, done string) error {
	id, err := shell.Args(cmd, userArg)
	if err != nil {
		return err
	}
	if disabled {
		if err := cs.Sure(cmd, "Shut %s out, with all keys and grants?", id[0]); err != nil {
			return err
		}
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		if _, err := o.Users.Change(ctx, id[0], desk.UserChange{Disabled: &disabled}); err != nil {
			return err
		}
		return cs.Say("%s %s", done, id[0])
	})
}

func (cs *commands) userSignOut(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, userArg)
	if err != nil {
		return err
	}
	if err := cs.Sure(cmd, "End all browser sessions and grants of %s? Its clients have to be let in anew.", id[0]); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		if err := o.Users.SignOut(ctx, id[0]); err != nil {
			return err
		}
		return cs.Say("signed %s out everywhere; keys stay", id[0])
	})
}

func (cs *commands) userDelete(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, userArg)
	if err != nil {
		return err
	}
	if err := cs.Sure(cmd, "Delete %s with all keys, grants and sessions for good?", id[0]); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		if err := o.Users.Delete(ctx, id[0]); err != nil {
			return err
		}
		return cs.Say("deleted %s", id[0])
	})
}
