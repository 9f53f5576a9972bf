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

// filled is a store with the audit log of two processes, 20 records each: ten calls in
// one batch, eight and an intent in the next, and its outcome.
func filled(t *testing.T, cfg store.Config) (*store.Store, []byte) {
	t.Helper()
	s := storetest.Open(t, cfg)
	key, err := s.InstallationSecret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		log := told{s, make(chan struct{}, 10)}
		r, err := audit.New(slog.New(slog.DiscardHandler), log, key, audit.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 18 {
			record := call("tool")
			record.Time = time.Date(2026, 11, 1, 0, 0, i, 123456789, time.UTC)
			record.Client = "odd \x00 client \xff" + strings.Repeat("é", 600) // must not stop the log
			record.Digest = r.Digest([]byte("{}"))
			r.Call(record)
			if i == 9 {
				<-log.appended
			}
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

// told is a log that tells when something was appended.
type told struct {
	*store.Store
	appended chan struct{}
}

func (l told) AppendAudit(ctx context.Context, chain string, after int64, rows []account.ChainedRecord, head account.ChainEnd) error {
	defer func() { l.appended <- struct{}{} }()
	return l.Store.AppendAudit(ctx, chain, after, rows, head)
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
	const (
		first = "chain = (SELECT min(num) FROM audit_chains)"
		calls = " WHERE seq = 1 AND " + first // the first ten of them
		last  = " WHERE seq = 20 AND " + first
	)
	for name, c := range map[string]struct{ statement, want string }{
		"user altered":             {"UPDATE audit SET entry = json_set(entry, '$[4].user', 'eve')" + calls, "5: the row was altered"},
		"time altered":             {"UPDATE audit SET entry = json_set(entry, '$[4].time', json_extract(entry, '$[4].time') + 1)" + calls, "5: the row was altered"},
		"all times altered":        {"UPDATE audit SET first = first + 1" + calls, "1: the row was altered"},
		"hidden from searches":     {"UPDATE audit SET last = last - 1" + calls, "1: the row was altered"},
		"outcome altered":          {"UPDATE audit SET entry = json_set(entry, '$[0].outcome', 'error')" + last, "20: the row was altered"},
		"decision altered":         {"UPDATE audit SET entry = json_set(entry, '$[0].decision', 'denied')" + calls, "1: the row was altered"},
		"size altered":             {"UPDATE audit SET entry = json_set(entry, '$[8].size_out', 7)" + calls, "9: the row was altered"},
		"ref altered":              {"UPDATE audit SET entry = json_set(entry, '$[0].ref', 7)" + last, "20: the row was altered"},
		"digest altered":           {"UPDATE audit SET entry = json_set(entry, '$[8].digest', '00112233445566778899aabbccddeeff')" + calls, "9: the row was altered"},
		"texts moved":              {"UPDATE audit SET entry = json_set(entry, '$[8].backend', 'bt', '$[8].target', 'ool')" + calls, "9: the row was altered"},
		"hash altered":             {"UPDATE audit SET hash = unhex(hex(substr(hash, 1, 8 * 32)) || hex(zeroblob(32)) || hex(substr(hash, 9 * 32 + 1)))" + calls, "9: the row was altered"},
		"made unreadable":          {"UPDATE audit SET entry = '{'" + calls, "9: the row was altered"},
		"entry removed":            {"UPDATE audit SET entry = json_remove(entry, '$[6]')" + calls, "1: the row was altered"},
		"entry added":              {"UPDATE audit SET entry = json_insert(entry, '$[#]', json_extract(entry, '$[6]'))" + calls, "1: the row was altered"},
		"entries swapped":          {"UPDATE audit SET entry = json_set(entry, '$[6]', json_extract(entry, '$[7]'), '$[7]', json_extract(entry, '$[6]'))" + calls, "7: the row was altered"},
		"record removed":           {"UPDATE audit SET entry = json_remove(entry, '$[6]'), hash = unhex(hex(substr(hash, 1, 6 * 32)) || hex(substr(hash, 7 * 32 + 1)))" + calls, "7: the row was altered"},
		"record at an end removed": {"UPDATE audit SET entry = json_remove(entry, '$[#-1]'), hash = substr(hash, 1, length(hash) - 32), last = json_extract(entry, '$[#-2].time')" + calls, "10: 1 rows are missing from here on"},
		"bytes added":              {"UPDATE audit SET hash = unhex(hex(hash) || '00')" + calls, "1: the row was altered"},
		"hashes removed":           {"UPDATE audit SET hash = x''" + calls, "1: the row was altered"},
		"row removed":              {"DELETE FROM audit" + calls, "1: 10 rows are missing from here on"},
		"last row removed":         {"DELETE FROM audit" + last, "20: 1 rows are missing at the end"},
		"all rows removed":         {"DELETE FROM audit WHERE " + first, "1: 20 rows are missing at the end"},
		"end moved back":           {"UPDATE audit_chains SET head_seq = 19 WHERE num = (SELECT min(num) FROM audit_chains)", "19: the chain's end was altered"},
		"beginning moved on":       {"UPDATE audit_chains SET base_seq = 3 WHERE num = (SELECT min(num) FROM audit_chains)", "3: the chain's beginning was altered"},
		"row moved":                {"UPDATE audit SET chain = (SELECT max(num) FROM audit_chains)" + last, "20: 1 rows are missing at the end"},
		"chain removed":            {"DELETE FROM audit_chains WHERE num = (SELECT min(num) FROM audit_chains)", "1: the row belongs to no chain"},
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
			{time.Date(2026, 11, 1, 0, 0, 5, 0, time.UTC), 0, 40}, // a batch leaves as a whole
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
