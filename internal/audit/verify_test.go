package audit_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/audit"
	"drawbridge/internal/fault"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

// filled is a store with the audit log of two processes, 20 rows each.
func filled(t *testing.T, cfg store.Config) (*store.Store, []byte) {
	t.Helper()
	s := storetest.Open(t, cfg)
	key, err := s.InstallationSecret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := audit.New(slog.New(slog.DiscardHandler), s, key, audit.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 18 {
			record := call("tool")
			record.Time = time.Date(2026, 11, 1, 0, 0, i, 123456789, time.UTC)
			record.Client = "odd \x00 client \xff" + strings.Repeat("é", 600) // must not stop the log
			record.Digest = r.Digest([]byte("{}"))
			r.Call(record)
		}
		intent, err := r.Intent(t.Context(), call("delete"))
		if err == nil {
			err = r.Outcome(t.Context(), intent, account.Succeeded, 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s, key
}

func exec(t *testing.T, cfg store.Config, statement string) {
	t.Helper()
	driver, dsn := "sqlite", filepath.Join(cfg.StateDir, "drawbridge.db")
	if !cfg.URL.Empty() {
		driver, dsn = "pgx", cfg.URL.Reveal()
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.ExecContext(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s changed nothing", statement)
	}
}

// Threat T22: one row altered or removed is reported.
func TestVerify(t *testing.T) {
	t.Parallel()
	const first = "chain = (SELECT min(num) FROM audit_chains)"
	for name, c := range map[string]struct{ statement, want string }{
		"user altered":       {"UPDATE audit SET entry = json_set(entry, '$.user', 'eve') WHERE seq = 5 AND " + first, "5: the row was altered"},
		"time altered":       {"UPDATE audit SET time = time + 1 WHERE seq = 5 AND " + first, "5: the row was altered"},
		"outcome altered":    {"UPDATE audit SET entry = json_set(entry, '$.outcome', 'error') WHERE seq = 20 AND " + first, "20: the row was altered"},
		"decision altered":   {"UPDATE audit SET entry = json_set(entry, '$.decision', 'denied') WHERE seq = 1 AND " + first, "1: the row was altered"},
		"size altered":       {"UPDATE audit SET entry = json_set(entry, '$.size_out', 7) WHERE seq = 9 AND " + first, "9: the row was altered"},
		"ref altered":        {"UPDATE audit SET entry = json_set(entry, '$.ref', 7) WHERE seq = 20 AND " + first, "20: the row was altered"},
		"digest altered":     {"UPDATE audit SET entry = json_set(entry, '$.digest', '00112233445566778899aabbccddeeff') WHERE seq = 9 AND " + first, "9: the row was altered"},
		"texts moved":        {"UPDATE audit SET entry = json_set(entry, '$.backend', 'bt', '$.target', 'ool') WHERE seq = 9 AND " + first, "9: the row was altered"},
		"hash altered":       {"UPDATE audit SET hash = zeroblob(32) WHERE seq = 9 AND " + first, "9: the row was altered"},
		"made unreadable":    {"UPDATE audit SET entry = '{' WHERE seq = 9 AND " + first, "9: the row was altered"},
		"row removed":        {"DELETE FROM audit WHERE seq = 7 AND " + first, "7: 1 rows are missing from here on"},
		"first row removed":  {"DELETE FROM audit WHERE seq = 1 AND " + first, "1: 1 rows are missing from here on"},
		"last rows removed":  {"DELETE FROM audit WHERE seq > 17 AND " + first, "18: 3 rows are missing at the end"},
		"all rows removed":   {"DELETE FROM audit WHERE " + first, "1: 20 rows are missing at the end"},
		"end moved back":     {"UPDATE audit_chains SET head_seq = 19 WHERE num = (SELECT min(num) FROM audit_chains)", "19: the chain's end was altered"},
		"beginning moved on": {"UPDATE audit_chains SET base_seq = 3 WHERE num = (SELECT min(num) FROM audit_chains)", "3: the chain's beginning was altered"},
		"row moved":          {"UPDATE audit SET chain = (SELECT max(num) FROM audit_chains) WHERE seq = 20 AND " + first, "20: 1 rows are missing at the end"},
		"chain removed":      {"DELETE FROM audit_chains WHERE num = (SELECT min(num) FROM audit_chains)", "1: the row belongs to no chain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := store.Config{StateDir: t.TempDir()}
			s, key := filled(t, cfg)
			report, err := audit.Verify(t.Context(), s, key)
			if diff := cmp.Diff(audit.Report{Chains: 2, Rows: 40}, report); err != nil || diff != "" {
				t.Fatalf("before: %v %s", err, diff)
			}
			exec(t, cfg, c.statement)
			report, err = audit.Verify(t.Context(), s, key)
			if err != nil || len(report.Problems) == 0 {
				t.Fatalf("not noticed: %+v %v", report, err)
			}
			if !slices.ContainsFunc(report.Problems, func(p audit.Problem) bool { return fmt.Sprintf("%d: %s", p.Seq, p.What) == c.want }) {
				t.Errorf("problems %+v, want %s", report.Problems, c.want)
			}
		})
	}
}

func TestVerify_otherKey(t *testing.T) {
	t.Parallel()
	s, _ := filled(t, store.Config{StateDir: t.TempDir()})
	report, err := audit.Verify(t.Context(), s, bytes.Repeat([]byte{1}, 32))
	if err != nil || len(report.Problems) < 40 {
		t.Errorf("a log of another key passed: %+v %v", report, err)
	}
}

func TestRetain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s, key := filled(t, cfg)
		for _, c := range []struct {
			before  time.Time
			removed int64
			rows    int64
		}{
			{time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), 0, 40},
			{time.Date(2026, 11, 1, 0, 0, 10, 0, time.UTC), 20, 20},
			{time.Date(2026, 11, 1, 0, 0, 10, 0, time.UTC), 0, 20},
			{time.Now().Add(time.Hour), 20, 0},
		} {
			n, err := audit.Retain(t.Context(), s, key, c.before)
			if err != nil || n != c.removed {
				t.Errorf("before %v: removed %d, %v", c.before, n, err)
			}
			report, err := audit.Verify(t.Context(), s, key)
			if diff := cmp.Diff(audit.Report{Chains: 2, Rows: c.rows}, report); err != nil || diff != "" {
				t.Errorf("before %v: %v %s", c.before, err, diff)
			}
		}
	})
}

