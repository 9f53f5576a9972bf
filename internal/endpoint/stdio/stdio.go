// Package stdio serves MCP to the one client at the other end of a pipe: a line
// in, a line out, each a JSON-RPC message. Both eras may come over one pipe;
// each request says by itself which it is.
//
// drawbridge serve --stdio and drawbridge server NAME use it.
package stdio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// Limits of the transport.
const (
	maxLine     = 16 << 20
	maxInFlight = 512
	// grace is how long requests in flight may go on after the end of input: a
	// script that pipes its requests in wants the answers.
	grace = 25 * time.Second
)

// Serve serves until in ends, ctx ends, or out fails. Whatever then is still in
// flight gets a short time to finish, except when ctx ended.
//
// Where in cannot be closed, a read that waits for the client outlives Serve
// until the client writes or the process ends; so does a write to a client that
// does not read when ctx ended.
func Serve(ctx context.Context, log *slog.Logger, in io.Reader, out io.Writer, hub session.Hub, p account.Principal) error {
	ctx, stop := context.WithCancelCause(account.WithPrincipal(ctx, p))
	defer stop(nil)
	c := &connection{d: session.NewDispatcher(log, hub, session.DefaultConfig()), out: newWriter(out, stop)}
	c.s = c.d.NewBound(p, c.out)

	lines := make(chan line)
	go read(ctx, in, lines) // ends with in, or with ctx at the next line
	err := c.serve(ctx, lines)
	if closer, ok := in.(io.Closer); ok && ctx.Err() != nil {
		_ = closer.Close() // only to wake the reader
	}
	c.d.Drain()
	c.s.Abandon() // a client whose input has ended answers nothing more
	c.finish(ctx)
	c.s.Close()
	c.out.close(ctx)
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// connection is the pipe, and the session that lives on it.
type connection struct {
	d     *session.Dispatcher
	s     *session.Session
	out   *writer
	calls sync.WaitGroup
}

// line is one line of input, or the reason why there is none.
type line struct {
	b   []byte
	err error // nil, errTooLong, or the end
}

var errTooLong = errors.New("line over the limit")

// read sends lines until in ends.
func read(ctx context.Context, in io.Reader, lines chan<- line) {
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		l := next(r)
		select {
		case lines <- l:
		case <-ctx.Done():
			return
		}
		if l.err != nil && !errors.Is(l.err, errTooLong) {
			return
		}
	}
}

// next reads one line. One that is too long is read past.
func next(r *bufio.Reader) line {
	var b []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if len(b)+len(part) > maxLine {
			long, b = true, nil
		}
		if !long {
			b = append(b, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (len(b) == 0 || !errors.Is(err, io.EOF)):
			return line{err: err}
		case long:
			return line{err: errTooLong}
		}
		return line{b: b}
	}
}

// serve takes lines until they end.
func (c *connection) serve(ctx context.Context, lines <-chan line) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-lines:
			switch {
			case errors.Is(l.err, errTooLong):
				c.fail(nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "The message is longer than %d MiB. Send less.", maxLine>>20))
			case errors.Is(l.err, io.EOF), errors.Is(l.err, io.ErrClosedPipe):
				return nil
			case l.err != nil:
				return fmt.Errorf("read input: %w", l.err)
			default:
				c.line(ctx, l.b)
			}
		}
	}
}

// line takes one line: a message, or the batch that revisions before 2025-06-18
// allow.
func (c *connection) line(ctx context.Context, b []byte) {
	if len(bytes.Trim(b, " \t\r\n")) == 0 {
		return // an empty line is nothing
	}
	if err := mcpwire.CheckBody(b); err != nil {
		c.fail(nil, err)
		return
	}
	if !mcpwire.IsBatch(b) {
		c.message(ctx, b)
		return
	}
	if c.s.Revision() == "" || session.NoBatches(c.s.Revision()) {
		c.fail(nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "Batches were removed with revision 2025-06-18. Send each message on a line of its own."))
		return
	}
	n := 0
	for span := range jsonscan.Elements(b) {
		if n++; n > session.MaxBatch {
			c.fail(nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "A batch holds at most %d messages. Split it.", session.MaxBatch))
			return
		}
		c.message(ctx, span.Of(b))
	}
}

// message takes one checked message.
func (c *connection) message(ctx context.Context, b []byte) {
	msg, err := mcpwire.ParseChecked(b)
	if err != nil {
		c.fail(nil, err)
		return
	}
	if msg.IsRequest() && c.s.Busy() >= maxInFlight {
		c.fail(msg.ID, mcpwire.Errorf(mcpwire.CodeInternal, "There are %d requests in flight. Wait for some of them.", maxInFlight))
		return
	}
	turn, now := c.d.Take(ctx, c.s, &msg, true)
	if now != nil {
		c.out.answer(msg.ID, now)
		now.Close()
	}
	if turn == nil {
		return
	}
	c.calls.Go(func() {
		defer turn.Close()
		o := turn.Serve(c.out)
		defer o.Close()
		if !session.Cancelled(&o) {
			c.out.answer(msg.ID, &o)
		}
	})
}

// finish waits for what is in flight; then, or when ctx ends, it is cancelled.
func (c *connection) finish(ctx context.Context) {
	done := make(chan struct{})
	go func() { // ends with the calls, for which finish waits
		c.calls.Wait()
		close(done)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	c.s.Close()
	<-done
}

func (c *connection) fail(id []byte, err *mcpwire.Error) {
	o := mcpwire.Fail(err)
	c.out.answer(id, &o)
}
