// Package tables is what a built-in server sees of the store: its own tables, in
// the same SQL on both engines.
//
// The kit hands a DB to a server and store implements it; the types live here so
// that neither has to import the other. SQL uses $1, $2, ... once each and in
// order, times as milliseconds since 1970 in UTC (BIGINT), and no construct that
// only one engine knows; what differs (column types, full-text search) is chosen
// by Engine. Every table and index name starts with the server's name and an
// underscore.
package tables

import "context"

// The engines that DB.Engine names.
const (
	SQLite   = "sqlite"   // BLOB, INTEGER; full-text search by FTS5
	Postgres = "postgres" // BYTEA, BIGINT; full-text search by tsvector
)

// DB is one server's door to its tables. Safe for concurrent use.
type DB interface {
	// Engine is SQLite or Postgres.
	Engine() string

	// Migrate brings the tables of server to the newest of migrations, each in a
	// transaction of its own with the record that it ran. Versions start at 1 and
	// rise; a database with a version that migrations does not have is refused.
	Migrate(ctx context.Context, server string, migrations []Migration) error

	// Read runs f on one unchanging view of the tables. f must not write.
	Read(ctx context.Context, f func(Tx) error) error

	// Write runs f in a transaction that no other Write of the same server
	// overlaps. It is durable when Write returns nil, and undone when f fails.
	Write(ctx context.Context, f func(Tx) error) error
}

// Tx is a transaction. It ends with the function it was given to, and is used
// by one goroutine.
type Tx interface {
	// Exec runs a statement and tells how many rows it changed.
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	// Query runs a statement that returns rows. The caller closes them before
	// the next statement.
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
}

// Rows is the answer of a query, walked as database/sql's.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Close() error
	Err() error
}

// Migration is one step of a server's tables, as a script per engine. A released
// migration never changes; add another.
type Migration struct {
	Version  int
	SQLite   string
	Postgres string
}
