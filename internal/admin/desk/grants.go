package desk

import (
	"context"
	"slices"

	"drawbridge/internal/account"
)

// GrantStore keeps grants.
type GrantStore interface {
	Grants(ctx context.Context, user string) ([]account.Grant, error)
	Grant(ctx context.Context, id string) (account.Grant, error)
	SetGrantRights(ctx context.Context, id string, r account.Rights) (account.Grant, error)
	RevokeGrant(ctx context.Context, id string) (account.Grant, error)
}

// Grants is the desk for grants.
type Grants struct {
	*book
	store GrantStore
}

// List is the grants of a user, or of everybody with "", revoked ones too, the
// newest first.
func (g *Grants) List(ctx context.Context, user string) ([]account.Grant, error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	grants, err := g.store.Grants(ctx, user)
	slices.SortStableFunc(grants, func(a, b account.Grant) int { return b.Created.Compare(a.Created) })
	return grants, err
}

// Get is one grant.
func (g *Grants) Get(ctx context.Context, id string) (account.Grant, error) {
	if _, err := caller(ctx); err != nil {
		return account.Grant{}, err
	}
	return g.store.Grant(ctx, id)
}

// SetRights replaces what a grant allows, from its next call on. It leaves alone
// whether it opens the admin pages: that is said at consent and nowhere else.
func (g *Grants) SetRights(ctx context.Context, id string, r account.Rights) (grant account.Grant, err error) {
	err = g.change(ctx, "grant.change", id, func(account.Principal, *string) error {
		if err := invalid(r.Check(), "The rights cannot be saved"); err != nil {
			return err
		}
		grant, err = g.store.SetGrantRights(ctx, id, r)
		return err
	})
	return grant, err
}

// Revoke ends a grant with every token that came of it.
func (g *Grants) Revoke(ctx context.Context, id string) (grant account.Grant, err error) {
	err = g.change(ctx, "grant.revoke", id, func(account.Principal, *string) error {
		grant, err = g.store.RevokeGrant(ctx, id)
		return err
	})
	return grant, err
}
