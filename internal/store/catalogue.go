package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// SaveCatalogue keeps the lists that a backend gave at a time, in whatever form
// the caller reads back, so that a start need not wait for the backend.
func (s *Store) SaveCatalogue(ctx context.Context, backend string, lists []byte, at time.Time) error {
	if lists == nil {
		lists = []byte{} // the column knows no NULL
	}
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO catalogues (backend, lists, read_at) VALUES ($1, $2, $3)
			ON CONFLICT (backend) DO UPDATE SET lists = excluded.lists, read_at = excluded.read_at`,
			backend, lists, millis(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("save catalogue: %w", err)
	}
	return nil
}

// LoadCatalogue reads what SaveCatalogue kept; nil if nothing.
func (s *Store) LoadCatalogue(ctx context.Context, backend string) (lists []byte, at time.Time, err error) {
	var ms int64
	err = s.reader.QueryRowContext(ctx, "SELECT lists, read_at FROM catalogues WHERE backend = $1", backend).Scan(&lists, &ms)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("load catalogue: %w", s.coded(err))
	}
	return lists, moment(ms), nil
}

// DeleteCatalogue forgets a backend's lists.
func (s *Store) DeleteCatalogue(ctx context.Context, backend string) error {
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM catalogues WHERE backend = $1", backend)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete catalogue: %w", err)
	}
	return nil
}
