package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/audit"
	"drawbridge/internal/fault"
)

var installation = bytes.Repeat([]byte{7}, 32)

// memory is a log and archive in memory that can fail, before or after it has
// written.
type memory struct {
	mu     sync.Mutex // guards the rest
	chains []*chain
	before error // fail and write nothing
	after  error // write, and fail all the same
	cut    error // fail to remove rows
	gate   chan struct{}
}

type chain struct {
	account.Chain
	rows []account.ChainedRecord
}

func (m *memory) find(id string) *chain {
	for _, c := range m.chains {
		if c.ID == id {
			return c
		}
	}
	return nil
}

func (m *memory) OpenAuditChain(_ context.Context, c account.Chain) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before == nil {
		m.chains = append(m.chains, &chain{Chain: c})
	}
	return m.before
}

func (m *memory) AppendAudit(_ context.Context, id string, after int64, rows []account.ChainedRecord, head account.ChainEnd) error {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		return m.before
	}
	c := m.find(id)
	if c == nil || c.Head.Seq != after {
		return fault.New(fault.Conflict, "not the head")
	}
	c.rows, c.Head = append(c.rows, rows...), head
	return m.after
}

func (m *memory) AuditHead(_ context.Context, id string) (account.ChainEnd, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		return account.ChainEnd{}, m.before
	}
	if c := m.find(id); c != nil {
		return c.Head, nil
	}
	return account.ChainEnd{}, fault.New(fault.NotFound, "no chain")
}

func (m *memory) AuditChains(context.Context) (list []account.Chain, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.chains {
		list = append(list, c.Chain)
	}
	return list, nil
}

func (m *memory) WalkAudit(_ context.Context, chains func([]account.Chain) error, row func(string, account.ChainedRecord) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []account.Chain
	for _, c := range m.chains {
		list = append(list, c.Chain)
	}
	if err := chains(list); err != nil {
		return err
	}
	for _, c := range m.chains {
		for _, r := range c.rows {
			if err := row(c.ID, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) AuditCut(_ context.Context, id string, before time.Time) (seq int64, hash [32]byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.find(id).rows {
		if !r.Time.Before(before) {
			break
		}
		seq, hash = r.Seq, r.Hash
	}
	return seq, hash, nil
}

func (m *memory) CutAudit(_ context.Context, id string, base account.ChainEnd) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cut != nil {
		return 0, m.cut
	}
	c := m.find(id)
	n := base.Seq - c.Base.Seq
	c.rows, c.Base = c.rows[n:], base
	return n, nil
}

// set changes how the log fails.
func (m *memory) set(before, after error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before, m.after = before, after
}

// cutFails changes whether rows can be removed.
func (m *memory) cutFails(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = err
}

// targets are the targets of all rows, with their outcome unless it is ok.
func (m *memory) targets() (list []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.chains {
		for _, r := range c.rows {
			name := r.Target
			if r.Outcome != account.Succeeded {
				name += " " + string(r.Outcome)
			}
			if r.Ref != 0 {
				name += fmt.Sprint(" ", r.Ref)
			}
			list = append(list, name)
		}
	}
	return list
}

func start(t *testing.T, log audit.Log, slots int) *audit.Recorder {
	t.Helper()
	r, err := audit.New(slog.New(slog.DiscardHandler), log, installation, audit.Config{Slots: slots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

func call(target string) audit.Record {
	return audit.Record{User: "anna", Credential: "key_1", Backend: "b", Method: "tools/call", Target: target,
		Decision: account.Allowed, Outcome: account.Succeeded, Duration: 1500 * time.Nanosecond}
}

func sound(t *testing.T, archive audit.Archive, want audit.Report) {
	t.Helper()
	got, err := audit.Verify(t.Context(), archive, installation)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("verify: %v %s", err, diff)
	}
}

func expect(t *testing.T, m *memory, when string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, m.targets()); diff != "" {
		t.Errorf("%s: %s", when, diff)
	}
}

func TestCall_isWrittenWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := start(t, m, 16)
		r.Call(call("a"))
		r.Call(call("b"))
		synctest.Wait()
		expect(t, m, "at once: they wait for company")
		time.Sleep(time.Second)
		expect(t, m, "after a second", "a", "b")
		time.Sleep(time.Hour)
		r.Call(call("c"))
		time.Sleep(time.Second)
		expect(t, m, "later", "a", "b", "c")
		r.Call(call("d"))
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect(t, m, "closed", "a", "b", "c", "d")
		r.Call(call("e"))
		if _, err := r.Intent(t.Context(), call("f")); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("intent after close: %v", err)
		}
		sound(t, m, audit.Report{Chains: 1, Rows: 4})
	})
}

