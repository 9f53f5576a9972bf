package answer

import "io"

// unsized is a body that does not say how long it is.
type unsized struct{ io.ReadCloser }

func (unsized) Len() int64 { return -1 }

// Begin is begin, with a first part as small as the test likes.
func Begin(src io.ReadCloser, first []byte, o Options) (Answer, error) {
	return begin(unsized{src}, first, o)
}
