//go:build !amd64

package jsonscan

import "encoding/binary"

// plainBlocks returns how many bytes at the start of b are plain text, in whole
// blocks of 32.
func plainBlocks(b []byte) int {
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
