package jsonscan

// overflow is 2^1024 - 2^970, the least number that rounds to infinity as a
// float64. It has 309 digits.
const overflow = "17976931348623158079372897140530341507993413271003782693617377898044496829276475094664901797758720709633028641" +
	"66928879109465555478519404026306574886715058206819089020007083836762738548458177115317644757302700698555713669" +
	"59622842914819860834936475292719074168444365510704342711559699508093042880177904174497792"

// number checks the number at i: syntax, and that it is finite.
func (c *checker) number(i int) int {
	b, from := c.b, i
	if b[i] == '-' {
		i++
	}
	first := i
	if i = digits(b, i); i == first || b[first] == '0' && i > first+1 {
		return c.fail(min(i, first+1), badNumber)
	}
	large := i-first >= len(overflow)
	if i < len(b) && b[i] == '.' {
		first = i + 1
		if i = digits(b, first); i == first {
			return c.fail(i, badNumber)
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		first = i
		if i = digits(b, first); i == first {
			return c.fail(i, badNumber)
		}
		large = true
	}
	if large && !isFinite(b[from:i]) {
		c.err = &Error{Offset: from, Reason: notFinite}
		return -1
	}
	return i
}

func digits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// isFinite tells whether the well-formed number fits a float64.
func isFinite(number []byte) bool {
	var m magnitude
	part := integerPart
	for _, c := range number {
		switch c {
		case '.':
			part = fractionPart
		case 'e', 'E':
			part = exponentPart
		case '-', '+':
			m.negative = c == '-' && part == exponentPart
		default:
			m.add(c, part)
		}
	}
	return m.finite()
}

// magnitude follows a number digit by digit and tells in the end whether it is
// finite, without keeping the digits: the value is 0.ddd... times ten to order.
type magnitude struct {
	significant int // digits after the leading zeros
	order       int
	exponent    int // absolute value
	negative    bool
	compared    int // significant digits against overflow: -1, 0, 1
}

// The parts of a number.
const (
	integerPart = iota
	fractionPart
	exponentPart
)

// exponentCap keeps the exponent from overflowing; no number in memory has as
// many digits.
const exponentCap = 1 << 50

func (m *magnitude) add(digit byte, part int) {
	if part == exponentPart {
		if m.exponent < exponentCap {
			m.exponent = m.exponent*10 + int(digit-'0')
		}
		return
	}
	if m.significant == 0 && digit == '0' {
		if part == fractionPart {
			m.order--
		}
		return
	}
	if part == integerPart {
		m.order++
	}
	if m.compared == 0 && m.significant < len(overflow) {
		m.compared = int(digit) - int(overflow[m.significant])
	}
	m.significant++
}

func (m *magnitude) finite() bool {
	order := m.order + m.exponent
	if m.negative {
		order = m.order - m.exponent
	}
	switch {
	case m.significant == 0 || order < len(overflow):
		return true
	case order > len(overflow):
		return false
	case m.compared == 0:
		return m.significant < len(overflow)
	}
	return m.compared < 0
}

// numeral takes a byte of a number, or ends the number before it.
func (s *Stream) numeral(p []byte, i int) int {
	c := p[i]
	if isDigit(c) {
		return s.digit(c, i)
	}
	switch s.state {
	case numberZero, numberInteger:
		if c == '.' {
			s.state = numberDot
			return i + 1
		}
		fallthrough
	case numberFraction:
		if c == 'e' || c == 'E' {
			s.state = numberE
			return i + 1
		}
		fallthrough
	case numberExponent:
		if !s.number.finite() {
			return s.fail(i, notFinite)
		}
		s.endValue()
		return i
	case numberE:
		if c == '+' || c == '-' {
			s.state, s.number.negative = numberExponentSign, c == '-'
			return i + 1
		}
	}
	return s.fail(i, badNumber)
}

func (s *Stream) digit(c byte, i int) int {
	part := integerPart
	switch s.state {
	case numberSign:
		s.state = numberInteger
		if c == '0' {
			s.state = numberZero
		}
	case numberZero:
		return s.fail(i, badNumber)
	case numberDot, numberFraction:
		s.state, part = numberFraction, fractionPart
	case numberE, numberExponentSign, numberExponent:
		s.state, part = numberExponent, exponentPart
	}
	s.number.add(c, part)
	return i + 1
}
