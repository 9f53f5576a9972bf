package jsonscan

// plainBlocks returns how many bytes at the start of b are plain text, in whole
// blocks of 64. Written with SSE2, which every amd64 processor has: checking
// large results is a good part of what passing them on costs.
//
//go:noescape
func plainBlocks(b []byte) int
