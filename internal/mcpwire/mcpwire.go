// Package mcpwire owns the one shape of a call inside Drawbridge, the revisions
// of MCP, and the pure translations between their shapes.
//
// Endpoints build a Request from what a client sent and hand it to a Handler:
// the gateway, which hands it to a backend. On the way a backend talks back
// through the Sink, and ends with exactly one Outcome. Payloads are bytes in the
// shape of one revision and pass untouched where both sides speak it.
//
// The package knows neither HTTP nor SQL.
package mcpwire

import "context"

// Handler serves one request. It returns when the request is over; the Sink must
// not be used after that. Cancelling ctx cancels the request.
type Handler interface {
	Serve(ctx context.Context, req *Request, sink Sink) Outcome
}

// Sink takes what a handler says before its outcome. Its methods may be called
// from several goroutines.
type Sink interface {
	// Notify passes a notification toward the client. It never fails: a client
	// that is gone or too slow is the sink's affair. n is only valid during the call.
	Notify(n Notification)
	// Ask puts a question to the person or client behind the call and waits.
	// ErrCannotAsk: this client can never answer such a question.
	Ask(ctx context.Context, q Question) (Answer, error)
}

// Notification is a message without an answer, in the shape of Revision.
type Notification struct {
	Revision Revision
	Method   string
	Params   []byte // raw object; nil when absent
}

// Question is a backend's request to the client in the middle of a call:
// elicitation/create, sampling/createMessage or roots/list.
type Question struct {
	Revision Revision
	Method   string
	Params   []byte // raw object; nil when absent
}

// Answer is the client's: a result or an error, exactly one.
type Answer struct {
	Result []byte // raw object
	Err    *Error
}

// Kind says which of the three an Outcome is.
type Kind int

// The kinds of Outcome. The zero value is none of them.
const (
	_             Kind = iota
	Complete           // Result holds the answer
	InputRequired      // Result holds a 2026-07-28 input_required result
	Failed             // Err holds the error
)

// Outcome ends a request. The receiver calls Close when it has used the result.
type Outcome struct {
	Kind     Kind
	Revision Revision // the shape of Result
	Result   Result
	Err      *Error

	// FreeOutput says of a tool's result that its structured content may be
	// something else than an object, which no legacy client takes.
	FreeOutput bool
}

// Done is a complete outcome with a result held in memory.
func Done(rev Revision, result []byte) Outcome {
	return Outcome{Kind: Complete, Revision: rev, Result: Result{Bytes: result}}
}

// Fail is an outcome that is an error.
func Fail(err *Error) Outcome { return Outcome{Kind: Failed, Err: err} }

// Close releases what the result holds. It is safe to call on every outcome.
func (o *Outcome) Close() {
	if o.Result.Rest != nil {
		_ = o.Result.Rest.Close() // the exchange is over; nothing to report to
		o.Result.Rest = nil
	}
	if free := o.Result.Free; free != nil {
		o.Result.Free = nil
		free()
	}
}

// Result is a JSON object: Bytes alone, or Bytes followed by Rest when it is too
// large to hold. Bytes always starts with the opening brace and, of a streamed
// result, holds at least the first HeldBytes. Bytes that came from Rest have been
// checked when Read returns them; Read returns ErrBadFrame where they break the
// rules. Bytes in front of a Rest belong to this result alone: whoever has written
// them may read Rest into them.
type Result struct {
	Bytes []byte
	Rest  RestReader // nil when Bytes is all
	Free  func()     // gives Bytes back to its pool; may be nil

	// Most is a bound on Bytes and Rest together, 0 where none is known. A writer
	// that has to name a length first names this one and fills up with spaces,
	// which JSON allows behind a message.
	Most int64
}

// RestReader is the unread part of a streamed result, up to its closing brace.
// Read reports io.EOF only after the rest of the backend's envelope was checked.
type RestReader interface {
	Read(p []byte) (int, error)
	Close() error
}

// OnClose is r, and then is called once when it has been closed.
func OnClose(r RestReader, then func()) RestReader { return &closing{r, then} }

type closing struct {
	RestReader
	then func()
}

func (c *closing) Close() error {
	err := c.RestReader.Close()
	if c.then != nil {
		c.then()
		c.then = nil
	}
	return err
}

// HeldBytes is how much of a result is checked before its first byte goes out.
const HeldBytes = 256 << 10

// Hello is what a server says of itself at initialize or server/discover.
type Hello struct {
	Capabilities []byte // raw object
	ServerInfo   []byte // raw object
	Instructions string
}

// Watch is one watcher's open subscription to what happens outside of calls.
type Watch interface {
	// Accepted is the part of the filter that the gateway honours.
	Accepted() Filter
	Subscribe(ctx context.Context, uri string) *Error
	Unsubscribe(ctx context.Context, uri string) *Error
	Close()
}
