// Package jobs remembers which detached job of whom is where, across restarts of the
// gateway. What a job does and prints stays on its host.
//
// The ssh server is its one caller; nothing here connects anywhere.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/ssh/remote"
	"drawbridge/internal/tables"
)

// Table is the jobs of all users. Every method works on one user's alone.
type Table struct {
	db  tables.DB
	now func() time.Time
}

// New makes a Table on the ssh server's tables. db may be nil: then there are no
// jobs, and starting one fails.
func New(db tables.DB, now func() time.Time) Table { return Table{db, now} }

// Job is one job. One without a process in its Place began when the gateway stopped.
type Job struct {
	ID, Host, Command string
	Place             remote.JobPlace
	Started           time.Time
}

// Bounds of the table.
const (
	keepJobs  = 30 * 24 * time.Hour // as long as a host keeps a job's folder
	mostJobs  = 200                 // of one user
	shownJobs = 50
)

var errNoTables = errors.New("the ssh server was opened without its tables")

func migrations() []tables.Migration {
	const columns = `user_id TEXT NOT NULL, id TEXT NOT NULL, host TEXT NOT NULL, command TEXT NOT NULL, dir TEXT NOT NULL,
		pid BIGINT NOT NULL, began TEXT NOT NULL, started_at BIGINT NOT NULL, PRIMARY KEY (user_id, id)`
	script := `CREATE TABLE ssh_jobs (` + columns + `); CREATE INDEX ssh_jobs_user ON ssh_jobs (user_id, started_at);`
	return []tables.Migration{{Version: 1, SQLite: script, Postgres: script}}
}

// Prepare makes the table of the server named, and forgets what hosts have forgotten.
func (t Table) Prepare(ctx context.Context, server string) error {
	if t.db == nil {
		return nil // everything but jobs works without
	}
	if err := t.db.Migrate(ctx, server, migrations()); err != nil {
		return err
	}
	return t.db.Write(ctx, func(tx tables.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM ssh_jobs WHERE started_at < $1`, t.now().Add(-keepJobs).UnixMilli())
		return err
	})
}

// Reserve makes room for a job before it starts, so that none is ever running that
// nobody can find.
func (t Table) Reserve(ctx context.Context, user string, j Job) error {
	if t.db == nil {
		return errNoTables
	}
	return t.db.Write(ctx, func(tx tables.Tx) error {
		rows, err := tx.Query(ctx, `SELECT count(*) FROM ssh_jobs WHERE user_id = $1`, user)
		if err != nil {
			return err
		}
		var n int
		if rows.Next() {
			err = rows.Scan(&n)
		}
		if err = errors.Join(err, rows.Close()); err != nil {
			return err
		}
		if n >= mostJobs {
			return fault.New(fault.Limited, "You have %d jobs of the last 30 days, and no more are Job. Use run_command, or wait until old ones go.", n)
		}
		made, err := tx.Exec(ctx, `INSERT INTO ssh_jobs (id, user_id, host, command, dir, pid, began, started_at) VALUES ($1, $2, $3, $4, '', 0, '', $5)
			ON CONFLICT (user_id, id) DO NOTHING`, j.ID, user, j.Host, j.Command, j.Started.UnixMilli())
		if err == nil && made == 0 {
			return fault.New(fault.Conflict, "You have a job %q already, so nothing was started. get_job tells how it stands; choose another id for another job.", j.ID)
		}
		return err
	})
}

// Place notes where a reserved job runs.
func (t Table) Place(ctx context.Context, user, id string, p remote.JobPlace) error {
	return t.db.Write(ctx, func(tx tables.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE ssh_jobs SET dir = $1, pid = $2, began = $3 WHERE user_id = $4 AND id = $5`, p.Dir, p.PID, p.Start, user, id)
		return err
	})
}

// Drop takes back a reservation of what did not start.
func (t Table) Drop(ctx context.Context, user, id string) error {
	return t.db.Write(ctx, func(tx tables.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM ssh_jobs WHERE user_id = $1 AND id = $2 AND pid = 0`, user, id)
		return err
	})
}

// Find is a job of a user.
func (t Table) Find(ctx context.Context, user, id string) (Job, error) {
	all, err := t.query(ctx, `SELECT id, host, command, dir, pid, began, started_at FROM ssh_jobs WHERE user_id = $1 AND id = $2`, user, id)
	if err != nil {
		return Job{}, err
	}
	if len(all) == 0 {
		return Job{}, fault.New(fault.NotFound, "You have no job %q. get_job without id lists yours.", id)
	}
	return all[0], nil
}

// List is the latest jobs of a user.
func (t Table) List(ctx context.Context, user string) ([]Job, error) {
	return t.query(ctx, `SELECT id, host, command, dir, pid, began, started_at FROM ssh_jobs WHERE user_id = $1 ORDER BY started_at DESC, id LIMIT $2`, user, shownJobs)
}

func (t Table) query(ctx context.Context, sql string, args ...any) (all []Job, err error) {
	if t.db == nil {
		return nil, errNoTables
	}
	err = t.db.Read(ctx, func(tx tables.Tx) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return fmt.Errorf("read jobs: %w", err)
		}
		for rows.Next() {
			var j Job
			var started int64
			if err := rows.Scan(&j.ID, &j.Host, &j.Command, &j.Place.Dir, &j.Place.PID, &j.Place.Start, &started); err != nil {
				_ = rows.Close() // the scan's error is the one to tell
				return err
			}
			j.Started = time.UnixMilli(started).UTC()
			all = append(all, j)
		}
		return errors.Join(rows.Err(), rows.Close())
	})
	return all, err
}
