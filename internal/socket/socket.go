// Package socket reads and writes TCP connections without telling the scheduler, and
// without congestion control where there is none.
//
// To Go's scheduler a system call is something that may block. Its watching thread
// looks every 20 µs whether one does, and gives the processor of a call that lasts to
// another thread. Reading from and writing to a connection never blocks, but it does
// last: it copies a hundred kilobytes, or wakes a peer who takes the processor first.
// So the watcher never rests, and threads change places for nothing.
//
// The packages httpd and rawhttp use it.
package socket

import "net"

// New is c, for one reader and one writer at a time. On systems where nothing is
// gained, or if it is no TCP connection, that is c itself.
func New(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	return wrap(tcp)
}
