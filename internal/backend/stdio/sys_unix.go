//go:build unix

package stdio

import (
	"errors"
	"syscall"
)

func killGroup(pid int)      { _ = syscall.Kill(-pid, syscall.SIGKILL) } // no such group: nothing left to kill
func terminateGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGTERM) }

// writeNow writes what the pipe takes without waiting.
func writeNow(fd uintptr, b []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, err
		}
		return n, nil
	}
}
