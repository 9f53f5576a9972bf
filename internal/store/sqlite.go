package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"drawbridge/internal/fault"
	"drawbridge/internal/tables"
)

const (
	sqliteReaders = 4
	// For every connection: FULL, because NORMAL may lose the last commits when
	// the power fails; 1 MiB of cache, because the process is to stay small.
	sqliteParams = "?_defensive=1&_dqs=0&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-1024)"
	sqliteWriter = "&_txlock=immediate"
	sqliteReader = "&_pragma=query_only(1)"
)

type sqliteEngine struct {
	path     string
	marked   bool // the state directory shows that there was a first start
	stateDir string
	file     os.FileInfo
}

func (e *sqliteEngine) name() string  { return tables.SQLite }
func (e *sqliteEngine) where() string { return e.path }

func (e *sqliteEngine) open(ctx context.Context) (writer, reader *sql.DB, err error) {
	if err := refuseNetworkFS(e.path); err != nil {
		return nil, nil, err
	}
	if err := e.checkFile(); err != nil {
		return nil, nil, err
	}
	dsn := "file:" + (&url.URL{Path: e.path}).EscapedPath() + sqliteParams
	if writer, err = sql.Open("sqlite", dsn+sqliteWriter); err != nil {
		return nil, nil, fmt.Errorf("open database: %w", err)
	}
	writer.SetMaxOpenConns(1)
	if err := e.check(ctx, writer); err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	if reader, err = sql.Open("sqlite", dsn+sqliteReader); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open database: %w", err), writer.Close())
	}
	reader.SetMaxOpenConns(sqliteReaders + 1) // one is follow's
	reader.SetMaxIdleConns(2)
	reader.SetConnMaxIdleTime(time.Minute)
	return writer, reader, nil
}

// checkFile refuses before SQLite would make an empty database, and makes a new
// one private.
func (e *sqliteEngine) checkFile() error {
	info, err := os.Stat(e.path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(err, fault.Unavailable, "The database %s cannot be opened. Make it readable and writable for the user that runs Drawbridge.", e.path)
	case err == nil && info.IsDir():
		return fault.New(fault.Invalid, "The database path %s is a directory. Name a file.", e.path)
	case err == nil && info.Size() > 0:
		return nil
	case e.marked:
		return missing(e.path, e.stateDir)
	}
	f, err := os.OpenFile(e.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "The database %s cannot be made. Make its directory writable for the user that runs Drawbridge.", e.path)
	}
	return f.Close()
}

// check runs SQLite's own check, and refuses a file of another program.
func (e *sqliteEngine) check(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return e.openFault(err)
	}
	if verdict != "ok" {
		return corruptFault(errors.New(verdict), e.path)
	}
	var foreign int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE NOT EXISTS
		(SELECT 1 FROM sqlite_master WHERE name = 'goose_db_version')`).Scan(&foreign)
	if err != nil {
		return e.openFault(err)
	}
	if foreign > 0 {
		return fault.Wrap(ErrForeign, fault.Conflict, "The database %s belongs to another program. Name another file, or move this one away.", e.path)
	}
	e.file, err = os.Stat(e.path)
	return err
}

func (e *sqliteEngine) openFault(err error) error {
	switch e.trouble(err) {
	case corrupt:
		return corruptFault(err, e.path)
	case full:
		return fault.Wrap(err, fault.Unavailable, "The database %s cannot be written: the disk is full or read-only, or the file belongs to another user. Correct that, then start again.", e.path)
	case busy:
		return fault.Wrap(err, fault.Unavailable, "The database %s is held by another program. Stop that, then start again.", e.path)
	}
	return fmt.Errorf("check database %s: %w", e.path, err)
}

// follow polls PRAGMA data_version, which changes when any other connection, of
// this process or another, has committed. It costs no disk access.
func (e *sqliteEngine) follow(ctx context.Context, s *Store, look func(context.Context) error) error {
	conn, err := s.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	last := int64(-1)
	for {
		if err := e.stillThere(); err != nil {
			s.fail(err)
			return err
		}
		var version int64
		if err := conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
			return s.coded(err)
		}
		if version != last {
			if err := look(ctx); err != nil {
				return err
			}
			last = version
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// stillThere tells whether the path still names the file that is open. If not,
// what is written goes to a file that nobody will find again.
func (e *sqliteEngine) stillThere() error {
	info, err := os.Stat(e.path)
	if err == nil && os.SameFile(info, e.file) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fault.Wrap(ErrGone, fault.Unavailable, "The database %s was removed or replaced while in use. Put the right file in its place, then start Drawbridge again.", e.path)
}

func (e *sqliteEngine) lock(ctx context.Context, _ *Store) (func(), error) {
	release, err := lockFile(ctx, e.path+".serve", false)
	if errors.Is(err, ErrLocked) {
		return nil, locked(err, e.path)
	}
	return release, err
}

func (e *sqliteEngine) trouble(err error) trouble {
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return other
	}
	switch code := failure.Code(); code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return duplicate
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return orphan
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC:
		return unsynced
	default:
		switch code & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return corrupt
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
			return full
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return busy
		}
	}
	return other
}
