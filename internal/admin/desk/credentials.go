package desk

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// CredentialStore keeps what users have for the systems behind built-in servers.
type CredentialStore interface {
	CredentialNames(ctx context.Context, user string) ([]account.CredentialName, error)
	PutCredential(ctx context.Context, user, server, name string, value secret.String) error
	DeleteCredential(ctx context.Context, user, server, name string) error
}

// Credentials is the desk for what users have of their own toward the systems
// behind built-in servers. A value goes in and is never shown again.
type Credentials struct {
	*book
	store CredentialStore
	users UserLister
	own   map[string][]string
}

// maxCredential bounds a value; private keys are the longest.
const maxCredential = 16 << 10

// Own is which values a user may have, by server; * in a name stands for any text.
func (c *Credentials) Own() map[string][]string { return c.own }

// List tells what a user has stored.
func (c *Credentials) List(ctx context.Context, user string) ([]account.CredentialName, error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	if _, err := c.users.User(ctx, user); err != nil {
		return nil, err
	}
	return c.store.CredentialNames(ctx, user)
}

// Put stores a value in place of the one before. From then on the server works for
// this user with the user's own credentials alone, no longer with the operator's.
func (c *Credentials) Put(ctx context.Context, user, server, name string, value secret.String) error {
	return c.change(ctx, "credential.put", user+" "+server, func(account.Principal, *string) error {
		if err := c.check(server, name); err != nil {
			return err
		}
		if n := len(value.Reveal()); n == 0 || n > maxCredential {
			return fault.New(fault.Invalid, "The value has %d bytes. Give one of 1 to %d.", n, maxCredential)
		}
		return c.store.PutCredential(ctx, user, server, name, value)
	})
}

// Delete removes a value, or all of the server's where name is "".
func (c *Credentials) Delete(ctx context.Context, user, server, name string) error {
	return c.change(ctx, "credential.delete", user+" "+server, func(account.Principal, *string) error {
		if _, err := c.users.User(ctx, user); err != nil {
			return err
		}
		return c.store.DeleteCredential(ctx, user, server, name)
	})
}

func (c *Credentials) check(server, name string) error {
	names, ok := c.own[server]
	if !ok {
		return fault.New(fault.Invalid, "Users have no credentials for a server %q. There are: %s.", server, strings.Join(slices.Sorted(maps.Keys(c.own)), ", "))
	}
	takes := func(pattern string) bool { ok, err := path.Match(pattern, name); return ok && err == nil }
	if !slices.ContainsFunc(names, takes) {
		return fault.New(fault.Invalid, "The server %s takes no credential %q from users. It takes: %s.", server, name, strings.Join(names, ", "))
	}
	return nil
}
