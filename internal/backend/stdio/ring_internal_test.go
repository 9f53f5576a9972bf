package stdio

import (
	"strings"
	"testing"
)

// The attack: a process logs messages of megabytes, none of which belongs to a
// call, so that each is kept for the admins.
func TestRing_keepsLittle(t *testing.T) {
	t.Parallel()
	g := newRing(nil)
	line := []byte(strings.Repeat("x", 4<<20))
	for range ringLines + 5 {
		g.add(line)
	}
	kept := 0
	for _, b := range g.buf {
		kept += cap(b)
	}
	if kept > 2*ringLines*ringKeep {
		t.Errorf("%d lines keep %d bytes", ringLines, kept)
	}
	if got := g.lines(); len(got) != ringLines || len(got[0]) > ringLine+10 {
		t.Errorf("%d lines, the first of %d bytes", len(got), len(got[0]))
	}
}
