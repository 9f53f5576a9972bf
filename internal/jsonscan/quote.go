package jsonscan

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Unquote decodes a JSON string literal, quotes included. It is not ok when lit
// is anything else. The string is the only allocation.
func Unquote(lit []byte) (string, bool) {
	c := checker{b: lit}
	if len(lit) < 2 || lit[0] != '"' || c.str(1, false) != len(lit) {
		return "", false
	}
	raw := lit[1 : len(lit)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), true
	}
	var small [64]byte
	return string(appendDecoded(small[:0], raw)), true
}

// AppendQuote appends s as a JSON string literal and escapes only what must be:
// the quote, the backslash and control characters. Invalid UTF-8 becomes U+FFFD.
func AppendQuote(dst []byte, s string) []byte {
	start := len(dst) + 1
	dst = append(append(slices.Grow(dst, len(s)+2), '"'), s...)
	from := plainText(dst[start:])
	if from == len(s) { // as nearly all texts are
		return append(dst, '"')
	}
	dst = dst[:start+from]
	for i := from; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' {
				dst = append(dst, s[from:i]...)
				dst = appendEscape(dst, c)
				from = i + 1
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[from:i]...)
			dst = append(dst, "\ufffd"...)
			from = i + 1
		}
		i += n
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}

// appendDecoded appends what checked string content means.
func appendDecoded(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		n := plainText(raw[i:])
		dst = append(dst, raw[i:i+n]...)
		if i += n; i < len(raw) {
			var r rune
			r, i = nextRune(raw, i)
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
