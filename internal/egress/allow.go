package egress

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/fault"
)

// opening is one entry of the allow list: a host by its exact name, or a network.
type opening struct {
	host string       // lower case; "" for a network
	net  netip.Prefix // an address is a network of one
	port uint16       // 0: the usual ones
}

// parseOpening reads host, address or network, each with or without a port. IPv6
// with a port stands in brackets.
func parseOpening(entry string) (opening, error) {
	bad := fault.New(fault.Invalid, "The entry %q of the outbound allow list cannot be read. Write a host name, an address or a network, such as docs.lan, 10.0.0.7:8443 or 10.0.0.0/24.", entry)
	var o opening
	text := strings.ToLower(strings.TrimSpace(entry))
	if name, port, ok := cutPort(text); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return o, bad
		}
		text, o.port = name, uint16(n)
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if p, err := netip.ParsePrefix(text); err == nil {
		o.net = p.Masked()
	} else if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		o.net = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
	} else if plainHost(text) && !numeric(text) {
		o.host = text
	} else {
		return o, bad
	}
	if MetadataName(o.host) || o.net.IsSingleIP() && Metadata(o.net.Addr()) {
		return o, fault.New(fault.Invalid, "The entry %q of the outbound allow list is a cloud's metadata service, which hands out credentials. Remove it.", entry)
	}
	return o, nil
}

// cutPort splits off the port of host:port and [address]:port. A bare IPv6 address
// has none.
func cutPort(text string) (host, port string, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || strings.IndexByte(text[:i], ':') >= 0 && !strings.HasSuffix(text[:i], "]") {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// opensHost tells whether the list names host itself.
func (c *Client) opensHost(host string) bool {
	return slices.ContainsFunc(c.open, func(o opening) bool { return o.host == host && host != "" })
}

// opensAddr tells whether the list names a network with a in it.
func (c *Client) opensAddr(a netip.Addr) bool {
	return slices.ContainsFunc(c.open, func(o opening) bool { return o.host == "" && o.net.Contains(a.Unmap()) })
}

// opensPort tells whether a connection to port is possible at all, before it is
// known where to.
func (c *Client) opensPort(port uint16) bool {
	return slices.Contains(c.ports, port) || slices.ContainsFunc(c.open, func(o opening) bool { return o.port == port })
}

// permits is the rule: may host be reached at this address and port?
func (c *Client) permits(host string, a netip.Addr, port uint16) bool {
	a = a.Unmap()
	if Metadata(a) {
		return false
	}
	usual := slices.Contains(c.ports, port)
	if usual && Public(a) && !slices.ContainsFunc(c.near(), func(p netip.Prefix) bool { return p.Contains(a) }) {
		return true
	}
	return slices.ContainsFunc(c.open, func(o opening) bool {
		if o.port != port && (o.port != 0 || !usual) {
			return false
		}
		return o.host != "" && o.host == host || o.host == "" && o.net.Contains(a)
	})
}
