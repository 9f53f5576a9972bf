//go:build !unix

package chrome

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

// There are no process groups here: only the process itself is ended.
func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // gone by itself is as good
	}
}
