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

// Kinds of rows in the table tokens.
const (
	accessToken  = "access"
	refreshToken = "refresh"
)

// LiveToken is what an access token allows now: the rights of its grant as far as
// its scope, its user's role and its client reach. fault.NotFound, when any of
// them is gone.
func (s *Store) LiveToken(ctx context.Context, access [32]byte) (account.LiveToken, error) {
	var scope string
	var expires time.Time
	g, err := scanGrant(s.reader.QueryRowContext(ctx, "SELECT "+grantColumns+", t.scope, t.expires FROM "+grantTables+
		" JOIN tokens t ON t.grant_id = g.id WHERE t.hash = $1 AND t.kind = $2", access[:], accessToken), &scope, scanTime{&expires})
	now := time.Now()
	if errors.Is(err, sql.ErrNoRows) || err == nil && (!g.live(now) || !now.Before(expires)) {
		err = fault.New(fault.NotFound, "The access token is unknown, expired or revoked. Authorize again.")
	}
	if err != nil {
		return account.LiveToken{}, fmt.Errorf("look up token: %w", s.coded(err))
	}
	g.Rights, g.Role = oauth.Narrow(g.Rights, g.Role, scope)
	return account.LiveToken{Grant: g.Grant, Expires: expires, UserProfile: g.profile}, nil
}

// insertTokens adds what a grant, whose row is held or new, has been given.
func insertTokens(ctx context.Context, tx *sql.Tx, grant string, m oauth.Minted) error {
	if m.Access == ([32]byte{}) {
		return errors.New("an answer without an access token")
	}
	insert := func(hash [32]byte, kind string, expires time.Time) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO tokens (hash, grant_id, kind, scope, expires, used, replay)
			VALUES ($1, $2, $3, $4, $5, 0, $6)`, hash[:], grant, kind, m.Scope, millis(expires), []byte{})
		return err
	}
	if err := insert(m.Access, accessToken, m.AccessExpires); err != nil {
		return err
	}
	if m.Refresh == ([32]byte{}) {
		return nil
	}
	return insert(m.Refresh, refreshToken, m.RefreshExpires)
}

// RevokeToken ends the grant of an access or refresh token, if it is this client's
// (RFC 7009). Whatever else it is given changes nothing and is no error.
func (s *Store) RevokeToken(ctx context.Context, hash [32]byte, client string) error {
	err := s.decide(ctx, func(tx *sql.Tx) (Topic, error) {
		var grant string
		err := tx.QueryRowContext(ctx, `SELECT g.id FROM tokens t JOIN grants g ON g.id = t.grant_id
			WHERE t.hash = $1 AND g.client_id = $2`, hash[:], askable(client)).Scan(&grant)
		if errors.Is(err, sql.ErrNoRows) {
			return quiet, nil
		}
		if err != nil {
			return quiet, err
		}
		revoked, err := revokeGrant(ctx, tx, time.Now(), grant)
		if revoked {
			return Keys, err
		}
		return quiet, err
	})
	if err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	return nil
}

// PurgeTokens removes what has no use any more at now: expired codes, tokens,
// marks and browser sessions, tokens of grants that were revoked, and answers that
// nobody may ask for again.
func (s *Store) PurgeTokens(ctx context.Context, now time.Time) (removed int64, err error) {
	at := millis(now)
	for _, purge := range []struct {
		query string
		args  []any
	}{
		{"DELETE FROM codes WHERE expires <= $1 AND used = 0", []any{at}},
		{"DELETE FROM codes WHERE expires <= $1", []any{millis(now.Add(-codeMemory))}},
		{"DELETE FROM tokens WHERE expires <= $1", []any{at}},
		{"DELETE FROM tokens WHERE grant_id IN (SELECT id FROM grants WHERE revoked <> 0)", nil},
		{"UPDATE tokens SET replay = $1 WHERE length(replay) > 0 AND used < $2", []any{[]byte{}, millis(now.Add(-oauth.ReplayWindow))}},
		{"DELETE FROM once_marks WHERE expires <= $1", []any{at}},
		{"DELETE FROM sign_ins WHERE expires <= $1 OR seen <= $2", []any{at, millis(now.Add(-signInIdle))}},
	} {
		// Each by itself: a long transaction would keep others waiting.
		err := s.update(ctx, quiet, func(tx *sql.Tx) error {
			n, err := affected(tx.ExecContext(ctx, purge.query, purge.args...))
			removed += n
			return err
		})
		if err != nil {
			return removed, fmt.Errorf("purge tokens: %w", err)
		}
	}
	return removed, nil
}
