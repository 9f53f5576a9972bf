package show_test

import (
	"strings"
	"testing"

	"drawbridge/internal/servers/forgejo/show"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"\x1b[31mred\x1b[0m\r\n":             "red\n",
		"\x1b]8;;http://x\x07link\x1b]8;;\a": "link",
		"a\u202Eb\u2066c\u0007":              "abc",
		"x\U000E0041y":                       "xy",
		"tab\there \xff":                     "tab\there \uFFFD",
	} {
		if got := show.Plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789abcdef\n", 3000)
	whole, from := "", 0
	for {
		part, next, err := show.Lines(text, from)
		if err != nil || len(part) > show.TextRoom {
			t.Fatalf("%d bytes, %v", len(part), err)
		}
		whole += part
		if from = next; next == 0 {
			break
		}
	}
	if whole != text {
		t.Errorf("the parts are %d bytes, the text %d", len(whole), len(text))
	}
	if _, _, err := show.Lines("a\nb\n", 2); err == nil {
		t.Error("a line behind the end was shown")
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	if got := show.Clip("äää", 3); got != "ä..." {
		t.Errorf("%q", got)
	}
	if got := show.Join([]string{"a", "b", "c"}, ", ", 100); got != "a, b, c" {
		t.Errorf("%q", got)
	}
	if got := show.Join([]string{strings.Repeat("a", 40), strings.Repeat("b", 40)}, ", ", 60); len(got) > 70 {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
