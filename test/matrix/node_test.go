package matrix_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"drawbridge/test/harness"
)

// node is a process of a driver script, which drives the clients of one
// TypeScript SDK for many connections at once.
type node struct {
	in     io.WriteCloser
	mu     sync.Mutex // guards what follows, and writing to in
	last   int
	wait   map[string]chan line
	failed error
}

// line is one message between a driver script and us.
type line struct {
	ID    string          `json:"id"`
	Conn  string          `json:"conn,omitempty"`
	Op    string          `json:"op,omitempty"`
	Args  any             `json:"args,omitempty"`
	OK    json.RawMessage `json:"ok,omitempty"`
	Error string          `json:"error,omitempty"`
}

// startNode runs a driver script until the test ends. The scripts find the SDKs
// among the tools, wherever those are installed.
func startNode(t testing.TB, script string) *node {
	t.Helper()
	program := harness.Tool(t, "node")
	root := harness.Root(t)
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(root, ".tools", "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{script, "lines.mjs"} {
		raw, err := os.ReadFile(filepath.Join(root, "test", "matrix", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := harness.Command(t, program, []string{filepath.Join(dir, script)})
	n := &node{wait: map[string]chan line{}}
	n.run(t, cmd)
	return n
}

func (n *node) run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.in = in
	var work sync.WaitGroup
	work.Go(func() { n.receive(out) }) // ends with the process
	t.Cleanup(func() {
		_ = in.Close() // the script ends with it
		work.Wait()
		_ = cmd.Wait()                                      // how it ended says nothing
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whatever it left behind
	})
}

// receive hands out answers until the script ends.
func (n *node) receive(out io.Reader) {
	r := bufio.NewReaderSize(out, 1<<20)
	for {
		raw, err := r.ReadBytes('\n')
		if err != nil {
			n.fail(fmt.Errorf("the driver script ended: %w", err))
			return
		}
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			n.fail(fmt.Errorf("the driver script wrote %q: %w", raw, err))
			return
		}
		n.mu.Lock()
		ch := n.wait[l.ID]
		delete(n.wait, l.ID)
		n.mu.Unlock()
		if ch != nil {
			ch <- l
		}
	}
}

func (n *node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = err
	for id, ch := range n.wait {
		delete(n.wait, id)
		close(ch)
	}
}

// ask has the script do an op and reads what it gives.
func (n *node) ask(ctx context.Context, conn, op string, args, into any) error {
	ch := make(chan line, 1)
	if err := n.write(line{Conn: conn, Op: op, Args: args}, ch); err != nil {
		return err
	}
	select {
	case l, ok := <-ch:
		switch {
		case !ok:
			return n.failed
		case l.Error != "":
			return errors.New(l.Error)
		case into == nil:
			return nil
		}
		return json.Unmarshal(l.OK, into)
	case <-ctx.Done():
		return fmt.Errorf("%w: the client is still at %s", errHang, op)
	}
}

func (n *node) write(l line, answer chan line) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failed != nil {
		return n.failed
	}
	n.last++
	l.ID = strconv.Itoa(n.last)
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	n.wait[l.ID] = answer
	_, err = n.in.Write(append(raw, '\n'))
	return err
}

// nodePeer is one connection of a driver script.
type nodePeer struct {
	*node
	conn string
}

func (p nodePeer) do(ctx context.Context, op string, args, into any) error {
	return p.ask(ctx, p.conn, op, args, into)
}
