package accounts

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

func (cs *commands) client() *cli.Command {
	return &cli.Command{
		Name: "client", Usage: "programs that users let in with OAuth", Action: shell.Group,
		Commands: []*cli.Command{
			{Name: "list", Usage: "all clients, the newest first", Flags: shell.SettingFlags(), Action: cs.clientList},
			{Name: "show", Usage: "one client", ArgsUsage: "ID", Flags: shell.SettingFlags(), Action: cs.clientShow},
			{
				Name: "create", Usage: "enter a client by hand and print its id, and its secret if it has one",
				Description: "With --redirect users let it in through their browser. With --machine-user it comes by\n" +
					"itself (client_credentials), acts for that user and may do what --tier and --backend say.",
				Flags: shell.SettingFlags(append([]cli.Flag{
					&cli.StringFlag{Name: "name", Usage: "`NAME` that users see", Required: true},
					&cli.StringFlag{Name: "id", Usage: "`ID` to give it; left out, one is made"},
					&cli.StringSliceFlag{Name: "redirect", Usage: "`URI` it may have users sent back to; may be repeated"},
					&cli.BoolFlag{Name: "public", Usage: "it cannot keep a secret: a program on people's own devices"},
					&cli.BoolFlag{Name: "secret", Usage: "make a secret for it; so it is unless another way is named"},
					&cli.StringFlag{Name: "jwks", Usage: "it signs (private_key_jwt) with keys of which `FILE` has the public parts, as a JSON Web Key Set"},
					&cli.StringFlag{Name: "jwks-uri", Usage: "the same, with the keys at an https `URL`"},
					&cli.StringFlag{Name: "machine-user", Usage: "`USER` it acts for by itself"},
				}, rightsFlags(account.TierRead)...)...),
				DisableSliceFlagSeparator: true,
				Action:                    cs.clientCreate,
			},
			{
				Name: "allow-admin", Usage: "let a client ask users who are admins for the admin pages and API, too", ArgsUsage: "ID",
				Flags: shell.SettingFlags(&cli.BoolFlag{Name: "off", Usage: "take that back"}), Action: cs.clientAllowAdmin,
			},
			{
				Name: "delete", Usage: "delete a client and end all its grants", ArgsUsage: "ID",
				Flags: shell.SettingFlags(shell.YesFlag()), Action: cs.clientDelete,
			},
		},
	}
}

const clientArg = "the id of the client"

func (cs *commands) clientList(ctx context.Context, cmd *cli.Command) error {
	if _, err := shell.Args(cmd); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		clients, err := o.Clients.List(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"ID", "KIND", "NAME", "PROVEN HOST", "MAY ADMIN", "ACTS FOR", "CREATED", "LAST USED"}}
		for _, c := range clients {
			rows = append(rows, []string{c.ID, string(c.Kind), c.Metadata.Name, or(c.Host(), "none"), yesNo(c.MayAdmin),
				or(c.MachineUser, "who lets it in"), day(c.Created), day(c.LastUsed)})
		}
		shell.Table(cs.Out, rows)
		return nil
	})
}

func (cs *commands) clientShow(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, clientArg)
	if err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		c, err := o.Clients.Get(ctx, id[0])
		if err != nil {
			return err
		}
		rows := [][]string{
			{"id", c.ID},
			{"kind", string(c.Kind)},
			{"name", c.Metadata.Name},
			{"proven host", or(c.Host(), "none")},
			{"redirects", or(strings.Join(c.Metadata.RedirectURIs, " "), "none")},
			{"grant types", strings.Join(c.Metadata.GrantTypes, " ")},
			{"authentication", c.Metadata.AuthMethod},
			{"may admin", yesNo(c.MayAdmin)},
		}
		if c.MachineUser != "" {
			rows = append(rows, []string{"acts for", c.MachineUser}, []string{"rights", rightsText(c.MachineRights)})
		}
		shell.Table(cs.Out, append(rows, []string{"created", day(c.Created)}, []string{"last used", day(c.LastUsed)}))
		return nil
	})
}

func (cs *commands) clientCreate(ctx context.Context, cmd *cli.Command) error {
	n, err := newClient(cmd)
	if err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		c, value, err := o.Clients.Create(ctx, n)
		if err != nil {
			return err
		}
		return cs.credentials(c, value)
	})
}

// credentials prints what a client has to be given, one word and one value a line.
func (cs *commands) credentials(c oauth.Client, value secret.String) error {
	text := "client_id " + c.ID + "\n"
	if !value.Empty() {
		fmt.Fprintln(cs.Err, "The client's secret is shown this once.")
		text += "client_secret " + value.Reveal() + "\n"
	}
	_, err := fmt.Fprint(cs.Out, text)
	return err
}

