package gatewaytest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
)

// program is the real binary at work.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	base string
	dir  string // of its configuration; its state is below
	done chan struct{}
	said *locked // standard error
}

// locked is a buffer that is written and read at the same time.
type locked struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// launch starts the binary with a configuration, in dir, and does not wait.
func launch(t *testing.T, binary, dir, text string) *program {
	t.Helper()
	file := filepath.Join(dir, "drawbridge.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close() // it was only to find a free port
	p := &program{t: t, base: "http://" + addr, dir: dir, done: make(chan struct{}), said: &locked{}}
	p.cmd = exec.Command(binary, "serve", "--config", file, "--listen", addr, "--state-dir", filepath.Join(dir, "state"))
	p.cmd.Env = []string{"GATEWAY_STATIC_API_KEY=" + gatewaytest.Key, "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	p.cmd.Stderr = p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the program
		defer close(p.done)
		_ = p.cmd.Wait() // ProcessState has the result
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // most have ended before
		<-p.done
		if t.Failed() {
			t.Logf("it said:\n%s", p.said)
		}
	})
	return p
}

// start launches and waits until the tools are listed.
func start(t *testing.T, binary, dir, text string, tools ...string) *program {
	t.Helper()
	p := launch(t, binary, dir, text)
	p.wait("it to serve", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	c := p.dial(gatewaytest.R2026)
	p.wait("its tools", func() bool {
		list := c.Call("tools/list", "").Result()
		for _, tool := range tools {
			if !strings.Contains(list, `"name":"`+tool+`"`) {
				return false
			}
		}
		return true
	})
	return p
}

func (p *program) dial(revision string) *gatewaytest.Client {
	p.t.Helper()
	return gatewaytest.Dial(p.t, p.base, gatewaytest.Key, revision)
}

func (p *program) wait(what string, f func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !f() {
		select {
		case <-p.done:
			p.t.Fatalf("it ended while waiting for %s", what)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("waited too long for %s", what)
		}
	}
}

// signal sends one and returns at once.
func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

// code waits for the end and returns the exit code.
func (p *program) code(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		p.t.Fatalf("it did not end within %s", within)
	}
	return p.cmd.ProcessState.ExitCode()
}

// What needs a process: signals, orphans, memory, databases.
func TestProcess(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "drawbridge")
	build := exec.Command("go", "build", "-o", binary, "drawbridge/cmd/drawbridge")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Run("drains", func(t *testing.T) { t.Parallel(); drains(t, binary) })
	t.Run("second signal", func(t *testing.T) { t.Parallel(); secondSignal(t, binary) })
	t.Run("killed", func(t *testing.T) { t.Parallel(); leavesNoChild(t, binary) })
	t.Run("database", func(t *testing.T) { t.Parallel(); refusesDatabases(t, binary) })
	t.Run("memory", func(t *testing.T) { t.Parallel(); boundsMemory(t, binary) })
}

// drains sends SIGTERM while 50 calls of 3 to 5 seconds run, of all revisions and
// transports: all finish, streams end in order, children are gone.
func drains(t *testing.T, binary string) {
	mark := fmt.Sprintf("drains%d", os.Getpid())
	legacy, modern, old := gatewaytest.NewFake("l", gatewaytest.R1125), gatewaytest.NewFake("m", gatewaytest.R2026), gatewaytest.NewFake("s", gatewaytest.R2024)
	pipe, newPipe := gatewaytest.NewRogue(mark, gatewaytest.R1125), gatewaytest.NewRogue(mark, gatewaytest.R2026)
	p := start(t, binary, t.TempDir(), fmt.Sprintf(`{"mcpServers":{"l":{"url":%q},"m":{"url":%q},"s":{"url":%q,"type":"sse"},"p":{%s,"concurrency":16},"q":{%s,"concurrency":16}}}`,
		legacy.HTTP(t), modern.HTTP(t), old.HTTPSSE(t), pipe.Stdio(t), newPipe.Stdio(t)), "l_slow", "m_slow", "s_slow", "p_slow", "q_slow")
	streams := []chan error{whole(t, p, "GET", headers{"Mcp-Session-Id", p.dial(gatewaytest.R1125).Session}, ""),
		whole(t, p, "POST", modernHeaders("subscriptions/listen", ""), modernBody("subscriptions/listen", `"notifications":{"toolsListChanged":true}`))}

	const calls = 50
	var running sync.WaitGroup
	revisions := []string{gatewaytest.R2024, gatewaytest.R0326, gatewaytest.R0618, gatewaytest.R1125, gatewaytest.R2026}
	var clients [calls]*gatewaytest.Client // all before the first call, which must still run when the last begins
	for i := range clients {
		clients[i] = p.dial(revisions[i%5])
	}
	for i, c := range clients {
		backend := string("lmspq"[i/5%5])
		running.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			a := c.CallContext(ctx, "tools/call", fmt.Sprintf(`{"name":"%s_slow","arguments":{"ms":%d}}`, backend, 3000+40*i))
			if !strings.Contains(a.Result(), `"text":"slow"`) {
				t.Errorf("call %d of %s, %s client: %d %q", i, backend, revisions[i%5], a.Status, a.Message)
			}
		})
	}
	p.wait("the calls to run", func() bool { return callsAt(t, p.base) == calls })
	p.signal(syscall.SIGTERM)
	running.Wait()
	for _, s := range streams {
		if err := <-s; err != nil {
			t.Errorf("a stream ended with %v", err)
		}
	}
	if code := p.code(15 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left := processes(t, mark); len(left) != 0 {
		t.Errorf("processes %v are left", left)
	}
}

