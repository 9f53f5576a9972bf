package stdio

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// attributes put the process into its own group, and make the kernel kill it
// when we end without having done so.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// sweep kills every process whose environment carries the cookie: what the
// process started and what then left its group, such as a browser.
func sweep(cookie string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return // no procfs: the group was all we could reach
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// A handle before the look at the environment: the number cannot come to
		// mean another process in between.
		p, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		if marked(pid, cookie) {
			_ = p.Kill() // gone by itself is as good
		}
		_ = p.Release()
	}
}

// marked tells whether a process has the cookie in its environment. That of a
// process of another user cannot be read; it is none of ours.
func marked(pid int, cookie string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(env, []byte(cookie))
}
