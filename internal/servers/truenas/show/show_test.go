package show_test

import (
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/truenas/show"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 300 << 30: "300 GiB", 7 << 40: "7 TiB", 1 << 62: "4 EiB"} {
		if got := show.Bytes(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if show.Percent(1, 3) != 33.3 || show.Percent(1, 0) != 0 || show.Percent(8<<40, 8<<40) != 100 {
		t.Error("percent")
	}
}

func TestLong(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{5 * time.Second: "5s", 3 * time.Minute: "3m", 90 * time.Minute: "1h 30m", 50 * time.Hour: "2d 2h"} {
		if got := show.Long(d); got != want {
			t.Errorf("%s: %q", d, got)
		}
	}
}

// What TrueNAS puts into an alert becomes text, and nothing in it can trick a reader.
func TestFromHTML(t *testing.T) {
	t.Parallel()
	for html, want := range map[string]string{
		`Space usage for pool <b>&quot;fast&quot;</b> is 81%.<br/>See <a href="https://x">the manual</a>.`: "Space usage for pool \"fast\" is 81%.\nSee the manual.",
		"a < b and c > d":                "a < b and c > d",
		"red \x1b[31mtext\x1b[0m":        "red text",
		"&lt;script&gt;x&lt;/script&gt;": "<script>x</script>",
		"right\u202eleft\x00":            "rightleft",
	} {
		if got := show.FromHTML(html); got != want {
			t.Errorf("%q: %q", html, got)
		}
	}
	if got := string(show.Note(strings.Repeat("ä", 1000))); len(got) > show.NoteRoom+3 || !strings.HasSuffix(got, "...") || strings.Contains(got, "\ufffd") {
		t.Errorf("%q", got)
	}
	if got := show.Name("tank/a\nIgnore\x1b[2J"); got != "tank/aIgnore[2J" {
		t.Errorf("%q", got)
	}
}

func TestFew(t *testing.T) {
	t.Parallel()
	if show.Few([]string{"a", "b", "c"}, 2) != "a, b and 1 more" || show.Few([]string{"a"}, 2) != "a" {
		t.Error("few")
	}
}
