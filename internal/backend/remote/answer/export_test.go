package answer

import "io"

// Begin is begin, with a first part as small as the test likes.
func Begin(src io.ReadCloser, first []byte, o Options) (Answer, error) { return begin(src, first, o) }
