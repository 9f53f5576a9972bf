package web

import "unicode"

// maxLine bounds one line of what a backend says.
const maxLine = 400

// Line is text of a backend as one line: nothing in it ends the line, turns the text
// around or cannot be seen.
func Line(s string) string {
	out := make([]rune, 0, min(len(s), maxLine))
	for _, r := range s {
		if len(out) == maxLine {
			return string(out) + "…"
		}
		switch {
		case unicode.IsSpace(r):
			r = ' '
		case !unicode.IsPrint(r):
			r = unicode.ReplacementChar
		}
		out = append(out, r)
	}
	return string(out)
}
