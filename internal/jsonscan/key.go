package jsonscan

import (
	"bytes"
	"hash/maphash"
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

// keySpan is a raw key in the checked bytes.
type keySpan struct {
	from, to uint32
	escaped  bool
}

// pairwise is the largest number of keys that are compared each with each.
const pairwise = 16

// repeated returns the offset of a key of one object that repeats an earlier
// one, or -1.
func (c *checker) repeated(keys []keySpan) int {
	if len(keys) > pairwise {
		return c.repeatedOfMany(keys)
	}
	for n, k := range keys {
		for _, earlier := range keys[:n] {
			if c.sameKey(k, earlier) {
				return int(k.from) - 1
			}
		}
	}
	return -1
}

// repeatedOfMany does the same with a hash table. The seed is random, so nobody
// can choose keys that collide.
func (c *checker) repeatedOfMany(keys []keySpan) int {
	size := 2 * pairwise
	for size < len(keys)*3/2 {
		size *= 2
	}
	if len(c.slots) < size {
		c.slots = make([]uint32, size)
	}
	slots := c.slots[:size]
	clear(slots)
	if c.seed == (maphash.Seed{}) {
		c.seed = maphash.MakeSeed()
	}
	for n, k := range keys {
		at := c.hash(k) & uint64(size-1)
		for slots[at] != 0 {
			if c.sameKey(k, keys[slots[at]-1]) {
				return int(k.from) - 1
			}
			at = (at + 1) & uint64(size-1)
		}
		slots[at] = uint32(n + 1)
	}
	return -1
}

func (c *checker) sameKey(a, b keySpan) bool {
	x, y := c.b[a.from:a.to], c.b[b.from:b.to]
	if !a.escaped && !b.escaped {
		return string(x) == string(y)
	}
	i, j := 0, 0
	for i < len(x) && j < len(y) {
		var r, s rune
		r, i = nextRune(x, i)
		if s, j = nextRune(y, j); r != s {
			return false
		}
	}
	return i == len(x) && j == len(y)
}

func (c *checker) hash(k keySpan) uint64 {
	raw := c.b[k.from:k.to]
	if k.escaped {
		c.text = appendDecoded(c.text[:0], raw)
		raw = c.text
	}
	return maphash.Bytes(c.seed, raw)
}

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
