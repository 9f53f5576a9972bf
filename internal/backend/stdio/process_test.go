package stdio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/backend/stdio"
	"drawbridge/internal/mcpwire"
)

// rounds is how often a cycle runs: as often as the project promises, or a few
// times with -short.
func rounds(few, all int) int {
	if testing.Short() {
		return few
	}
	return all
}

// spawned makes the server start two processes, one of which leaves its group.
func spawned(t *testing.T, p backend.Peer) []int {
	t.Helper()
	out := call(t, p, "spawn", `{}`)
	var r struct{ Pids []int }
	if err := json.Unmarshal(out.Result.Bytes, &r); err != nil || len(r.Pids) != 2 {
		t.Fatalf("spawn: %v in %+v", err, out)
	}
	for _, pid := range r.Pids {
		if !runs(pid) {
			t.Fatalf("process %d does not run", pid)
		}
	}
	return r.Pids
}

// runs tells a process that is there and not only waits for its parent.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(after, []byte("Z"))
}

// ends waits for a process that was sent SIGKILL: the kernel takes its time.
func ends(t *testing.T, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("end of process %d", pid), func() bool { return !runs(pid) })
}

// eventually waits for what another process or the kernel does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 10_000 {
		if done() {
			return
		}
		<-tick.C
	}
	t.Errorf("waited in vain for: %s", what)
}

func needsProc(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("looks at processes in /proc, which only Linux has")
	}
}

func TestClose_leavesNothing(t *testing.T) {
	t.Parallel()
	needsProc(t)
	for _, mode := range []string{"", "stubborn"} {
		t.Run("mode "+mode, func(t *testing.T) {
			t.Parallel()
			grace := stdio.Grace{EOF: 300 * time.Millisecond, Term: 100 * time.Millisecond}
			p := dial(t, dialer(t, "2025-11-25", mode, func(c *stdio.Config) { c.Grace = grace }))
			pids := append(spawned(t, p), stateOf(t, p).Pid)
			before := time.Now()
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			took := time.Since(before)
			if stubborn := took >= grace.EOF+grace.Term; stubborn != (mode == "stubborn") {
				t.Errorf("closing took %s", took)
			}
			for _, pid := range pids {
				ends(t, pid)
			}
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", pids[2])); err == nil {
				t.Error("the process was not reaped")
			}
		})
	}
}

