package jsonscan

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Stream is Valid for one value that arrives in pieces. The zero value is
// ready. It holds a few hundred bytes whatever the size of the value and never
// allocates but for its error.
type Stream struct {
	state  state
	err    *Error
	offset int // of the bytes before the current Write

	depth   int
	objects [maxAnswerDepth / 64]uint64 // one bit for each level: is it an object

	word   string // rest of true, false or null
	isKey  bool   // the current string is a key
	cut    [utf8.UTFMax]byte
	cutLen int // bytes of a character that the last Write cut
	code   rune
	high   rune // first half of a surrogate pair
	number magnitude
}

// state says what the next byte may be.
type state uint8

const (
	wantValue   state = iota
	wantElement       // a value or ]
	wantMember        // a key or }
	wantKey
	wantColon
	wantComma // or the closing bracket or brace
	inText
	inWord
	escapeLetter // after a backslash
	escapeHex1
	escapeHex2
	escapeHex3
	escapeHex4
	pairBackslash // between the halves of a surrogate pair
	pairLetter
	numberSign // after the minus
	numberZero
	numberInteger
	numberDot
	numberFraction
	numberE
	numberExponentSign
	numberExponent
	ended
)

// Write checks the next bytes. n of them belong to the value; done tells that
// it ended with them. A number that is the whole value ends at the first byte
// after it. After an error or the end, Write takes nothing more and repeats
// its answer.
func (s *Stream) Write(p []byte) (n int, done bool, err error) {
	for n < len(p) && s.state != ended && s.err == nil {
		n = s.step(p, n)
	}
	s.offset += n
	if s.err != nil {
		return n, false, s.err
	}
	return n, s.state == ended, nil
}

func (s *Stream) fail(i int, reason string) int {
	s.err = &Error{Offset: s.offset + i, Reason: reason}
	return i
}

// step takes at least one byte of p at i, or changes the state, and returns the
// index to go on at.
func (s *Stream) step(p []byte, i int) int {
	switch {
	case s.state == inText:
		return s.text(p, i)
	case s.state >= numberSign:
		return s.numeral(p, i)
	case s.state >= escapeLetter:
		return s.escape(p[i], i)
	case s.state == inWord:
		if p[i] != s.word[0] {
			return s.fail(i, noValue)
		}
		if s.word = s.word[1:]; s.word == "" {
			s.endValue()
		}
		return i + 1
	}
	if i = space(p, i); i == len(p) {
		return i
	}
	return s.structure(p[i], i)
}

// structure takes a byte outside of strings, numbers and words.
func (s *Stream) structure(c byte, i int) int {
	switch s.state {
	case wantElement:
		if c == ']' {
			return s.closeLevel(i)
		}
		return s.value(c, i)
	case wantMember, wantKey:
		if c == '}' && s.state == wantMember {
			return s.closeLevel(i)
		}
		if c != '"' {
			return s.fail(i, noKey)
		}
		s.state, s.isKey = inText, true
		return i + 1
	case wantColon:
		if c != ':' {
			return s.fail(i, noColon)
		}
		s.state = wantValue
		return i + 1
	case wantComma:
		return s.comma(c, i)
	}
	return s.value(c, i)
}

func (s *Stream) value(c byte, i int) int {
	switch c {
	case '"':
		s.state, s.isKey = inText, false
	case '{':
		return s.openLevel(i, true)
	case '[':
		return s.openLevel(i, false)
	case 't':
		s.state, s.word = inWord, "rue"
	case 'f':
		s.state, s.word = inWord, "alse"
	case 'n':
		s.state, s.word = inWord, "ull"
	case '-':
		s.state, s.number = numberSign, magnitude{}
	default:
		if !isDigit(c) {
			return s.fail(i, noValue)
		}
		s.state, s.number = numberSign, magnitude{}
		return i
	}
	return i + 1
}

func (s *Stream) comma(c byte, i int) int {
	object := s.inObject()
	switch {
	case c == ',' && object:
		s.state = wantKey
	case c == ',':
		s.state = wantValue
	case c == '}' && object, c == ']' && !object:
		return s.closeLevel(i)
	case object:
		return s.fail(i, noCommaOrBrace)
	default:
		return s.fail(i, noCommaOrEnd)
	}
	return i + 1
}

