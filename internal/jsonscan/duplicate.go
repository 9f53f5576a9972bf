package jsonscan

import (
	"hash/maphash"
)

// keySpan is a raw key in the checked bytes: b[from:to()]. The high bit of end
// tells that it holds an escape; no body is that long.
type keySpan struct{ from, end uint32 }

const escapedBit = 1 << 31

func spanOfKey(from, to int, escaped bool) keySpan {
	k := keySpan{uint32(from), uint32(to)}
	if escaped {
		k.end |= escapedBit
	}
	return k
}

func (k keySpan) escaped() bool      { return k.end&escapedBit != 0 }
func (k keySpan) of(b []byte) []byte { return b[k.from : k.end&^escapedBit] }

// keyStack holds the keys of the open objects, innermost last. It starts on the
// stack of the caller and moves to the heap when it grows.
type keyStack struct {
	len   int
	first [32]keySpan
	more  []keySpan // all of them, once there are more than first holds
}

func (s *keyStack) push(k keySpan) {
	if s.len < len(s.first) && s.more == nil {
		s.first[s.len] = k
		s.len++
		return
	}
	if s.len >= len(s.more) {
		more := make([]keySpan, max(2*len(s.more), 8*len(s.first)))
		copy(more, s.from(0))
		s.more = more
	}
	s.more[s.len] = k
	s.len++
}

// from returns the keys from the base on; they are valid until the next push.
func (s *keyStack) from(base int) []keySpan {
	if s.more != nil {
		return s.more[base:s.len]
	}
	return s.first[base:s.len]
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
	var small [4 * pairwise]uint32
	slots := small[:]
	if size > len(small) {
		if len(c.table) < size {
			c.table = make([]uint32, size)
		}
		slots = c.table[:size]
		clear(slots)
	}
	mask := uint64(len(slots) - 1)
	if c.seed == (maphash.Seed{}) {
		c.seed = maphash.MakeSeed()
	}
	for n, k := range keys {
		at := c.hash(k) & mask
		for slots[at] != 0 {
			if c.sameKey(k, keys[slots[at]-1]) {
				return int(k.from) - 1
			}
			at = (at + 1) & mask
		}
		slots[at] = uint32(n + 1)
	}
	return -1
}

func (c *checker) sameKey(a, b keySpan) bool {
	x, y := a.of(c.b), b.of(c.b)
	if !a.escaped() && !b.escaped() {
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
	raw := k.of(c.b)
	if k.escaped() {
		c.text = appendDecoded(c.text[:0], raw)
		raw = c.text
	}
	return maphash.Bytes(c.seed, raw)
}
