package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
)

// MachineToken issues tokens to a client that acts by itself, for the user and
// with the rights that an admin gave it. All its tokens for a resource belong to
// one grant, which an admin sees and can narrow or revoke; the next call after that
// makes a new one. What the store knows of the client counts, not what c says.
// Refusals are *oauth.Error.
func (s *Store) MachineToken(ctx context.Context, c oauth.Client, resource string, now time.Time, mint func(account.Grant) oauth.Minted) (account.Grant, error) {
	var g account.Grant
	var refused *oauth.Error
	err := s.update(ctx, quiet, func(tx *sql.Tx) (err error) {
		g, refused, err = machineGrant(ctx, tx, c, resource, now)
		if err != nil || refused != nil {
			return err
		}
		if err := insertTokens(ctx, tx, g.ID, mint(g)); err != nil {
			return err
		}
		return useClient(ctx, tx, c.ID, now)
	})
	if err != nil {
		return account.Grant{}, fmt.Errorf("issue token to machine: %w", err)
	}
	if refused != nil {
		return account.Grant{}, refused
	}
	return g, nil
}

// machineGrant finds or makes the grant of a client that acts by itself.
func machineGrant(ctx context.Context, tx *sql.Tx, c oauth.Client, resource string, now time.Time) (account.Grant, *oauth.Error, error) {
	none := oauth.Errorf("unauthorized_client", "The client has no user to act for, or that one is disabled. An admin has to give it one.")
	user, err := holdUser(ctx, tx, c.MachineUser)
	if errors.Is(err, sql.ErrNoRows) || err == nil && user.Disabled {
		return account.Grant{}, none, nil
	}
	if err != nil {
		return account.Grant{}, nil, err
	}
	client, err := holdClient(ctx, tx, c.ID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && client.MachineUser != user.ID {
		return account.Grant{}, none, nil
	}
	if err != nil {
		return account.Grant{}, nil, err
	}
	if err := holdProfile(ctx, tx, oauth.ProfileOf(resource)); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return account.Grant{}, oauth.Errorf("invalid_target", "The resource is not one of this server. Ask for one of its profiles, or leave it out."), nil
		}
		return account.Grant{}, nil, err
	}
	g, err := liveMachineGrant(ctx, tx, client, resource, now)
	if !errors.Is(err, sql.ErrNoRows) {
		return g, nil, err
	}
	g = account.Grant{
		User: user.ID, Client: client.ID, ClientName: client.Metadata.Name, Resource: resource,
		Rights: client.MachineRights, Role: account.RoleMember, Created: moment(millis(now)),
	}
	if client.MayAdmin {
		g.Role = account.RoleAdmin
	}
	if err := insertGrant(ctx, tx, &g, true); err != nil {
		return account.Grant{}, nil, err
	}
	g.Role = g.Role.Cap(user.Role)
	return g, nil, nil
}

// liveMachineGrant needs the client's user and the client to be held; sql.ErrNoRows
// if there is no such grant.
func liveMachineGrant(ctx context.Context, tx *sql.Tx, c oauth.Client, resource string, now time.Time) (account.Grant, error) {
	var id string
	err := tx.QueryRowContext(ctx, `SELECT id FROM grants WHERE machine = TRUE AND client_id = $1 AND user_id = $2 AND resource = $3
		AND revoked = 0 ORDER BY created, id LIMIT 1`, c.ID, c.MachineUser, resource).Scan(&id)
	if err != nil {
		return account.Grant{}, err
	}
	g, err := holdGrant(ctx, tx, id)
	if err == nil && !g.live(now) { // revoked in between
		err = sql.ErrNoRows
	}
	return g.Grant, err
}