func (s *Stream) inObject() bool {
	level := s.depth - 1
	return s.objects[level/64]>>(level%64)&1 == 1
}

func (s *Stream) openLevel(i int, object bool) int {
	if s.depth == maxAnswerDepth {
		return s.fail(i, tooDeep)
	}
	word, bit := s.depth/64, uint64(1)<<(s.depth%64)
	s.depth++
	if object {
		s.objects[word] |= bit
		s.state = wantMember
	} else {
		s.objects[word] &^= bit
		s.state = wantElement
	}
	return i + 1
}

func (s *Stream) closeLevel(i int) int {
	s.depth--
	s.endValue()
	return i + 1
}

func (s *Stream) endValue() {
	s.state = wantComma
	if s.depth == 0 {
		s.state = ended
	}
}

// text takes the content of a string up to its end, that of p, or an escape that
// is more than a letter.
func (s *Stream) text(p []byte, i int) int {
	if s.cutLen > 0 {
		return s.cutRune(p, i)
	}
	for {
		i += plainText(p[i:])
		if i == len(p) {
			return i
		}
		switch c := p[i]; {
		case c == '"':
			if s.isKey {
				s.state = wantColon
			} else {
				s.endValue()
			}
			return i + 1
		case c == '\\':
			if i+1 == len(p) || simpleEscape(p[i+1]) < 0 {
				s.state = escapeLetter
				return i + 1
			}
			i += 2
		case c < ' ':
			return s.fail(i, controlInText)
		default:
			for i < len(p) && p[i] >= utf8.RuneSelf {
				r, n := utf8.DecodeRune(p[i:])
				if r == utf8.RuneError && n == 1 {
					return s.badRune(p, i)
				}
				i += n
			}
		}
	}
}

// badRune refuses the byte at i unless it starts a character that p cuts.
func (s *Stream) badRune(p []byte, i int) int {
	if utf8.FullRune(p[i:]) {
		return s.fail(i, badUTF8)
	}
	s.cutLen = copy(s.cut[:], p[i:])
	return len(p)
}

// cutRune adds a byte to a character that the last Write cut.
func (s *Stream) cutRune(p []byte, i int) int {
	s.cut[s.cutLen] = p[i]
	s.cutLen++
	if part := s.cut[:s.cutLen]; utf8.FullRune(part) {
		s.cutLen = 0
		if r, n := utf8.DecodeRune(part); r == utf8.RuneError && n == 1 {
			return s.fail(i, badUTF8)
		}
	}
	return i + 1
}

// escape takes a byte after a backslash.
func (s *Stream) escape(c byte, i int) int {
	switch s.state {
	case escapeLetter:
		switch {
		case c == 'u':
			s.state, s.code = escapeHex1, 0
		case simpleEscape(c) < 0:
			return s.fail(i, badEscape)
		default:
			s.state = inText
		}
	case pairBackslash:
		if c != '\\' {
			return s.fail(i, loneSurrogate)
		}
		s.state = pairLetter
	case pairLetter:
		if c != 'u' {
			return s.fail(i, loneSurrogate)
		}
		s.state, s.code = escapeHex1, 0
	default:
		d := hexDigit(c)
		if d < 0 {
			return s.fail(i, badEscape)
		}
		s.code = s.code<<4 | d
		if s.state++; s.state > escapeHex4 {
			return s.codeUnit(i)
		}
	}
	return i + 1
}

// codeUnit ends a \u escape whose last digit is at i.
func (s *Stream) codeUnit(i int) int {
	high := s.high
	s.high, s.state = 0, inText
	switch {
	case high != 0:
		if utf16.DecodeRune(high, s.code) == utf8.RuneError {
			return s.fail(i, loneSurrogate)
		}
	case utf16.IsSurrogate(s.code):
		if s.code >= 0xdc00 {
			return s.fail(i, loneSurrogate)
		}
		s.high, s.state = s.code, pairBackslash
	case s.code == 0 && s.isKey:
		return s.fail(i, nulInKey)
	}
	return i + 1
}
