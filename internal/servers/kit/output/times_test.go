package output_test

import (
	"strings"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/output"
)

func TestTime(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 2*60*60)
	if got := output.Time(time.Date(2026, 1, 31, 1, 30, 59, 0, east)); got != "2026-01-30T23:30Z" {
		t.Error(got)
	}
	if output.Time(time.Time{}) != "" || output.Time(time.Unix(0, 0)) != "" {
		t.Error("no time is shown as one")
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, text := range []string{"2026-01-31", "2026-01-31T00:00:00Z", "2026-01-31T02:00:00+02:00", output.Time(want)} {
		if at, err := output.Moment("since", text); err != nil || !at.Equal(want) {
			t.Errorf("%q: %v, %v", text, at, err)
		}
	}
	if at, err := output.Moment("since", ""); err != nil || !at.IsZero() {
		t.Errorf("none: %v, %v", at, err)
	}
	if _, err := output.Moment("since", "yesterday"); fault.CodeOf(err) != fault.Invalid || !strings.Contains(fault.PublicOf(err), "since is not a time") {
		t.Errorf("%v", err)
	}
}
