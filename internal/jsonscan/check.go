package jsonscan

import (
	"hash/maphash"
	"math"
	"unicode/utf8"
)

// Check tells whether b is exactly one JSON value that every parser reads the
// same way: RFC 8259 syntax, valid UTF-8, no lone surrogate escape, at most
// MaxDepth levels, no key twice in one object (compared decoded), no NUL in a
// key, every number finite as a float64, nothing but white space around it. The
// error is an *Error.
//
// It allocates only on failure, or when more than 32 keys are open at once.
func Check(b []byte) error {
	if len(b) > math.MaxInt32 {
		return &Error{Offset: math.MaxInt32, Reason: tooLong}
	}
	c := checker{b: b, maxDepth: MaxDepth, unique: true}
	return c.run()
}

// Valid is Check for answers of backends: keys may repeat and the depth may
// reach 512. It allocates only on failure.
func Valid(b []byte) error {
	c := checker{b: b, maxDepth: maxAnswerDepth}
	return c.run()
}

// checker is one pass over b. Its methods take the index to go on at and return
// the index after what they checked, or -1 after setting the error.
type checker struct {
	b        []byte
	maxDepth int
	err      *Error
	escaped  bool // the last string held an escape

	unique bool
	keys   keyStack
	table  []uint32 // of repeatedOfMany
	seed   maphash.Seed
	text   []byte // decoded key for hashing
}

func (c *checker) fail(i int, reason string) int {
	if i >= len(c.b) {
		i, reason = len(c.b), endOfInput
	}
	c.err = &Error{Offset: i, Reason: reason}
	return -1
}

func (c *checker) run() error {
	i := c.value(space(c.b, 0), 0)
	if i < 0 {
		return c.err
	}
	if i = space(c.b, i); i < len(c.b) {
		return &Error{Offset: i, Reason: afterValue}
	}
	return nil
}

func (c *checker) value(i, depth int) int {
	if i >= len(c.b) {
		return c.fail(i, endOfInput)
	}
	switch c.b[i] {
	case '"':
		return c.str(i+1, false)
	case '{':
		if depth == c.maxDepth {
			return c.fail(i, tooDeep)
		}
		return c.object(i+1, depth+1)
	case '[':
		if depth == c.maxDepth {
			return c.fail(i, tooDeep)
		}
		return c.array(i+1, depth+1)
	case 't':
		return c.word(i, "true")
	case 'f':
		return c.word(i, "false")
	case 'n':
		return c.word(i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return c.number(i)
	}
	return c.fail(i, noValue)
}

func (c *checker) word(i int, word string) int {
	for k := range len(word) {
		if i+k >= len(c.b) || c.b[i+k] != word[k] {
			return c.fail(i+k, noValue)
		}
	}
	return i + len(word)
}

func (c *checker) array(i, depth int) int {
	b := c.b
	if i = space(b, i); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = c.value(i, depth); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) {
			return c.fail(i, endOfInput)
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case ']':
			return i + 1
		default:
			return c.fail(i, noCommaOrEnd)
		}
	}
}

func (c *checker) object(i, depth int) int {
	b, base := c.b, c.keys.len
	if i = space(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i = c.key(i); i < 0 {
			return -1
		}
		if i = c.value(space(b, i), depth); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) {
			return c.fail(i, endOfInput)
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
			continue
		case '}':
		default:
			return c.fail(i, noCommaOrBrace)
		}
		if c.unique {
			if again := c.repeated(c.keys.from(base)); again >= 0 {
				return c.fail(again, duplicateKey)
			}
			c.keys.len = base
		}
		return i + 1
	}
}

// key checks a key and the colon after it.
func (c *checker) key(i int) int {
	b := c.b
	if i >= len(b) || b[i] != '"' {
		return c.fail(i, noKey)
	}
	end := c.str(i+1, true)
	if end < 0 {
		return -1
	}
	if c.unique {
		c.keys.push(spanOfKey(i+1, end-1, c.escaped))
	}
	if i = space(b, end); i >= len(b) || b[i] != ':' {
		return c.fail(i, noColon)
	}
	return i + 1
}

// str checks a string whose content starts at i.
func (c *checker) str(i int, isKey bool) int {
	b := c.b
	c.escaped = false
	for {
		i += plainText(b[i:])
		if i >= len(b) {
			return c.fail(i, endOfInput)
		}
		switch ch := b[i]; {
		case ch == '"':
			return i + 1
		case ch == '\\':
			c.escaped = true
			r, next, reason := unescape(b, i)
			if reason != "" {
				return c.fail(next, reason)
			}
			if r == 0 && isKey {
				return c.fail(i, nulInKey)
			}
			i = next
		case ch < ' ':
			return c.fail(i, controlInText)
		default:
			for i < len(b) && b[i] >= utf8.RuneSelf {
				r, n := utf8.DecodeRune(b[i:])
				if r == utf8.RuneError && n == 1 {
					return c.badRune(i)
				}
				i += n
			}
		}
	}
}

func (c *checker) badRune(i int) int {
	if !utf8.FullRune(c.b[i:]) {
		return c.fail(len(c.b), endOfInput)
	}
	return c.fail(i, badUTF8)
}
