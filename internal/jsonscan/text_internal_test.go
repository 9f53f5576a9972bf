package jsonscan

import (
	"strings"
	"testing"
)

// Internal, since which bytes end plain text is decided eight, thirty-two and a
// hundred and twenty-eight at a time, and nothing outside can see where one way of
// counting ends.
func TestPlainText_everyByteAtEveryPlace(t *testing.T) {
	t.Parallel()
	const longest = 128 + 3*32 + 9
	for n := range longest {
		b := []byte(strings.Repeat("a", n))
		if got := plainText(b); got != n {
			t.Fatalf("%d plain bytes: %d", n, got)
		}
		for at := range b {
			for c := range 256 {
				b[at] = byte(c)
				want := n
				if c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
					want = at
				}
				if got := plainText(b); got != want {
					t.Fatalf("byte %#x at %d of %d: %d, want %d", c, at, n, got, want)
				}
				if got := plainWords(b); got != want/32*32 { // for processors that can do less than this one
					t.Fatalf("byte %#x at %d of %d: %d in whole blocks, want %d", c, at, n, got, want)
				}
			}
			b[at] = ' ' // the lowest plain byte, beside the next one looked for
		}
	}
}

// Two special bytes: a borrow must not hide the first behind the second.
func TestPlainText_firstOfTwo(t *testing.T) {
	t.Parallel()
	special := []byte{0, 0x1f, '"', '\\', 0x80, 0xff}
	for i := range 80 {
		for j := range i {
			for _, x := range special {
				for _, y := range special {
					b := []byte(strings.Repeat("!", 100))
					b[i], b[j] = x, y
					if got := plainText(b); got != j {
						t.Fatalf("%#x at %d and %#x at %d: %d", y, j, x, i, got)
					}
				}
			}
		}
	}
}
