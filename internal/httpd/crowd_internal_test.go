package httpd

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

// pretended are connections from addresses that no test can connect from.
type pretended struct {
	net.Listener
	from []string
	open []*pretend
}

type pretend struct {
	net.Conn
	addr   net.Addr
	closed bool
}

func (p *pretend) RemoteAddr() net.Addr { return p.addr }

func (p *pretend) Close() error {
	p.closed = true
	return nil
}

var errNoMore = errors.New("no more")

func (l *pretended) Accept() (net.Conn, error) {
	if len(l.from) == 0 {
		return nil, errNoMore
	}
	c := &pretend{addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(l.from[0]))}
	l.from, l.open = l.from[1:], append(l.open, c)
	return c, nil
}

// accept takes n connections from an address and counts those that stay.
func accept(c *crowd, from string, n int) (taken []net.Conn) {
	l := c.Listener.(*pretended)
	for range n {
		l.from = append(l.from, from)
	}
	for {
		conn, err := c.Accept()
		if err != nil {
			return taken
		}
		taken = append(taken, conn)
	}
}

// The attack: one client opens connections without end and says nothing, until
// nobody else gets one.
func TestT10_crowd(t *testing.T) {
	t.Parallel()
	l := &pretended{}
	c := newCrowd(l)
	c.most = 3*maxPerAddress + 10
	flood := accept(c, "192.0.2.1:1", maxPerAddress+50)
	if len(flood) != maxPerAddress || !l.open[len(l.open)-1].closed {
		t.Errorf("one address holds %d connections", len(flood))
	}
	if n := len(accept(c, "192.0.2.2:1", 1)); n != 1 {
		t.Error("another address is shut out")
	}
	if n := len(accept(c, "[2001:db8::1]:1", maxPerAddress)) + len(accept(c, "[2001:db8::2]:1", 5)); n != maxPerAddress {
		t.Errorf("one IPv6 network holds %d connections", n)
	}
	// A proxy on this machine brings everybody; the bound of all still holds.
	if n := len(accept(c, "127.0.0.1:1", 2*maxPerAddress)); n != maxPerAddress+9 {
		t.Errorf("with loopback %d connections more are open, want up to %d together", n, c.most)
	}
	for _, conn := range flood {
		_ = conn.Close()
		_ = conn.Close() // counts once
	}
	if n := len(accept(c, "192.0.2.1:1", maxPerAddress+50)); n != maxPerAddress {
		t.Errorf("after closing, %d connections", n)
	}
}
