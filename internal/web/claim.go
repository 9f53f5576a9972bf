package web

import (
	"strings"
	"unicode"
)

const (
	maxClaim = 60 // characters of a claim that are shown
	maxMarks = 2  // combining marks on one letter: more of them reach into other lines
)

// blanks are letters and symbols that look like nothing.
const blanks = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"

// Claim is what an outsider calls itself, made safe to show beside our own words:
// one line of at most 60 characters, without those that cannot be seen, turn the
// text around, stack up, or end a quotation (A10).
func Claim(s string) string {
	var out []rune
	marks, space := 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = len(out) > 0
			continue
		case !unicode.IsPrint(r) || r == unicode.ReplacementChar || strings.ContainsRune(blanks, r):
			continue
		case unicode.Is(unicode.Quotation_Mark, r):
			r = '\''
		}
		if marks++; !unicode.Is(unicode.M, r) {
			marks = 0
		}
		if marks > maxMarks || marks > 0 && len(out) == 0 {
			continue
		}
		if space {
			out, space = append(out, ' '), false
		}
		if out = append(out, r); len(out) > maxClaim {
			return strings.TrimSpace(string(out[:maxClaim-1])) + "…"
		}
	}
	return string(out)
}
