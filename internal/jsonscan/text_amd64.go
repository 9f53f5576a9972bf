package jsonscan

import "golang.org/x/sys/cpu"

// plainBlocks returns how many bytes at the start of b are plain text; it may
// leave fewer than 32 of them uncounted where b ends.
func plainBlocks(b []byte) int {
	if cpu.X86.HasAVX2 {
		return plainAVX2(b)
	}
	return plainWords(b)
}

// plainAVX2 is plainBlocks on processors with 256-bit integers: checking large
// results is a good part of what passing them on costs.
//
//go:noescape
func plainAVX2(b []byte) int