func TestClose_inAHurry(t *testing.T) {
	t.Parallel()
	needsProc(t)
	p := dial(t, dialer(t, "2025-11-25", "stubborn", func(c *stdio.Config) { c.Grace = stdio.Grace{EOF: time.Hour, Term: time.Hour} }))
	pid := stateOf(t, p).Pid
	hung := make(chan mcpwire.Outcome, 1)
	req := request(t, mcpwire.Rev20251125, "hang", `{}`, `{}`)
	go func() { hung <- p.Serve(t.Context(), req, &sink{}) }()
	stateOf(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if out := <-hung; out.Kind != mcpwire.Failed || out.Err.Message != "it is being stopped" {
		t.Errorf("the call in flight got %+v", out)
	}
	ends(t, pid)
}

func TestDeath_leavesNothing(t *testing.T) {
	t.Parallel()
	needsProc(t)
	p := dial(t, dialer(t, "2025-11-25", ""))
	pids := spawned(t, p)
	if err := syscall.Kill(stateOf(t, p).Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	<-p.Lost() // although a grandchild holds the pipe
	if d := time.Since(before); d > 3*time.Second {
		t.Errorf("the loss showed after %s", d)
	}
	for _, pid := range pids {
		ends(t, pid)
	}
}

// usage is what must not grow. Not for parallel tests.
func usage(t *testing.T) (goroutines, descriptors int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return runtime.NumGoroutine(), len(fds)
}

// children are the processes that we have started and that still run.
func children(t *testing.T) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range stats {
		raw, err := os.ReadFile(s)
		if err != nil {
			continue
		}
		_, after, _ := bytes.Cut(raw, []byte(") "))
		if f := strings.Fields(string(after)); len(f) > 1 && f[1] == fmt.Sprint(os.Getpid()) {
			n++
		}
	}
	return n
}

func TestCycles_startAndStop(t *testing.T) { // not parallel: it counts what the whole test process holds
	needsProc(t)
	d := dialer(t, "2025-11-25", "")
	var goroutines, descriptors int
	for i := range rounds(10, 200) {
		p, err := d.Dial(t.Context(), backend.Hello{})
		if err != nil {
			t.Fatal(err)
		}
		if out := call(t, p, "echo", `{}`); out.Kind != mcpwire.Complete {
			t.Fatalf("got %+v", out)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == 2 { // by then the runtime has what it keeps
			goroutines, descriptors = usage(t)
		}
	}
	g, fd := usage(t)
	if g > goroutines+3 || fd > descriptors+2 {
		t.Errorf("from %d to %d goroutines, from %d to %d descriptors", goroutines, g, descriptors, fd)
	}
	if n := children(t); n != 0 {
		t.Errorf("%d children are left", n)
	}
}

// states tells of changes of state.
type states struct{ changed chan struct{} }

func (s states) ListsChanged(string, backend.ListSet)           {}
func (s states) ResourceUpdated(string, string, string, []byte) {}
func (s states) Log(string, string, mcpwire.Notification)       {}
func (s states) Ask(context.Context, string, string, string, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}

func (s states) StateChanged(string) {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func TestCycles_kill(t *testing.T) { // not parallel: it counts what the whole test process holds
	needsProc(t)
	g0, fd0 := usage(t)
	victim, good := states{make(chan struct{}, 1)}, states{make(chan struct{}, 1)}
	log := slog.New(slog.DiscardHandler)
	a := backend.New(log, backend.Config{Name: "victim", Transport: backend.Stdio}, dialer(t, "2025-11-25", ""), victim)
	b := backend.New(log, backend.Config{Name: "good", Transport: backend.Stdio}, dialer(t, "2026-07-28", ""), good)
	a.Start(t.Context())
	b.Start(t.Context())
	ctx := account.WithPrincipal(t.Context(), account.Local())
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				t.Logf("%d calls of the other backend succeeded", n)
				return
			default:
			}
			canary := fmt.Sprintf("canary-%d", n)
			out := b.Serve(ctx, request(t, mcpwire.Rev20251125, "echo", `{"text":"`+canary+`"}`, `{}`), &sink{})
			if !strings.Contains(string(out.Result.Bytes), canary) {
				t.Errorf("a call of the other backend got %+v %s", out, out.Result.Bytes)
				return
			}
		}
	})
	seen := map[int]bool{}
	for range rounds(3, 50) {
		pid := alivePid(ctx, t, a, victim)
		if seen[pid] {
			t.Fatalf("process %d was killed before", pid)
		}
		seen[pid] = true
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	alivePid(ctx, t, a, victim)
	if s := a.Status(); s.Restarts != int64(len(seen)) {
		t.Errorf("status = %+v after %d kills", s, len(seen))
	}
	close(stop)
	others.Wait()
	a.Stop(t.Context())
	b.Stop(t.Context())
	if g, fd := usage(t); g > g0+3 || fd > fd0+6 {
		t.Errorf("from %d to %d goroutines, from %d to %d descriptors", g0, g, fd0, fd)
	}
	if n := children(t); n != 0 {
		t.Errorf("%d children are left", n)
	}
}

// alivePid calls until the backend answers; every answer in between must be at once.
func alivePid(ctx context.Context, t *testing.T, b *backend.Backend, s states) int {
	t.Helper()
	give := time.NewTimer(30 * time.Second)
	defer give.Stop()
	for {
		out := b.Serve(ctx, request(t, mcpwire.Rev20251125, "state", `{}`, `{}`), &sink{})
		var st state
		if err := json.Unmarshal(out.Result.Bytes, &st); err != nil {
			t.Fatalf("%v in %+v", err, out)
		}
		if st.Pid != 0 {
			return st.Pid
		}
		select {
		case <-s.changed:
		case <-give.C:
			t.Fatalf("the backend does not come back: %+v", b.Status())
		}
	}
}
