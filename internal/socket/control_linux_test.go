package socket_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"drawbridge/internal/socket"
)

// Connections within this machine have no congestion control of the kind that paces:
// neither the one that connects nor the one that is accepted. Others keep the host's.
func TestControl(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{Control: socket.Control}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := (&net.Dialer{Control: socket.Control}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	for name, c := range map[string]net.Conn{"dialed": dialed, "accepted": accepted} {
		if got := congestion(t, c.(syscall.Conn)); got != "reno" {
			t.Errorf("%s: %s", name, got)
		}
	}

	plain, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	host := congestion(t, plain.(syscall.Conn))
	for _, address := range []string{"0.0.0.0:80", "192.0.2.1:80", "[::]:80", "[2001:db8::1]:80"} {
		raw, err := plain.(syscall.Conn).SyscallConn()
		if err := errors.Join(err, socket.Control("tcp", address, raw)); err != nil {
			t.Fatal(err)
		}
		if got := congestion(t, plain.(syscall.Conn)); got != host {
			t.Errorf("%s: %s instead of %s", address, got, host)
		}
	}
}

func congestion(t *testing.T, c syscall.Conn) (name string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var get error
	err = raw.Control(func(fd uintptr) {
		name, get = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	})
	if err := errors.Join(err, get); err != nil {
		t.Fatal(err)
	}
	return name
}
