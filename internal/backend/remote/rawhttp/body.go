package rawhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"drawbridge/internal/life"
)

// How a body ends.
const (
	byLength = iota
	byChunks
	byClose
)

const (
	// drainTime and drainBytes bound what Close waits for at the end of a body.
	// A stream's last chunk follows its last event at once.
	drainTime  = 20 * time.Millisecond
	drainBytes = 16 << 10
	maxChunk   = 1 << 40
)

// body reads the body of the exchange under way and gives the connection back
// when it has ended.
type body struct {
	cn     *conn
	client *Client
	ctx    context.Context // of the exchange; a body outlives the call that opened it
	ended  life.Hook       // on ctx
	mode   int
	left   int64 // of the body, or of the chunk
	inside bool  // a chunk was read whose line end is still to come
	kept   bool  // ctx is watched no longer
	err    error // what Read keeps returning
}

// keep ends the watch on ctx, unless it has just closed the connection.
func (b *body) keep() {
	if b.err == nil && !b.kept {
		b.kept = b.ended.Off()
	}
}

// Read reads from the body; io.EOF is its complete end.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = b.fail(err, true)
		return n, b.err
	}
	if errors.Is(err, io.EOF) {
		b.finish()
		return n, io.EOF
	}
	return n, nil
}

func (b *body) read(p []byte) (int, error) {
	if b.mode == byChunks && b.left == 0 {
		if err := b.nextChunk(); err != nil {
			return 0, err
		}
	}
	if b.mode != byClose {
		if b.left == 0 {
			return 0, io.EOF
		}
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.cn.br.Read(p)
	if b.mode == byClose {
		return n, err
	}
	b.left -= int64(n)
	if errors.Is(err, io.EOF) {
		return n, io.ErrUnexpectedEOF
	}
	if err == nil && b.left == 0 && b.mode == byLength {
		return n, io.EOF
	}
	return n, err
}

// nextChunk reads the line end of the last chunk and the head of the next one;
// io.EOF after the last one and its trailers.
func (b *body) nextChunk() error {
	if b.inside {
		b.inside = false
		line, whole, err := b.cn.line()
		if err != nil {
			return noEOF(err)
		}
		if len(line) > 0 || !whole {
			return malformed("a chunk is longer than it said")
		}
	}
	line, whole, err := b.cn.line()
	if err != nil {
		return noEOF(err)
	}
	size, ok := chunkSize(line)
	if !ok || !whole {
		return malformed("a chunk without a size")
	}
	b.left, b.inside = size, true
	if size > 0 {
		return nil
	}
	for left := MaxHead; left > 0; left -= len(line) { // trailers
		line, whole, err = b.cn.line()
		if err != nil {
			return noEOF(err)
		}
		if len(line) == 0 && whole {
			return io.EOF
		}
	}
	return malformed("the trailers are larger than %d bytes", MaxHead)
}

// noEOF makes an end in the middle recognisable as one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// chunkSize reads the hexadecimal size of a chunk; extensions are passed over.
func chunkSize(line []byte) (int64, bool) {
	line, _, _ = bytes.Cut(line, []byte{';'})
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 || len(line) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range line {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int64(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | int64(c-'a'+10)
		case 'A' <= c && c <= 'F':
			n = n<<4 | int64(c-'A'+10)
		default:
			return 0, false
		}
	}
	return n, n <= maxChunk
}

// finish ends a body that was read to its end: the connection goes to the pool
// unless ctx has just closed it or the backend sent more than it should.
func (b *body) finish() {
	if b.err != nil {
		return
	}
	b.err = io.EOF
	cn, client := b.cn, b.client
	if !b.kept && !b.ended.Off() || cn.rest <= 0 || cn.br.Buffered() > 0 {
		cn.close()
		return
	}
	cn.end = time.Time{}
	client.put(cn)
}

// Close ends the exchange before or after the end of its body.
func (b *body) Close() error {
	if b.err != nil {
		return nil
	}
	if b.cn.rest > 0 && (b.mode == byChunks || b.left <= drainBytes) {
		b.cn.deadline(time.Now(), drainTime)
		var scrap [512]byte
		for n := 0; n < drainBytes && b.err == nil; {
			m, _ := b.Read(scrap[:])
			n += m
		}
	}
	if b.err == nil {
		b.err = b.fail(io.ErrClosedPipe, true) // given up; nobody wants to know
	}
	return nil
}

// fail ends the exchange with an error and says what it was.
func (b *body) fail(err error, sent bool) error {
	ctxErr := b.ctx.Err()
	b.ended.Off()
	b.cn.close()
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	kind := Broken
	switch {
	case errors.Is(ctxErr, context.Canceled):
		kind, err = Cancelled, ctxErr
	case ctxErr != nil:
		kind, err = TimedOut, ctxErr
	case errors.Is(err, os.ErrDeadlineExceeded):
		kind = TimedOut
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return &Error{Kind: kind, Sent: sent, Err: err}
}
