package store_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		now := time.Now()
		one, two := secret.Hash("one"), secret.Hash("two")
		if level, uris, err := s.LoadSession(t.Context(), one); err != nil || level != "" || uris != nil {
			t.Errorf("unknown session: %q %v %v", level, uris, err)
		}
		for _, level := range []string{"debug", "error"} {
			if err := s.SaveSession(t.Context(), one, level, []string{"a://" + level, "b://x?\"y\""}, now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			got, uris, err := s.LoadSession(t.Context(), one)
			if diff := cmp.Diff([]string{"a://" + level, "b://x?\"y\""}, uris); err != nil || got != level || diff != "" {
				t.Errorf("loaded %q: %v %s", got, err, diff)
			}
		}
		if revoked, err := s.SessionRevoked(t.Context(), one); err != nil || revoked {
			t.Errorf("revoked before: %v %v", revoked, err)
		}
		for range 2 {
			if err := s.RevokeSession(t.Context(), one, now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.RevokeSession(t.Context(), two, now.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if level, _, err := s.LoadSession(t.Context(), one); err != nil || level != "" {
			t.Errorf("state of a revoked session: %q %v", level, err)
		}

		again := storetest.Open(t, cfg)
		check := func(when string, wantOne, wantTwo bool) {
			t.Helper()
			isOne, err := again.SessionRevoked(t.Context(), one)
			if err != nil {
				t.Fatal(err)
			}
			isTwo, err := again.SessionRevoked(t.Context(), two)
			if err != nil || isOne != wantOne || isTwo != wantTwo {
				t.Errorf("%s: %v %v %v", when, isOne, isTwo, err)
			}
		}
		check("at once", true, true)
		if n, err := s.PurgeSessions(t.Context(), now.Add(2*time.Minute)); err != nil || n != 1 {
			t.Errorf("purged %d: %v", n, err)
		}
		check("after the purge", true, false)
	})
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		if lists, at, err := s.LoadCatalogue(t.Context(), "b"); err != nil || lists != nil || !at.IsZero() {
			t.Errorf("unknown backend: %v %v %v", lists, at, err)
		}
		at := time.Now().UTC().Truncate(time.Millisecond)
		big := bytes.Repeat([]byte("\x00\xff{}"), 1<<20)
		for _, lists := range [][]byte{big, []byte("small"), {}, nil} {
			if err := s.SaveCatalogue(t.Context(), "b", lists, at); err != nil {
				t.Fatal(err)
			}
			got, when, err := s.LoadCatalogue(t.Context(), "b")
			if err != nil || !bytes.Equal(got, lists) || !when.Equal(at) {
				t.Errorf("%d bytes of %d, %v: %v", len(got), len(lists), when, err)
			}
			at = at.Add(time.Second)
		}
		if err := s.DeleteCatalogue(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		if lists, _, err := s.LoadCatalogue(t.Context(), "b"); err != nil || lists != nil {
			t.Errorf("after delete: %v %v", lists, err)
		}
	})
}

func TestBackends(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		b := store.Backend{
			Name: "b", Enabled: true, Spec: []byte(`{"url":"https://x.example/mcp","n":9007199254740993}`),
			Secrets: map[string]secret.String{"headers.Authorization": secret.New("Bearer x"), "env.K": secret.New("")},
		}
		a := store.Backend{Name: "a", Spec: []byte(`{}`)}
		for _, put := range []store.Backend{b, a} {
			if err := s.PutBackend(t.Context(), put); err != nil {
				t.Fatal(err)
			}
		}
		sameBut := cmp.Options{
			cmpopts.IgnoreFields(store.Backend{}, "Created", "Updated"),
			cmp.Comparer(func(a, b secret.String) bool { return a == b }),
		}
		list := func(what string, want ...store.Backend) []store.Backend {
			t.Helper()
			got, err := s.Backends(t.Context())
			if diff := cmp.Diff(want, got, sameBut, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("%s: %v %s", what, err, diff)
			}
			return got
		}
		first := list("added", a, b)
		b.Enabled = false
		if err := s.SetBackendEnabled(t.Context(), "b", false); err != nil {
			t.Fatal(err)
		}
		list("disabled", a, b)
		b.Secrets, b.Spec = nil, []byte(`{"command":"x"}`)
		if err := s.PutBackend(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if again := list("replaced", a, b); !again[1].Created.Equal(first[1].Created) || again[1].Created.IsZero() {
			t.Errorf("created %v, then %v", first[1].Created, again[1].Created)
		}
		if err := s.DeleteBackend(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		list("deleted", a)
		for what, c := range map[string]struct {
			err  error
			code fault.Code
		}{
			"delete unknown": {s.DeleteBackend(t.Context(), "b"), fault.NotFound},
			"enable unknown": {s.SetBackendEnabled(t.Context(), "b", true), fault.NotFound},
			"no name":        {s.PutBackend(t.Context(), store.Backend{Spec: []byte("{}")}), fault.Invalid},
			"no JSON":        {s.PutBackend(t.Context(), store.Backend{Name: "x", Spec: []byte("{")}), fault.Invalid},
		} {
			if fault.CodeOf(c.err) != c.code {
				t.Errorf("%s: %v", what, c.err)
			}
		}
	})
}

