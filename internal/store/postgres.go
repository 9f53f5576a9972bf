package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/tables"
)

const (
	postgresConns   = 8
	postgresTimeout = 10 * time.Second // to connect
	postgresLook    = 2 * time.Second  // a look without a notification, which also shows that the server lives
	lockCheck       = 2 * time.Second
	lockGrace       = 20 * time.Second // after a lost connection, until the lock is taken to be somebody else's
	lockPatience    = time.Second      // at the start, for a serve that is just ending
)

type postgresEngine struct {
	url    secret.String
	config *pgx.ConnConfig
}

func (e *postgresEngine) name() string { return tables.Postgres }

func (e *postgresEngine) where() string {
	if e.config == nil {
		return "PostgreSQL"
	}
	return "PostgreSQL " + net.JoinHostPort(e.config.Host, strconv.Itoa(int(e.config.Port))) + "/" + e.config.Database
}

func (e *postgresEngine) open(ctx context.Context) (writer, reader *sql.DB, err error) {
	if e.config, err = pgx.ParseConfig(e.url.Reveal()); err != nil {
		// pgx leaves the password out of its error, but not every form of a mistake.
		return nil, nil, fault.New(fault.Invalid, "DATABASE_URL cannot be read. Write it as postgres://user:password@host:5432/database.")
	}
	if e.config.ConnectTimeout == 0 {
		e.config.ConnectTimeout = postgresTimeout
	}
	e.config.RuntimeParams["application_name"] = "drawbridge"
	// A lost acknowledged write is a revoked key that lives again.
	e.config.RuntimeParams["synchronous_commit"] = "on"
	db := stdlib.OpenDB(*e.config)
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(2)
	db.SetConnMaxIdleTime(time.Minute)
	if err := db.PingContext(ctx); err != nil {
		err = fault.Wrap(errors.Join(ErrUnreachable, err), fault.Unavailable,
			"%s did not let Drawbridge in. Start the database server, or correct DATABASE_URL.", e.where())
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, db, nil
}

// follow listens for the notifications of the trigger on the table changes. The
// payload is not used: after a lost connection the versions tell what was missed.
func (e *postgresEngine) follow(ctx context.Context, _ *Store, look func(context.Context) error) error {
	conn, err := pgx.ConnectConfig(ctx, e.config)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	if _, err := conn.Exec(ctx, "LISTEN drawbridge_changes"); err != nil {
		return err
	}
	for {
		if err := look(ctx); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, postgresLook)
		_, err := conn.WaitForNotification(wait)
		timeout := wait.Err() != nil
		cancel()
		if err != nil && (!timeout || ctx.Err() != nil) {
			return err
		}
	}
}

// lock takes an advisory lock on a connection of its own and keeps watch over
// it: the server frees the lock when the connection is lost.
func (e *postgresEngine) lock(ctx context.Context, s *Store) (func(), error) {
	conn, err := e.tryLock(ctx, s)
	// The server learns a little late that a process has died.
	for start := time.Now(); errors.Is(err, ErrLocked) && time.Since(start) < lockPatience; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPatience / 10):
		}
		conn, err = e.tryLock(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	watch, stop := context.WithCancel(s.ctx)
	var watching sync.WaitGroup
	watching.Go(func() { e.keepLock(watch, s, conn) }) // ended and awaited by release
	return sync.OnceFunc(func() { stop(); watching.Wait() }), nil
}

// keepLock takes the lock again when its connection was lost. The server may
// hold it for the lost connection yet, so only after a while it is somebody else.
func (e *postgresEngine) keepLock(ctx context.Context, s *Store, conn *pgx.Conn) {
	defer func() { unlock(conn) }()
	lastHeld := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lockCheck):
		}
		if check(ctx, conn) == nil {
			lastHeld = time.Now()
			continue
		}
		closeConn(conn)
		again, err := e.tryLock(ctx, s)
		if err == nil {
			conn, lastHeld = again, time.Now()
			continue
		}
		if errors.Is(err, ErrLocked) && time.Since(lastHeld) > lockGrace {
			s.fail(err)
			return
		}
	}
}

func (e *postgresEngine) tryLock(ctx context.Context, s *Store) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, e.config)
	if err != nil {
		return nil, s.coded(err)
	}
	sum := sha256.Sum256([]byte("drawbridge serve " + s.installation))
	key := int64(binary.BigEndian.Uint64(sum[:8]))
	var got bool
	if err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&got); err == nil && !got {
		err = locked(fmt.Errorf("advisory lock: %w", ErrLocked), e.where())
	}
	if err != nil {
		closeConn(conn)
		return nil, s.coded(err)
	}
	return conn, nil
}

func check(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, lockCheck)
	defer cancel()
	return conn.Ping(ctx)
}

// unlock gives the lock back before it closes the connection: the server would
// do it too, but later than the caller believes.
func unlock(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = conn.Exec(ctx, "SELECT pg_advisory_unlock_all()") // closing does it as well
	closeConn(conn)
}

// closeConn says good-bye to the server even when the caller's context is over.
func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // nothing was left to lose
}

func (e *postgresEngine) trouble(err error) trouble {
	failure, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if _, isNet := errors.AsType[net.Error](err); isNet || pgconn.SafeToRetry(err) || isConnect(err) {
			return unreachable
		}
		return other
	}
	switch failure.Code {
	case "23505":
		return duplicate
	case "23503":
		return orphan
	case "53100", "25006", "42501": // disk full, read-only transaction, no rights
		return full
	case "55P03", "40P01", "40001", "53300": // locks, deadlock, serialization, too many connections
		return busy
	case "XX001", "XX002": // data or index corrupted
		return corrupt
	}
	switch failure.Code[:2] {
	case "08", "57": // connection, operator intervention such as a shutdown
		return unreachable
	}
	return other
}

func isConnect(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok
}
