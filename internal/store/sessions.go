package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Legacy sessions travel in their sealed ids; the store keeps only what an id
// cannot carry: that it was revoked, and the session's log level and resource
// subscriptions. Rows are found by the SHA-256 of the id and go when it expires.

// RevokeSession makes sure that a session id is refused until it expires, after
// a restart too.
func (s *Store) RevokeSession(ctx context.Context, id [32]byte, expires time.Time) error {
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO revoked_sessions (hash, expires) VALUES ($1, $2)
			ON CONFLICT (hash) DO NOTHING`, id[:], millis(expires))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM session_state WHERE hash = $1", id[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	return nil
}

// SessionRevoked tells whether a session id was revoked.
func (s *Store) SessionRevoked(ctx context.Context, id [32]byte) (bool, error) {
	var n int
	err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM revoked_sessions WHERE hash = $1", id[:]).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look up session: %w", s.coded(err))
	}
	return n > 0, nil
}

// SaveSession keeps the log level ("" = none) and subscriptions of a session.
func (s *Store) SaveSession(ctx context.Context, id [32]byte, logLevel string, subscriptions []string, expires time.Time) error {
	uris, err := json.Marshal(subscriptions)
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	err = s.update(ctx, quiet, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO session_state (hash, log_level, subscriptions, expires) VALUES ($1, $2, $3, $4)
			ON CONFLICT (hash) DO UPDATE SET log_level = excluded.log_level,
				subscriptions = excluded.subscriptions, expires = excluded.expires`,
			id[:], logLevel, string(uris), millis(expires))
		return err
	})
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// LoadSession reads what SaveSession kept; nothing is no error.
func (s *Store) LoadSession(ctx context.Context, id [32]byte) (logLevel string, subscriptions []string, err error) {
	var uris string
	err = s.reader.QueryRowContext(ctx, "SELECT log_level, subscriptions FROM session_state WHERE hash = $1", id[:]).
		Scan(&logLevel, &uris)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(uris), &subscriptions)
	}
	if err != nil {
		return "", nil, fmt.Errorf("load session: %w", s.coded(err))
	}
	return logLevel, subscriptions, nil
}

// PurgeSessions removes what belongs to session ids that have expired at now.
func (s *Store) PurgeSessions(ctx context.Context, now time.Time) (removed int64, err error) {
	err = s.update(ctx, quiet, func(tx *sql.Tx) error {
		for _, table := range []string{"revoked_sessions", "session_state"} {
			n, err := affected(tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE expires <= $1", millis(now)))
			if err != nil {
				return err
			}
			removed += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("purge sessions: %w", err)
	}
	return removed, nil
}
