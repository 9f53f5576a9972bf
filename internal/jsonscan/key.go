package jsonscan

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// nextRune decodes the character at raw[i] of checked string content. What was
// not checked yields U+FFFD and goes on.
func nextRune(raw []byte, i int) (r rune, next int) {
	if raw[i] == '\\' {
		r, next, reason := unescape(raw, i)
		if reason != "" {
			return utf8.RuneError, i + 1
		}
		return r, next
	}
	r, n := utf8.DecodeRune(raw[i:])
	return r, i + n
}

// Is tells whether a raw key, as Member.Key holds it, means name.
func Is(key []byte, name string) bool {
	if len(key) <= len(name) {
		// An escape is longer than what it stands for, so an escaped key of this
		// length means something shorter.
		return string(key) == name && bytes.IndexByte(key, '\\') < 0
	}
	if bytes.IndexByte(key, '\\') < 0 {
		return false
	}
	i := 0
	for _, want := range name {
		if i >= len(key) {
			return false
		}
		var r rune
		if r, i = nextRune(key, i); r != want {
			return false
		}
	}
	return i == len(key)
}

// FoldIs tells whether a raw key means name or differs from it only by case as
// Unicode's simple folding sees it, the long s and the Kelvin sign included:
// what encoding/json would take for name.
func FoldIs(key []byte, name string) bool {
	i := 0
	for _, want := range name {
		if i >= len(key) {
			return false
		}
		var r rune
		if r, i = nextRune(key, i); !sameFold(r, want) {
			return false
		}
	}
	return i == len(key)
}

func sameFold(a, b rune) bool {
	if a == b {
		return true
	}
	for r := unicode.SimpleFold(a); r != a; r = unicode.SimpleFold(r) {
		if r == b {
			return true
		}
	}
	return false
}
