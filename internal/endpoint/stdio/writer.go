package stdio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/mcpwire"
)

// writer writes lines in the order they were given, on a goroutine of its own: a
// client that writes before it reads must not hold up what reads from it, nor a
// backend.
type writer struct {
	out    *bufio.Writer
	failed func(error) // told once, when the client no longer reads

	mu     sync.Mutex // guards what follows
	queue  []item
	bytes  int
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

// item is one line: a frame, or a streamed answer.
type item struct {
	frame   []byte
	id      []byte
	outcome *mcpwire.Outcome
	written chan struct{} // closed when the outcome was used
}

// maxWaiting bounds what waits for a client that does not read; beyond it
// notifications are lost.
const maxWaiting = 64 << 20

func newWriter(out io.Writer, failed func(error)) *writer {
	w := &writer{out: bufio.NewWriterSize(out, 64<<10), failed: failed, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run() // close ends and awaits it
	return w
}

// Push gives a message.
func (w *writer) Push(frame []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bytes+len(frame) <= maxWaiting {
		w.append(item{frame: frame})
	}
}

// answer gives a response; a streamed one is waited for.
func (w *writer) answer(id []byte, o *mcpwire.Outcome) {
	it := item{id: id, outcome: o, written: make(chan struct{})}
	if o.Result.Rest == nil {
		it = item{frame: stream.Answer(id, o)}
	}
	w.mu.Lock()
	w.append(it)
	w.mu.Unlock()
	if it.written != nil {
		<-it.written
	}
}

func (w *writer) append(it item) {
	w.queue = append(w.queue, it)
	w.bytes += len(it.frame)
	w.signal()
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // already awake
	}
}

// close waits until everything given is written. When ctx has ended it waits no
// longer than flushTime: a client that does not read must not keep the process.
func (w *writer) close(ctx context.Context) {
	w.mu.Lock()
	w.closed = true
	w.signal()
	w.mu.Unlock()
	select {
	case <-w.done:
		return
	case <-ctx.Done():
	}
	timer := time.NewTimer(flushTime)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
	}
}

const flushTime = time.Second

// run writes until close. After a failure it only takes things off the queue, so
// that nobody waits for ever.
func (w *writer) run() {
	defer close(w.done)
	var failure error
	for {
		w.mu.Lock()
		queue, closed := w.queue, w.closed
		w.queue, w.bytes = nil, 0
		w.mu.Unlock()
		if len(queue) == 0 {
			if closed {
				return
			}
			<-w.wake
			continue
		}
		for _, it := range queue {
			if failure == nil {
				failure = w.write(it)
			}
			if it.written != nil {
				close(it.written)
			}
		}
		if failure == nil {
			failure = w.out.Flush()
		}
		if failure != nil {
			w.failed(fmt.Errorf("write output: %w", failure))
		}
	}
}

var space = []byte(" ")

// write writes one line. A backend that breaks off in the middle of a result
// leaves a broken line, which the client cannot take for a whole one, and an
// error after it.
func (w *writer) write(it item) error {
	frame := it.frame
	if it.outcome != nil {
		err := w.stream(it.id, it.outcome)
		if err == nil {
			return w.out.WriteByte('\n')
		}
		if !errors.Is(err, stream.ErrBroken) {
			return err
		}
		frame = mcpwire.AppendErrorResponse([]byte{'\n'}, it.id, mcpwire.Errorf(mcpwire.CodeInternal,
			"The backend broke off in the middle of its result. Look at the backend's state, then call again."))
		if _, err := w.out.Write(frame); err != nil {
			return err
		}
		return w.out.WriteByte('\n')
	}
	if err := stream.WriteLines(w.out, frame, space); err != nil {
		return err
	}
	return w.out.WriteByte('\n')
}

func (w *writer) stream(id []byte, o *mcpwire.Outcome) error {
	if _, err := w.out.Write(mcpwire.AppendResultHead(nil, id)); err != nil {
		return err
	}
	return stream.WriteResult(w.out, &o.Result, space, stream.Brace)
}
