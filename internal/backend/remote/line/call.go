package line

import (
	"context"
	"strconv"
	"sync"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/backend/remote/rawhttp"
	"drawbridge/internal/mcpwire"
)

// Call is one request on its way.
type Call struct {
	ID    int64
	Token []byte // the caller's progress token, raw; nil when it asked for none
	Sink  mcpwire.Sink
}

// NewCall gives a request its id on this line.
func (l *Line) NewCall(req *mcpwire.Request, sink mcpwire.Sink) Call {
	return Call{ID: l.lastID.Add(1), Token: req.ProgressToken(), Sink: sink}
}

// AppendCall writes the message. Its progress token is the call's id.
func (l *Line) AppendCall(dst []byte, rev mcpwire.Revision, c *Call, req *mcpwire.Request) []byte {
	var digits [20]byte
	id := strconv.AppendInt(digits[:0], c.ID, 10)
	var token []byte
	if c.Token != nil {
		token = id
	}
	dst = mcpwire.AppendRequest(dst, id, req.Method, nil)
	dst = append(dst[:len(dst)-1], `,"params":`...)
	dst = req.AppendParams(dst, backend.EditFor(rev, req, l.Self, token))
	return append(dst, '}')
}

// Cancellation is the notification that takes a call back.
func Cancellation(id int64) []byte {
	b := strconv.AppendInt([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`), id, 10)
	return append(b, `,"reason":"the client cancelled the call"}}`...)
}

// ProgressToken is the token of a progress notification, where it is one of ours.
func ProgressToken(params []byte) (int64, bool) {
	return Integer(mcpwire.Member(params, "progressToken"))
}

// Integer reads a raw id of ours.
func Integer(raw []byte) (n int64, ok bool) {
	if len(raw) == 0 || len(raw) > 18 {
		return 0, false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// Streamed ends the exchange with the use of the answer that came on its stream:
// the end of the stream, which comes a little later, must not hold up the answer.
func Streamed(a answer.Answer, resp *rawhttp.Response) answer.Answer {
	if a.Err != nil {
		_ = resp.Close() // the answer is whole
		return a
	}
	resp.Keep()
	a.Result.Free = func() { _ = resp.Close() } // as above
	return a
}

// Scratch is the memory in which a request is written.
type Scratch struct{ Head, Body []byte }

// scratches holds no state, only memory.
var scratches = sync.Pool{New: func() any { return &Scratch{Head: make([]byte, 0, 512), Body: make([]byte, 0, 2048)} }}

// NewScratch returns memory to write a request in. Its content means nothing.
func NewScratch() *Scratch { return scratches.Get().(*Scratch) }

// Free gives s back, unless an unusual request made it large.
func (s *Scratch) Free() {
	if cap(s.Body) <= 256<<10 {
		scratches.Put(s)
	}
}

// Loss is the end of a session, which happens once. Sessions embed it.
type Loss struct {
	ctx  context.Context // the session's life; what waits for other things too follows it
	lose context.CancelFunc
}

// NewLoss is the beginning of a session.
func NewLoss() *Loss {
	ctx, lose := context.WithCancel(context.Background())
	return &Loss{ctx: ctx, lose: lose}
}

// Lost is closed at the session's end.
func (l *Loss) Lost() <-chan struct{} { return l.ctx.Done() }

// Lose ends the session.
func (l *Loss) Lose() { l.lose() }

// IsLost tells whether the session has ended.
func (l *Loss) IsLost() bool { return l.ctx.Err() != nil }

// Wait ends with ctx, as nil, or with the session.
func (l *Loss) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-l.ctx.Done():
		return ErrLost
	}
}

// Follow is a context that also ends with the session.
func (l *Loss) Follow(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}
