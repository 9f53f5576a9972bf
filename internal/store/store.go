// Package store keeps what must outlive the process: users with their keys,
// grants, tokens and browser sessions, profiles, clients and their codes, revoked
// sessions, the last known lists, backends added by hand, the audit log and the
// tables of built-in servers.
//
// The same SQL runs on SQLite (the default) and PostgreSQL; one DDL file per
// engine and version, one Go file per noun. What can be read back and is secret
// is sealed with the key ring; tokens are kept as hashes only. A nil error of a
// writing method means that the write survives a power cut.
//
// Open refuses rather than repairs: a database that is corrupt, newer than this
// program, on a network file system, or gone although there once was one, is
// left as it is, because an empty one in its place would open the first-start
// door again. Packages that need the store declare an interface of their own;
// app joins them.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// The reasons why Open and Lock refuse, for errors.Is.
var (
	ErrCorrupt     = errors.New("database is corrupt")
	ErrNewer       = errors.New("database is of a newer version")
	ErrMissing     = errors.New("database is missing after the first start")
	ErrForeign     = errors.New("database belongs to something else")
	ErrNetworkFS   = errors.New("database is on a network file system")
	ErrKeyFile     = errors.New("key file is missing or does not fit the database")
	ErrUnreachable = errors.New("database cannot be reached")
	ErrLocked      = errors.New("database is locked by another serve")
	ErrGone        = errors.New("database file was removed or replaced while in use")
)

// Config says where the store is.
type Config struct {
	// StateDir holds the marker of the first start and the key file. Empty: the
	// directory of Path.
	StateDir string
	// Path is the SQLite file. Empty: drawbridge.db in StateDir.
	Path string
	// URL, when set, is the PostgreSQL database to use instead: postgres://...
	URL secret.String
}

// Store is an open database. Safe for concurrent use.
type Store struct {
	log    *slog.Logger
	engine engine
	writer *sql.DB // SQLite: one connection, BEGIN IMMEDIATE
	reader *sql.DB // SQLite: query_only; PostgreSQL: the same pool as writer
	ring   *secret.Ring

	installation string // public id
	feed         feed
	young        young

	stop    context.CancelFunc // ends the goroutines in running
	ctx     context.Context    // of the goroutines; stored because Changes and Lock start more of them
	running sync.WaitGroup

	downOnce sync.Once
	down     chan struct{}
	downErr  error // set before down is closed
}

// engine is what differs between SQLite and PostgreSQL.
type engine interface {
	name() string
	// open connects and checks that the database is sound.
	open(ctx context.Context) (writer, reader *sql.DB, err error)
	// follow calls look whenever another process may have written, until ctx
	// ends or it cannot tell any more.
	follow(ctx context.Context, s *Store, look func(context.Context) error) error
	// lock takes the lock that only one serve can have; release gives it back.
	lock(ctx context.Context, s *Store) (release func(), err error)
	// trouble says what kind of failure a driver's error is.
	trouble(err error) trouble
	// where names the database to an operator, without secrets.
	where() string
}

// Open opens the store, creates it at the very first start, and brings an older
// one to this version. Its errors say what the operator can do.
func Open(ctx context.Context, log *slog.Logger, cfg Config) (*Store, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	release, err := lockFile(ctx, filepath.Join(cfg.StateDir, "open.lock"), true)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "The state directory %s cannot be used. Make it writable for the user that runs Drawbridge.", cfg.StateDir)
	}
	defer release()

	mark, err := readMarker(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	s := &Store{log: log, down: make(chan struct{})}
	if cfg.URL.Empty() {
		s.engine = &sqliteEngine{path: cfg.Path, marked: mark.installation != "", stateDir: cfg.StateDir}
	} else {
		s.engine = &postgresEngine{url: cfg.URL}
	}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if s.writer, s.reader, err = s.engine.open(ctx); err != nil {
		s.stop()
		return nil, err
	}
	if err := s.prepare(ctx, cfg.StateDir, mark); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.look(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.running.Go(s.follow) // ends with s.stop, awaited by Close
	return s, nil
}

// complete fills in what was left out and makes the directories.
func (c Config) complete() (Config, error) {
	if c.StateDir == "" && c.Path == "" {
		return c, fault.New(fault.Invalid, "Neither a state directory nor a database file is configured. Set --state-dir.")
	}
	if c.StateDir == "" {
		c.StateDir = filepath.Dir(c.Path)
	}
	if c.Path == "" {
		c.Path = filepath.Join(c.StateDir, "drawbridge.db")
	}
	var err error
	if c.Path, err = filepath.Abs(c.Path); err != nil {
		return c, fmt.Errorf("resolve database path: %w", err)
	}
	for _, dir := range []string{c.StateDir, filepath.Dir(c.Path)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return c, fault.Wrap(err, fault.Unavailable, "The directory %s cannot be made. Create it, writable for the user that runs Drawbridge.", dir)
		}
	}
	return c, nil
}

// prepare takes an open database through the checks and migrations of a start.
func (s *Store) prepare(ctx context.Context, stateDir string, mark marker) error {
	version, err := s.schemaVersion(ctx)
	if err != nil {
		return s.coded(err)
	}
	if version == 0 && mark.installation != "" {
		return missing(s.engine.where(), stateDir)
	}
	if err := s.migrate(ctx, version); err != nil {
		return s.coded(err)
	}
	if err := s.identify(ctx, stateDir, mark); err != nil {
		return s.coded(err)
	}
	return nil
}

// Close ends the change feed and closes the database. The lock of serve is given
// back by its own release.
func (s *Store) Close() error {
	s.stop()
	s.running.Wait()
	var err error
	if s.reader != s.writer {
		err = s.reader.Close()
	}
	if err = errors.Join(err, s.writer.Close()); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// Engine is tables.SQLite or tables.Postgres.
func (s *Store) Engine() string { return s.engine.name() }

// Down is closed when the store can no longer be trusted to keep what it
// acknowledges: the file is gone, corrupt or failed to reach the disk, or
// another serve has taken the lock. Err says why; serve stops.
func (s *Store) Down() <-chan struct{} { return s.down }

// Err is nil until Down is closed.
func (s *Store) Err() error {
	select {
	case <-s.down:
		return s.downErr
	default:
		return nil
	}
}

// Ping tells whether the store answers, for readiness probes.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.Err(); err != nil {
		return err
	}
	var one int
	return s.coded(s.reader.QueryRowContext(ctx, "SELECT one FROM installation").Scan(&one))
}

// fail closes Down with a reason. Only the first one counts.
func (s *Store) fail(err error) {
	s.downOnce.Do(func() {
		s.downErr = err
		close(s.down)
		s.log.Error("store is down", "engine", s.engine.name(), "error", err)
	})
}
