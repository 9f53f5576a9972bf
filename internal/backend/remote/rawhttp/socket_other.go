//go:build !linux

package rawhttp

import "syscall"

// socketOptions sets nothing here: keep-alive probes find a dead peer.
func socketOptions(control func(string, string, syscall.RawConn) error) func(string, string, syscall.RawConn) error {
	return control
}
