package socket

import (
	"io"
	"net"
	"syscall"
)

// most is how much one call moves: until it is back, nothing else runs on its
// processor, and no garbage collection can begin.
const most = 256 << 10

// conn is a TCP connection whose descriptor is used directly, between the same waits
// as the standard library's: deadlines, Close and errors are those of TCPConn.
type conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
}

// transfer is a read or a write under way. It is kept, so that none costs memory.
type transfer struct {
	p    []byte
	n    int
	err  error
	step func(fd uintptr) (done bool)
}

func wrap(c *net.TCPConn) net.Conn {
	raw, err := c.SyscallConn()
	if err != nil {
		return c // closed by now; its next use tells
	}
	s := &conn{TCPConn: c, raw: raw}
	s.in.step, s.out.step = s.in.read, s.out.write
	return s
}

// Read reads what there is, and waits while there is nothing.
func (c *conn) Read(p []byte) (int, error) {
	t := &c.in
	t.p, t.n, t.err = p, 0, nil
	if err := c.raw.Read(t.step); err != nil {
		t.err = err
	}
	t.p = nil
	if t.n == 0 && t.err == nil && len(p) > 0 {
		return 0, io.EOF
	}
	return t.n, t.err
}

func (t *transfer) read(fd uintptr) bool {
	n, errno := again(read, fd, t.p)
	switch errno {
	case 0:
		t.n = n
	case syscall.EAGAIN:
		return false
	default:
		t.err = &net.OpError{Op: "read", Net: "tcp", Err: errno}
	}
	return true
}

// Write writes all of p, and waits while there is no room.
func (c *conn) Write(p []byte) (int, error) {
	t := &c.out
	t.p, t.n, t.err = p, 0, nil
	if err := c.raw.Write(t.step); err != nil {
		t.err = err
	}
	t.p = nil
	return t.n, t.err
}

func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.p) {
		n, errno := again(write, fd, t.p[t.n:])
		switch errno {
		case 0:
			t.n += n
		case syscall.EAGAIN:
			return false
		default:
			t.err = &net.OpError{Op: "write", Net: "tcp", Err: errno}
			return true
		}
	}
	return true
}

// again makes a system call that never blocks until no signal disturbs it.
func again(call func(fd uintptr, p []byte) (int, syscall.Errno), fd uintptr, p []byte) (n int, errno syscall.Errno) {
	p = p[:min(len(p), most)]
	for {
		if n, errno = call(fd, p); errno != syscall.EINTR {
			return n, errno
		}
	}
}
