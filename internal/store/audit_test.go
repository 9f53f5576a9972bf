package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

// auditRows are 12 rows of two chains, in turn and a minute apart, told apart by
// SizeIn.
func auditRows(t *testing.T, s *store.Store, start time.Time) {
	t.Helper()
	for _, id := range []string{"c1", "c2"} {
		if err := s.OpenAuditChain(t.Context(), account.Chain{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	users := []string{"anna", "ANNA", `a!n"na\`, "an%a", "an_a", ""}
	for i := range 12 {
		r := account.ChainedRecord{Seq: int64(i/2 + 1), Hash: [32]byte{byte(i)}, Record: account.Record{
			Time: start.Add(time.Duration(i) * time.Minute), User: users[i%6], Client: "c" + users[i%6], Backend: "b",
			Method: "tools/call", Target: fmt.Sprint("b_t", i%3), Decision: account.Allowed, Outcome: account.Succeeded, SizeIn: int64(i),
		}}
		if i == 4 {
			r.Decision, r.Outcome, r.Method, r.Backend = account.Denied, account.Failed, "admin/key.create", ""
		}
		id := fmt.Sprint("c", i%2+1)
		if err := s.AppendAudit(t.Context(), id, r.Seq-1, []account.ChainedRecord{r}, account.ChainEnd{Seq: r.Seq}); err != nil {
			t.Fatal(err)
		}
	}
}

func readAudit(t *testing.T, s *store.Store, f account.AuditFilter) (got []int64) {
	t.Helper()
	err := s.AuditRecords(t.Context(), f, func(r account.ChainedRecord) error {
		if want := fmt.Sprint("c", r.SizeIn%2+1); r.Chain != want || r.Seq != r.SizeIn/2+1 || r.Hash != [32]byte{byte(r.SizeIn)} {
			t.Errorf("row %d is at %s %d, hash %x", r.SizeIn, r.Chain, r.Seq, r.Hash[:2])
		}
		got = append(got, r.SizeIn)
		return nil
	})
	if err != nil {
		t.Errorf("%+v: %v", f, err)
	}
	return got
}

func TestAuditRecords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		start := time.Date(2026, 11, 1, 12, 0, 0, 1500, time.UTC)
		auditRows(t, s, start)
		at := func(minutes int) time.Time {
			return start.Add(time.Duration(minutes) * time.Minute).Truncate(time.Microsecond)
		}
		for name, c := range map[string]struct {
			filter account.AuditFilter
			want   []int64
		}{
			"all":                {account.AuditFilter{}, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
			"newest":             {account.AuditFilter{NewestFirst: true, Limit: 3}, []int64{11, 10, 9}},
			"oldest":             {account.AuditFilter{Limit: 2}, []int64{0, 1}},
			"since, inclusive":   {account.AuditFilter{Since: at(10)}, []int64{10, 11}},
			"until, exclusive":   {account.AuditFilter{Until: at(2)}, []int64{0, 1}},
			"between":            {account.AuditFilter{Since: at(3), Until: at(5)}, []int64{3, 4}},
			"user by the letter": {account.AuditFilter{User: "anna"}, []int64{0, 6}},
			"user with a quote":  {account.AuditFilter{User: `a!n"na\`}, []int64{2, 8}},
			"no wildcard %":      {account.AuditFilter{User: "an%a"}, []int64{3, 9}},
			"no wildcard _":      {account.AuditFilter{User: "an_a"}, []int64{4, 10}},
			"unknown user":       {account.AuditFilter{User: "ann"}, nil},
			"client":             {account.AuditFilter{Client: "canna", Limit: 1, NewestFirst: true}, []int64{6}},
			"backend and target": {account.AuditFilter{Backend: "b", Target: "b_t1"}, []int64{1, 7, 10}},
			"method":             {account.AuditFilter{Method: "admin/key.create"}, []int64{4}},
			"decision":           {account.AuditFilter{Decision: account.Denied}, []int64{4}},
			"outcome":            {account.AuditFilter{Outcome: account.Failed, User: "an_a"}, []int64{4}},
			"in another member":  {account.AuditFilter{Backend: "anna"}, nil},
		} {
			if diff := cmp.Diff(c.want, readAudit(t, s, c.filter)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}

		none := func(account.ChainedRecord) error { t.Error("a row for a filter that is refused"); return nil }
		for want, f := range map[string]account.AuditFilter{
			"below nothing":    {Limit: -1},
			"nothing lies":     {Since: at(2), Until: at(2)},
			"unknown decision": {Decision: "maybe"},
			"unknown outcome":  {Outcome: "fine"},
			"not UTF-8":        {User: "\xff"},
		} {
			if err := s.AuditRecords(t.Context(), f, none); fault.CodeOf(err) != fault.Invalid || !strings.Contains(fault.PublicOf(err), want) {
				t.Errorf("%+v: %v, want %s", f, err, want)
			}
		}
		stop := errors.New("the reader is gone")
		if err := s.AuditRecords(t.Context(), account.AuditFilter{}, func(account.ChainedRecord) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("a reader's failure: %v", err)
		}
	})
}

// The attack: one row is made unreadable, so that nobody can read the log at all.
func TestAudit_unreadableRow(t *testing.T) {
	t.Parallel()
	cfg := store.Config{StateDir: t.TempDir()}
	s := storetest.Open(t, cfg)
	auditRows(t, s, time.Now())
	db, err := sql.Open("sqlite", filepath.Join(cfg.StateDir, "drawbridge.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `UPDATE audit SET entry = '[{"user":"anna"' WHERE id = 1`); err != nil {
		t.Fatal(err)
	}
	var users []string
	if err := s.AuditRecords(t.Context(), account.AuditFilter{Limit: 2}, func(r account.ChainedRecord) error {
		users = append(users, r.User)
		return nil
	}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"", "ANNA"}, users); diff != "" {
		t.Error(diff)
	}
	if got := readAudit(t, s, account.AuditFilter{User: "anna"}); !cmp.Equal(got, []int64{6}) {
		t.Errorf("rows of anna: %v", got)
	}
}