func TestBackends_secretsAreBoundToTheirRow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		for _, name := range []string{"a", "b"} {
			b := store.Backend{Name: name, Spec: []byte("{}"), Secrets: map[string]secret.String{"k": secret.New(name)}}
			if err := s.PutBackend(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		raw(t, cfg, "UPDATE backends SET secrets = (SELECT secrets FROM backends WHERE name = 'a') WHERE name = 'b'")
		if found, err := s.Backends(t.Context()); err == nil {
			t.Errorf("a moved secret was opened: %v", found)
		}
	})
}

func TestAudit_rows(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		end := func(seq int64) account.ChainEnd {
			return account.ChainEnd{Seq: seq, Hash: [32]byte{1, byte(seq)}, Sign: [32]byte{2, byte(seq)}}
		}
		chain := account.Chain{ID: "c1", Base: end(0), Head: end(0)}
		if err := s.OpenAuditChain(t.Context(), chain); err != nil {
			t.Fatal(err)
		}
		start := time.Date(2026, 11, 1, 0, 0, 0, 1000, time.UTC)
		var rows []account.ChainedRecord
		for i := range 200 { // three batches of 64, and a rest
			rows = append(rows, account.ChainedRecord{Seq: int64(i + 1), Hash: [32]byte{1, byte(i + 1)}, Record: account.Record{
				Time: start.Add(time.Duration(i) * time.Second), User: "admin", Credential: "key_x", Client: "c", Backend: "b",
				Method: "tools/call", Target: "b_t", Decision: account.Allowed, Outcome: account.Succeeded,
				Duration: 1234 * time.Microsecond, SizeIn: 1, SizeOut: 1 << 40, Digest: [16]byte{9}, Ref: int64(i),
			}})
		}
		if err := s.AppendAudit(t.Context(), "c1", 0, rows, end(200)); err != nil {
			t.Fatal(err)
		}
		for what, after := range map[string]int64{"twice": 0, "with a gap": 201} {
			if err := s.AppendAudit(t.Context(), "c1", after, rows[:1], end(1)); fault.CodeOf(err) != fault.Conflict {
				t.Errorf("append %s: %v", what, err)
			}
		}
		if head, err := s.AuditHead(t.Context(), "c1"); err != nil || head != end(200) {
			t.Errorf("head %+v: %v", head, err)
		}
		walk := func(what string, wantChain account.Chain, want []account.ChainedRecord) {
			t.Helper()
			var got []account.ChainedRecord
			var chains []account.Chain
			err := s.WalkAudit(t.Context(), func(c []account.Chain) error { chains = c; return nil },
				func(_ string, r account.ChainedRecord) error { got = append(got, r); return nil })
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v %s", what, err, diff)
			}
			if diff := cmp.Diff([]account.Chain{wantChain}, chains); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		chain.Head = end(200)
		walk("all", chain, rows)
		for _, c := range []struct { // each begins and ends within a batch
			filter      account.AuditFilter
			first, last int64
		}{
			{account.AuditFilter{NewestFirst: true, Limit: 70}, 200, 131},
			{account.AuditFilter{Limit: 70}, 1, 70},
			{account.AuditFilter{Since: start.Add(99 * time.Second)}, 100, 200},
			{account.AuditFilter{Until: start.Add(100 * time.Second)}, 1, 100},
		} {
			var got []int64
			err := s.AuditRecords(t.Context(), c.filter, func(r account.ChainedRecord) error { got = append(got, r.Seq); return nil })
			step := int64(1)
			if c.first > c.last {
				step = -1
			}
			if err != nil || int64(len(got)) != (c.last-c.first)*step+1 {
				t.Fatalf("%+v: %d records, %v", c.filter, len(got), err)
			}
			for i, seq := range got {
				if want := c.first + int64(i)*step; seq != want {
					t.Fatalf("%+v: record %d at place %d, want %d", c.filter, seq, i, want)
				}
			}
		}

		for _, c := range []struct {
			before time.Time
			seq    int64
		}{{start, 0}, {start.Add(63 * time.Second), 0}, {start.Add(64 * time.Second), 64}, {start.Add(100 * time.Second), 64}, {start.Add(time.Hour), 200}} {
			seq, hash, err := s.AuditCut(t.Context(), "c1", c.before)
			if err != nil || seq != c.seq || c.seq > 0 && hash != rows[c.seq-1].Hash {
				t.Errorf("cut at %v: %d %v", c.before, seq, err)
			}
		}
		for _, want := range []int64{64, 0} {
			if n, err := s.CutAudit(t.Context(), "c1", end(64)); err != nil || n != want {
				t.Errorf("cut removed %d: %v", n, err)
			}
		}
		chain.Base = end(64)
		walk("cut", chain, rows[64:])
		if n, err := s.CutAudit(t.Context(), "c1", end(127)); err != nil || n != 0 {
			t.Errorf("of a batch that reaches further %d records were removed: %v", n, err)
		}
		if seq, _, err := s.AuditCut(t.Context(), "c1", start.Add(64*time.Second)); err != nil || seq != 0 {
			t.Errorf("cut where it was cut: %d %v", seq, err)
		}
	})
}
