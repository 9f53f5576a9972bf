package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
)

// codeMemory is how long a used code is remembered after it expired: presented
// once more, it still ends what came of it.
const codeMemory = 24 * time.Hour

func badCode() *oauth.Error {
	return oauth.Errorf("invalid_grant", "The code is unknown, used or expired. Start the authorization again.")
}

// CreateCode keeps a consent until its client redeems the code. It fails with
// Conflict if the user has another password by now than was checked.
func (s *Store) CreateCode(ctx context.Context, c oauth.Code) error {
	if err := c.Rights.Check(); err != nil {
		return fault.New(fault.Invalid, "The consent cannot be kept: %v.", err)
	}
	consent, err := jsonColumn(c)
	if err != nil {
		return fmt.Errorf("create code: %w", err)
	}
	gone := func(err error) error {
		return fault.Wrap(err, fault.NotFound, "The user or the client is not there any more. Start the authorization again.")
	}
	err = s.update(ctx, quiet, func(tx *sql.Tx) error {
		err := holdSigned(ctx, tx, c.User, c.PasswordHash)
		if errors.Is(err, sql.ErrNoRows) {
			return gone(err)
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO codes (hash, user_id, client_id, consent, expires, used, grant_id)
			VALUES ($1, $2, $3, $4, $5, 0, '')`, c.Hash[:], c.User, c.Client, consent, millis(c.Expires))
		if err != nil && s.engine.trouble(err) == orphan {
			return gone(err)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("create code: %w", err)
	}
	s.young.note(c.Hash, c.Expires)
	return nil
}

// codeRow is a code with what became of it.
type codeRow struct {
	oauth.Code
	used  time.Time
	grant string
}

func readCode(ctx context.Context, tx *sql.Tx, hash [32]byte) (c codeRow, err error) {
	err = tx.QueryRowContext(ctx, "SELECT consent, expires, used, grant_id FROM codes WHERE hash = $1", hash[:]).
		Scan(scanJSON{&c.Code}, scanTime{&c.Expires}, scanTime{&c.used}, &c.grant)
	c.Hash = hash
	return c, err
}

// RedeemCode makes a grant of a code, once: one of any number of calls succeeds,
// and a later one revokes the grant (OAuth 2.1, 4.1.3). A code that check refuses
// is used up. mint makes the tokens of the grant, with the role it has now.
// Neither may use the store. Refusals are *oauth.Error, and what check returned.
func (s *Store) RedeemCode(ctx context.Context, hash [32]byte, now time.Time, check func(oauth.Code) error, mint func(account.Grant) oauth.Minted) (account.Grant, error) {
	var grant account.Grant
	var refused error
	err := s.decide(ctx, func(tx *sql.Tx) (topic Topic, err error) {
		r := redemption{tx, hash, now, &s.young, check, mint}
		grant, topic, refused, err = r.redeem(ctx)
		return topic, err
	})
	if err != nil {
		return account.Grant{}, fmt.Errorf("redeem code: %w", err)
	}
	if refused != nil {
		return account.Grant{}, refused
	}
	return grant, nil
}

// redemption is one transaction of RedeemCode.
type redemption struct {
	tx    *sql.Tx
	hash  [32]byte
	now   time.Time
	young *young
	check func(oauth.Code) error
	mint  func(account.Grant) oauth.Minted
}

// redeem returns in refused what the caller is told although the transaction is to
// be committed.
func (r redemption) redeem(ctx context.Context) (g account.Grant, topic Topic, refused, err error) {
	code, user, client, err := r.hold(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return g, quiet, badCode(), nil
	case err != nil:
		return g, quiet, nil, err
	case !code.used.IsZero():
		revoked, err := revokeGrant(ctx, r.tx, r.now, code.grant)
		if revoked {
			topic = Keys
		}
		return g, topic, badCode(), err
	}
	won, err := affected(r.tx.ExecContext(ctx, "UPDATE codes SET used = $1 WHERE hash = $2 AND used = 0", millis(r.now), r.hash[:]))
	if err != nil {
		return g, quiet, nil, err
	}
	if won != 1 || !r.now.Before(r.young.of(r.hash, code.Expires)) || user.Disabled {
		return g, quiet, badCode(), nil
	}
	if err := r.check(code.Code); err != nil {
		return g, quiet, err, nil
	}
	err = holdProfile(ctx, r.tx, oauth.ProfileOf(code.Resource))
	if errors.Is(err, sql.ErrNoRows) {
		return g, quiet, oauth.Errorf("invalid_grant", "The profile of the code is not there any more. Start the authorization again."), nil
	}
	if err == nil {
		g, err = r.issue(ctx, code, user, client)
	}
	return g, quiet, nil, err
}

// hold reads the code while its user and client are held, and with them whatever
// else decides about it.
func (r redemption) hold(ctx context.Context) (code codeRow, user account.User, client oauth.Client, err error) {
	if code, err = readCode(ctx, r.tx, r.hash); err != nil {
		return code, user, client, err
	}
	if user, err = holdUser(ctx, r.tx, code.User); err != nil {
		return code, user, client, err
	}
	if client, err = holdClient(ctx, r.tx, code.Client); err != nil {
		return code, user, client, err
	}
	code, err = readCode(ctx, r.tx, r.hash) // again: another may have had the rows until now
	return code, user, client, err
}

// issue adds the grant of a code and its tokens.
func (r redemption) issue(ctx context.Context, code codeRow, user account.User, client oauth.Client) (account.Grant, error) {
	g := account.Grant{
		User: code.User, Client: code.Client, ClientName: code.ClientName, Resource: code.Resource,
		Rights: code.Rights, Role: code.Role, Created: moment(millis(r.now)), Expires: moment(millis(code.GrantExpires)),
	}
	if err := insertGrant(ctx, r.tx, &g, false); err != nil {
		return g, err
	}
	if _, err := r.tx.ExecContext(ctx, "UPDATE codes SET grant_id = $1 WHERE hash = $2", g.ID, r.hash[:]); err != nil {
		return g, err
	}
	g.Role = allowedRole(g.Role, user.Role, client.Kind, client.MayAdmin)
	if err := insertTokens(ctx, r.tx, g.ID, r.mint(g)); err != nil {
		return g, err
	}
	return g, useClient(ctx, r.tx, client.ID, r.now)
}
