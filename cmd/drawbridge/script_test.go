package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"drawbridge": main})
}

// The scripts drive the program as a user's shell would: in an empty folder,
// with an empty home and without the environment of whoever runs the tests.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "scripts"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else a race build takes a second to exit
			addr, err := freeAddr()
			env.Setenv("ADDR", addr) // for a script that serves
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "becomes": becomes, "await": await, "capture": capture, "answers": answersWith, "mode": mode,
			"logged": logged, "gone": gone, "holds": holds, "lacks": lacks, "sql": statement, "token": token,
		},
	})
}

func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// exits CODE PROGRAM ARG... runs the program and wants that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// becomes CODE PROGRAM ARG... runs the program again until it ends with that exit
// code: a running gateway sees within a second what another process has changed.
func becomes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: becomes CODE PROGRAM ARG...")
	}
	until(ts, "exit code "+args[0], func(context.Context) bool {
		err := ts.Exec(args[1], args[2:]...)
		return err == nil && args[0] == "0" || err != nil && err.Error() == "exit status "+args[0]
	})
}

// awaitTime bounds how long a script waits for a server it has started.
const awaitTime = 20 * time.Second

// until tries again for a while: a server comes up, or sees within a second what
// another process has written.
func until(ts *testscript.TestScript, what string, holds func(ctx context.Context) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), awaitTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-ctx.Done():
			ts.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// await URL waits until something healthy answers there.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await URL")
	}
	until(ts, args[0], func(ctx context.Context) bool { return answers(ctx, args[0]) == nil })
}

// capture VAR FILE PATTERN sets a variable to the pattern's first group in a
// file, or in stdout.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture VAR FILE PATTERN")
	}
	m := regexp.MustCompile(args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) != 2 {
		ts.Fatalf("%s does not match %q", args[1], args[2])
	}
	ts.Setenv(args[0], m[1])
}

// answers STATUS URL [KEY] waits for that HTTP status.
func answersWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: answers STATUS URL [KEY]")
	}
	until(ts, "status "+args[0], func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[1], nil)
		ts.Check(err)
		if len(args) > 2 {
			req.Header.Set("Authorization", "Bearer "+args[2])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		ts.Check(resp.Body.Close())
		return fmt.Sprint(resp.StatusCode) == args[0]
	})
}

// mode PERMISSIONS FILE waits for a file and wants it to have them, in octal.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode PERMISSIONS FILE")
	}
	var info os.FileInfo
	until(ts, args[1], func(context.Context) (there bool) {
		var err error
		info, err = os.Stat(ts.MkAbs(args[1]))
		return err == nil
	})
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// logged FILE PATTERN waits until a file that is still being written has it.
func logged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: logged FILE PATTERN")
	}
	pattern := regexp.MustCompile(args[1])
	until(ts, args[1], func(context.Context) bool { return pattern.MatchString(ts.ReadFile(args[0])) })
}

// gone PID waits until there is no such process.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone PID")
	}
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	until(ts, "the end of process "+args[0], func(context.Context) bool { return syscall.Kill(pid, 0) != nil })
}

// sql FILE STATEMENT changes an SQLite database as an attacker would, and wants it to
// change something.
func statement(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENT")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0])) // the program's own driver
	ts.Check(err)
	result, err := db.Exec(args[1])
	ts.Check(errors.Join(err, db.Close()))
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		ts.Fatalf("%s changed nothing", args[1])
	}
}

// token VAR BASE ID SECRET sets a variable to the access token that a client gets by
// itself (client_credentials).
func token(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: token VAR BASE ID SECRET")
	}
	req, err := http.NewRequest(http.MethodPost, args[1]+"/oauth/token", strings.NewReader("grant_type=client_credentials"))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(args[2], args[3])
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	var answer struct {
		Token string `json:"access_token"`
		Text  string `json:"error_description"`
	}
	ts.Check(errors.Join(json.NewDecoder(resp.Body).Decode(&answer), resp.Body.Close()))
	if answer.Token == "" {
		ts.Fatalf("status %d: %s", resp.StatusCode, answer.Text)
	}
	ts.Setenv(args[0], answer.Token)
}

// holds URL TEXT and lacks URL TEXT wait until the page, asked for with the
// static key, does or does not have the text.
func holds(ts *testscript.TestScript, neg bool, args []string) { page(ts, neg, args, true) }
func lacks(ts *testscript.TestScript, neg bool, args []string) { page(ts, neg, args, false) }

func page(ts *testscript.TestScript, neg bool, args []string, want bool) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: holds URL TEXT")
	}
	until(ts, args[1], func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], nil)
		ts.Check(err)
		req.Header.Set("Authorization", "Bearer "+ts.Getenv("GATEWAY_STATIC_API_KEY"))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		body, err := io.ReadAll(resp.Body)
		ts.Check(errors.Join(err, resp.Body.Close()))
		return resp.StatusCode == http.StatusOK && strings.Contains(string(body), args[1]) == want
	})
}
