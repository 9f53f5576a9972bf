package stdio

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	stallTime  = 30 * time.Second // a child that reads nothing for so long is hung
	maxBacklog = 64 << 20
)

var errBacklog = errors.New("it does not read its input")

// writer writes lines to a child's input. A line goes straight into the pipe while
// there is room; else it waits in the backlog, which one goroutine writes. So no
// caller ever waits for a child that does not read.
type writer struct {
	f     *os.File
	raw   syscall.RawConn
	fatal func() // the child reads no more: it must be killed

	mu      sync.Mutex // guards what follows
	backlog []byte
	busy    bool // the goroutine runs
	err     error
	now     []byte // argument and results of the function given to raw
	n       int
	nowErr  error
	attempt func(fd uintptr) bool

	done sync.WaitGroup
}

func newWriter(f *os.File, fatal func()) *writer {
	w := &writer{f: f, fatal: fatal}
	w.raw, w.err = f.SyscallConn()
	w.attempt = func(fd uintptr) bool {
		w.n, w.nowErr = writeNow(fd, w.now)
		return true // whatever came of it: this writer does not wait here
	}
	return w
}

// send takes a whole line with its newline; b is not kept.
func (w *writer) send(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if !w.busy {
		n, err := w.try(b)
		if err != nil {
			w.err = err
			w.fatal()
			return err
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
		w.busy = true
		w.done.Go(w.drain)
	}
	if len(w.backlog)+len(b) > maxBacklog {
		return errBacklog
	}
	w.backlog = append(w.backlog, b...)
	return nil
}

// try writes what fits. The caller holds mu.
func (w *writer) try(b []byte) (int, error) {
	w.now = b
	err := w.raw.Write(w.attempt)
	w.now = nil
	return w.n, errors.Join(err, w.nowErr)
}

// drain writes the backlog until it is empty.
func (w *writer) drain() {
	var chunk []byte
	for {
		w.mu.Lock()
		if len(w.backlog) == 0 || w.err != nil {
			w.busy, w.backlog = false, nil
			_ = w.f.SetWriteDeadline(time.Time{}) // try must not meet an old one
			w.mu.Unlock()
			return
		}
		chunk, w.backlog = w.backlog, chunk[:0]
		w.mu.Unlock()
		if err := w.writeAll(chunk); err != nil {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			w.fatal()
		}
	}
}

// writeAll waits for the child, as long as it takes something now and then.
func (w *writer) writeAll(b []byte) error {
	for len(b) > 0 {
		if err := w.f.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
			return err
		}
		n, err := w.f.Write(b[:min(len(b), 64<<10)])
		b = b[n:]
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return nil
}

// close ends the child's input and waits for the goroutine.
func (w *writer) close() {
	w.mu.Lock()
	if w.err == nil {
		w.err = os.ErrClosed
	}
	w.mu.Unlock()
	_ = w.f.Close()
	w.done.Wait()
}
