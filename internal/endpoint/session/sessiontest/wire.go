package sessiontest

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// Wire is an answer that is read while it is written: the http.ResponseWriter of
// a handler, and the io.Reader of its client.
type Wire struct {
	header http.Header

	mu     sync.Mutex // guards what follows
	status int
	buf    []byte
	ended  bool
	gone   bool
	wake   chan struct{}
}

// NewWire makes one on which nothing is written yet.
func NewWire() *Wire { return &Wire{header: http.Header{}, wake: make(chan struct{}, 1)} }

// Header is the answer's.
func (w *Wire) Header() http.Header { return w.header }

// WriteHeader keeps the first status.
func (w *Wire) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == 0 {
		w.status = status
	}
}

// Status is the answer's; 0 while it has none.
func (w *Wire) Status() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Wire) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return 0, errors.New("broken pipe")
	}
	w.buf = append(w.buf, p...)
	w.signal()
	return len(p), nil
}

// Flush has nothing to do.
func (w *Wire) Flush() {}

// Fail makes every later Write fail: the client is gone.
func (w *Wire) Fail() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
}

// End says that the handler has returned.
func (w *Wire) End() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.signal()
}

func (w *Wire) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // already awake
	}
}

// Read gives what was written, waiting for more.
func (w *Wire) Read(p []byte) (int, error) {
	for {
		w.mu.Lock()
		n := copy(p, w.buf)
		w.buf = w.buf[n:]
		ended := w.ended
		w.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		if ended {
			return 0, io.EOF
		}
		<-w.wake
	}
}
