//go:build !amd64

package jsonscan

// plainBlocks returns how many bytes at the start of b are plain text; it may
// leave some of them uncounted.
func plainBlocks(b []byte) int { return plainWords(b) }
