//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package rawhttp

import (
	"errors"
	"syscall"
)

// quiet tells whether nothing is to be read from fd: neither data nor the end.
func quiet(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
}
