// Package records keeps what the memory server remembers: a graph and a bank of
// files for each user, a journal of the changes, and an index of the words.
//
// Every change is one transaction and has an id; what it deletes carries the id,
// so that it can be brought back, and goes for good after KeepDeleted. The same
// SQL runs on SQLite and PostgreSQL, but for the index. The memory server is its
// one caller; nothing here knows of tools.
package records

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/tables"
)

// The bounds on what is kept.
const (
	MaxName     = 512 // bytes of a name; indexes of PostgreSQL take no more
	MaxVersions = 50  // old contents kept of a file
	KeepDeleted = 30 * 24 * time.Hour
)

// Store is the memory of all users. Every method works on one owner's alone: a
// user, or a space of a user (see Owner). Where a parameter is called user it is
// such an owner.
type Store struct {
	db    tables.DB
	now   func() time.Time
	quota int64
}

// New makes a Store on a server's tables. quota bounds the bytes of each user,
// old versions and deleted things included.
func New(db tables.DB, now func() time.Time, quota int64) *Store { return &Store{db, now, quota} }

// errNoTables is a mistake of whoever built the server.
var errNoTables = errors.New("the memory server was opened without its tables")

// Prepare makes the tables of the server named, and drops what was deleted long
// ago.
func (s *Store) Prepare(ctx context.Context, server string) error {
	if s.db == nil {
		return errNoTables
	}
	if err := s.db.Migrate(ctx, server, migrations()); err != nil {
		return err
	}
	if err := s.purge(ctx); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	return nil
}

// Change is one change by one user, inside its transaction.
type Change struct {
	Summary string // for the journal

	tx     tables.Tx
	engine string
	user   string
	id     int64 // what the change deletes carries it
	now    int64
	grown  int64 // bytes added to what the user keeps
}

// Change runs f as one change of a user. Nothing of it stays when f fails or the
// user's quota is spent.
func (s *Store) Change(ctx context.Context, user, tool string, f func(c *Change) error) error {
	return s.db.Write(ctx, func(tx tables.Tx) error {
		c := &Change{tx: tx, engine: s.db.Engine(), user: user, now: s.now().UnixMilli()}
		var err error
		c.id, _, err = one[int64](ctx, tx, "INSERT INTO memory_changes (user_id, tool, summary, at) VALUES ($1, $2, '', $3) RETURNING id",
			user, tool, c.now)
		if err != nil {
			return fmt.Errorf("record change: %w", err)
		}
		if err := f(c); err != nil {
			return err
		}
		if c.Summary != "" {
			if err := c.exec(ctx, "UPDATE memory_changes SET summary = $1 WHERE id = $2", Clip(c.Summary, 200), c.id); err != nil {
				return err
			}
		}
		return c.account(ctx, s.quota)
	})
}

// account adds what was grown to the user's usage and holds it to the quota.
func (c *Change) account(ctx context.Context, quota int64) error {
	if c.grown == 0 {
		return nil
	}
	used, _, err := one[int64](ctx, c.tx, `INSERT INTO memory_usage (user_id, bytes) VALUES ($1, $2)
		ON CONFLICT (user_id) DO UPDATE SET bytes = memory_usage.bytes + excluded.bytes RETURNING bytes`, userOf(c.user), c.grown)
	if err != nil {
		return fmt.Errorf("count usage: %w", err)
	}
	if c.grown > 0 && used > quota {
		return fault.New(fault.Limited, "Your memory is full: it may hold %d MB, deleted things and old versions of the last 30 days included. Nothing was saved; store less.", quota>>20)
	}
	return nil
}

func (c *Change) exec(ctx context.Context, sql string, args ...any) error {
	_, err := c.tx.Exec(ctx, sql, args...)
	return err
}

// one is the first row's only column; there is false without a row.
func one[T any](ctx context.Context, tx tables.Tx, sql string, args ...any) (v T, there bool, err error) {
	all, err := list(ctx, tx, func(scan func(...any) error) (v T, err error) { return v, scan(&v) }, sql, args...)
	if err != nil || len(all) == 0 {
		return v, false, err
	}
	return all[0], true, nil
}

// list reads all rows.
func list[T any](ctx context.Context, tx tables.Tx, row func(scan func(...any) error) (T, error), sql string, args ...any) (all []T, err error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		v, err := row(rows.Scan)
		if err != nil {
			_ = rows.Close() // the scan's error is the one to tell
			return nil, err
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, rows.Close()
}

// storable refuses texts that one of the engines cannot hold.
func storable(texts ...string) error {
	for _, t := range texts {
		if strings.ContainsRune(t, 0) {
			return fault.New(fault.Invalid, "The text has a NUL character, which cannot be stored. Leave it out.")
		}
	}
	return nil
}

// nameable is storable for names.
func nameable(names ...string) error {
	for _, n := range names {
		if len(n) > MaxName {
			return fault.New(fault.Invalid, "The name %q... has %d bytes, at most %d are kept. Choose a shorter one and put the rest into an observation.", Clip(n, 40), len(n), MaxName)
		}
	}
	return storable(names...)
}

// Clip is the beginning of s, at most n bytes and whole runes.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// purge drops what was deleted longer than KeepDeleted ago, and gives its bytes
// back to the users.
func (s *Store) purge(ctx context.Context) error {
	before := s.now().Add(-KeepDeleted).UnixMilli()
	return s.db.Write(ctx, func(tx tables.Tx) error {
		for _, sql := range []string{
			`DELETE FROM memory_observations WHERE deleted_by > 0 AND deleted_at < $1`,
			`DELETE FROM memory_observations WHERE entity_id IN (SELECT id FROM memory_entities WHERE deleted_by > 0 AND deleted_at < $1)`,
			`DELETE FROM memory_entities WHERE deleted_by > 0 AND deleted_at < $1`,
			`DELETE FROM memory_relations WHERE deleted_by > 0 AND deleted_at < $1`,
			`DELETE FROM memory_file_versions WHERE file_id IN (SELECT id FROM memory_files WHERE deleted_by > 0 AND deleted_at < $1)`,
			`DELETE FROM memory_files WHERE deleted_by > 0 AND deleted_at < $1`,
			`DELETE FROM memory_changes WHERE at < $1`,
		} {
			if _, err := tx.Exec(ctx, sql, before); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, countUsage)
		return err
	})
}

// countUsage counts what the users keep anew, each in all of its spaces.
var countUsage = strings.NewReplacer("MINE", "(user_id = memory_usage.user_id OR substr(user_id, 1, length(memory_usage.user_id) + 1) = memory_usage.user_id || '"+spaceMark+"')").Replace(
	`UPDATE memory_usage SET bytes =
		coalesce((SELECT sum(octet_length(name) + octet_length(entity_type)) FROM memory_entities WHERE MINE), 0)
		+ coalesce((SELECT sum(octet_length(content)) FROM memory_observations WHERE entity_id IN (SELECT id FROM memory_entities WHERE MINE)), 0)
		+ coalesce((SELECT sum(octet_length(from_name) + octet_length(to_name) + octet_length(relation_type)) FROM memory_relations WHERE MINE), 0)
		+ coalesce((SELECT sum(octet_length(content)) FROM memory_files WHERE MINE), 0)
		+ coalesce((SELECT sum(octet_length(content)) FROM memory_file_versions WHERE file_id IN (SELECT id FROM memory_files WHERE MINE)), 0)`)
