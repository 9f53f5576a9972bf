package output

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"drawbridge/internal/servers/kit/pattern"
)

// escapes are what a terminal acts on: CSI and OSC sequences (ECMA-48).
var escapes = pattern.New("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\-_])")

// Plain is outside text fit to show: UTF-8, without what a terminal acts on, and
// without characters that hide or turn round others.
func Plain(text string) string {
	text = escapes().ReplaceAllString(strings.ToValidUTF8(text, "\uFFFD"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r >= 0xE0000 && r <= 0xE007F:
			return -1
		}
		return r
	}, text)
}

// Clip is the beginning of a text, at most n bytes and whole runes.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "..."
}
