package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"drawbridge/internal/mcpwire"
)

// AppendAnswer writes the response to the request with the raw id given. o must
// not be streamed: see WriteResult.
func AppendAnswer(dst, id []byte, o *mcpwire.Outcome) []byte {
	if o.Kind == mcpwire.Failed {
		return mcpwire.AppendErrorResponse(dst, id, o.Err)
	}
	return append(append(mcpwire.AppendResultHead(dst, id), o.Result.Bytes...), '}')
}

// Answer is AppendAnswer into a frame of its own.
func Answer(id []byte, o *mcpwire.Outcome) []byte {
	return AppendAnswer(make([]byte, 0, len(o.Result.Bytes)+len(id)+64), id, o)
}

// hold reads a streamed result to its end, at most max bytes.
func hold(o *mcpwire.Outcome, max int) error {
	if o.Result.Rest == nil {
		return nil
	}
	rest, err := io.ReadAll(io.LimitReader(o.Result.Rest, int64(max-len(o.Result.Bytes))+1))
	if err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	if len(rest)+len(o.Result.Bytes) > max {
		return errTooLarge
	}
	whole := append(append(make([]byte, 0, len(o.Result.Bytes)+len(rest)), o.Result.Bytes...), rest...)
	o.Close()
	o.Result.Bytes = whole
	return nil
}

var errTooLarge = errors.New("result too large to hold")

// HeldAnswer is the response as one frame of about max bytes at most, or an
// error response that says why there is none.
func HeldAnswer(id []byte, o *mcpwire.Outcome, max int) []byte {
	switch err := hold(o, max); {
	case err == nil && len(o.Result.Bytes) <= max:
		return Answer(id, o)
	case err == nil, errors.Is(err, errTooLarge):
		return mcpwire.AppendErrorResponse(nil, id, mcpwire.Errorf(mcpwire.CodeInternal,
			"The result is larger than this connection can hold. Call again over Streamable HTTP and keep the connection open."))
	default:
		return mcpwire.AppendErrorResponse(nil, id, mcpwire.Errorf(mcpwire.CodeInternal,
			"The backend broke off in the middle of its result. Look at the backend's state, then call again."))
	}
}

// piece is how much of a large result is written at once. Each packet may wake the
// client, and what is written should still be in the processor's cache: two packets of
// loopback (65,483 bytes each with time stamps). With 92 KiB, which makes a third one
// of what is left over, a megabyte cost a fifth more.
const piece = 130_900

// WriteResult writes a result to w, and behind it what end says for its length. The
// rest of a streamed one passes through the memory that held its beginning, so nobody
// may look at Bytes after that. Line breaks, which JSON has between its tokens only,
// are written as newline says: nil leaves them.
func WriteResult(w io.Writer, r *mcpwire.Result, newline []byte, end func(length int64) []byte) error {
	length := int64(len(r.Bytes))
	for b := range slices.Chunk(r.Bytes, piece) {
		if err := WriteLines(w, b, newline); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
	var last []byte
	for r.Rest != nil {
		n, err := r.Rest.Read(r.Bytes[:min(len(r.Bytes), piece)])
		length += int64(n)
		if errors.Is(err, io.EOF) {
			last = r.Bytes[:n]
			break
		}
		if werr := WriteLines(w, r.Bytes[:n], newline); werr != nil {
			return fmt.Errorf("write result: %w", werr)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
	}
	// The end leaves with the last piece, for each write wakes the client.
	if err := WriteLines(w, append(last, end(length)...), newline); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// Brace is the end of a response, behind its result.
func Brace(int64) []byte { return []byte{'}'} }

// ErrBroken says that a streamed result broke off, other than an error of the
// writer.
var ErrBroken = errors.New("the result broke off")

// WriteLines writes b with each line feed replaced by newline and each carriage
// return by a space; nil leaves both.
func WriteLines(w io.Writer, b, newline []byte) error {
	if newline == nil && len(b) > 0 {
		_, err := w.Write(b)
		return err
	}
	for len(b) > 0 {
		i := bytes.IndexAny(b, "\r\n")
		if i < 0 {
			_, err := w.Write(b)
			return err
		}
		if _, err := w.Write(b[:i]); err != nil {
			return err
		}
		sep := newline
		if b[i] == '\r' {
			sep = space
		}
		if _, err := w.Write(sep); err != nil {
			return err
		}
		b = b[i+1:]
	}
	return nil
}

var space = []byte(" ")