// newClient is the client that the flags describe.
func newClient(cmd *cli.Command) (n desk.NewClient, err error) {
	if _, err := shell.Args(cmd); err != nil {
		return n, err
	}
	n = desk.NewClient{ID: cmd.String("id"), MachineUser: cmd.String("machine-user")}
	n.Metadata.Name, n.Metadata.RedirectURIs = cmd.String("name"), cmd.StringSlice("redirect")
	if err := account.CheckName("client name", n.Metadata.Name); err != nil {
		return n, shell.Usagef(cmd, "%v", err)
	}
	switch {
	case n.MachineUser == "" && len(n.Metadata.RedirectURIs) == 0:
		return n, shell.Usagef(cmd, "give --redirect, --machine-user, or both")
	case n.MachineUser == "" && (cmd.IsSet("tier") || cmd.IsSet("backend")):
		return n, shell.Usagef(cmd, "--tier and --backend are for --machine-user; a client that users let in gets what they allow it")
	case n.MachineUser != "":
		if n.MachineRights, err = rights(cmd); err != nil {
			return n, err
		}
	}
	return n, proof(cmd, &n)
}

// proof says how the client proves who it is.
func proof(cmd *cli.Command, n *desk.NewClient) (err error) {
	ways := 0
	for _, flag := range []string{"public", "secret", "jwks", "jwks-uri"} {
		if cmd.IsSet(flag) {
			ways++
		}
	}
	switch {
	case ways > 1:
		return shell.Usagef(cmd, "give one of --public, --secret, --jwks and --jwks-uri")
	case cmd.Bool("public") && n.MachineUser != "":
		return shell.Usagef(cmd, "a client that acts by itself has to prove who it is; leave --public out")
	case cmd.Bool("public"):
		n.Metadata.AuthMethod = oauth.AuthNone
	case cmd.IsSet("jwks-uri"):
		n.Metadata.AuthMethod, n.Metadata.JWKSURI = oauth.AuthJWT, cmd.String("jwks-uri")
	case cmd.IsSet("jwks"):
		n.Metadata.AuthMethod = oauth.AuthJWT
		n.Metadata.JWKS, err = keySet(cmd.String("jwks"))
	default:
		n.Metadata.AuthMethod = oauth.AuthBasic
	}
	return err
}

// maxKeySet bounds a file of keys.
const maxKeySet = 64 << 10

// keySet reads a JSON Web Key Set, and refuses one that has private parts: they
// belong to the client alone.
func keySet(path string) (json.RawMessage, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "The file %s cannot be read. Name a file with a JSON Web Key Set.", path)
	}
	var set struct {
		Keys []struct {
			Kind    string  `json:"kty"`
			Private *string `json:"d"`
			Shared  *string `json:"k"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) == 0 || len(text) > maxKeySet {
		return nil, fault.Wrap(err, fault.Invalid, "The file %s has no JSON Web Key Set. It must look like {\"keys\": [...]} and have at most %d KiB.", path, maxKeySet>>10)
	}
	for _, k := range set.Keys {
		if k.Private != nil || k.Shared != nil || k.Kind == "" || k.Kind == "oct" {
			return nil, fault.New(fault.Invalid, "The file %s has a private key, or one without a kind. Give the public parts only; the rest stays with the client.", path)
		}
	}
	return text, nil
}

func (cs *commands) clientAllowAdmin(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, clientArg)
	if err != nil {
		return err
	}
	may := !cmd.Bool("off")
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		c, err := o.Clients.Change(ctx, id[0], desk.ClientChange{MayAdmin: &may})
		if err != nil {
			return err
		}
		if c.MayAdmin {
			return cs.Say("%s may ask admins for the scope admin; each has to tick it at consent", c.ID)
		}
		return cs.Say("%s may not ask for the scope admin any more", c.ID)
	})
}

func (cs *commands) clientDelete(ctx context.Context, cmd *cli.Command) error {
	id, err := shell.Args(cmd, clientArg)
	if err != nil {
		return err
	}
	if err := cs.Sure(cmd, "Delete the client %s and end all its grants?", id[0]); err != nil {
		return err
	}
	return cs.atDesk(ctx, cmd, func(ctx context.Context, o *Office) error {
		if err := o.Clients.Delete(ctx, id[0]); err != nil {
			return err
		}
		return cs.Say("deleted %s", id[0])
	})
}