func TestCall_fullRing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{gate: make(chan struct{})}
		r := start(t, m, 8)
		for i := range 4 { // half full wakes the writer, who then hangs at the gate
			r.Call(call(fmt.Sprint("first ", i)))
		}
		synctest.Wait()
		for i := range 20 { // does not block
			r.Call(call(fmt.Sprint("more ", i)))
		}
		if r.Dropped() != 12 {
			t.Errorf("dropped %d", r.Dropped())
		}
		close(m.gate)
		time.Sleep(2 * time.Second)
		want := []string{"first 0", "first 1", "first 2", "first 3", " lost 12"}
		for i := range 8 {
			want = append(want, fmt.Sprint("more ", i))
		}
		expect(t, m, "after the jam", want...)
		sound(t, m, audit.Report{Chains: 1, Rows: 13, Dropped: 12})
	})
}

// The attack: calls whose target is megabytes long, thousands of which may wait
// for being written.
func TestCall_keepsLittleOfATarget(t *testing.T) { // not parallel: it measures memory
	m := &memory{gate: make(chan struct{})}
	r := start(t, m, 1024)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 100 {
		r.Call(call(strings.Repeat("x", 1<<20)))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 50<<20 {
		t.Errorf("100 records hold %d MiB", grown>>20)
	}
	close(m.gate)
}

func TestCall_allocatesNothing(t *testing.T) {
	m := &memory{gate: make(chan struct{})}
	r := start(t, m, 1<<16)
	record := call("a")
	if n := testing.AllocsPerRun(10000, func() { r.Call(record) }); n > 0 {
		t.Errorf("%v allocations per call", n)
	}
	close(m.gate)
}

func TestIntent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := start(t, m, 16)
		r.Call(call("before"))
		intent, err := r.Intent(t.Context(), call("delete"))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, m, "when Intent returns, it and what came before is written", "before", "delete pending")
		sound(t, m, audit.Report{Chains: 1, Rows: 2, Unanswered: 1})
		time.Sleep(3 * time.Second)
		if err := r.Outcome(t.Context(), intent, account.ToolError, 99); err != nil {
			t.Fatal(err)
		}
		expect(t, m, "outcome", "before", "delete pending", "delete tool_error 2")
		if last := m.chains[0].rows[2]; last.Duration != 3*time.Second || last.SizeOut != 99 || last.User != "anna" {
			t.Errorf("outcome row %+v", last)
		}
		sound(t, m, audit.Report{Chains: 1, Rows: 3})
	})
}

func TestIntent_logFails(t *testing.T) {
	t.Parallel()
	full := errors.New("canary: disk full")
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := start(t, m, 16)
		intent, err := r.Intent(t.Context(), call("one"))
		if err != nil {
			t.Fatal(err)
		}
		m.set(full, nil)
		_, err = r.Intent(t.Context(), call("two"))
		if fault.CodeOf(err) != fault.Unavailable || strings.Contains(fault.PublicOf(err), "canary") {
			t.Errorf("intent: %v", err)
		}
		if err := r.Outcome(t.Context(), intent, account.Succeeded, 0); !errors.Is(err, full) {
			t.Errorf("outcome: %v", err)
		}
		r.Call(call("meanwhile")) // reads go on
		time.Sleep(time.Minute)
		expect(t, m, "nothing could be written", "one pending")
		m.set(nil, nil)
		time.Sleep(2 * time.Second)
		expect(t, m, "the outcome and the call, but not the refused intent", "one pending", "one 1", "meanwhile")
		sound(t, m, audit.Report{Chains: 1, Rows: 3})
	})
}

