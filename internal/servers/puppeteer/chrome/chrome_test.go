package chrome_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/servers/puppeteer/chrome"
)

// find looks for the browser; without one the test is skipped, on a CI machine it fails.
func find(t *testing.T) string {
	t.Helper()
	path, err := chrome.Find("")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no browser; run make deps")
		}
		t.Skip("no browser; run make deps")
	}
	return path
}

// folder is a short one: the path of a socket in it has little room.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chrome")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// noneLeft waits until no process of a group is alive. A dead one that its parent
// has not yet looked at does not count.
func noneLeft(t *testing.T, group int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		left := living(t, group)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("processes are left: %v", left)
		}
		runtime.Gosched()
	}
}

func living(t *testing.T, group int) (left []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // ended in between
		}
		_, rest, _ := strings.Cut(string(raw), ") ") // after the name: state, parent, group
		if f := strings.Fields(rest); len(f) > 2 && f[0] != "Z" && f[0] != "X" && f[2] == itoa(group) {
			left = append(left, string(raw))
		}
	}
	return left
}

func start(t *testing.T, cfg chrome.Config, handle chrome.Handler) (*chrome.Browser, *bytes.Buffer) {
	t.Helper()
	cfg.Path, cfg.Folder = find(t), folder(t)
	cfg.NoSandbox = os.Geteuid() == 0
	if cfg.Proxy == "" {
		cfg.Proxy = "127.0.0.1:1"
	}
	var log bytes.Buffer
	b, err := chrome.Start(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), cfg, handle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, &log
}

func TestStartAndClose(t *testing.T) {
	t.Parallel()
	b, log := start(t, chrome.Config{}, func(string, json.RawMessage) {})
	own, pid := b.Folder(), b.Pid()
	if len(living(t, pid)) == 0 {
		t.Fatal("no process is found while the browser runs")
	}
	if err := b.Root.Call(t.Context(), "No.such", nil, nil); err == nil || !strings.Contains(err.Error(), "No.such") {
		t.Errorf("an unknown method: %v", err)
	}
	var perr *chrome.ProtocolError
	if err := b.Root.Call(t.Context(), "Target.closeTarget", map[string]string{"targetId": "x"}, nil); !errors.As(err, &perr) {
		t.Errorf("a refusal is %v", err)
	}
	b.Close()
	if err := b.Root.Call(t.Context(), "Browser.getVersion", nil, nil); !errors.Is(err, chrome.ErrGone) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := os.Stat(own); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
	noneLeft(t, pid)
	if !strings.Contains(log.String(), "browser ended") {
		t.Errorf("log: %s", log)
	}
}

// The gateway's environment holds secrets, and a page must not find a port.
func TestStartsBare(t *testing.T) {
	t.Setenv("DRAWBRIDGE_TEST_SECRET", "canary-91c2")
	b, _ := start(t, chrome.Config{}, func(string, json.RawMessage) {})
	env, err := os.ReadFile("/proc/" + itoa(b.Pid()) + "/environ")
	if err != nil {
		t.Fatalf("this test needs procfs: %v", err)
	}
	if bytes.Contains(env, []byte("canary")) || !bytes.Contains(env, []byte("HOME="+b.Folder())) {
		t.Errorf("environment: %q", env)
	}
	cmd, err := os.ReadFile("/proc/" + itoa(b.Pid()) + "/cmdline")
	if err != nil || bytes.Contains(cmd, []byte("debugging-port")) || !bytes.Contains(cmd, []byte("proxy-bypass-list=<-loopback>")) {
		t.Errorf("command line: %q, %v", cmd, err)
	}
}

func itoa(n int) string { raw, _ := json.Marshal(n); return string(raw) }

