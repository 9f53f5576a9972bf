package httpd

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// guest is a connection that is counted until it is closed.
//
// It also makes deadlines of reading cheap. net/http sets five of them for every
// request, mostly to times that are never reached; a guest notes them, and sets its
// connection's own deadline only where that would come too late, or for each wait
// anew, at most nap ahead.
type guest struct {
	net.Conn
	leave func()

	mu      sync.Mutex // guards what follows
	until   time.Time  // the deadline that was asked for; zero: none
	set     time.Time  // the connection's; zero: none
	reading bool
	spoke   bool          // something was read
	met     time.Time     // when the first deadline was asked for
	silence time.Duration // how long nothing was said then; the first request does not lose it
}

// nap is how long a reader sleeps before it looks for a later deadline.
const nap = 30 * time.Second

// Close closes the connection.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

// SetReadDeadline notes the deadline, and wakes up a reader for whom it has passed.
// A connection on which nothing was said yet is as good as an idle one: clients
// open them ahead of need, and must not find them closed when they have it.
func (g *guest) SetReadDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case t.IsZero() || g.spoke && g.silence == 0:
	case !g.spoke && time.Until(t) > 0:
		g.met = time.Now()
		t = g.met.Add(idleTimeout)
	case t.Before(g.met) || time.Until(t) > readTimeout: // none of the first request any more
		g.silence = 0
	default:
		t = t.Add(g.silence)
	}
	g.until = t
	if g.reading && !t.IsZero() && (g.set.IsZero() || t.Before(g.set)) {
		return g.arm(t)
	}
	return nil
}

// arm sets the connection's deadline. g.mu is held.
func (g *guest) arm(t time.Time) error {
	g.set = t
	return g.Conn.SetReadDeadline(t)
}

// Read reads until the deadline that was asked for last.
func (g *guest) Read(p []byte) (int, error) {
	for {
		if err := g.begin(); err != nil {
			return 0, err
		}
		n, err := g.Conn.Read(p)
		if again := g.end(n, err); !again {
			return n, err
		}
	}
}

// begin sees that the connection wakes up in time.
func (g *guest) begin() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reading = true
	late := g.set.IsZero() || !g.until.IsZero() && g.until.Before(g.set)
	if g.until.IsZero() && g.set.IsZero() {
		return nil
	}
	now := time.Now()
	if !late && g.set.After(now) {
		return nil
	}
	if wake := now.Add(nap); g.until.IsZero() || g.until.After(wake) {
		return g.arm(wake)
	}
	return g.arm(g.until)
}

// end tells whether the connection woke up before its time.
func (g *guest) end(n int, err error) (again bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reading = false
	if n > 0 && !g.spoke {
		now := time.Now()
		g.spoke, g.silence = true, now.Sub(g.met)
		g.until = now.Add(readHeaderTimeout)
	}
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && (g.until.IsZero() || time.Now().Before(g.until))
}
