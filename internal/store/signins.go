package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
)

const (
	signInIdle = 30 * time.Minute // without a request, until a browser session ends
	signInNote = time.Minute      // how exactly the last request is known
)

func noSignIn() error {
	return fault.New(fault.NotFound, "The browser session has ended. Sign in again.")
}

// CreateSignIn begins a browser session. It fails with Conflict if the user has
// another password by now than was checked.
func (s *Store) CreateSignIn(ctx context.Context, in account.SignIn) error {
	seen := in.Seen
	if seen.Before(in.Created) {
		seen = in.Created
	}
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		err := holdSigned(ctx, tx, in.User, in.PasswordHash)
		if errors.Is(err, sql.ErrNoRows) {
			return noSignIn()
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO sign_ins (hash, user_id, created, seen, expires) VALUES ($1, $2, $3, $4, $5)",
			in.ID[:], in.User, millis(in.Created), millis(seen), millis(in.Expires))
		return err
	})
	if err != nil {
		return fmt.Errorf("create browser session: %w", err)
	}
	return nil
}

// SignIn is a browser session that goes on at now; fault.NotFound if it does not.
func (s *Store) SignIn(ctx context.Context, hash [32]byte, now time.Time) (account.SignIn, error) {
	in := account.SignIn{ID: hash}
	var disabled bool
	err := s.reader.QueryRowContext(ctx, `SELECT i.user_id, u.role, u.disabled, i.created, i.seen, i.expires
		FROM sign_ins i JOIN users u ON u.id = i.user_id WHERE i.hash = $1`, hash[:]).
		Scan(&in.User, &in.Role, &disabled, scanTime{&in.Created}, scanTime{&in.Seen}, scanTime{&in.Expires})
	if errors.Is(err, sql.ErrNoRows) || err == nil && (disabled || !now.Before(in.Expires) || now.Sub(in.Seen) >= signInIdle) {
		err = noSignIn()
	}
	if err != nil {
		return account.SignIn{}, fmt.Errorf("look up browser session: %w", s.coded(err))
	}
	if now.Sub(in.Seen) >= signInNote {
		s.noteSeen(ctx, hash, now)
		in.Seen = moment(millis(now))
	}
	return in, nil
}

// noteSeen keeps a browser session from being idle. A database that cannot write
// now is no reason to end it.
func (s *Store) noteSeen(ctx context.Context, hash [32]byte, now time.Time) {
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE sign_ins SET seen = $1 WHERE hash = $2 AND seen < $3", millis(now), hash[:], millis(now))
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("use of a browser session was not noted", "error", err)
	}
}

// EndSignIn ends a browser session. One that has ended already is no error.
func (s *Store) EndSignIn(ctx context.Context, hash [32]byte) error {
	err := s.decide(ctx, func(tx *sql.Tx) (Topic, error) {
		n, err := affected(tx.ExecContext(ctx, "DELETE FROM sign_ins WHERE hash = $1", hash[:]))
		if n == 0 {
			return quiet, err
		}
		return Keys, err
	})
	if err != nil {
		return fmt.Errorf("end browser session: %w", err)
	}
	return nil
}
