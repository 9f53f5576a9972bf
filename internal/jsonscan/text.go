package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Eight bytes at a time: each constant holds its byte eight times.
const (
	ones        = 0x0101010101010101
	highBits    = 0x80 * ones
	backslashes = '\\' * ones
)

// special sets the high bit of each byte of w that ends plain text: a quote, a
// backslash, a control character or a byte that is not ASCII. Bits above the
// lowest one set may be wrong, for subtraction borrows upward.
//
// One subtraction finds controls and quotes: turning the bit 2 over moves the
// quote (0x22) to 0x20, and of all others only controls are at or below that.
func special(w uint64) uint64 {
	return (w | ((w ^ 2*ones) - ('"'-1)*ones) | ((w ^ backslashes) - ones)) & highBits
}

// plainText returns how many bytes at the start of b are ordinary ASCII in a string.
func plainText(b []byte) int {
	i := 0
	if len(b) >= 32 {
		if m := special(binary.LittleEndian.Uint64(b)); m != 0 { // most keys end here
			return bits.TrailingZeros64(m) / 8
		}
		i = plainBlocks(b)
	}
	for ; len(b)-i >= 8; i += 8 {
		if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// plainWords returns how many bytes at the start of b are plain text, in whole
// blocks of 32.
func plainWords(b []byte) int {
	i := 0
	for ; len(b)-i >= 32; i += 32 {
		q := b[i : i+32 : i+32]
		w0 := binary.LittleEndian.Uint64(q)
		w1 := binary.LittleEndian.Uint64(q[8:])
		w2 := binary.LittleEndian.Uint64(q[16:])
		w3 := binary.LittleEndian.Uint64(q[24:])
		if special(w0)|special(w1)|special(w2)|special(w3) != 0 {
			break
		}
	}
	return i
}

// unescape decodes the escape at b[i], which is a backslash, both halves of a
// surrogate pair together. next is the index after it or, with a reason, of the
// offending byte.
func unescape(b []byte, i int) (r rune, next int, reason string) {
	if i+1 >= len(b) {
		return 0, len(b), endOfInput
	}
	if b[i+1] != 'u' {
		r = simpleEscape(b[i+1])
		if r < 0 {
			return 0, i + 1, badEscape
		}
		return r, i + 2, ""
	}
	r, next = hex4(b, i+2)
	if r < 0 {
		return 0, next, badEscape
	}
	if !utf16.IsSurrogate(r) {
		return r, next, ""
	}
	if r >= 0xdc00 {
		return 0, i, loneSurrogate
	}
	for k, want := range [2]byte{'\\', 'u'} {
		if next+k >= len(b) {
			return 0, len(b), endOfInput
		}
		if b[next+k] != want {
			return 0, i, loneSurrogate
		}
	}
	low, end := hex4(b, next+2)
	if low < 0 {
		return 0, end, badEscape
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, i, loneSurrogate
	}
	return r, end, ""
}

// simpleEscape returns what the letter after a backslash stands for, or -1.
func simpleEscape(c byte) rune {
	switch c {
	case '"', '\\', '/':
		return rune(c)
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return -1
}

// hex4 reads four hexadecimal digits; r is -1 and next the culprit if there are none.
func hex4(b []byte, i int) (r rune, next int) {
	for end := i + 4; i < end; i++ {
		if i >= len(b) {
			return -1, len(b)
		}
		d := hexDigit(b[i])
		if d < 0 {
			return -1, i
		}
		r = r<<4 | d
	}
	return r, i
}

func hexDigit(c byte) rune {
	switch {
	case isDigit(c):
		return rune(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}
