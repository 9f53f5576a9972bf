// Package matrix_test holds the gateway to its promise that every client meets
// every backend: each revision of MCP as a client, over each transport that the
// gateway serves, times each revision as a backend, over each transport that it
// defines, times each feature.
//
// Clients are the official SDKs of each era. Backends are servers made with the
// Go SDK that speak one revision each, a fixture of our own for tasks, which that
// SDK does not have, and the official sample servers. A feature works in a cell if its
// effect was seen at the client's end and, where a fixture can tell, at the
// backend's. The page docs/reference/compatibility.md is the record.
package matrix_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/test/harness"
)

var update = flag.Bool("update", false, "write docs/reference/compatibility.md anew")

func TestMain(m *testing.M) {
	if spec := os.Getenv(fixtureVariable); spec != "" {
		os.Exit(mainFixture(spec))
	}
	harness.Main(m)
}

// settings make the gateway offer what it would not by itself: tasks of
// 2025-11-25.
var settings = map[string]any{"legacy_tasks": true}

// together is how many backends are tried at the same time.
const together = 4

func TestMatrix(t *testing.T) {
	m := &matrix{ways: doors(t), rows: backends(), seen: map[string]*square{}}
	harness.Binary(t)
	places := make(chan struct{}, together)
	t.Run("backends", func(t *testing.T) {
		for _, b := range slices.Backward(m.rows) { // the slowest are the last
			t.Run(b.revision+" "+b.transport+" "+b.program, func(t *testing.T) {
				t.Parallel()
				places <- struct{}{}
				defer func() { <-places }()
				m.row(t, b)
			})
		}
	})
	if int(m.ran.Load()) < len(m.rows) {
		t.Skip("only some of the backends were tried: the page is about all")
	}
	m.complete(t)
	if t.Failed() {
		return
	}
	record(t, m.render())
}

// matrix is what was seen.
type matrix struct {
	ways []door
	rows []*backend
	ran  atomic.Int64
	mu   sync.Mutex // guards seen
	seen map[string]*square
}

// square is what clients of one door saw of one feature of one backend.
type square struct {
	letters string // of the programs for which it works
	frozen  int    // index of the entry it is on, or -1
}

func key(d door, b *backend, f feature) string {
	return strings.Join([]string{d.String(), b.revision, b.transport, b.program, string(f)}, "|")
}

// row tries everything with one backend behind a gateway of its own.
func (m *matrix) row(t *testing.T, b *backend) {
	m.ran.Add(1)
	entries, l, lt := b.start(t)
	g := harness.ServeWith(t, settings, entries)
	flags := harness.ConfigureWith(t, settings, entries)
	met := false
	for _, d := range m.ways {
		if d.transport == overStdio && !met {
			meet(t, flags)
			met = true
		}
		for _, p := range d.programs {
			t.Run(fmt.Sprintf("%s %c", d, p.letter), func(t *testing.T) {
				m.visit(t, p, d.toward(t, g, flags), &cell{door: d, backend: b, ledger: l, tasks: lt})
			})
		}
	}
}

// meet lets a gateway see its backends once, so that the next start on the same
// state offers their tools from the first list on.
func meet(t *testing.T, flags []string) {
	t.Helper()
	args := append([]string{"tool", "list"}, flags...)
	if out, err := harness.Command(t, harness.Binary(t), args).CombinedOutput(); err != nil {
		t.Fatalf("drawbridge tool list: %v\n%s", err, out)
	}
}

// visit tries every feature with one client.
func (m *matrix) visit(t *testing.T, p *program, o opening, c *cell) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	if c.peer, c.greeting, err = p.open(ctx, t, o); err != nil {
		t.Fatalf("open: %v", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := c.do(ctx, "close", nil, nil); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	for _, f := range features {
		try := c.backend.probes[f]
		first := p == c.door.programs[0]
		if try == nil || f == tasks && !p.tasks || !first && slices.Contains(c.backend.slow, f) {
			continue
		}
		c.token = word(p, c, f)
		at := impossibleAt(f, c.door, c.backend)
		err := within(t, c, try)
		switch {
		case errors.Is(err, errHang):
			t.Fatalf("%s: %v", f, err)
		case at < 0 && err != nil:
			t.Errorf("%s: %v", f, err)
		case at >= 0 && err == nil:
			t.Errorf("%s works, although the list says that %s: take the entry off", f, frozen[at].why)
		case at >= 0 && c.ledger != nil:
			if err := within(t, c, usable); err != nil {
				t.Errorf("after %s: %v", f, err)
			}
		}
		m.note(p, c, f, at)
	}
}

// within tries something with limited patience.
func within(t *testing.T, c *cell, try probe) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return try(ctx, c)
}

// usable: what cannot work has broken nothing else.
func usable(ctx context.Context, c *cell) error {
	_, err := c.call(ctx, "echo", nil)
	return err
}

// word is a word for one attempt only, which can also be the name of a tool.
func word(p *program, c *cell, f feature) string {
	return strings.ToLower(strings.NewReplacer("-", "", "+", "", " ", "").Replace(
		fmt.Sprintf("w%c%s%s%s", p.letter, strings.TrimPrefix(c.door.revision, "20"), c.door.transport[:2], f)))
}

func (m *matrix) note(p *program, c *cell, f feature, at int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := key(c.door, c.backend, f)
	s := m.seen[k]
	if s == nil {
		s = &square{frozen: at}
		m.seen[k] = s
	}
	s.letters += string(p.letter)
}

// complete tells whether every feature was tried from every door with every
// revision over every transport, whichever program it was.
func (m *matrix) complete(t *testing.T) {
	tried := map[string]bool{}
	for _, d := range m.ways {
		for _, b := range m.rows {
			for _, f := range features {
				tried[cellOf(d, b, f)] = tried[cellOf(d, b, f)] || m.seen[key(d, b, f)] != nil
			}
		}
	}
	for cell, yes := range tried {
		if !yes && !strings.Contains(cell, r1125+" "+overSSE) { // which no revision defines
			t.Errorf("nobody tried %s", cell)
		}
	}
}

// cellOf names a cell whatever the program of the backend.
func cellOf(d door, b *backend, f feature) string {
	return fmt.Sprintf("%s, %s %s, %s", d, b.revision, b.transport, f)
}

func record(t *testing.T, page string) {
	file := filepath.Join(harness.Root(t), "docs", "reference", "compatibility.md")
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(old), page); diff != "" {
		t.Errorf("docs/reference/compatibility.md is not what was measured; if the change is meant, run make golden (-recorded +measured):\n%s", diff)
	}
}
