// Package answer reads a backend's JSON answer to one request: whole where it is
// small, and piece by piece where it is not.
//
// What it gives has been checked: it is one JSON-RPC response to the request
// that was asked, with exactly one of result and error. Of a large answer the
// first part is checked before Read returns, the rest as it passes through, and
// the end of the envelope, which may hold the id, before the reader reports the
// end. The bytes of the result are those of the backend.
package answer

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// ErrTooLarge says that an answer is larger than the limit.
var ErrTooLarge = errors.New("answer too large")

// maxPrefix is how much of a large answer may stand before its result, and
// maxTail how much after it.
const (
	maxPrefix = 4 << 10
	maxTail   = 64 << 10
	held      = mcpwire.HeldBytes + maxPrefix
)

// Body is the body of an answer. Length is -1 when it is not known.
type Body interface {
	io.ReadCloser
	Len() int64
}

// Options say what to read.
type Options struct {
	ID  int64 // of the request
	Max int64 // bytes of the largest answer
	// NeedType holds a large result until its resultType was seen: a result that
	// is no final one must not leave before anybody knows.
	NeedType bool
}

// Answer is a response. Err is the backend's error, or nil.
type Answer struct {
	Result mcpwire.Result
	Err    *mcpwire.Error
	Type   string // resultType, where it is a string
}

// Read reads the answer and closes the body, at the latest with the end of a
// streamed result. Its errors are ErrTooLarge, mcpwire.ErrBadFrame or the body's.
func Read(body Body, o Options) (Answer, error) {
	if body.Len() > o.Max {
		_ = body.Close() // what it says of itself is enough
		return Answer{}, ErrTooLarge
	}
	buf, whole, err := fill(body, get(body.Len()), min(held, o.Max+1))
	if err == nil && !whole && o.Max >= held {
		var a Answer
		if a, err = begin(body, buf.b, o); err == nil && a.Result.Rest != nil {
			a.Result.Free = buf.free
			return a, nil
		}
		if errors.Is(err, errUndecided) {
			buf, whole, err = fill(body, buf, o.Max+1)
		}
	}
	_ = body.Close() // everything of use has been read
	if err == nil && (!whole || int64(len(buf.b)) > o.Max) {
		err = ErrTooLarge
	}
	var a Answer
	if err == nil {
		a, err = Parse(buf.b, o)
	}
	if err != nil || a.Err != nil {
		if a.Err != nil {
			a.Err = keep(a.Err)
		}
		buf.free()
		return a, err
	}
	a.Result.Free = buf.free
	return a, nil
}

// keep copies an error's parts off the buffer they were read in.
func keep(e *mcpwire.Error) *mcpwire.Error {
	raw := append([]byte(nil), e.Raw...)
	kept, err := mcpwire.ParseError(raw)
	if err != nil {
		return e // it was parsed once already
	}
	return kept
}

// Parse takes an answer apart that is held as a whole. What it returns are parts
// of b.
func Parse(b []byte, o Options) (Answer, error) {
	m, err := mcpwire.ParseBackend(b)
	if err != nil {
		if e := Error(b); e != nil { // the id is null where the backend could not read ours
			return Answer{Err: e}, nil
		}
		return Answer{}, err
	}
	return Of(&m, o)
}

// Of is Parse for a message that has been taken apart.
func Of(m *mcpwire.Message, o Options) (Answer, error) {
	switch {
	case !m.IsResponse():
		return Answer{}, fmt.Errorf("%w: a %s instead of an answer", mcpwire.ErrBadFrame, kind(m))
	case m.ID != nil && !IsID(m.ID, o.ID):
		return Answer{}, fmt.Errorf("%w: an id nobody asked", mcpwire.ErrBadFrame)
	case m.ErrorRaw != nil:
		e, err := mcpwire.ParseError(m.ErrorRaw)
		return Answer{Err: e}, err
	}
	a := Answer{Result: mcpwire.Result{Bytes: m.Result}}
	if o.NeedType {
		a.Type = resultType(m.Result)
	}
	return a, nil
}

func kind(m *mcpwire.Message) string {
	if m.IsRequest() {
		return "request"
	}
	return "notification"
}

// resultType is the decoded resultType of a result that was checked, or "".
func resultType(result []byte) string {
	m, ok := jsonscan.Find(result, "resultType")
	if !ok {
		return ""
	}
	s, ok := jsonscan.Unquote(m.Value.Of(result))
	if !ok {
		return "invalid" // not a string; unknown to everybody
	}
	return s
}

// IsID tells whether a raw id is the integer want.
func IsID(raw []byte, want int64) bool {
	var digits [20]byte
	return string(raw) == string(strconv.AppendInt(digits[:0], want, 10))
}

// Error reads a JSON-RPC error out of a body whatever its id: backends send null
// where they did not read ours. It returns nil where there is none.
func Error(b []byte) *mcpwire.Error {
	if jsonscan.Valid(b) != nil || !isObject(b) {
		return nil
	}
	version, ok := jsonscan.Find(b, "jsonrpc")
	if !ok || string(version.Value.Of(b)) != `"2.0"` {
		return nil
	}
	for _, other := range []string{"result", "method"} {
		if _, ok := jsonscan.Find(b, other); ok {
			return nil
		}
	}
	m, ok := jsonscan.Find(b, "error")
	if !ok || !isObject(m.Value.Of(b)) {
		return nil
	}
	e, err := mcpwire.ParseError(m.Value.Of(b))
	if err != nil {
		return nil
	}
	return keep(e)
}

func isObject(b []byte) bool {
	i := skip(b, 0)
	return i < len(b) && b[i] == '{'
}

// skip is the index of the first byte at or after i that is not white space.
func skip(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}
