// Package harness starts what the outside tests are made of: the drawbridge
// binary as a user would run it, and the real MCP programs it is tested with.
//
// Everything it starts runs in a process group of its own, listens on loopback
// where the program lets us choose, writes its output to the test's log when the
// test fails, and is gone when the test ends. The programs come from `make
// tools`; where one is missing the test skips with that advice, and fails when
// CI=true.
package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a program may take until it answers.
const Patience = 30 * time.Second

var (
	scratch    = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "drawbridge-test-") })
	drawbridge = sync.OnceValues(func() (string, error) { return build(".", "./cmd/drawbridge", "drawbridge") })
	mcpbench   = sync.OnceValues(func() (string, error) { return build("bench/mcpbench", ".", "mcpbench") })
)

// Main runs a package's tests and removes the binaries they may have built. Call
// it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if dir, err := scratch(); err == nil {
		_ = os.RemoveAll(dir) // a leftover in the temporary folder hurts nobody
	}
	os.Exit(code)
}

// Root is the repository's folder.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := root()
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return "", errors.New("no go.mod above the working folder")
	}
}

func build(module, pkg, name string) (string, error) {
	dir, err := root()
	if err != nil {
		return "", err
	}
	to, err := scratch()
	if err != nil {
		return "", err
	}
	out := filepath.Join(to, name)
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Dir = filepath.Join(dir, module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, text)
	}
	return out, nil
}

// Binary is the path of the drawbridge binary, built once per test package.
func Binary(tb testing.TB) string {
	tb.Helper()
	return must(tb, drawbridge)
}

// Bench is the path of mcpbench, built once per test package.
func Bench(tb testing.TB) string {
	tb.Helper()
	return must(tb, mcpbench)
}

func must(tb testing.TB, get func() (string, error)) string {
	tb.Helper()
	out, err := get()
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// Missing ends a test that needs something this machine does not have: it skips
// with the reason, and fails when CI=true, where nothing may be missing.
func Missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format, args...)
}

// Tool is the path of a program that `make tools` installs.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	dir := filepath.Join(Root(tb), ".tools")
	for _, sub := range []string{"bin", "node_modules/.bin"} {
		file := filepath.Join(dir, sub, name)
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	Missing(tb, "%s is not installed: run make tools", name)
	return ""
}

// ToolPath is a PATH value that starts with the tools, so that the scripts among
// them run on the Node.js that was installed with them.
func ToolPath(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(Root(tb), ".tools")
	return strings.Join([]string{filepath.Join(dir, "bin"), filepath.Join(dir, "node_modules", ".bin"), os.Getenv("PATH")}, string(os.PathListSeparator))
}

// FreeAddr is a loopback address that nobody listens on at the moment.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Command prepares a program that ends with the test's context. Its environment
// is the test's with the tools first in PATH, and extra.
func Command(tb testing.TB, program string, args []string, extra ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), program, args...)
	cmd.Env = append(os.Environ(), "PATH="+ToolPath(tb))
	cmd.Env = append(cmd.Env, extra...)
	cmd.Dir = tb.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// Process is a program that runs until its test ends.
type Process struct {
	PID  int
	done chan struct{}
	out  *output
}

// Start runs cmd in the background. Its output is shown if the test fails.
func Start(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	p := &Process{done: make(chan struct{}), out: &output{}}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p.PID = cmd.Process.Pid
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // the test's end kills it: how it ended says nothing
	}()
	tb.Cleanup(func() {
		// The context is already cancelled here, so it is on its way out.
		<-p.done
		_ = syscall.Kill(-p.PID, syscall.SIGKILL) // whatever it left behind
		if tb.Failed() {
			tb.Logf("output of %s:\n%s", filepath.Base(cmd.Path), p.out)
		}
	})
	return p
}

// Output is what the program has printed up to now.
func (p *Process) Output() string { return p.out.String() }

// AwaitEnd returns when the program has ended by itself.
func (p *Process) AwaitEnd(tb testing.TB) {
	tb.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		tb.Fatalf("it did not end; output:\n%s", p.out)
	}
}

// Await returns when the program accepts connections at addr.
func (p *Process) Await(tb testing.TB, addr string) {
	tb.Helper()
	p.AwaitReady(tb, "accept connections at "+addr, func(ctx context.Context) bool {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// AwaitReady returns when ready says so; it fails the test when the program ends
// before, or after Patience.
func (p *Process) AwaitReady(tb testing.TB, what string, ready func(context.Context) bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ready(ctx) {
		select {
		case <-tick.C:
		case <-p.done:
			tb.Fatalf("it ended before it could %s; output:\n%s", what, p.out)
		case <-ctx.Done():
			tb.Fatalf("it did not %s within %s; output:\n%s", what, Patience, p.out)
		}
	}
}

// output collects what a program prints.
type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
