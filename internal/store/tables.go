package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/tables"
)

// ServerTables is the door of one built-in server to its own tables: a
// tables.DB.
type ServerTables struct {
	s      *Store
	server string
}

var _ tables.DB = ServerTables{}

// Tables gives the built-in server of that name its tables.
func (s *Store) Tables(server string) ServerTables { return ServerTables{s, server} }

// Engine is tables.SQLite or tables.Postgres.
func (t ServerTables) Engine() string { return t.s.Engine() }

// Migrate brings the server's tables to the newest version. server must be the
// one that the tables were opened for.
func (t ServerTables) Migrate(ctx context.Context, server string, migrations []tables.Migration) error {
	if server != t.server {
		return fmt.Errorf("migrate tables of %s: opened for %s", server, t.server)
	}
	for i, m := range migrations {
		if m.Version < 1 || i > 0 && m.Version <= migrations[i-1].Version {
			return fmt.Errorf("migrate tables of %s: version %d is out of order", server, m.Version)
		}
	}
	current, err := t.version(ctx)
	if err != nil {
		return fmt.Errorf("migrate tables of %s: %w", server, err)
	}
	newest := 0
	if len(migrations) > 0 {
		newest = migrations[len(migrations)-1].Version
	}
	if current > newest {
		return fault.Wrap(fmt.Errorf("tables of %s: version %d, known %d: %w", server, current, newest, ErrNewer), fault.Conflict,
			"The tables of the server %s were written by a newer Drawbridge. Install the newer program, or restore an older backup.", server)
	}
	for _, m := range migrations {
		if m.Version <= current {
			continue
		}
		if err := t.step(ctx, m); err != nil {
			return fmt.Errorf("migrate tables of %s to version %d: %w", server, m.Version, err)
		}
	}
	return nil
}

// step runs one migration unless another process was faster.
func (t ServerTables) step(ctx context.Context, m tables.Migration) error {
	script := m.SQLite
	if t.Engine() == tables.Postgres {
		script = m.Postgres
	}
	return t.write(ctx, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, `INSERT INTO server_migrations (server, version, applied) VALUES ($1, $2, $3)
			ON CONFLICT (server, version) DO NOTHING`, t.server, m.Version, millis(time.Now())))
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, script)
		return err
	})
}

func (t ServerTables) version(ctx context.Context) (version int, err error) {
	err = t.s.writer.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM server_migrations WHERE server = $1", t.server).
		Scan(&version)
	return version, t.s.coded(err)
}

// Read runs f on one unchanging view of the tables.
func (t ServerTables) Read(ctx context.Context, f func(tables.Tx) error) error {
	return t.s.view(ctx, func(tx *sql.Tx) error { return f(serverTx{tx}) })
}

// Write runs f in a transaction that no other Write of this server overlaps.
func (t ServerTables) Write(ctx context.Context, f func(tables.Tx) error) error {
	return t.write(ctx, func(tx *sql.Tx) error { return f(serverTx{tx}) })
}

func (t ServerTables) write(ctx context.Context, f func(*sql.Tx) error) error {
	return t.s.update(ctx, quiet, func(tx *sql.Tx) error {
		if t.Engine() == tables.Postgres {
			// SQLite has one writer; here a lock until the end of the transaction gives
			// each server the same promise, so that its code is right on both.
			if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "drawbridge "+t.server); err != nil {
				return err
			}
		}
		return f(tx)
	})
}

// serverTx is a tables.Tx.
type serverTx struct{ tx *sql.Tx }

func (t serverTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(t.tx.ExecContext(ctx, query, args...))
}

func (t serverTx) Query(ctx context.Context, query string, args ...any) (tables.Rows, error) {
	rows, err := t.tx.QueryContext(ctx, query, args...) //nolint:rowserrcheck // the caller walks them and asks
	if err != nil {
		return nil, err // not rows: a nil *sql.Rows in a Rows is not nil
	}
	return rows, nil
}
