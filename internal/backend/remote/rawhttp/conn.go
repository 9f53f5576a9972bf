package rawhttp

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"drawbridge/internal/socket"
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
	out   []byte

	end time.Time // of what is under way; zero: none
	set time.Time // the socket's deadline, which is not moved for every request

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
	nc = socket.New(nc)
	cn := &conn{nc: nc, rest: idleTime}
	cn.br, cn.abort = bufio.NewReaderSize(cn, readBuffer), cn.close
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			cn.raw = raw
			cn.peek = func(fd uintptr) bool {
				cn.fresh = socket.Quiet(fd)
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
	if !cn.set.IsZero() && !cn.set.After(time.Now()) {
		cn.arm(time.Time{})
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
	start := time.Now()
	x := &exchange{}
	x.body = body{cn: cn, client: c, ctx: ctx}
	x.body.ended.On(ctx, cn.abort)
	if d := shorter(r.Wait, r.Total); d > 0 {
		cn.deadline(start, d)
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
		cn.end = time.Time{}
		if r.Total > 0 {
			cn.deadline(start, r.Total)
		}
	}
	if x.resp.Length == 0 {
		x.body.finish()
	}
	return &x.resp, nil
}

// deadline ends what is under way d after start. The socket may wake up earlier, for
// which there is again, but no later.
func (cn *conn) deadline(start time.Time, d time.Duration) {
	cn.end = start.Add(d)
	if cn.set.IsZero() || cn.set.After(cn.end) {
		cn.arm(cn.end)
	}
}

func (cn *conn) arm(t time.Time) {
	cn.set = t
	_ = cn.nc.SetDeadline(t) // fails only on a closed connection, which the next use reports
}

// again tells whether err is the deadline of something else, and sets the right one.
func (cn *conn) again(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || !cn.end.IsZero() && !time.Now().Before(cn.end) {
		return false
	}
	cn.arm(cn.end)
	return true
}

// Read is for the buffer alone.
func (cn *conn) Read(p []byte) (int, error) {
	for {
		n, err := cn.nc.Read(p)
		if n > 0 || !cn.again(err) {
			return n, err
		}
	}
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
		sent, err := both.WriteTo(cn.nc)
		for err != nil && cn.again(err) {
			var n int64
			n, err = both.WriteTo(cn.nc)
			sent += n
		}
		return sent, err
	}
	out = append(out, r.Body...)
	cn.out = out
	sent, err := cn.nc.Write(out)
	for err != nil && cn.again(err) {
		var n int
		n, err = cn.nc.Write(out[sent:])
		sent += n
	}
	return int64(sent), err
}
