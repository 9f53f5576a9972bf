package memory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/tables"
)

// writer is one change by one user, inside its transaction.
type writer struct {
	tx      tables.Tx
	engine  string
	user    string
	change  int64 // id of the change; what it deletes carries it
	now     int64
	grown   int64 // bytes added to what the user keeps
	summary string
}

// write runs f as one change of the caller. Nothing of it stays when f fails or
// the user's quota is spent.
func (s *server) write(ctx context.Context, c *kit.Call, f func(w *writer) error) error {
	return s.writeAs(ctx, c.User(), c.Tool, f)
}

func (s *server) writeAs(ctx context.Context, user, tool string, f func(w *writer) error) error {
	return s.db.Write(ctx, func(tx tables.Tx) error {
		w := &writer{tx: tx, engine: s.db.Engine(), user: user, now: s.now().UnixMilli()}
		var err error
		w.change, _, err = one[int64](ctx, tx, "INSERT INTO memory_changes (user_id, tool, summary, at) VALUES ($1, $2, '', $3) RETURNING id",
			user, tool, w.now)
		if err != nil {
			return fmt.Errorf("record change: %w", err)
		}
		if err := f(w); err != nil {
			return err
		}
		if w.summary != "" {
			if err := w.exec(ctx, "UPDATE memory_changes SET summary = $1 WHERE id = $2", clip(w.summary, 200), w.change); err != nil {
				return err
			}
		}
		return w.account(ctx)
	})
}

// account adds what was grown to the user's usage and holds it to the quota.
func (w *writer) account(ctx context.Context) error {
	if w.grown == 0 {
		return nil
	}
	used, _, err := one[int64](ctx, w.tx, `INSERT INTO memory_usage (user_id, bytes) VALUES ($1, $2)
		ON CONFLICT (user_id) DO UPDATE SET bytes = memory_usage.bytes + excluded.bytes RETURNING bytes`, w.user, w.grown)
	if err != nil {
		return fmt.Errorf("count usage: %w", err)
	}
	if w.grown > 0 && used > userQuota {
		return fault.New(fault.Limited, "Your memory is full: it may hold %d MB, deleted things and old versions of the last 30 days included. Nothing was saved; store less.", userQuota>>20)
	}
	return nil
}

func (w *writer) exec(ctx context.Context, sql string, args ...any) error {
	_, err := w.tx.Exec(ctx, sql, args...)
	return err
}

// read runs f on one view of the tables.
func (s *server) read(ctx context.Context, f func(tx tables.Tx) error) error {
	return s.db.Read(ctx, f)
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
		if len(n) > maxName {
			return fault.New(fault.Invalid, "The name %q... has %d bytes, at most %d are kept. Choose a shorter one and put the rest into an observation.", clip(n, 40), len(n), maxName)
		}
	}
	return storable(names...)
}

// clip is the beginning of s, at most n bytes and whole runes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// stamp shows a time of the tables.
func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// prepare makes the tables, drops what was deleted long ago, and takes over the
// files of the originals.
func (s *server) prepare(ctx context.Context) error {
	if s.db == nil {
		return errNoDatabase
	}
	if err := s.db.Migrate(ctx, Name, migrations()); err != nil {
		return err
	}
	if err := s.purge(ctx); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	s.takeOver(ctx)
	return nil
}

// purge drops what was deleted longer than keepDeleted ago, and gives its bytes
// back to the users.
func (s *server) purge(ctx context.Context) error {
	before := s.now().Add(-keepDeleted).UnixMilli()
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
		_, err := tx.Exec(ctx, `UPDATE memory_usage SET bytes =
			coalesce((SELECT sum(octet_length(name) + octet_length(entity_type)) FROM memory_entities e WHERE e.user_id = memory_usage.user_id), 0)
			+ coalesce((SELECT sum(octet_length(content)) FROM memory_observations o JOIN memory_entities e ON e.id = o.entity_id WHERE e.user_id = memory_usage.user_id), 0)
			+ coalesce((SELECT sum(octet_length(from_name) + octet_length(to_name) + octet_length(relation_type)) FROM memory_relations r WHERE r.user_id = memory_usage.user_id), 0)
			+ coalesce((SELECT sum(octet_length(content)) FROM memory_files f WHERE f.user_id = memory_usage.user_id), 0)
			+ coalesce((SELECT sum(octet_length(v.content)) FROM memory_file_versions v JOIN memory_files f ON f.id = v.file_id WHERE f.user_id = memory_usage.user_id), 0)`)
		return err
	})
}
