//go:build unix && (race || !linux)

package socket

import "syscall"

// On other systems the calls are those of package syscall, and so they are with the
// race detector: they tell it what the kernel does to the buffers, and that a reader
// comes after the writer.

func read(fd uintptr, p []byte) (int, syscall.Errno)  { return told(syscall.Read(int(fd), p)) }
func write(fd uintptr, p []byte) (int, syscall.Errno) { return told(syscall.Write(int(fd), p)) }

func told(n int, err error) (int, syscall.Errno) {
	errno, _ := err.(syscall.Errno) //nolint:errorlint // the package wraps none
	if errno != 0 {
		return 0, errno
	}
	return n, 0
}
