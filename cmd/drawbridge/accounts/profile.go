package accounts

import (
	"context"
	"strings"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
)

func (cs *commands) profile() *cli.Command {
	return &cli.Command{
		Name: "profile", Usage: "named views of the tools, each at its own address /mcp/NAME", Action: shell.Group,
		Commands: []*cli.Command{
			{Name: "list", Usage: "all profiles", Flags: shell.SettingFlags(), Action: cs.profileList},
			{Name: "show", Usage: "one profile", ArgsUsage: "NAME", Flags: shell.SettingFlags(), Action: cs.profileShow},
			{
				Name: "create", Usage: "make a profile; without rules it shows everything", ArgsUsage: "NAME",
				Flags: shell.SettingFlags(profileFlags()...), DisableSliceFlagSeparator: true, Action: cs.profileCreate,
			},
			{
				Name: "set", Usage: "change a profile; what is left out stays, a list is replaced as a whole", ArgsUsage: "NAME",
				Flags: shell.SettingFlags(profileFlags()...), DisableSliceFlagSeparator: true, Action: cs.profileSet,
			},
			{
				Name: "delete", Usage: "delete a profile that nothing is bound to", ArgsUsage: "NAME",
				Flags: shell.SettingFlags(shell.YesFlag()), Action: cs.profileDelete,
			},
		},
	}
}

func profileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "title", Usage: "`TITLE` as it is shown"},
		&cli.StringSliceFlag{Name: "backend", Usage: "`NAME` of a backend it shows, or * for all; may be repeated"},
		&cli.StringSliceFlag{Name: "allow", Usage: "`PATTERN` of tools and prompts it shows, such as \"memory_*\"; may be repeated"},
		&cli.StringSliceFlag{Name: "deny", Usage: "`PATTERN` of those it does not show all the same; \"\" for none; may be repeated"},
		&cli.StringFlag{Name: "tier", Usage: "the most its tools may do: read, write or destructive"},
	}
}

const profileArg = "the name of the profile"

// apply changes a profile as far as flags are given.
func apply(cmd *cli.Command, profile *account.Profile) error {
	if cmd.IsSet("title") {
		profile.Title = cmd.String("title")
	}
	for flag, list := range map[string]*[]string{"backend": &profile.Backends, "allow": &profile.Allow, "deny": &profile.Deny} {
		if !cmd.IsSet(flag) {
			continue
		}
		if *list = cmd.StringSlice(flag); flag == "deny" && strings.Join(*list, "") == "" {
			*list = nil
		}
	}
	if cmd.IsSet("tier") {
		tier, err := account.ParseTier(cmd.String("tier"))
		if err != nil {
			return shell.Usagef(cmd, "%v", err)
		}
		profile.Tier = tier
	}
	if profile.Title == "" {
		profile.Title = profile.Name
	}
	if err := profile.Check(); err != nil {
		return shell.Usagef(cmd, "%v", err)
	}
	return nil
}

func (cs *commands) profileList(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		profiles, err := o.Profiles.List(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"NAME", "TITLE", "BACKENDS", "ALLOW", "DENY", "TIER"}}
		for _, f := range profiles {
			rows = append(rows, []string{f.Name, f.Title, names(f.Backends), strings.Join(f.Allow, " "), or(strings.Join(f.Deny, " "), "none"), f.Tier.String()})
		}
		shell.Table(cs.Out, rows)
		return nil
	})
}

func (cs *commands) profileShow(ctx context.Context, cmd *cli.Command) error {
	name, err := shell.Args(cmd, profileArg)
	if err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		f, err := o.Profiles.Get(ctx, name[0])
		if err != nil {
			return err
		}
		shell.Table(cs.Out, [][]string{
			{"name", f.Name},
			{"title", f.Title},
			{"address", "/mcp/" + f.Name},
			{"backends", names(f.Backends)},
			{"allow", strings.Join(f.Allow, " ")},
			{"deny", or(strings.Join(f.Deny, " "), "none")},
			{"tier", f.Tier.String()},
		})
		return nil
	})
}

func (cs *commands) profileCreate(ctx context.Context, cmd *cli.Command) error {
	name, err := shell.Args(cmd, profileArg)
	if err != nil {
		return err
	}
	everything := []string{account.Any}
	profile := account.Profile{Name: name[0], Backends: everything, Allow: everything, Tier: account.TierDestroy}
	if err := apply(cmd, &profile); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		made, err := o.Profiles.Create(ctx, profile)
		if err != nil {
			return err
		}
		return cs.Say("created %s, at /mcp/%s", made.Name, made.Name)
	})
}

func (cs *commands) profileSet(ctx context.Context, cmd *cli.Command) error {
	name, err := shell.Args(cmd, profileArg)
	if err != nil {
		return err
	}
	if cmd.NumFlags() == 0 || !anySet(cmd, profileFlags()) {
		return shell.Usagef(cmd, "give --title, --backend, --allow, --deny or --tier")
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		profile, err := o.Profiles.Get(ctx, name[0])
		if err != nil {
			return err
		}
		if err := apply(cmd, &profile); err != nil {
			return err
		}
		if _, err := o.Profiles.Save(ctx, profile); err != nil {
			return err
		}
		return cs.Say("changed %s", profile.Name)
	})
}

// anySet tells whether one of the flags was given.
func anySet(cmd *cli.Command, flags []cli.Flag) bool {
	for _, f := range flags {
		if cmd.IsSet(f.Names()[0]) {
			return true
		}
	}
	return false
}

func (cs *commands) profileDelete(ctx context.Context, cmd *cli.Command) error {
	name, err := shell.Args(cmd, profileArg)
	if err != nil {
		return err
	}
	if err := cs.Sure(cmd, "Delete the profile %s? Its address goes with it.", name[0]); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		if err := o.Profiles.Delete(ctx, name[0]); err != nil {
			return err
		}
		return cs.Say("deleted %s", name[0])
	})
}
