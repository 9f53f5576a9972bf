package fake

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Recorder is a port without TLS where nothing answers: it keeps what arrives, so that a
// test can show that nothing did (ref 0.2: a key must never go over such a port).
type Recorder struct {
	l    net.Listener
	done sync.WaitGroup

	mu    sync.Mutex // guards what follows
	all   []net.Conn
	ended bool
	bytes []byte
}

// Record opens a Recorder on the loopback.
func Record() (*Recorder, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	r := &Recorder{l: l}
	r.done.Go(r.accept) // ended and awaited by Close
	return r, nil
}

func (r *Recorder) accept() {
	for {
		conn, err := r.l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.all = append(r.all, conn)
		if r.ended {
			_ = conn.Close() // too late
		}
		r.mu.Unlock()
		r.done.Go(func() { r.read(conn) }) // ended and awaited by Close
	}
}

func (r *Recorder) read(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		r.mu.Lock()
		r.bytes = append(r.bytes, buf[:n]...)
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Addr is host and port.
func (r *Recorder) Addr() string { return r.l.Addr().String() }

// Bytes are all that arrived.
func (r *Recorder) Bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]byte(nil), r.bytes...)
}

// Connections are all that were opened.
func (r *Recorder) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// Close ends it and waits for its goroutines.
func (r *Recorder) Close() error {
	err := r.l.Close()
	r.mu.Lock()
	r.ended = true
	for _, c := range r.all {
		_ = c.Close() // whoever called is gone
	}
	r.mu.Unlock()
	r.done.Wait()
	return err
}
