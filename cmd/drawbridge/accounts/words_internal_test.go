package accounts

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
	"drawbridge/internal/audit"
)

func TestWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	local := func(hour, minute int) time.Time { return time.Date(2026, 11, 1, hour, minute, 0, 0, time.Local) }
	for text, want := range map[string]time.Time{
		"":                          {},
		"2026-11-01":                local(0, 0),
		"2026-11-01 13:05":          local(13, 5),
		"2026-11-01T13:05":          local(13, 5),
		"2026-11-01 13:05:00":       local(13, 5),
		"2026-11-01T13:05:00+02:00": time.Date(2026, 11, 1, 11, 5, 0, 0, time.UTC),
		"36h":                       now.Add(-36 * time.Hour),
	} {
		if got, err := when(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-24h", "2026-13-01", "5"} {
		if got, err := when(text, now); err == nil || !strings.Contains(err.Error(), "write 2026-11-01") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestRightsText(t *testing.T) {
	t.Parallel()
	all, some := []string{account.Any}, []string{"a", "b"}
	for want, r := range map[string]account.Rights{
		"nothing":                     {},
		"read: all":                   account.ReadRights(),
		"destructive: all":            account.FullRights(),
		"write: a b":                  {Backends: some, Write: true},
		"write: all; destructive: b":  {Backends: all, Write: true, Destructive: some[1:]},
		"read: a b; destructive: all": {Backends: some, Destructive: all},
	} {
		if got := rightsText(r); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		report    audit.Report
		out, note string
		failed    bool
	}{
		{audit.Report{Chains: 2, Rows: 40}, "sound: 40 rows in 2 chains\n", "", false},
		{audit.Report{Chains: 1, Rows: 4, Dropped: 7, Unanswered: 1}, "sound", "of 1 destructive calls no end is recorded", false},
		{audit.Report{Chains: 1, Rows: 4, Problems: []audit.Problem{{Chain: "c\x1b1", Seq: 3, What: "the row was altered"}}},
			"chain c\ufffd1, row 3: the row was altered\n", "", true},
	} {
		var out, note bytes.Buffer
		err := (&commands{&shell.Shell{Out: &out, Err: &note}}).verdict(c.report)
		if (err != nil) != c.failed || !strings.HasPrefix(out.String(), c.out) || !strings.Contains(note.String(), c.note) {
			t.Errorf("%+v: %v, %q, %q", c.report, err, out.String(), note.String())
		}
	}
}
