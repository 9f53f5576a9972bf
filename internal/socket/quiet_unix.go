//go:build unix

package socket

import "syscall"

// Quiet tells whether there is nothing to read from a connection's descriptor, neither
// data nor the end. If there is, the connection is of no use any more: a byte is gone.
func Quiet(fd uintptr) bool {
	var one [1]byte
	for {
		if _, errno := read(fd, one[:]); errno != syscall.EINTR {
			return errno == syscall.EAGAIN
		}
	}
}