// The connection is lost after the commit and before its answer: nothing is
// written twice, nothing is lost, the chain goes on.
func TestRecorder_lostAnswers(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := start(t, m, 16)
		intent, err := r.Intent(t.Context(), call("one"))
		if err != nil {
			t.Fatal(err)
		}
		m.set(nil, lost)
		r.Call(call("two"))
		if err := r.Outcome(t.Context(), intent, account.Succeeded, 0); !errors.Is(err, lost) {
			t.Errorf("outcome: %v", err)
		}
		m.set(lost, nil) // now it is really down, and another outcome has to wait
		if err := r.Outcome(t.Context(), intent, account.Failed, 0); !errors.Is(err, lost) {
			t.Errorf("outcome: %v", err)
		}
		r.Call(call("three"))
		time.Sleep(5 * time.Second)
		m.set(nil, nil)
		time.Sleep(5 * time.Second)
		expect(t, m, "all", "one pending", "two", "one 1", "one error 1", "three")
		sound(t, m, audit.Report{Chains: 1, Rows: 5})
	})
}

// Somebody else wrote to the chain: the recorder goes on in a new one.
func TestRecorder_foreignHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := start(t, m, 16)
		r.Call(call("one"))
		time.Sleep(time.Second)
		m.mu.Lock()
		m.chains[0].Head.Seq = 77
		m.mu.Unlock()
		r.Call(call("two"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		expect(t, m, "both", "one", "two")
		report, err := audit.Verify(t.Context(), m, installation)
		if err != nil || len(m.chains) != 2 || len(report.Problems) == 0 || report.Problems[0].Chain != m.chains[0].ID {
			t.Errorf("%d chains, %+v: %v", len(m.chains), report, err)
		}
	})
}

func TestIntent_manyShareOneCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{gate: make(chan struct{})}
		r := start(t, m, 16)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				intent, err := r.Intent(t.Context(), call(fmt.Sprint(i)))
				if err == nil {
					err = r.Outcome(t.Context(), intent, account.Succeeded, 0)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		close(m.gate)
		wg.Wait()
		sound(t, m, audit.Report{Chains: 1, Rows: 100})
		answered := map[string]int64{}
		for _, row := range m.chains[0].rows {
			if row.Outcome == account.Pending {
				answered[row.Target] = row.Seq
			} else if answered[row.Target] != row.Ref {
				t.Errorf("outcome of %s refers to %d, its intent is %d", row.Target, row.Ref, answered[row.Target])
			}
		}
	})
}

func TestIntent_callerGoesAway(t *testing.T) {
	t.Parallel()
	m := &memory{gate: make(chan struct{})}
	r := start(t, m, 16)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Intent(ctx, call("x")); err == nil {
		t.Error("an intent that nobody waited for was confirmed")
	}
	close(m.gate)
}

func TestDigest(t *testing.T) {
	t.Parallel()
	r := start(t, &memory{}, 16)
	a := r.Digest([]byte(`{"a":1}`))
	if a != r.Digest([]byte(`{"a":1}`)) || a == r.Digest([]byte(`{"a":2}`)) || a == ([16]byte{}) {
		t.Error("digests do not tell arguments apart")
	}
	other, err := audit.New(slog.New(slog.DiscardHandler), &memory{}, bytes.Repeat([]byte{8}, 32), audit.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	if a == other.Digest([]byte(`{"a":1}`)) {
		t.Error("the digest depends on no key")
	}
}

func BenchmarkCall(b *testing.B) {
	m := &memory{}
	r, err := audit.New(slog.New(slog.DiscardHandler), m, installation, audit.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close(context.Background())
	record := call("a")
	b.ReportAllocs()
	for b.Loop() {
		r.Call(record)
	}
}

func BenchmarkDigest(b *testing.B) {
	r, err := audit.New(slog.New(slog.DiscardHandler), &memory{}, installation, audit.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close(context.Background())
	args := []byte(`{"message":"hello there, general"}`)
	b.ReportAllocs()
	for b.Loop() {
		r.Digest(args)
	}
}
