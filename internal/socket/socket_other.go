//go:build !linux

package socket

import (
	"net"
	"syscall"
)

func wrap(c *net.TCPConn) net.Conn { return c }

// Control changes nothing.
func Control(string, string, syscall.RawConn) error { return nil }
