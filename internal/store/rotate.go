package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/oauth"
)

func badRefresh() *oauth.Error {
	return oauth.Errorf("invalid_grant", "The refresh token is unknown, used, expired or revoked. Authorize again.")
}

// RefreshToken is what a refresh token is good for, whether or not it may still be
// used: Rotate decides that. One that is unknown is an *oauth.Error.
func (s *Store) RefreshToken(ctx context.Context, hash [32]byte) (oauth.Refresh, error) {
	var r oauth.Refresh
	g, err := scanGrant(s.reader.QueryRowContext(ctx, "SELECT "+grantColumns+", t.scope, t.expires, t.used <> 0 FROM "+grantTables+
		" JOIN tokens t ON t.grant_id = g.id WHERE t.hash = $1 AND t.kind = $2", hash[:], refreshToken), &r.Scope, scanTime{&r.Expires}, &r.Used)
	if errors.Is(err, sql.ErrNoRows) {
		return oauth.Refresh{}, badRefresh()
	}
	if err != nil {
		return oauth.Refresh{}, fmt.Errorf("look up refresh token: %w", s.coded(err))
	}
	r.Grant = g.Grant
	return r, nil
}

// refreshRow is a refresh token with what became of it.
type refreshRow struct {
	scope   string
	expires time.Time
	used    time.Time
	replay  []byte // until its successor is used
}

// Rotate exchanges a refresh token for its successor, once. A client that lost the
// answer gets the very same again for a short time, until it has used the
// successor; whoever presents a used token otherwise ends the grant, because one of
// the two who have it has stolen it (RFC 9700, 4.14.2). Refusals are *oauth.Error.
func (s *Store) Rotate(ctx context.Context, r oauth.Rotation) (replay []byte, err error) {
	var refused *oauth.Error
	err = s.decide(ctx, func(tx *sql.Tx) (topic Topic, err error) {
		replay, topic, refused, err = rotate(ctx, tx, r, &s.young)
		return topic, err
	})
	if err != nil {
		return nil, fmt.Errorf("rotate refresh token: %w", err)
	}
	if refused != nil {
		return nil, refused
	}
	if replay == nil {
		s.young.note(r.Presented, r.Now)
	}
	return replay, nil
}

// rotate returns in refused what the caller is told although the transaction is to
// be committed.
func rotate(ctx context.Context, tx *sql.Tx, r oauth.Rotation, y *young) (replay []byte, topic Topic, refused *oauth.Error, err error) {
	var id string
	err = tx.QueryRowContext(ctx, "SELECT grant_id FROM tokens WHERE hash = $1 AND kind = $2", r.Presented[:], refreshToken).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, quiet, badRefresh(), nil
	}
	if err != nil {
		return nil, quiet, nil, err
	}
	g, err := holdGrant(ctx, tx, id)
	if err == nil && g.Client != r.Client {
		return nil, quiet, badRefresh(), nil // it may have been guessed or overheard: no reason to end the grant
	}
	var t refreshRow
	if err == nil {
		t, err = readRefresh(ctx, tx, r.Presented)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows): // purged or deleted while this call waited
		return nil, quiet, badRefresh(), nil
	case err != nil:
		return nil, quiet, nil, err
	case !t.used.IsZero():
		t.used = y.of(r.Presented, t.used)
		return reuse(ctx, tx, r, g, t)
	case !g.live(r.Now) || !r.Now.Before(t.expires):
		return nil, quiet, badRefresh(), nil
	case !scopeWithin(r.Minted.Scope, t.scope):
		return nil, quiet, oauth.Errorf("invalid_scope", "The scope goes beyond that of the refresh token. Ask for less, or leave it out."), nil
	}
	return nil, quiet, nil, exchange(ctx, tx, r, id)
}

// reuse decides about a token that was exchanged already.
func reuse(ctx context.Context, tx *sql.Tx, r oauth.Rotation, g grantRow, t refreshRow) (replay []byte, topic Topic, refused *oauth.Error, err error) {
	again := len(t.replay) > 0 && r.Now.Sub(t.used) < oauth.ReplayWindow
	switch {
	case again && g.live(r.Now):
		return t.replay, quiet, nil, nil
	case again:
		return nil, quiet, badRefresh(), nil
	}
	revoked, err := revokeGrant(ctx, tx, r.Now, g.ID)
	if revoked {
		topic = Keys
	}
	return nil, topic, badRefresh(), err
}

// exchange marks the presented token as used and adds its successors.
func exchange(ctx context.Context, tx *sql.Tx, r oauth.Rotation, grant string) error {
	// A client that comes with this token has the answer that brought it: there is no
	// honest reason to ask for that once more.
	_, err := tx.ExecContext(ctx, "UPDATE tokens SET replay = $1 WHERE grant_id = $2 AND length(replay) > 0", []byte{}, grant)
	if err != nil {
		return err
	}
	replay := r.Replay
	if replay == nil {
		replay = []byte{}
	}
	n, err := affected(tx.ExecContext(ctx, "UPDATE tokens SET used = $1, replay = $2 WHERE hash = $3 AND used = 0",
		millis(r.Now), replay, r.Presented[:]))
	if err == nil && n != 1 {
		err = errors.New("a refresh token was used in spite of the held grant")
	}
	if err != nil {
		return err
	}
	return insertTokens(ctx, tx, grant, r.Minted)
}

func readRefresh(ctx context.Context, tx *sql.Tx, hash [32]byte) (t refreshRow, err error) {
	err = tx.QueryRowContext(ctx, "SELECT scope, expires, used, replay FROM tokens WHERE hash = $1 AND kind = $2", hash[:], refreshToken).
		Scan(&t.scope, scanTime{&t.expires}, scanTime{&t.used}, &t.replay)
	return t, err
}

// scopeWithin tells whether scope allows nothing that outer does not; "" is all.
func scopeWithin(scope, outer string) bool {
	if outer == "" {
		return true
	}
	if scope == "" {
		return false
	}
	for _, one := range []string{oauth.ScopeWrite, oauth.ScopeDestroy, oauth.ScopeAdmin} { // those that Narrow knows
		if oauth.HasScope(scope, one) && !oauth.HasScope(outer, one) {
			return false
		}
	}
	return true
}
