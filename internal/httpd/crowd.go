package httpd

import (
	"net"
	"net/netip"
	"sync"

	"drawbridge/internal/socket"
)

// How many connections may be open: from one address (of IPv6, one /64 network),
// and all together. This machine's own address has no bound of its own, for a
// reverse proxy here brings everybody.
const (
	maxPerAddress  = 1_000
	maxConnections = 10_000
)

// crowd is a listener that hangs up on connections beyond the bounds, so that a
// client that opens many and says nothing takes neither descriptors nor memory
// from the others.
type crowd struct {
	net.Listener
	most int

	mu   sync.Mutex // guards what follows
	open int
	from map[netip.Addr]int
}

// newCrowd leaves a quarter of the process's descriptors to backends and store.
func newCrowd(ln net.Listener) *crowd {
	return &crowd{Listener: ln, most: min(maxConnections, descriptors()/4*3), from: map[netip.Addr]int{}}
}

// Accept waits for the next connection that is within the bounds.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who := source(conn.RemoteAddr())
		if c.enter(who) {
			return &guest{Conn: socket.New(conn), leave: sync.OnceFunc(func() { c.left(who) })}, nil
		}
		_ = conn.Close() // nothing was said on it
	}
}

func (c *crowd) enter(who netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.most || c.from[who] >= maxPerAddress && !who.IsLoopback() {
		return false
	}
	c.open++
	c.from[who]++
	return true
}

func (c *crowd) left(who netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.from[who]--; c.from[who] == 0 {
		delete(c.from, who)
	}
}

// source is whom a connection counts for.
func source(addr net.Addr) netip.Addr {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Addr{}
	}
	who := at.Addr().Unmap().WithZone("")
	if who.Is6() && !who.IsLoopback() {
		if network, err := who.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return who
}
