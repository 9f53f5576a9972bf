package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
	"drawbridge/internal/tables"
)

var notes = []tables.Migration{
	{
		Version:  1,
		SQLite:   "CREATE TABLE notes_text (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT; CREATE INDEX notes_body ON notes_text (body);",
		Postgres: "CREATE TABLE notes_text (id BIGINT PRIMARY KEY, body TEXT NOT NULL); CREATE INDEX notes_body ON notes_text (body);",
	},
	{
		Version: 2,
		SQLite:  "CREATE VIRTUAL TABLE notes_search USING fts5 (body, tokenize = 'porter unicode61');",
		Postgres: "ALTER TABLE notes_text ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED;" +
			"CREATE INDEX notes_search ON notes_text USING gin (search);",
	},
}

func TestTables(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		var db tables.DB = storetest.Open(t, cfg).Tables("notes")
		for range 2 { // the second time there is nothing to do
			if err := db.Migrate(t.Context(), "notes", notes); err != nil {
				t.Fatal(err)
			}
		}
		err := db.Write(t.Context(), func(tx tables.Tx) error {
			for id, body := range []string{"The ferry was running late", "Tea with Änne", "nothing"} {
				if n, err := tx.Exec(t.Context(), "INSERT INTO notes_text (id, body) VALUES ($1, $2)", id, body); err != nil || n != 1 {
					return fmt.Errorf("%d rows: %w", n, err)
				}
				if db.Engine() == tables.SQLite {
					if _, err := tx.Exec(t.Context(), "INSERT INTO notes_search (rowid, body) VALUES ($1, $2)", id, body); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		search := map[string]string{
			tables.SQLite:   "SELECT rowid FROM notes_search WHERE notes_search MATCH $1",
			tables.Postgres: "SELECT id FROM notes_text WHERE search @@ websearch_to_tsquery('english', $1)",
		}[db.Engine()]
		if diff := cmp.Diff([]int64{0}, numbers(t, db, search, "run ferries")); diff != "" {
			t.Errorf("search: %s", diff)
		}

		broken := errors.New("broken")
		err = db.Write(t.Context(), func(tx tables.Tx) error {
			if _, err := tx.Exec(t.Context(), "DELETE FROM notes_text"); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) {
			t.Errorf("error of the function: %v", err)
		}
		if diff := cmp.Diff([]int64{3}, numbers(t, db, "SELECT count(*) FROM notes_text")); diff != "" {
			t.Errorf("a failed transaction left its traces: %s", diff)
		}
		if err := db.Read(t.Context(), func(tx tables.Tx) error {
			_, err := tx.Exec(t.Context(), "DELETE FROM notes_text")
			return err
		}); err == nil {
			t.Error("Read could write")
		}
	})
}

// Two of the most usual races: a counter read and written back, and a row
// inserted where none was found.
func TestTables_writesDoNotOverlap(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		one, two := storetest.Open(t, cfg).Tables("notes"), storetest.Open(t, cfg).Tables("notes")
		if err := one.Migrate(t.Context(), "notes", notes); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 20 {
			db := []tables.DB{one, two}[i%2]
			wg.Go(func() {
				err := db.Write(t.Context(), func(tx tables.Tx) error {
					found, err := collect(t.Context(), tx, "SELECT coalesce(max(id), 0) FROM notes_text")
					if err != nil {
						return err
					}
					_, err = tx.Exec(t.Context(), "INSERT INTO notes_text (id, body) VALUES ($1, 'x')", found[0]+1)
					return err
				})
				if err != nil {
					t.Errorf("write: %v", err)
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff([]int64{20}, numbers(t, one, "SELECT max(id) FROM notes_text")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTables_migrate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		db := s.Tables("notes")
		if err := db.Migrate(t.Context(), "other", notes); err == nil {
			t.Error("another server's tables were migrated")
		}
		if err := db.Migrate(t.Context(), "notes", []tables.Migration{notes[1], notes[0]}); err == nil {
			t.Error("versions out of order were taken")
		}
		if err := db.Migrate(t.Context(), "notes", notes[:1]); err != nil {
			t.Fatal(err)
		}

		// A step that fails in its middle leaves nothing, and can be repeated corrected.
		bad := tables.Migration{Version: 2, SQLite: "CREATE TABLE notes_half (id INTEGER); CREATE TABLE notes_text (id INTEGER);"}
		bad.Postgres = bad.SQLite
		if err := db.Migrate(t.Context(), "notes", []tables.Migration{notes[0], bad}); err == nil {
			t.Fatal("a failing migration was taken")
		}
		if err := db.Read(t.Context(), func(tx tables.Tx) error {
			_, err := collect(t.Context(), tx, "SELECT count(*) FROM notes_half")
			return err
		}); err == nil {
			t.Error("half a migration was kept")
		}
		var wg sync.WaitGroup
		for range 4 { // several processes start at once
			wg.Go(func() {
				if err := s.Tables("notes").Migrate(t.Context(), "notes", notes); err != nil {
					t.Errorf("migrate: %v", err)
				}
			})
		}
		wg.Wait()
		if err := db.Migrate(t.Context(), "notes", notes[:1]); !errors.Is(err, store.ErrNewer) {
			t.Errorf("tables of a newer version: %v", err)
		}
		if err := s.Tables("empty").Migrate(t.Context(), "empty", nil); err != nil {
			t.Errorf("a server without tables: %v", err)
		}
	})
}

func numbers(t *testing.T, db tables.DB, query string, args ...any) (found []int64) {
	t.Helper()
	err := db.Read(t.Context(), func(tx tables.Tx) (err error) {
		found, err = collect(t.Context(), tx, query, args...)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return found
}

func collect(ctx context.Context, tx tables.Tx, query string, args ...any) (found []int64, err error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		found = append(found, n)
	}
	return found, rows.Err()
}