// whole reads a stream to its end and tells how that came.
func whole(t *testing.T, p *program, method string, h headers, body string) chan error {
	t.Helper()
	res := send(t, p.base, method, "/mcp", h, body)
	ended := make(chan error, 1)
	go func() { // ends with the stream
		defer res.Body.Close()
		_, err := io.Copy(io.Discard, res.Body)
		ended <- err
	}()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("stream: %d", res.StatusCode)
	}
	return ended
}

// secondSignal sends SIGTERM twice while calls run that take long: they are not
// waited for, but their callers are told so, and children are gone all the same.
func secondSignal(t *testing.T, binary string) {
	mark := fmt.Sprintf("second%d", os.Getpid())
	modern, old, pipe := gatewaytest.NewFake("m", gatewaytest.R2026), gatewaytest.NewFake("l", gatewaytest.R1125), gatewaytest.NewRogue(mark, gatewaytest.R1125)
	p := start(t, binary, t.TempDir(), fmt.Sprintf(`{"mcpServers":{"m":{"url":%q},"l":{"url":%q},"p":{%s}}}`,
		modern.HTTP(t), old.HTTP(t), pipe.Stdio(t)), "m_slow", "l_slow", "p_slow")
	var running sync.WaitGroup
	calls := 0
	for _, backend := range []string{"m", "l", "p"} {
		for _, revision := range []string{gatewaytest.R2024, gatewaytest.R1125, gatewaytest.R2026} {
			c := p.dial(revision)
			calls++
			running.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				a := c.CallContext(ctx, "tools/call", fmt.Sprintf(`{"name":"%s_slow","arguments":{"ms":60000}}`, backend))
				if said := a.Result(); !strings.Contains(said, fmt.Sprintf(`Backend \"%s\" gave no answer: `, backend)) || !strings.Contains(said, "is being stopped. It is unknown") {
					t.Errorf("%s of a %s client: %q", backend, revision, a.Message)
				}
			})
		}
	}
	p.wait("the calls to run", func() bool { return callsAt(t, p.base) == calls })
	p.signal(syscall.SIGTERM)
	p.wait("it to stop", func() bool { return strings.Contains(p.said.String(), "calls in flight may finish") })
	select {
	case <-p.done:
		t.Fatal("it did not wait for the calls")
	case <-time.After(300 * time.Millisecond):
	}
	again := time.Now()
	p.signal(syscall.SIGTERM)
	if code, took := p.code(20*time.Second), time.Since(again); code != 0 || took > 4*time.Second {
		t.Errorf("exit code %d after %s", code, took)
	}
	running.Wait()
	if left := processes(t, mark); len(left) != 0 {
		t.Errorf("processes %v are left", left)
	}
}

