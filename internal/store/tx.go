package store

import (
	"context"
	"database/sql"
	"time"
)

// update runs f in a writing transaction, raises the version of topic in the
// same transaction, and tells this process's followers before it returns.
func (s *Store) update(ctx context.Context, topic Topic, f func(*sql.Tx) error) error {
	if err := s.Err(); err != nil {
		return err
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return s.coded(err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return s.coded(err)
	}
	var version int64
	if topic != quiet {
		row := tx.QueryRowContext(ctx, `INSERT INTO changes (topic, version) VALUES ($1, 1)
			ON CONFLICT (topic) DO UPDATE SET version = changes.version + 1 RETURNING version`, topic.String())
		if err := row.Scan(&version); err != nil {
			return s.coded(err)
		}
	}
	if err := tx.Commit(); err != nil {
		return s.coded(err)
	}
	if topic != quiet {
		s.feed.publish(topic, version)
	}
	return nil
}

// view runs f in a reading transaction: one unchanging view of the database.
func (s *Store) view(ctx context.Context, f func(*sql.Tx) error) error {
	opts := &sql.TxOptions{}
	if s.reader == s.writer { // PostgreSQL; an SQLite transaction is a snapshot anyway
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	tx, err := s.reader.BeginTx(ctx, opts)
	if err != nil {
		return s.coded(err)
	}
	defer tx.Rollback()
	return s.coded(f(tx))
}

// each walks the rows of a query.
func each(ctx context.Context, tx *sql.Tx, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// affected tells how many rows a statement changed.
func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// millis is how the store writes a time; 0 is never.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// moment reads what millis wrote.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
