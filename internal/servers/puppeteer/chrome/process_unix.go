//go:build unix

package chrome

import "syscall"

// attributes put the browser and its helpers into a group of their own. It needs
// no signal when we end: it ends with its pipes.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // no such group: nothing is left
