package answer

import (
	"errors"
	"io"
	"sync"
)

// Sizes of the pooled buffers: most answers fit the small one, and the first
// part of every streamed one the large.
const (
	smallBuffer = 16 << 10
	largeBuffer = held
)

// buffer is a piece of memory from a pool. free gives it back; it is made once
// per buffer, so that handing it out costs nothing.
type buffer struct {
	b    []byte
	free func()
}

// The pools hold no state, only memory.
var small, large = pool(smallBuffer), pool(largeBuffer)

func pool(size int) *sync.Pool {
	p := new(sync.Pool)
	p.New = func() any {
		buf := &buffer{b: make([]byte, 0, size)}
		buf.free = func() {
			if cap(buf.b) == size { // one that had to grow is left to the collector
				buf.b = buf.b[:0]
				p.Put(buf)
			}
		}
		return buf
	}
	return p
}

// get returns an empty buffer for a body of a length, -1 where it is not known.
func get(length int64) *buffer {
	if length < smallBuffer {
		return small.Get().(*buffer)
	}
	return large.Get().(*buffer)
}

// fill reads from r into buf until the end or until it holds limit bytes. A
// buffer that grows too small is exchanged for another.
func fill(r io.Reader, buf *buffer, limit int64) (_ *buffer, whole bool, err error) {
	for int64(len(buf.b)) < limit {
		if len(buf.b) == cap(buf.b) {
			buf = grow(buf)
		}
		room := buf.b[len(buf.b):min(int64(cap(buf.b)), limit)]
		n, err := r.Read(room)
		buf.b = buf.b[:len(buf.b)+n]
		if errors.Is(err, io.EOF) {
			return buf, true, nil
		}
		if err != nil {
			return buf, false, err
		}
	}
	return buf, false, nil
}

func grow(buf *buffer) *buffer {
	if cap(buf.b) == smallBuffer {
		bigger := large.Get().(*buffer)
		bigger.b = append(bigger.b, buf.b...)
		buf.free()
		return bigger
	}
	bigger := &buffer{b: append(make([]byte, 0, 2*cap(buf.b)), buf.b...), free: func() {}}
	buf.free()
	return bigger
}
