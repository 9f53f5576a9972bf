package kittest

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Peer is a real MCP server of another author, spoken to over stdio.
type Peer struct {
	in  io.WriteCloser
	out chan map[string]any // answers, in order; closed when it ends
	id  int
}

// StartPeer starts one of the programs that `make tools` installs. Where it is
// missing the test is skipped, on a CI machine it fails.
func StartPeer(t *testing.T, bin string, env ...string) *Peer {
	t.Helper()
	path := findTool(t, bin)
	cmd := exec.Command("node", path)
	cmd.Env = append(os.Environ(), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Peer{in: in, out: make(chan map[string]any, 16)}
	go p.read(stdout) // ends with the process
	t.Cleanup(func() {
		_ = in.Close() // the peer ends with its input; if it does not it is told, so that it ends what it started
		told := time.AfterFunc(2*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		for range p.out { // until its output ends
		}
		_ = cmd.Wait()
		told.Stop()
		timer.Stop()
	})
	p.Serve(t, "initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"kittest","version":"1"}}`)
	p.write(t, map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"})
	return p
}

// findTool looks for an npm program in .tools of the repository.
func findTool(t *testing.T, bin string) string {
	t.Helper()
	missing := func(why string) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s; run make tools", why)
		}
		t.Skipf("%s; run make tools to compare with the original", why)
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing("node is not installed")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the tests do not run inside the repository")
		}
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(dir, ".tools", "node_modules", ".bin", bin)
	if _, err := os.Stat(path); err != nil {
		missing("the npm program " + bin + " is not installed")
	}
	return path
}

func (p *Peer) read(r io.Reader) {
	defer close(p.out)
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var m map[string]any
		if json.Unmarshal(line, &m) == nil && m["id"] != nil {
			p.out <- m
		}
	}
}

func (p *Peer) write(t *testing.T, m any) {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		t.Fatalf("write to the peer: %v", err)
	}
}

// Serve sends a request and waits for its answer: the result, or {"error":
// {"code"}} where it is one.
func (p *Peer) Serve(t *testing.T, method, params string) map[string]any {
	t.Helper()
	p.id++
	m := map[string]any{"jsonrpc": "2.0", "id": p.id, "method": method}
	if params != "" {
		m["params"] = json.RawMessage(params)
	}
	p.write(t, m)
	select {
	case answer, ok := <-p.out:
		if !ok {
			t.Fatalf("%s %s: the peer ended", method, params)
		}
		if e, ok := answer["error"].(map[string]any); ok {
			return map[string]any{"error": map[string]any{"code": e["code"]}}
		}
		return answer["result"].(map[string]any)
	case <-time.After(20 * time.Second):
		t.Fatalf("%s %s: no answer from the peer", method, params)
	}
	return nil
}
