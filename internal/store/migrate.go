package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"drawbridge/internal/fault"
	"drawbridge/internal/tables"
)

//go:embed migrations
var migrations embed.FS

// schemaVersion is the version of the database's tables; 0 means that it has
// none of ours.
func (s *Store) schemaVersion(ctx context.Context) (version int64, err error) {
	known := `SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'`
	if s.Engine() == tables.Postgres {
		known = `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'goose_db_version'`
	}
	var count int
	if err := s.writer.QueryRowContext(ctx, known).Scan(&count); err != nil || count == 0 {
		return 0, err
	}
	err = s.writer.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version").Scan(&version)
	return version, err
}

// migrate brings the tables from version to the newest that this program knows.
// Each step is one transaction together with the record of it.
func (s *Store) migrate(ctx context.Context, version int64) error {
	provider, err := s.provider()
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	if version > newest {
		return fault.Wrap(fmt.Errorf("version %d, known %d: %w", version, newest, ErrNewer), fault.Conflict,
			"The database %s was written by a newer Drawbridge (schema %d, this program knows %d). Install the newer program, or restore a backup of the older database.",
			s.engine.where(), version, newest)
	}
	if version == newest {
		return nil
	}
	if version > 0 {
		if err := s.backupBefore(ctx, version); err != nil {
			return err
		}
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	s.log.Info("database migrated", "engine", s.Engine(), "from", version, "to", newest)
	return nil
}

func (s *Store) provider() (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations/"+s.Engine())
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithSlog(s.log), goose.WithDisableGlobalRegistry(true)}
	if s.Engine() == tables.SQLite {
		return goose.NewProvider(goose.DialectSQLite3, s.writer, dir, options...)
	}
	// Two processes with state directories of their own may meet here.
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, s.writer, dir, append(options, goose.WithSessionLocker(locker))...)
}

// backupBefore copies an SQLite database before its tables change, so that an
// upgrade can be taken back. For PostgreSQL the operator's own backups count.
func (s *Store) backupBefore(ctx context.Context, version int64) error {
	if s.Engine() != tables.SQLite {
		return nil
	}
	path := s.engine.where() + ".schema" + strconv.FormatInt(version, 10) + ".backup"
	// A copy left by an upgrade that did not finish is of the same database.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove old backup: %w", err)
	}
	if err := s.Backup(ctx, path); err != nil {
		return err
	}
	s.log.Info("database copied before the upgrade", "path", path)
	return nil
}

// Backup writes a consistent copy of an SQLite database to a file that does not
// exist yet, while the store is in use. Sealed secrets stay sealed: the key file
// is to be kept apart.
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.Engine() != tables.SQLite {
		return fault.New(fault.Invalid, "Drawbridge backs up SQLite only. Use pg_dump for PostgreSQL.")
	}
	// VACUUM INTO takes an existing empty file, so the copy is private from its first byte.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "The backup %s cannot be made. Name a file that does not exist, in a directory Drawbridge may write to.", path)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("create backup: %w", err)
	}
	if _, err := s.writer.ExecContext(ctx, "VACUUM INTO $1", path); err != nil {
		return errors.Join(s.coded(fmt.Errorf("back up database: %w", err)), os.Remove(path))
	}
	return nil
}
