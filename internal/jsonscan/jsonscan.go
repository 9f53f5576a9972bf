// Package jsonscan checks JSON and finds things in it without decoding it.
//
// Check is the gate for bytes from clients: one strict pass after which the
// other functions may trust their input. Valid is the gate for answers of
// backends, and Stream is Valid for answers that are too large to hold. Members
// and Elements walk one level. Nothing here allocates for well-formed input
// beyond what its comment says.
//
// mcpwire, the endpoints and the backends' transports call it.
package jsonscan

import (
	"iter"
	"strconv"
)

// MaxDepth is how deep arrays and objects may nest in a message.
const MaxDepth = 64

// maxAnswerDepth is how deep they may nest in an answer of a backend.
const maxAnswerDepth = 512

// Span is a half-open range of bytes: b[From:To].
type Span struct{ From, To int }

// Empty tells a span that was never set.
func (s Span) Empty() bool { return s.To == 0 }

// Of returns the bytes of b that s spans.
func (s Span) Of(b []byte) []byte { return b[s.From:s.To] }

// Member is one member of an object. Key is the text between the quotes as it
// was written, escapes included; compare it with Is.
type Member struct {
	Key   []byte
	Value Span
	Whole Span // key, colon and value, without the comma
}

// Error says where JSON breaks the rules and which one.
type Error struct {
	Offset int    // of the offending byte
	Reason string // fixed text, nothing of the input in it
}

// Error is the text for logs.
func (e *Error) Error() string {
	return "JSON at byte " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

// The reasons of an Error.
const (
	endOfInput     = "unexpected end"
	afterValue     = "something follows the value"
	noValue        = "expected a value"
	noKey          = "expected a key"
	noColon        = "expected a colon"
	noCommaOrBrace = "expected a comma or a closing brace"
	noCommaOrEnd   = "expected a comma or a closing bracket"
	tooDeep        = "nested too deep"
	tooLong        = "longer than 2 GiB"
	controlInText  = "control character in a string"
	badUTF8        = "invalid UTF-8"
	badEscape      = "invalid escape"
	loneSurrogate  = "lone surrogate escape"
	nulInKey       = "NUL in a key"
	duplicateKey   = "duplicate key"
	badNumber      = "invalid number"
	notFinite      = "number too large for a float64"
)

// Members walks the members of an object that has been checked, in the order
// they are written. Spans are relative to obj. It yields nothing when obj is
// not an object.
func Members(obj []byte) iter.Seq[Member] {
	return func(yield func(Member) bool) { walkObject(obj, yield) }
}

func walkObject(b []byte, yield func(Member) bool) {
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return
	}
	for {
		i = space(b, i+1) // past the brace or comma
		if i >= len(b) || b[i] != '"' {
			return
		}
		from := i
		end := skipText(b, i+1)
		if end < 0 {
			return
		}
		colon := space(b, end)
		if colon >= len(b) {
			return
		}
		start := space(b, colon+1)
		to := skipValue(b, start)
		if to < 0 {
			return
		}
		if !yield(Member{Key: b[from+1 : end-1], Value: Span{start, to}, Whole: Span{from, to}}) {
			return
		}
		if i = space(b, to); i >= len(b) || b[i] != ',' {
			return
		}
	}
}

// Elements walks the elements of an array that has been checked. Spans are
// relative to arr. It yields nothing when arr is not an array.
func Elements(arr []byte) iter.Seq[Span] {
	return func(yield func(Span) bool) { walkArray(arr, yield) }
}

func walkArray(b []byte, yield func(Span) bool) {
	i := space(b, 0)
	if i >= len(b) || b[i] != '[' {
		return
	}
	for {
		start := space(b, i+1) // past the bracket or comma
		to := skipValue(b, start)
		if to < 0 || !yield(Span{start, to}) {
			return
		}
		if i = space(b, to); i >= len(b) || b[i] != ',' {
			return
		}
	}
}

// Find returns the member of a checked object whose key is name.
func Find(obj []byte, name string) (Member, bool) {
	for m := range Members(obj) {
		if Is(m.Key, name) {
			return m, true
		}
	}
	return Member{}, false
}

// Skip returns the length of the first value in checked b, leading white space
// included. It is not ok when there is none.
func Skip(b []byte) (n int, ok bool) {
	n = skipValue(b, space(b, 0))
	return max(n, 0), n >= 0
}

// skipValue returns the index after the value that starts at i, or -1. It
// trusts that b was checked and only promises not to read past its end.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipText(b, i+1)
	case '{', '[':
		return skipNested(b, i)
	case ']', '}', ',', ':':
		return -1
	}
	for i < len(b) {
		switch b[i] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return i
		}
		i++
	}
	return i
}

func skipNested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			if i = skipText(b, i+1); i < 0 {
				return -1
			}
			continue
		}
		i++
	}
	return -1
}

// skipText returns the index after the closing quote of the string whose
// content starts at i, or -1.
func skipText(b []byte, i int) int {
	for i < len(b) {
		i += plainText(b[i:])
		if i >= len(b) {
			break
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i += 2
		default:
			i++
		}
	}
	return -1
}

// space returns the index of the first byte from i that is not white space.
func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
