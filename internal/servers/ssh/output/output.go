// Package output keeps what a command prints in bounded memory, hides a secret in it
// as it comes, and makes it fit for reading: without terminal control sequences,
// control characters and bytes that are not UTF-8.
//
// Package remote puts it behind a command's streams. Nothing here knows of hosts.
package output

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"drawbridge/internal/secret"
)

// Printed is what a command wrote to one stream.
type Printed struct {
	Text    string // without control sequences; the middle is left out where it is long
	Bytes   int64  // how many the command wrote
	Omitted int64  // how many of them are not in Text
	Invalid bool   // some were not UTF-8 and are replaced
	Whole   []byte // everything, where it was asked for and is not more than asked
}

// Capture keeps the beginning and the end of a stream in bounded memory: three
// fifths of keep from the front, the rest from the back.
type Capture struct {
	mu    sync.Mutex // guards everything below
	head  []byte
	tail  []byte // a ring once it is full
	at    int    // where the ring goes on
	front int
	back  int
	total int64
	whole []byte
	spool int // most bytes of whole; 0 keeps none
}

// New makes a Capture that shows keep bytes, and keeps a stream whole up to spool.
func New(keep, spool int) *Capture {
	front := keep * 3 / 5
	return &Capture{front: front, back: keep - front, spool: spool}
}

// Write keeps what it must. It never fails, so that the host is never held up.
func (c *Capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(p)
	c.total += int64(n)
	if c.spool > 0 {
		if len(c.whole)+n <= c.spool {
			c.whole = append(c.whole, p...)
		} else {
			c.whole, c.spool = nil, 0
		}
	}
	if room := c.front - len(c.head); room > 0 {
		took := min(room, len(p))
		c.head = append(c.head, p[:took]...)
		p = p[took:]
	}
	for len(p) > 0 && c.back > 0 {
		if room := c.back - len(c.tail); room > 0 {
			took := min(room, len(p))
			c.tail = append(c.tail, p[:took]...)
			p = p[took:]
			continue
		}
		took := copy(c.tail[c.at:], p)
		c.at = (c.at + took) % c.back
		p = p[took:]
	}
	return n, nil
}

// Printed is what was kept, made fit for reading.
func (c *Capture) Printed() Printed {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := Printed{Bytes: c.total, Whole: c.whole}
	o.Omitted = c.total - int64(len(c.head)+len(c.tail))
	tail := append(append([]byte{}, c.tail[c.at:]...), c.tail[:c.at]...)
	if o.Omitted == 0 {
		o.Text, o.Invalid = Plain(append(append([]byte{}, c.head...), tail...))
		return o
	}
	head := c.head
	for i := 0; i < utf8.UTFMax && len(head) > 0 && !utf8.Valid(head[max(0, len(head)-utf8.UTFMax):]); i++ {
		head = head[:len(head)-1] // half a character at the cut
	}
	for i := 0; i < utf8.UTFMax && len(tail) > 0 && !utf8.RuneStart(tail[0]); i++ {
		tail = tail[1:]
	}
	o.Omitted = c.total - int64(len(head)+len(tail))
	front, badFront := Plain(head)
	back, badBack := Plain(tail)
	o.Text = fmt.Sprintf("%s\n[... %d bytes left out ...]\n%s", front, o.Omitted, back)
	o.Invalid = badFront || badBack
	return o
}

// Plain takes terminal control sequences and control characters out, and replaces
// what is not UTF-8.
func Plain(raw []byte) (text string, invalid bool) {
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); {
		if raw[i] == 0x1b {
			i += sequence(raw[i:])
			continue
		}
		r, size := utf8.DecodeRune(raw[i:])
		i += size
		switch {
		case r == utf8.RuneError && size == 1:
			invalid = true
			b.WriteRune(utf8.RuneError)
		case r == '\r' && i < len(raw) && raw[i] == '\n':
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == '\r':
			b.WriteByte('\n') // a progress line written over
		case r < ' ' || r >= 0x7f && r < 0xa0:
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r >= 0xe0000 && r <= 0xe007f:
			// turns text around, or hides it from people
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), invalid
}

// sequence is the length of the control sequence at the start of raw, ECMA-48 5.
func sequence(raw []byte) int {
	if len(raw) < 2 {
		return 1
	}
	switch raw[1] {
	case '[':
		for i := 2; i < len(raw); i++ {
			if raw[i] >= 0x40 && raw[i] <= 0x7e {
				return i + 1
			}
		}
		return len(raw)
	case ']', 'P', '^', '_', 'X': // strings, which BEL or ESC \ ends
		for i := 2; i < len(raw); i++ {
			if raw[i] == 7 {
				return i + 1
			}
			if raw[i] == 0x1b && i+1 < len(raw) && raw[i+1] == '\\' {
				return i + 2
			}
		}
		return len(raw)
	}
	return 2
}

// Mask replaces a secret in a stream, also where it comes in pieces.
type Mask struct {
	to     io.Writer
	secret []byte
	held   []byte // what may be the beginning of the secret
}

// minMasked is the shortest secret that is masked; a shorter one would be found in
// ordinary words.
const minMasked = 3

// NewMask puts a mask before a Capture. An empty secret masks nothing.
func NewMask(to *Capture, s secret.String) *Mask {
	m := &Mask{to: to}
	if v := s.Reveal(); len(v) >= minMasked {
		m.secret = []byte(v)
	}
	return m
}

// Write passes on what cannot be part of the secret any more.
func (m *Mask) Write(p []byte) (int, error) {
	if m.secret == nil {
		return m.to.Write(p)
	}
	all := bytes.ReplaceAll(append(m.held, p...), m.secret, []byte(secret.Mask))
	keep := min(len(m.secret)-1, len(all))
	for keep > 0 && !bytes.HasPrefix(m.secret, all[len(all)-keep:]) {
		keep--
	}
	m.held = bytes.Clone(all[len(all)-keep:])
	if _, err := m.to.Write(all[:len(all)-keep]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush passes on the rest.
func (m *Mask) Flush() {
	_, _ = m.to.Write(m.held) // a capture never fails
	m.held = nil
}