// Threat T22: the disk of the log is full. What destroys is refused, reads go on.
func TestRecorder_databaseCannotBeWritten(t *testing.T) {
	t.Parallel()
	cfg := store.Config{StateDir: t.TempDir()}
	s := storetest.Open(t, cfg)
	r := start(t, s, 16)
	if _, err := r.Intent(t.Context(), call("one")); err != nil {
		t.Fatal(err)
	}
	exec(t, cfg, "CREATE TRIGGER full BEFORE INSERT ON audit WHEN 1 BEGIN SELECT RAISE(ABORT, 'full'); END; UPDATE audit SET seq = seq")
	if _, err := r.Intent(t.Context(), call("two")); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("intent: %v", err)
	}
	r.Call(call("read"))
	exec(t, cfg, "DROP TRIGGER full; UPDATE audit SET seq = seq")
	if err := r.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	report, err := audit.Verify(t.Context(), s, installation)
	if diff := cmp.Diff(audit.Report{Chains: 1, Rows: 2, Unanswered: 1}, report); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func BenchmarkWrite(b *testing.B) {
	s := storetest.SQLite(b)
	r, err := audit.New(slog.New(slog.DiscardHandler), s, installation, audit.Config{Slots: b.N + 1})
	if err != nil {
		b.Fatal(err)
	}
	record := call("a")
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		r.Call(record)
	}
	if err := r.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
