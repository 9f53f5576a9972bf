package httpd

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestGuest_deadlines asks a connection that was silent at first for deadlines, as
// net/http does, and reads: the first request gets the silence back, no later one does.
func TestGuest_deadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		g := &guest{Conn: ours, leave: func() {}}
		defer g.Close()
		const silence = 100 * time.Second
		go func() { // ends with the write
			time.Sleep(silence) // in the bubble's time
			_, _ = theirs.Write([]byte("x"))
		}()
		first := time.Now()
		read := func(until time.Time) (time.Duration, error) {
			if err := g.SetReadDeadline(until); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			_, err := g.Read(make([]byte, 1))
			return time.Since(begun), err
		}
		if took, err := read(first.Add(readHeaderTimeout)); err != nil || took != silence {
			t.Fatalf("the first word: %v after %s", err, took)
		}
		if took, err := read(first.Add(readTimeout)); !errors.Is(err, os.ErrDeadlineExceeded) || took != readTimeout {
			t.Errorf("the first body: %v after %s", err, took)
		}
		if took, err := read(time.Now().Add(idleTimeout)); !errors.Is(err, os.ErrDeadlineExceeded) || took != idleTimeout {
			t.Errorf("the rest after it: %v after %s", err, took)
		}
		if took, err := read(time.Now().Add(readHeaderTimeout)); !errors.Is(err, os.ErrDeadlineExceeded) || took != readHeaderTimeout {
			t.Errorf("the next header: %v after %s", err, took)
		}
	})
}
