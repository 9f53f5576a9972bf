package rawhttp

import (
	"bufio"
	"context"
	"net"
	"strconv"
	"syscall"
	"time"
)

const (
	readBuffer = 8 << 10
	// oneWrite is the largest body that is copied behind its head, so that both
	// leave in one write; a larger one goes out by writev.
	oneWrite = 64 << 10
)

// conn is one connection. It belongs to one exchange at a time, or rests in the
// pool.
type conn struct {
	nc    net.Conn
	br    *bufio.Reader
	raw   syscall.RawConn // nil where the connection cannot be looked into
	peek  func(fd uintptr) bool
	fresh bool // what peek saw: open, and nothing unasked to read
	abort func()
	timed bool // a deadline is set
	out   []byte

	until time.Time     // when its rest in the pool ends
	rest  time.Duration // how long it may rest after this exchange; 0: not at all
}

// exchange is one request and its answer. It is not part of conn, because its
// caller may look at it when the connection already serves the next one.
type exchange struct {
	resp Response
	body body
}

func newConn(nc net.Conn) *conn {
	cn := &conn{nc: nc, br: bufio.NewReaderSize(nc, readBuffer), rest: idleTime}
	cn.abort = cn.close
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			cn.raw = raw
			cn.peek = func(fd uintptr) bool {
				cn.fresh = quiet(fd)
				return true
			}
		}
	}
	return cn
}

// close may be called more than once, and while another goroutine reads.
func (cn *conn) close() { _ = cn.nc.Close() }

// alive tells whether the backend has neither closed a resting connection nor
// said something unasked on it.
func (cn *conn) alive() bool {
	if cn.br.Buffered() > 0 {
		return false
	}
	if cn.raw == nil {
		return true
	}
	cn.fresh = false
	return cn.raw.Read(cn.peek) == nil && cn.fresh
}

// exchange sends r and reads the head of the answer. ctx closes the connection,
// also while the body is read. On an error the connection is gone.
func (cn *conn) exchange(ctx context.Context, c *Client, r *Request) (*Response, error) {
	start := c.now()
	x := &exchange{}
	x.body = body{cn: cn, client: c, ctx: ctx}
	x.body.ended.On(ctx, cn.abort)
	if d := shorter(r.Wait, r.Total); d > 0 {
		cn.deadline(start.Add(d))
	}
	if n, err := cn.write(c, r); err != nil {
		// A backend that refuses a large body answers before it has read it.
		if n == 0 || x.readHead(r.Method) != nil || x.resp.Status < 400 {
			return nil, x.body.fail(err, n > 0)
		}
		cn.rest = 0
	} else if err := x.readHead(r.Method); err != nil {
		return nil, x.body.fail(err, true)
	}
	if r.Wait > 0 {
		var end time.Time
		if r.Total > 0 {
			end = start.Add(r.Total)
		}
		cn.deadline(end)
	}
	if x.resp.Length == 0 {
		x.body.finish()
	}
	return &x.resp, nil
}

// deadline sets the time by which reads and writes must be done; zero lifts it.
func (cn *conn) deadline(t time.Time) {
	_ = cn.nc.SetDeadline(t) // fails only on a closed connection, which the next use reports
	cn.timed = !t.IsZero()
}

// shorter is the smaller of two durations of which 0 is for ever.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func (cn *conn) write(c *Client, r *Request) (int64, error) {
	target := r.Target
	if target == "" {
		target = c.target
	}
	out := append(cn.out[:0], r.Method...)
	out = append(append(out, ' '), target...)
	out = append(append(out, c.common...), r.Header...)
	if r.Body != nil {
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, int64(len(r.Body)), 10)
		out = append(out, "\r\n"...)
	}
	out = append(out, "\r\n"...)
	if len(r.Body) > oneWrite {
		cn.out = out
		both := net.Buffers{out, r.Body}
		return both.WriteTo(cn.nc)
	}
	out = append(out, r.Body...)
	cn.out = out
	n, err := cn.nc.Write(out)
	return int64(n), err
}