func TestCrash(t *testing.T) {
	t.Parallel()
	b, _ := start(t, chrome.Config{}, func(string, json.RawMessage) {})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	b.Root.Send("Browser.crash", nil)
	select {
	case <-b.Done():
	case <-ctx.Done():
		t.Fatal("the end of the process was not noticed")
	}
	if err := b.Root.Call(ctx, "Browser.getVersion", nil, nil); !errors.Is(err, chrome.ErrGone) {
		t.Errorf("after the crash: %v", err)
	}
	noneLeft(t, b.Pid())
}

// A target's events come in order and none is missed; its calls end with it.
func TestSessions(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var b *chrome.Browser
	type tab struct {
		target  string
		session *chrome.Session
	}
	attached := make(chan tab, 16) // a browser may open tabs of its own, in any order with ours
	var events []string
	seen := make(chan struct{}, 1) // an event more
	ready := make(chan struct{})
	handle := func(method string, params json.RawMessage) {
		<-ready
		var at struct {
			SessionID  string
			TargetInfo struct{ TargetID string }
		}
		_ = json.Unmarshal(params, &at)
		switch method {
		case "Target.attachedToTarget":
			attached <- tab{at.TargetInfo.TargetID, b.Session(at.SessionID, func(method string, _ json.RawMessage) {
				mu.Lock()
				defer mu.Unlock()
				events = append(events, method)
				select {
				case seen <- struct{}{}:
				default:
				}
			})}
		case "Target.detachedFromTarget":
			b.Detached(at.SessionID)
		}
	}
	b, _ = start(t, chrome.Config{}, handle)
	close(ready)
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	must := func(s *chrome.Session, method string, params, result any) {
		t.Helper()
		if err := s.Call(ctx, method, params, result); err != nil {
			t.Fatal(err)
		}
	}
	type m = map[string]any
	must(b.Root, "Target.setAutoAttach", m{"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true, "filter": []m{{"type": "page"}, {"exclude": true}}}, nil)
	var made struct{ TargetID string }
	must(b.Root, "Target.createTarget", m{"url": "about:blank"}, &made)
	var ours tab
	for ours.target != made.TargetID {
		select {
		case ours = <-attached:
		case <-ctx.Done():
			t.Fatal("nothing told of the new tab")
		}
	}
	s := ours.session
	must(s, "Page.enable", nil, nil)
	must(s, "Runtime.runIfWaitingForDebugger", nil, nil)
	for range 3 {
		must(s, "Page.navigate", m{"url": "about:blank"}, nil)
	}
	for loaded := false; !loaded; { // Chromium forgets to close a tab that is about to show another page
		select {
		case <-seen:
		case <-ctx.Done():
			t.Fatalf("the page did not come to rest: %v", events)
		}
		mu.Lock()
		loaded = strings.Count(strings.Join(events, " "), "Page.frameNavigated") >= 3 && events[len(events)-1] == "Page.frameStoppedLoading"
		mu.Unlock()
	}
	hang := s.Begin("Runtime.evaluate", m{"expression": "new Promise(() => {})", "awaitPromise": true})
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Call(short, "Runtime.evaluate", m{"expression": "new Promise(() => {})", "awaitPromise": true}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call beyond its time: %v", err)
	}
	must(b.Root, "Target.closeTarget", m{"targetId": made.TargetID}, nil)
	if err := hang.Wait(ctx, nil); err == nil || ctx.Err() != nil {
		t.Fatalf("a call whose target is gone ended with %v", err)
	}
	<-s.Gone()
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(strings.Join(events, " "), "Page.frameNavigated"); n != 3 {
		t.Errorf("%d of 3 navigations were seen: %v", n, events)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	if _, err := chrome.Find("/no/such/browser"); err == nil {
		t.Error("a path that leads nowhere was taken")
	}
	cfg := chrome.Config{Path: "/bin/false", Proxy: "127.0.0.1:1", Folder: t.TempDir()}
	if _, err := chrome.Start(t.Context(), slog.New(slog.DiscardHandler), cfg, func(string, json.RawMessage) {}); err == nil {
		t.Error("a program that is no browser was started")
	}
	if left, _ := os.ReadDir(cfg.Folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
