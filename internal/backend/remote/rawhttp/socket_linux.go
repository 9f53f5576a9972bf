package rawhttp

import (
	"errors"
	"syscall"

	"drawbridge/internal/socket"
)

const (
	tcpUserTimeout = 0x12 // TCP_USER_TIMEOUT, which package syscall lacks on some architectures
	userTimeoutMS  = 30_000
)

// socketOptions makes the kernel give up a connection whose peer has not
// acknowledged anything for 30 s, after control has had its say.
func socketOptions(control func(string, string, syscall.RawConn) error) func(string, string, syscall.RawConn) error {
	return func(network, address string, c syscall.RawConn) error {
		if control != nil {
			if err := control(network, address, c); err != nil {
				return err
			}
		}
		var set error
		err := c.Control(func(fd uintptr) {
			set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, userTimeoutMS)
		})
		return errors.Join(err, set, socket.Control(network, address, c))
	}
}
