package output_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/ssh/output"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\x1b[31mb\x1b[0m": "ab", "\x1b]0;title\x07x": "x", "\x1b]8;;http://x\x1b\\y": "y", "\x1b[": "", "\x1b": "", "a\r\nb\rc": "a\nb\nc",
		"a\x00\x08\x7fb\u0085": "ab", "\xffé": "\ufffdé", "a\u202eb": "ab", "\x1bPq\x1b\\z": "z", "\x1b]never ends": "",
	} {
		got, invalid := output.Plain([]byte(in))
		if got != want || invalid != strings.Contains(in, "\xff") {
			t.Errorf("%q: %q, %v; want %q", in, got, invalid, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("a\x1b[31mb\r\n\xff\x1b]x\x07"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, _ := output.Plain(raw)
		if bytes.ContainsAny([]byte(got), "\x1b\x00\r\x07\x08") {
			t.Errorf("%q holds a control character", got)
		}
	})
}

// A secret does not pass, in whatever pieces it comes.
func TestMask(t *testing.T) {
	t.Parallel()
	const word = "made-up-made-uq"
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var text strings.Builder
		for range r.IntN(8) {
			text.WriteString([]string{word, "made-up-", "x", "\n", word[:r.IntN(len(word))], "***"}[r.IntN(6)])
		}
		kept := output.New(1<<16, 0)
		m := output.NewMask(kept, secret.New(word))
		for rest := text.String(); rest != ""; {
			n := min(1+r.IntN(6), len(rest))
			if _, err := m.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		m.Flush()
		if got, want := kept.Printed().Text, strings.ReplaceAll(text.String(), word, secret.Mask); got != want {
			t.Fatalf("%q became %q, wanted %q", text.String(), got, want)
		}
	}
}

func TestCapture(t *testing.T) {
	t.Parallel()
	c := output.New(10, 20)
	for _, p := range []string{"012", "3456789é", "abcdefgh"} {
		if n, err := c.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	got := c.Printed()
	if got.Text != "012345\n[... 10 bytes left out ...]\nefgh" || got.Bytes != 20 || got.Omitted != 10 || got.Invalid || string(got.Whole) != "0123456789éabcdefgh" {
		t.Errorf("%+v", got)
	}
	if _, err := c.Write([]byte("!")); err != nil {
		t.Fatal(err)
	}
	if got := c.Printed(); got.Whole != nil || !strings.HasSuffix(got.Text, "\nfgh!") {
		t.Errorf("%+v", got)
	}
	// A character at the cut is left out rather than halved.
	c = output.New(10, 0)
	if _, err := c.Write([]byte("01234é89éxyz")); err != nil {
		t.Fatal(err)
	}
	if got := c.Printed(); got.Invalid || !strings.HasPrefix(got.Text, "01234\n") {
		t.Errorf("%+v", got)
	}
}
