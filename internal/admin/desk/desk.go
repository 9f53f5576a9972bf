// Package desk is what an admin can do to users, keys, clients, grants,
// profiles and credentials, whichever way the wish arrives: the rules about who may do what to
// whom, what a new thing has to be, and the audit row of every change.
//
// It refuses whoever is not an admin even though routes do so already, and an admin
// who would leave the installation without one. It adds no backends and no
// commands: nothing over HTTP does. Secrets are made here, returned once and kept
// nowhere. The JSON API (internal/admin) and the pages (internal/admin/pages) call
// it; it knows nothing of HTTP.
package desk

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// Recorder takes the audit rows.
type Recorder interface{ Call(r account.Record) }

// Deps are what the desk works with. All but HTTPHosts and Own are needed.
type Deps struct {
	Users       UserStore
	Keys        KeyStore
	Clients     ClientStore
	Grants      GrantStore
	Profiles    ProfileStore
	Credentials CredentialStore
	Audit       Recorder
	// Own is which credentials a user may have, by built-in server.
	Own map[string][]string
	// Hash makes a password's hash. It bounds how many are made at once, and fails
	// with Limited where too many are asked for.
	Hash func(ctx context.Context, password secret.String) (string, error)
	// HTTPHosts are hosts beyond this machine that clients may be sent back to over
	// plain http.
	HTTPHosts []string
}

// Desk is the parts of the desk, one for each noun. Safe for concurrent use.
type Desk struct {
	Users       *Users
	Keys        *Keys
	Clients     *Clients
	Grants      *Grants
	Profiles    *Profiles
	Credentials *Credentials
}

// New makes the desk.
func New(log *slog.Logger, d Deps) (*Desk, error) {
	if log == nil || d.Users == nil || d.Keys == nil || d.Clients == nil || d.Grants == nil ||
		d.Profiles == nil || d.Credentials == nil || d.Audit == nil || d.Hash == nil {
		return nil, errors.New("the admin desk lacks a dependency")
	}
	b := &book{log: log, audit: d.Audit}
	return &Desk{
		Users:       &Users{book: b, store: d.Users, hash: d.Hash},
		Keys:        &Keys{book: b, store: d.Keys, users: d.Users},
		Clients:     &Clients{book: b, store: d.Clients, httpHosts: d.HTTPHosts},
		Grants:      &Grants{book: b, store: d.Grants},
		Profiles:    &Profiles{book: b, store: d.Profiles},
		Credentials: &Credentials{book: b, store: d.Credentials, users: d.Users, own: d.Own},
	}, nil
}

// book is where changes are written down.
type book struct {
	log   *slog.Logger
	audit Recorder
}

// change runs a change of target, if the caller is an admin, and records it either
// way. deed is "<noun>.<verb>". do may correct the target once it knows it.
func (b *book) change(ctx context.Context, deed, target string, do func(by account.Principal, target *string) error) error {
	start := time.Now()
	by, err := caller(ctx)
	if err == nil {
		err = do(by, &target)
	}
	r := account.Record{
		Time: start, User: by.User, Credential: by.Credential, Client: by.Client,
		Method: "admin/" + deed, Target: secret.MaskTokens(target),
		Decision: account.Allowed, Outcome: account.Succeeded, Duration: time.Since(start),
	}
	switch {
	case fault.CodeOf(err) == fault.Forbidden && err != nil:
		r.Decision, r.Outcome = account.Denied, account.Failed
	case err != nil:
		r.Outcome = account.Failed
	default:
		b.log.Info("changed by an admin", "deed", deed, "target", target, "user", by.User, "credential", by.Credential)
	}
	b.audit.Call(r)
	return err
}

// caller is the admin behind ctx. Routes let nobody else in; this makes sure.
func caller(ctx context.Context) (account.Principal, error) {
	p, ok := account.PrincipalFrom(ctx)
	if !ok || p.Role != account.RoleAdmin {
		return p, fault.New(fault.Forbidden, "Only an admin may do this. Ask one, or use an admin key.")
	}
	return p, nil
}

// Admin refuses whoever is not an admin, for what the desk does not do itself.
func Admin(ctx context.Context) error {
	_, err := caller(ctx)
	return err
}

// invalid makes the words of a check into an error for whoever asked.
func invalid(err error, what string) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Invalid, "%s: %v.", what, err) // checks speak of nothing but what was sent
}
