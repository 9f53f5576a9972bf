package socket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"drawbridge/internal/socket"
)

// pair is the two ends of a connection, ours wrapped.
func pair(t *testing.T) (ours net.Conn, theirs *net.TCPConn) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = socket.New(dialed), accepted.(*net.TCPConn)
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
	})
	return ours, theirs
}

// Both ways at once, in pieces of all sizes, with a peer who is slow now and then: the
// bytes arrive whole and in order.
func TestConn_bothWays(t *testing.T) {
	t.Parallel()
	ours, theirs := pair(t)
	there, back := make([]byte, 20<<20), make([]byte, 20<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(there)
	_, _ = random.Read(back)
	var all sync.WaitGroup
	send := func(c net.Conn, b []byte, end func() error, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		for len(b) > 0 {
			n := min(len(b), 1+r.IntN(1<<r.IntN(23)))
			if m, err := c.Write(b[:n]); m != n || err != nil {
				t.Errorf("wrote %d of %d: %v", m, n, err)
				_ = c.Close() // or the peer would wait for the rest
				return
			}
			b = b[n:]
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	receive := func(c net.Conn, want []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		var got bytes.Buffer
		p := make([]byte, 1<<20)
		for {
			n, err := c.Read(p[:1+r.IntN(1<<r.IntN(20))])
			got.Write(p[:n])
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || n == 0 {
				t.Errorf("read %d: %v", n, err)
				return
			}
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d bytes arrived, other than the %d that were sent", got.Len(), len(want))
		}
	}
	half := ours.(interface{ CloseWrite() error })
	all.Go(func() { send(ours, there, half.CloseWrite, 1) })
	all.Go(func() { send(theirs, back, theirs.CloseWrite, 2) })
	all.Go(func() { receive(ours, back, 3) })
	all.Go(func() { receive(theirs, there, 4) })
	all.Wait()
}

func TestConn_deadlines(t *testing.T) {
	t.Parallel()
	ours, theirs := pair(t)
	p := make([]byte, 8<<20)
	if err := ours.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	n, err := ours.Read(p)
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("read %d: %v", n, err)
	}
	total := 0
	for range 100 { // until the peer, who does not read, can hold no more
		n, err = ours.Write(p)
		if total += n; err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == len(p) {
		t.Errorf("wrote %d: %v", n, err)
	}
	if err := ours.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = theirs.Write([]byte("late"))
		_ = theirs.CloseWrite()
	}()
	if got, err := io.ReadAll(ours); err != nil || string(got) != "late" {
		t.Errorf("after the deadline was lifted: %q, %v", got, err)
	}
	_ = ours.Close()
	if got, err := io.Copy(io.Discard, theirs); err != nil || got != int64(total) {
		t.Errorf("%d bytes arrived of %d, %v", got, total, err)
	}
}

func TestConn_ends(t *testing.T) {
	t.Parallel()
	t.Run("closed while it waits", func(t *testing.T) {
		t.Parallel()
		ours, _ := pair(t)
		time.AfterFunc(10*time.Millisecond, func() { _ = ours.Close() })
		if n, err := ours.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := ours.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%d, %v", n, err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		t.Parallel()
		ours, theirs := pair(t)
		_ = theirs.SetLinger(0)
		_ = theirs.Close()
		if n, err := ours.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := ours.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%d, %v", n, err)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		ours, theirs := pair(t)
		_, _ = theirs.Write([]byte("x"))
		if n, err := ours.Write(nil); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := ours.Read(nil); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
	t.Run("no TCP", func(t *testing.T) {
		t.Parallel()
		a, b := net.Pipe()
		defer b.Close()
		if socket.New(a) != a {
			t.Error("it was wrapped")
		}
	})
}

// Writing several buffers at once is the kernel's as before.
func TestConn_buffers(t *testing.T) {
	t.Parallel()
	ours, theirs := pair(t)
	b := net.Buffers{[]byte("one "), []byte("two "), []byte("three")}
	if n, err := b.WriteTo(ours); n != 13 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	p := make([]byte, 13)
	if _, err := io.ReadFull(theirs, p); err != nil || string(p) != "one two three" {
		t.Errorf("%q, %v", p, err)
	}
}

func TestConn_costsNoMemory(t *testing.T) {
	ours, theirs := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, _ = io.Copy(theirs, theirs)
		cancel()
	}()
	p := make([]byte, 100)
	allocs := testing.AllocsPerRun(200, func() {
		if _, err := ours.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(ours, p); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
	_ = ours.Close()
	<-ctx.Done()
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		peer func(*net.TCPConn) error
		want bool
	}{
		{"silent", func(*net.TCPConn) error { return nil }, true},
		{"data", func(c *net.TCPConn) error { _, err := c.Write([]byte("x")); return err }, false},
		{"end", (*net.TCPConn).CloseWrite, false},
		{"reset", func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := pair(t)
			raw, err := ours.(syscall.Conn).SyscallConn()
			if err := errors.Join(err, c.peer(theirs)); err != nil {
				t.Fatal(err)
			}
			if !c.want { // what the peer did has arrived when the connection can be read
				_ = ours.SetReadDeadline(time.Now().Add(5 * time.Second))
				if err := raw.Read(func(fd uintptr) bool { return !socket.Quiet(fd) }); err != nil {
					t.Error(err)
				}
				return
			}
			var quiet bool
			if err := raw.Control(func(fd uintptr) { quiet = socket.Quiet(fd) }); err != nil || !quiet {
				t.Errorf("%t, %v", quiet, err)
			}
		})
	}
}
