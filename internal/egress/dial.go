package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxAnswers bounds how many addresses of a host are looked at.
const maxAnswers = 32

// dial looks up a host, once for each connection, and connects to one of the
// addresses that it has checked. One forbidden address among them refuses them all:
// a name that is half outside and half inside is an attempt.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, err
	}
	host = strings.ToLower(host)
	port := uint16(n)
	addrs, err := c.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if !c.permits(host, a, port) {
			return nil, refuse("%s is at %s, which is not allowed", address, a)
		}
	}
	var last error
	for i, a := range addrs {
		conn, err := c.dialOne(ctx, network, host, netip.AddrPortFrom(a, port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if last == nil { // the first address is the one that was meant
			last = err
		}
	}
	return nil, last
}

// dialOne gives each of the addresses that are left an equal part of the time.
func (c *Client) dialOne(ctx context.Context, network, host string, to netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	if c.connect != nil {
		return c.connect(ctx, network, to.String())
	}
	d := net.Dialer{Control: c.control(host), KeepAlive: -1}
	return d.DialContext(ctx, network, to.String())
}

// control is the last look: what the socket is about to connect to.
func (c *Client) control(host string) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if to.Addr().Zone() != "" || !c.permits(host, to.Addr(), to.Port()) {
			return refuse("a connection to %s is not allowed", address)
		}
		return nil
	}
}

// lookUp gives the addresses of a host, IPv4 in its own form.
func (c *Client) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	name := host
	if !c.opensHost(host) {
		name += "." // else the machine's search domains would be tried, too
	}
	addrs, err := c.resolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	if len(addrs) == 0 || len(addrs) > maxAnswers {
		return nil, errors.New("look up " + host + ": no address, or too many")
	}
	for i, a := range addrs {
		if a.Zone() != "" {
			return nil, refuse("%s is at %s, which is not allowed", host, a)
		}
		addrs[i] = a.Unmap()
	}
	return addrs, nil
}

// neighbours are the networks that this machine is in. With IPv6 the devices beside
// it have public addresses that only the router's firewall keeps from strangers,
// and Drawbridge stands behind that.
func neighbours() []netip.Prefix {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var near []netip.Prefix
	for _, one := range found {
		n, ok := one.(*net.IPNet)
		if !ok {
			continue
		}
		a, ok := netip.AddrFromSlice(n.IP)
		bits, size := n.Mask.Size()
		if ok && bits > 0 && size == a.Unmap().BitLen() {
			near = append(near, netip.PrefixFrom(a.Unmap(), bits).Masked())
		}
	}
	return near
}
