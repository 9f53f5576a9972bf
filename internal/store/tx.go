package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// update runs f in a writing transaction, raises the version of topic in the
// same transaction, and tells this process's followers before it returns.
func (s *Store) update(ctx context.Context, topic Topic, f func(*sql.Tx) error) error {
	return s.decide(ctx, func(tx *sql.Tx) (Topic, error) { return topic, f(tx) })
}

// decide is update for what finds out only on its way which topic it writes.
func (s *Store) decide(ctx context.Context, f func(*sql.Tx) (Topic, error)) error {
	if err := s.Err(); err != nil {
		return err
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return s.coded(err)
	}
	defer tx.Rollback()
	topic, err := f(tx)
	if err != nil {
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

// rowScanner is a *sql.Row or *sql.Rows.
type rowScanner interface{ Scan(dest ...any) error }

// scanHash reads a hash of 32 bytes; an empty column is the zero hash.
type scanHash struct{ to *[32]byte }

// Scan is for database/sql.
func (h scanHash) Scan(value any) error {
	b, ok := value.([]byte)
	if !ok || len(b) != 0 && len(b) != len(h.to) {
		return fmt.Errorf("a hash of %d bytes", len(b))
	}
	*h.to = [32]byte{}
	copy(h.to[:], b)
	return nil
}

// hashColumn is how the store writes a hash that may be missing.
func hashColumn(h [32]byte) []byte {
	if h == ([32]byte{}) {
		return []byte{} // the columns know no NULL
	}
	return h[:]
}

// scanJSON reads a column of JSON.
type scanJSON struct{ to any }

// Scan is for database/sql.
func (j scanJSON) Scan(value any) error {
	switch v := value.(type) {
	case string:
		return json.Unmarshal([]byte(v), j.to)
	case []byte:
		return json.Unmarshal(v, j.to)
	}
	return fmt.Errorf("JSON of type %T", value)
}

// jsonColumn is how the store writes JSON.
func jsonColumn(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// scanTime reads what millis wrote.
type scanTime struct{ to *time.Time }

// Scan is for database/sql.
func (t scanTime) Scan(value any) error {
	ms, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a time of type %T", value)
	}
	*t.to = moment(ms)
	return nil
}

// storable tells whether both engines take a text: PostgreSQL refuses a NUL, and
// what is not UTF-8.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// askable is a text to look something up by. Nothing has a name that cannot be
// stored, nor an empty one.
func askable(text string) string {
	if !storable(text) {
		return ""
	}
	return text
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
