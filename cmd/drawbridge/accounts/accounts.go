// Package accounts is the commands for who may come in and what they may do: users,
// keys, clients, grants and profiles, and the audit log of what they did.
//
// They change things at the admin desk (internal/admin/desk), so that the same rules
// hold as on the admin pages and every change leaves a row in the audit log, and
// work beside a running gateway, which sees them within a second. There is one file
// per command; main puts them into its table.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/audit"
	"drawbridge/internal/config"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers"
	"drawbridge/internal/store"
)

// commands are the commands of this package.
type commands struct{ *shell.Shell }

// Commands are user, credential, key, client, grant, profile and audit.
func Commands(sh *shell.Shell) []*cli.Command {
	cs := &commands{sh}
	return []*cli.Command{cs.user(), cs.credential(), cs.key(), cs.client(), cs.grant(), cs.profile(), cs.audit()}
}

func (cs *commands) atDesk(ctx context.Context, cmd *cli.Command, f func(ctx context.Context, o *Office) error) error {
	return AtDesk(ctx, cs.Shell, cmd, f)
}

// Office is the admin desk with what else a command may need of the installation.
type Office struct {
	*desk.Desk
	Config *config.Config
	Store  *store.Store

	audit *audit.Recorder
}

// operator is whoever can reach the state directory: an admin, but no user. The
// audit log names the credential.
var operator = account.Principal{Credential: "local", Client: "command line", Role: account.RoleAdmin}

// recordTime is how long the audit rows of a command may take.
const recordTime = 5 * time.Second

// AtDesk runs f at the admin desk: what it changes is held to the same rules, and
// written to the audit log, as through the admin pages.
func AtDesk(ctx context.Context, sh *shell.Shell, cmd *cli.Command, f func(ctx context.Context, o *Office) error) (err error) {
	c, s, err := sh.OpenStore(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	installation, err := s.InstallationSecret(ctx)
	if err != nil {
		return err
	}
	recorder, err := audit.New(sh.Quiet(), s, installation, audit.Config{Slots: 256})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, finish(ctx, recorder)) }()
	d, err := desk.New(sh.Quiet(), desk.Deps{
		Users: adminFirst{s}, Keys: s, Clients: s, Grants: s, Profiles: s, Audit: recorder, HTTPHosts: c.OAuth.HTTPRedirectHosts,
		Credentials: s, Own: servers.Own(),
		Hash: func(_ context.Context, password secret.String) (string, error) {
			return secret.HashPassword(password), nil
		},
	})
	if err != nil {
		return err
	}
	return f(account.WithPrincipal(ctx, operator), &Office{Desk: d, Config: c, Store: s, audit: recorder})
}

// finish writes the audit rows of a command, however hurried its end.
func finish(ctx context.Context, recorder *audit.Recorder) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	if err := recorder.Close(ctx); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// Record notes a change that does not go over the desk.
func (o *Office) Record(method, target string, err error) {
	r := account.Record{
		User: operator.User, Credential: operator.Credential, Client: operator.Client,
		Method: method, Target: target, Decision: account.Allowed, Outcome: account.Succeeded,
	}
	if err != nil {
		r.Outcome = account.Failed
	}
	o.audit.Call(r)
}

// adminFirst lets a key be made for the admin before the first start, with which
// that user comes to be.
type adminFirst struct{ *store.Store }

func (s adminFirst) User(ctx context.Context, id string) (account.User, error) {
	user, err := s.Store.User(ctx, id)
	if id == account.Admin && fault.CodeOf(err) == fault.NotFound {
		return account.User{ID: account.Admin, Name: "Admin", Role: account.RoleAdmin}, nil
	}
	return user, err
}
