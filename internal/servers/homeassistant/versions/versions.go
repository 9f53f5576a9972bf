// Package versions keeps what automations, scripts, scenes and dashboards were before
// they were changed, so that a change can be taken back.
//
// Versions belong to the user who made the change: Home Assistant shows
// configurations to administrators only, and what one caller's token may read is
// nothing to another. The newest of each item are kept, in the server's own tables.
package versions

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/tables"
)

// Most versions that are kept of an item.
const Most = 20

// Version is what an item was.
type Version struct {
	ID     string
	At     time.Time
	Config string // JSON; "" in lists
}

// Store keeps versions. A Store without tables keeps none.
type Store struct {
	db  tables.DB
	now func() time.Time
}

// New makes a store. db may be nil.
func New(db tables.DB, now func() time.Time) *Store { return &Store{db, now} }

const server = "homeassistant"

var migrations = []tables.Migration{{
	Version: 1,
	SQLite: `CREATE TABLE homeassistant_versions (
		id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL, kind TEXT NOT NULL, item TEXT NOT NULL, at INTEGER NOT NULL, config TEXT NOT NULL) STRICT;
		CREATE INDEX homeassistant_versions_item ON homeassistant_versions (user_id, kind, item, id)`,
	Postgres: `CREATE TABLE homeassistant_versions (
		id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id TEXT NOT NULL, kind TEXT NOT NULL, item TEXT NOT NULL, at BIGINT NOT NULL, config TEXT NOT NULL);
		CREATE INDEX homeassistant_versions_item ON homeassistant_versions (user_id, kind, item, id)`,
}}

// Prepare makes the tables.
func (s *Store) Prepare(ctx context.Context) error {
	if s.db == nil {
		return nil
	}
	return s.db.Migrate(ctx, server, migrations)
}

// Keep keeps what an item is now and gives the version's id; "" where none is kept.
func (s *Store) Keep(ctx context.Context, user, kind, item, config string) (id string, err error) {
	if s.db == nil {
		return "", nil
	}
	err = s.db.Write(ctx, func(tx tables.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO homeassistant_versions (user_id, kind, item, at, config) VALUES ($1, $2, $3, $4, $5)`,
			user, kind, item, s.now().UnixMilli(), config); err != nil {
			return err
		}
		all, err := list(ctx, tx, user, kind, item)
		if err != nil {
			return err
		}
		id = all[0].ID
		if len(all) <= Most {
			return nil
		}
		oldest, err := strconv.ParseInt(all[Most-1].ID, 10, 64)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM homeassistant_versions WHERE user_id = $1 AND kind = $2 AND item = $3 AND id < $4`, user, kind, item, oldest)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("keep version: %w", err)
	}
	return id, nil
}

// List are the versions of an item, newest first.
func (s *Store) List(ctx context.Context, user, kind, item string) (all []Version, err error) {
	if s.db == nil {
		return nil, nil
	}
	err = s.db.Read(ctx, func(tx tables.Tx) error {
		all, err = list(ctx, tx, user, kind, item)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	return all, nil
}

func list(ctx context.Context, tx tables.Tx, user, kind, item string) (all []Version, err error) {
	rows, err := tx.Query(ctx, `SELECT id, at FROM homeassistant_versions WHERE user_id = $1 AND kind = $2 AND item = $3 ORDER BY id DESC`, user, kind, item)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, at int64
		if err := rows.Scan(&id, &at); err != nil {
			return nil, err
		}
		all = append(all, Version{ID: strconv.FormatInt(id, 10), At: time.UnixMilli(at)})
	}
	return all, rows.Err()
}

// Find gives one version of an item.
func (s *Store) Find(ctx context.Context, user, kind, item, id string) (v Version, err error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || s.db == nil {
		return v, none(id, kind, item)
	}
	found := false
	err = s.db.Read(ctx, func(tx tables.Tx) error {
		rows, err := tx.Query(ctx, `SELECT at, config FROM homeassistant_versions WHERE user_id = $1 AND kind = $2 AND item = $3 AND id = $4`, user, kind, item, n)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var at int64
			if err := rows.Scan(&at, &v.Config); err != nil {
				return err
			}
			v.ID, v.At, found = id, time.UnixMilli(at), true
		}
		return rows.Err()
	})
	if err != nil {
		return v, fmt.Errorf("find version: %w", err)
	}
	if !found {
		return v, none(id, kind, item)
	}
	return v, nil
}

func none(id, kind, item string) error {
	return fault.New(fault.NotFound, "You have no version %q of the %s %s. get_automation or get_dashboard has the versions that are kept.", id, kind, item)
}
