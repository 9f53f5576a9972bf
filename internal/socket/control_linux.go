package socket

import (
	"net/netip"
	"syscall"
)

// Control is that of a net.Dialer or net.ListenConfig. It chooses Reno for connections
// within this machine: nothing is lost between its ends, so there is no congestion to
// control, and BBR, the default of many servers, starts a timer to pace every write.
func Control(_, address string, c syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().Unmap().IsLoopback() {
		return nil //nolint:nilerr // whoever connects says what is wrong with the address
	}
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, "reno") // else it is slower
	})
}
