package stdio

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"
	"unicode"

	"drawbridge/internal/secret"
)

const (
	ringLines = 200
	ringLine  = 2 << 10      // of a line is shown
	ringKeep  = 2 * ringLine // of a line is kept, so that a secret across the cut is still found
)

// ring keeps the last lines of standard error. A flood costs no more than copying
// into buffers that are there; secrets are taken out when somebody reads.
type ring struct {
	hide *secret.Redactor

	mu   sync.Mutex // guards what follows
	buf  [ringLines][]byte
	next int
	full bool
}

func newRing(secrets []secret.String) *ring {
	return &ring{hide: secret.NewRedactor(secrets...)}
}

// fill reads lines until r ends.
func (g *ring) fill(r io.Reader) {
	br := bufio.NewReaderSize(r, ringKeep)
	for {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			g.add(line)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = br.ReadSlice('\n') // the rest of a line that is too long
		}
		if err != nil {
			return
		}
	}
}

// add keeps a line, or its beginning.
func (g *ring) add(line []byte) {
	line = line[:min(len(line), ringKeep)]
	g.mu.Lock()
	defer g.mu.Unlock()
	g.buf[g.next] = append(g.buf[g.next][:0], line...)
	g.next++
	if g.next == ringLines {
		g.next, g.full = 0, true
	}
}

// lines are the kept lines, oldest first, safe to show.
func (g *ring) lines() []string {
	g.mu.Lock()
	var raw []string
	if g.full {
		for _, b := range g.buf[g.next:] {
			raw = append(raw, string(b))
		}
	}
	for _, b := range g.buf[:g.next] {
		raw = append(raw, string(b))
	}
	g.mu.Unlock()
	for i, s := range raw {
		raw[i] = g.clean(s)
	}
	return raw
}

// clean takes out secrets and what a terminal or page would act on.
func (g *ring) clean(s string) string {
	s = g.hide.Redact(strings.TrimRight(s, "\r\n"))
	if len(s) > ringLine {
		s = s[:ringLine] + " ..."
	}
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