// leavesNoChild kills the gateway itself.
func leavesNoChild(t *testing.T, binary string) {
	mark := fmt.Sprintf("orphan%d", os.Getpid())
	pipe := gatewaytest.NewRogue(mark, gatewaytest.R1125)
	dir := t.TempDir()
	text := fmt.Sprintf(`{"mcpServers":{"p":{%s}}}`, pipe.Stdio(t))
	p := start(t, binary, dir, text, "p_echo")
	if len(processes(t, mark)) != 1 {
		t.Fatal("the backend is not found")
	}
	p.signal(syscall.SIGKILL)
	p.code(10 * time.Second)
	// It is a child of nobody here who could wait for it.
	if !gatewaytest.Poll(10*time.Second, func() bool { return len(processes(t, mark)) == 0 }) {
		t.Fatal("its child lives on")
	}
	// Nothing is in the way of the next start.
	p = start(t, binary, dir, text, "p_echo")
	p.signal(syscall.SIGTERM)
	if code := p.code(15 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// refusesDatabases starts on a state whose database was damaged, cut off, or is
// missing: it says so, ends with 1 and leaves the file as it is.
func refusesDatabases(t *testing.T, binary string) {
	for name, spoil := range map[string]func(t *testing.T, file string){
		"missing": func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
		"another file": func(t *testing.T, file string) { write(t, file, []byte(strings.Repeat("not a database ", 1000))) },
		"empty":        func(t *testing.T, file string) { write(t, file, nil) },
		"damaged": func(t *testing.T, file string) {
			b := read(t, file)
			for i := 4096; i < len(b); i += 2 {
				b[i] ^= 0xff
			}
			write(t, file, b)
		},
		"cut off": func(t *testing.T, file string) {
			b := read(t, file)
			write(t, file, b[:len(b)/2])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := start(t, binary, dir, `{}`)
			p.signal(syscall.SIGTERM)
			if code := p.code(15 * time.Second); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			files, err := filepath.Glob(filepath.Join(dir, "state", "*.db"))
			if err != nil || len(files) != 1 {
				t.Fatalf("databases %v", files)
			}
			spoil(t, files[0])
			before, _ := os.ReadFile(files[0])
			p = launch(t, binary, dir, `{}`)
			code := p.code(20 * time.Second)
			after, _ := os.ReadFile(files[0])
			said := p.said.String()
			if code != 1 || !strings.Contains(said, "drawbridge: ") || strings.Contains(said, "goroutine ") {
				t.Errorf("exit code %d; it said %s", code, said)
			}
			if !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			t.Logf("it said %s", said)
		})
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// boundsMemory lets backends pour out more than the gateway could hold.
func boundsMemory(t *testing.T, binary string) {
	legacy, modern := gatewaytest.NewRogue("l", gatewaytest.R1125), gatewaytest.NewRogue("m", gatewaytest.R2026)
	pipe := gatewaytest.NewRogue("p", gatewaytest.R1125)
	p := start(t, binary, t.TempDir(), fmt.Sprintf(`{"limits":{"answer_event":"8MiB"},"mcpServers":{"l":{"url":%q},"m":{"url":%q},"p":{%s}}}`,
		legacy.HTTP(t), modern.HTTP(t), pipe.Stdio(t)), "l_bad", "m_bad", "p_bad")
	c := p.dial(gatewaytest.R1125)
	for _, backend := range []string{"l", "m", "p"} {
		c.Call("tools/call", `{"name":"`+backend+`_echo","arguments":{"text":"x"}}`)
	}
	before := p.peak()
	for _, tt := range []struct{ backend, how, told string }{
		{"l", "endless:1024", "its answer is larger than 8 MiB"}, {"m", "endless:1024", "its answer is larger than 8 MiB"},
		{"l", "gzip", "its answer is not acceptable HTTP"},
		{"p", "line:1024", "it sent a line that is too long"}, {"p", "stderr:100", `"text":"well"`},
		{"l", "flood:200000+", `"text":"well"`}, {"p", "flood:200000", `"text":"well"`},
	} {
		start := time.Now()
		a := c.Call("tools/call", fmt.Sprintf(`{"name":"%s_bad","arguments":{"how":%q}}`, tt.backend, tt.how))
		for deadline := time.Now().Add(10 * time.Second); strings.Contains(a.Result(), "Nothing was run") && time.Now().Before(deadline); {
			a = c.Call("tools/call", fmt.Sprintf(`{"name":"%s_bad","arguments":{"how":%q}}`, tt.backend, tt.how))
		}
		if !strings.Contains(a.Result(), tt.told) {
			t.Errorf("%s of %s: %d %.300s", tt.how, tt.backend, a.Status, a.Message)
		}
		t.Logf("%s of %s took %s, peak %d KiB", tt.how, tt.backend, time.Since(start), p.peak()>>10)
	}
	if grown := p.peak() - before; grown > 200<<20 {
		t.Errorf("it grew by %d MiB", grown>>20)
	}
}

// peak is the most memory that the program has held at once.
func (p *program) peak() (bytes int) {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skipf("this needs a /proc file system: %v", err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscanf(after, "%d kB", &bytes); err != nil {
		p.t.Fatal(err)
	}
	return bytes << 10
}
