package answer

import (
	"errors"
	"fmt"
	"io"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// errUndecided says that a large answer has to be held as a whole.
var errUndecided = errors.New("the type of the result is not known yet")

func bad(why string) error { return fmt.Errorf("%w: %s", mcpwire.ErrBadFrame, why) }

// envelope is what has been seen of the members around a large result.
type envelope struct {
	want        int64
	id, version bool
}

// member takes one whole member other than result. A large answer has nothing
// else in its envelope: what is unknown there cannot be passed on anyway.
func (e *envelope) member(key, value []byte) error {
	switch {
	case jsonscan.Is(key, "jsonrpc"):
		if e.version || string(value) != `"2.0"` {
			return bad(`jsonrpc is not "2.0" once`)
		}
		e.version = true
	case jsonscan.Is(key, "id"):
		if e.id || !IsID(value, e.want) {
			return bad("an id nobody asked")
		}
		e.id = true
	case jsonscan.Is(key, "error"), jsonscan.Is(key, "result"):
		return bad("more than one of result and error")
	default:
		return bad("an unknown member around a large result")
	}
	return nil
}

// take is the first value of b, white space before it left out. whole is false
// where b ends before it.
func take(b []byte) (value []byte, n int, whole bool, err error) {
	var s jsonscan.Stream
	n, whole, err = s.Write(b)
	if err != nil {
		return nil, 0, false, bad("the JSON is not valid")
	}
	if !whole {
		return nil, n, false, nil
	}
	return b[skip(b, 0):n], n, true, nil
}

// key reads a member's name and its colon at i and returns where the value begins.
func key(b []byte, i int) (name []byte, next int, err error) {
	if i = skip(b, i); i == len(b) || b[i] != '"' {
		return nil, 0, bad("the JSON is not valid")
	}
	lit, n, whole, err := take(b[i:])
	if err != nil {
		return nil, 0, err
	}
	i = skip(b, i+n)
	if !whole || i == len(b) || b[i] != ':' {
		return nil, 0, bad("the JSON is not valid")
	}
	return lit[1 : len(lit)-1], skip(b, i+1), nil
}

// begin reads the envelope up to the result out of the first part of a large
// answer and sets up the reader of its rest.
func begin(src Body, b []byte, o Options) (Answer, error) {
	e := envelope{want: o.ID}
	at, err := e.resultAt(b)
	if err != nil {
		return Answer{}, err
	}
	result := b[at:]
	a := Answer{}
	if o.NeedType {
		var known bool
		if a.Type, known = earlyType(result); !known {
			return Answer{}, errUndecided
		}
	}
	r := &rest{src: src, envelope: e, left: o.Max - int64(len(b))}
	n, done, err := r.check.Write(result)
	switch {
	case err != nil:
		return Answer{}, bad("the JSON is not valid")
	case done: // what follows is white space and perhaps the id: no need to stream
		return Answer{}, errUndecided
	}
	a.Result = mcpwire.Result{Bytes: result[:n], Rest: r}
	if length := src.Len(); length > 0 {
		a.Result.Most = length - int64(at) - 1 // the envelope closes behind it
	}
	return a, nil
}

// resultAt is where the result begins. All before it must be whole.
func (e *envelope) resultAt(b []byte) (int, error) {
	i := skip(b, 0)
	if i == len(b) || b[i] != '{' {
		return 0, bad("it is not an object")
	}
	for {
		name, at, err := key(b, i+1)
		if err != nil {
			return 0, err
		}
		if jsonscan.Is(name, "result") {
			switch {
			case at == len(b) || b[at] != '{':
				return 0, bad("result is not an object")
			case at > maxPrefix:
				return 0, bad("too much before the result")
			}
			return at, nil
		}
		value, n, whole, err := take(b[at:])
		if err != nil {
			return 0, err
		}
		if !whole {
			return 0, bad("something other than the result is too large")
		}
		if err := e.member(name, value); err != nil {
			return 0, err
		}
		if i = skip(b, at+n); i == len(b) || b[i] != ',' {
			return 0, bad("there is no result")
		}
	}
}

// tail reads what stands after the result, up to the end of the body.
func (e *envelope) tail(b []byte) error {
	i := skip(b, 0)
	for i < len(b) && b[i] == ',' {
		name, at, err := key(b, i+1)
		if err != nil {
			return err
		}
		value, n, whole, err := take(b[at:])
		if err != nil {
			return err
		}
		if !whole {
			return bad("it ends in the middle")
		}
		if err := e.member(name, value); err != nil {
			return err
		}
		i = skip(b, at+n)
	}
	switch {
	case i == len(b) || b[i] != '}' || skip(b, i+1) != len(b):
		return bad("the envelope does not end after the result")
	case !e.id || !e.version:
		return bad("id or jsonrpc is missing")
	}
	return nil
}

// earlyType looks for resultType in the part of a result that is there. known is
// false where it may still come; what is wrong with the part is found elsewhere.
func earlyType(b []byte) (t string, known bool) {
	for i := 0; ; {
		name, at, err := key(b, i+1)
		if err != nil {
			return "", false // cut off, or no key at all
		}
		value, n, whole, err := take(b[at:])
		if err != nil || !whole {
			return "", false
		}
		if jsonscan.Is(name, "resultType") {
			t, ok := jsonscan.Unquote(value)
			if !ok {
				t = "invalid"
			}
			return t, true
		}
		if i = skip(b, at+n); i == len(b) || b[i] != ',' {
			return "", i < len(b) && b[i] == '}'
		}
	}
}

// rest is the unread part of a large result.
type rest struct {
	src      io.ReadCloser
	check    jsonscan.Stream
	envelope envelope
	left     int64 // bytes that may still come
	err      error // what Read keeps returning
}

// Read gives the next bytes of the result, checked.
func (r *rest) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.src.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return 0, r.end(ErrTooLarge)
	}
	used, done, bad := r.check.Write(p[:n])
	switch {
	case bad != nil:
		return 0, r.end(fmt.Errorf("%w: the JSON is not valid: %w", mcpwire.ErrBadFrame, bad))
	case done:
		if err := r.finish(p[used:n], errors.Is(err, io.EOF)); err != nil {
			return 0, r.end(err)
		}
		r.err = io.EOF
		return used, io.EOF
	case errors.Is(err, io.EOF):
		return 0, r.end(fmt.Errorf("%w: it ends in the middle", mcpwire.ErrBadFrame))
	case err != nil:
		return 0, r.end(err)
	}
	return n, nil
}

// finish reads the rest of the body and checks that the envelope ends well.
func (r *rest) finish(seen []byte, whole bool) error {
	tail := append(make([]byte, 0, 256), seen...)
	for !whole {
		if len(tail) > maxTail {
			return bad("too much after the result")
		}
		if len(tail) == cap(tail) {
			tail = append(tail, 0)[:len(tail)]
		}
		n, err := r.src.Read(tail[len(tail):cap(tail)])
		tail = tail[:len(tail)+n]
		if whole = errors.Is(err, io.EOF); err != nil && !whole {
			return err
		}
	}
	return r.envelope.tail(tail)
}

func (r *rest) end(err error) error {
	r.err = err
	return err
}

// Close ends the exchange.
func (r *rest) Close() error { return r.src.Close() }
