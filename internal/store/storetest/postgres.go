package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// errNoPostgres means that the binaries are not on this machine.
var errNoPostgres = errors.New("no PostgreSQL server binaries (initdb, postgres) in PATH or /usr/lib/postgresql: install the package postgresql")

// cluster is the one PostgreSQL of a test binary. It outlives the test that
// started it, and ends with the process; see supervise.
var cluster = sync.OnceValues(startCluster)

var databases atomic.Int64

// Postgres makes a fresh database in the test binary's private cluster and
// returns its URL. Without the binaries the test is skipped; with CI=true in
// the environment it fails.
func Postgres(t testing.TB) string {
	t.Helper()
	dir, err := cluster()
	if errors.Is(err, errNoPostgres) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := execute(t.Context(), dir, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), dir, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return clusterURL(dir, name)
}

func clusterURL(dir, database string) string {
	return "postgres:///" + database + "?user=drawbridge&host=" + dir
}

func execute(ctx context.Context, dir, statement string) error {
	conn, err := pgx.Connect(ctx, clusterURL(dir, "postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// startCluster makes a cluster in a directory of its own, which also has its
// socket: nothing listens on the network.
func startCluster() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	owner, err := unprivileged()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("/tmp", "pgtest") // short: a socket's path may have 107 bytes
	if err != nil {
		return "", err
	}
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return "", err
		}
	}
	initdb := command(owner, dir, filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "drawbridge",
		"--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := supervise(owner, bin, dir); err != nil {
		return "", err
	}
	return dir, awaitCluster(dir)
}

// supervise starts the server under a shell that holds a pipe from this
// process. When this process ends, in whichever way, the pipe closes, and the
// shell stops the server and removes the directory.
func supervise(owner *syscall.Credential, bin, dir string) error {
	const script = `"$1" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=200 -c fsync=off \
		-c shared_buffers=16MB >"$2/log" 2>&1 &
	pid=$!; read -r _; kill -INT $pid; wait $pid; rm -rf "$2"`
	shell := command(owner, dir, "/bin/sh", "-c", script, "sh", filepath.Join(bin, "postgres"), dir)
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	shell.Stdin = read
	shell.SysProcAttr.Setpgid = true // an interrupt of the tests must not reach it first
	if err := shell.Start(); err != nil {
		return err
	}
	keepOpen = write
	return read.Close()
}

// keepOpen keeps the pipe from being closed by the garbage collector.
var keepOpen *os.File //nolint:unused // it is only held

func awaitCluster(dir string) error {
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := execute(context.Background(), dir, "SELECT 1")
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return fmt.Errorf("server did not come up: %w: %s", err, log)
		}
		time.Sleep(20 * time.Millisecond) // the server gives no signal when it is ready
	}
}

// binaries finds the directory of initdb and postgres.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the newest sorts last
	if path, err := exec.LookPath("postgres"); err == nil {
		found = append([]string{path}, found...)
	}
	for _, path := range slices.Backward(found) {
		dir := filepath.Dir(path)
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errNoPostgres
}

// unprivileged is the user for the server when the tests run as root, which
// PostgreSQL refuses; nil otherwise.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("the tests run as root and there is no user postgres or nobody for the server")
}

func command(owner *syscall.Credential, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	return cmd
}
