package upstreamtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Loopback is a free port of this machine.
const Loopback = "127.0.0.1:0"

// Front is where a stand-in listens. The zero value listens nowhere.
type Front struct {
	requests sync.WaitGroup

	mu      sync.Mutex // guards what follows
	closed  bool
	addr    string // "" before it was opened
	handler http.Handler
	tls     *tls.Config
	server  *http.Server // nil while shut
	ended   chan error   // of Serve
}

// Open listens on an address, with TLS if there is a config.
func (f *Front) Open(ctx context.Context, addr string, h http.Handler, secure *tls.Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tls = secure
	f.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.begin() {
			panic(http.ErrAbortHandler)
		}
		defer f.requests.Done()
		h.ServeHTTP(w, r)
	})
	return f.listen(ctx, addr)
}

// Reopen listens again where it was shut; nothing if it is open or never was. A port is
// taken from nobody: it is an error while somebody else has it.
func (f *Front) Reopen(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server != nil || f.addr == "" {
		return nil
	}
	return f.listen(ctx, f.addr)
}

// listen is called with the lock held.
func (f *Front) listen(ctx context.Context, addr string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	f.addr = l.Addr().String()
	s := &http.Server{Handler: f.handler, TLSConfig: f.tls, ReadHeaderTimeout: 10 * time.Second}
	serve := s.Serve
	if f.tls != nil {
		s.ErrorLog = log.New(io.Discard, "", 0) // strangers without TLS are to be expected
		serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(l) }() // ended and awaited by Shut
	f.server, f.ended = s, ended
	return nil
}

// begin counts a request, unless it is too late for one.
func (f *Front) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.requests.Add(1)
	}
	return !f.closed
}

// URL is where it listens, or did; "" before it was opened.
func (f *Front) URL() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.addr == "":
		return ""
	case f.tls != nil:
		return "https://" + f.addr
	}
	return "http://" + f.addr
}

// Shut ends the listener and its connections, but for hijacked ones. Requests may still be
// under way.
func (f *Front) Shut() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server == nil {
		return nil
	}
	err := f.server.Close()
	if ended := <-f.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	f.server = nil
	return err
}

// Close shuts it and waits for all requests: whoever hijacked a connection ends that first.
func (f *Front) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	err := f.Shut()
	f.requests.Wait()
	return err
}
