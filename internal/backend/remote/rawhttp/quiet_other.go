//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package rawhttp

// quiet cannot look here; the time limit of the pool has to do.
func quiet(uintptr) bool { return true }
