// Package giteatest builds and runs a real Gitea 1.26.0 for tests, and records what a
// client says to it.
//
// Build takes the sources from the Go module proxy and a quarter of an hour; it needs
// a C compiler and git. What it made stays in a folder of the caller's. Only the long
// tests of the forgejo server use it; the others replay a Tape.
package giteatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Version is what is built.
const Version = "1.26.0"

const module = "code.gitea.io/gitea@v" + Version

// Build makes the program in dir, unless it is there. dir then has gitea and src,
// whose templates the program reads.
func Build(t *testing.T, dir string) {
	t.Helper()
	binary := filepath.Join(dir, "gitea")
	if _, err := os.Stat(binary); err == nil {
		return
	}
	empty, src := filepath.Join(dir, "empty"), filepath.Join(dir, "src")
	must(t, os.MkdirAll(empty, 0o755))
	must(t, os.WriteFile(filepath.Join(empty, "go.mod"), []byte("module empty\n\ngo 1.26\n"), 0o644))
	var found struct{ Dir string }
	must(t, json.Unmarshal(run(t, empty, nil, "go", "mod", "download", "-json", module), &found))
	must(t, os.RemoveAll(src))
	must(t, os.CopyFS(src, os.DirFS(found.Dir)))
	run(t, src, []string{"GOFLAGS=-mod=mod", "CGO_ENABLED=1"}, "nice", "go", "build", "-tags", "sqlite sqlite_unlock_notify",
		"-ldflags", "-X main.Version="+Version, "-o", "../gitea", ".")
}

// Server is a Gitea that runs.
type Server struct {
	URL    string
	Tokens map[string]string // of Admin and User, by name

	dir    string
	binary string
}

// The accounts there are, with the password of both.
const (
	Admin    = "ada"
	User     = "ben"
	password = "made-up-secret-9"
)

// PageCap is how many rows the server gives at most, so that few rows are many pages.
const PageCap = 3

// Start runs what Build made, on a fresh database, until the test ends.
func Start(t *testing.T, built string) *Server {
	t.Helper()
	built, err := filepath.Abs(built)
	must(t, err)
	port := freePort(t)
	s := &Server{URL: fmt.Sprintf("http://127.0.0.1:%d", port), Tokens: map[string]string{}, dir: t.TempDir(), binary: filepath.Join(built, "gitea")}
	must(t, os.WriteFile(filepath.Join(s.dir, "app.ini"), []byte(s.config(filepath.Join(built, "src"), port)), 0o600))
	s.gitea(t, "migrate")
	for _, name := range []string{Admin, User} {
		args := []string{"admin", "user", "create", "--username", name, "--password", password, "--email", name + "@example.org", "--must-change-password=false"}
		if name == Admin {
			args = append(args, "--admin")
		}
		s.gitea(t, args...)
		out := s.gitea(t, "admin", "user", "generate-access-token", "--username", name, "--token-name", "test", "--scopes", "all", "--raw")
		lines := strings.Fields(string(out))
		s.Tokens[name] = lines[len(lines)-1]
	}
	s.serve(t)
	return s
}

func (s *Server) config(src string, port int) string {
	return strings.NewReplacer("DIR", s.dir, "SRC", src, "PORT", fmt.Sprint(port), "CAP", fmt.Sprint(PageCap)).Replace(`
APP_NAME = test
WORK_PATH = DIR
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = PORT
ROOT_URL = http://127.0.0.1:PORT/
STATIC_ROOT_PATH = SRC
APP_DATA_PATH = DIR/data
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = DIR/gitea.db
[repository]
ROOT = DIR/repos
[security]
INSTALL_LOCK = true
SECRET_KEY = made-up
[indexer]
ISSUE_INDEXER_TYPE = db
[api]
MAX_RESPONSE_ITEMS = CAP
DEFAULT_PAGING_NUM = CAP
[actions]
ENABLED = true
[log]
MODE = file
LEVEL = Warn
ROOT_PATH = DIR/log
`)
}

// gitea runs a command of the program and gives what it prints.
func (s *Server) gitea(t *testing.T, args ...string) []byte {
	t.Helper()
	return run(t, s.dir, s.environ(), s.binary, append([]string{"--config", filepath.Join(s.dir, "app.ini")}, args...)...)
}

func (s *Server) environ() []string {
	return []string{"HOME=" + s.dir, "USER=root", "GITEA_WORK_DIR=" + s.dir}
}

// serve starts the server and waits for its first answer.
func (s *Server) serve(t *testing.T) {
	t.Helper()
	cmd := exec.Command(s.binary, "--config", filepath.Join(s.dir, "app.ini"), "web", "--port", s.URL[strings.LastIndexByte(s.URL, ':')+1:])
	cmd.Env = append(os.Environ(), s.environ()...)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait() // tells of the signal
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, _ := s.try(ctx, http.MethodGet, "/version", Admin, ""); status == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("Gitea did not start")
		}
	}
}

// Do sends a request of the API that no tool sends, to prepare something.
func (s *Server) Do(t *testing.T, method, path, user, body string) {
	t.Helper()
	if status, err := s.try(t.Context(), method, path, user, body); err != nil || status > 299 {
		t.Fatalf("%s %s: %d, %v", method, path, status, err)
	}
}

func (s *Server) try(ctx context.Context, method, path, user, body string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "token "+s.Tokens[user])
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func run(t *testing.T, dir string, env []string, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		var stderr []byte
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			stderr = exit.Stderr
		}
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr)
	}
	return out
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
