package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// UseOnce marks a value of a kind as used until a time, and tells whether this is
// its first use: of any number of calls one is told so. Kinds are apart.
func (s *Store) UseOnce(ctx context.Context, kind string, value [32]byte, until time.Time) (first bool, err error) {
	err = s.update(ctx, quiet, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, `INSERT INTO once_marks (kind, hash, expires) VALUES ($1, $2, $3)
			ON CONFLICT (kind, hash) DO NOTHING`, kind, value[:], millis(until)))
		first = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("mark as used: %w", err)
	}
	return first, nil
}
