package guard

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
)

func refuse(reason string, args ...any) error {
	return fmt.Errorf("%w: "+reason, append([]any{ErrRefused}, args...)...)
}

// opening is one entry of the allow list: a host by its exact name, or a network.
type opening struct {
	host string       // lower case; "" for a network
	net  netip.Prefix // an address is a network of one
	port uint16       // 0: every port
}

// parseOpening reads host, address or network, each with or without a port. IPv6
// with a port stands in brackets.
func parseOpening(entry string) (opening, error) {
	bad := fault.New(fault.Invalid, "The entry %q of servers.puppeteer.allow cannot be read. Write a host name, an address or a network, such as nas.lan, 10.0.0.7:8443 or 10.0.0.0/24.", entry)
	var o opening
	text := strings.ToLower(strings.TrimSpace(entry))
	if i := strings.LastIndexByte(text, ':'); i >= 0 && (strings.IndexByte(text, ':') == i || strings.HasSuffix(text[:i], "]")) {
		n, err := strconv.ParseUint(text[i+1:], 10, 16)
		if err != nil || n == 0 {
			return o, bad
		}
		text, o.port = text[:i], uint16(n)
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if p, err := netip.ParsePrefix(text); err == nil {
		o.net = p.Masked()
	} else if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		o.net = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
	} else if hostName(text) && !numeric(text) {
		o.host = clean(text)
	} else {
		return o, bad
	}
	if metadataName(o.host) || o.net.IsSingleIP() && egress.Metadata(o.net.Addr()) {
		return o, fault.New(fault.Invalid, "The entry %q of servers.puppeteer.allow is a cloud's metadata service, which hands out credentials. Remove it.", entry)
	}
	return o, nil
}

func (g *Guard) opensHost(host string) bool {
	return slices.ContainsFunc(g.open, func(o opening) bool { return o.host == host && host != "" })
}

// localSuffixes are domains that are never in the public DNS (RFC 6761, 6762, 7686,
// 8375, and .internal by ICANN's decision).
var localSuffixes = []string{".localhost", ".localdomain", ".local", ".internal", ".home.arpa", ".lan", ".onion"}

// checkName refuses names that mean this machine, its network or a metadata
// service, and what is no name.
func (g *Guard) checkName(host string) error {
	switch {
	case !hostName(host):
		return refuse("%q is not a host name", host)
	case numeric(host):
		return refuse("%q is a number in disguise", host)
	case metadataName(host):
		return refuse("%q is a metadata service", host)
	case slices.ContainsFunc(g.own(), func(own string) bool { return strings.EqualFold(strings.TrimSuffix(own, "."), host) }):
		return refuse("%q is Drawbridge itself", host)
	case g.opensHost(host):
		return nil
	case !strings.Contains(host, ".") || slices.ContainsFunc(localSuffixes, func(s string) bool { return strings.HasSuffix("."+host, s) }):
		return refuse("%q is a local name", host)
	}
	return nil
}

// permits is the rule: may host be reached at this address and port?
func (g *Guard) permits(host string, a netip.Addr, port uint16) error {
	a = a.Unmap()
	machine := g.interfaces()
	switch {
	case egress.Metadata(a):
		return refuse("%s is at %s, a metadata service", host, a)
	case a.Zone() != "":
		return refuse("%s is at %s, which has a zone", host, a)
	case g.itself(a, port, machine):
		return refuse("%s:%d is Drawbridge itself", host, port)
	}
	if slices.ContainsFunc(g.open, func(o opening) bool {
		return (o.port == 0 || o.port == port) && (o.host != "" && o.host == host || o.host == "" && o.net.Contains(a))
	}) {
		return nil
	}
	if !egress.Public(a) {
		return refuse("%s is at %s, which is not public", host, a)
	}
	if slices.ContainsFunc(machine, func(p netip.Prefix) bool { return p.Bits() > 0 && p.Contains(a) }) {
		return refuse("%s is at %s, which is beside this machine", host, a)
	}
	// Web servers of strangers are there or on the ports of users; the others are
	// mail, shells and the like, which a page has no business with.
	if port != 80 && port != 443 && port < 1024 {
		return refuse("port %d is not one of the web", port)
	}
	return nil
}

// itself tells whether an address is one on which Drawbridge listens, or this proxy.
func (g *Guard) itself(a netip.Addr, port uint16, machine []netip.Prefix) bool {
	mine := a.IsLoopback() || a.IsUnspecified() || slices.ContainsFunc(machine, func(p netip.Prefix) bool { return p.Addr() == a })
	if !mine {
		return false
	}
	if port == g.proxy.port() {
		return true
	}
	return slices.ContainsFunc(g.own(), func(own string) bool {
		i := strings.LastIndexByte(own, ':')
		return i >= 0 && own[i+1:] == strconv.Itoa(int(port))
	})
}

// control is the last look: what the socket is about to connect to.
func (g *Guard) control(host string) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("read address of a socket: %w", err)
		}
		return g.permits(host, to.Addr(), to.Port())
	}
}

// hostName tells a host name of letters, digits, hyphens and, as some sites have it,
// underscores, without empty labels.
func hostName(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if b := label[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' && b != '_' {
				return false
			}
		}
	}
	return true
}

// numeric tells whether some reader may take host for an IPv4 address: its last
// label begins with a digit (127.1, 2130706433, 10.0.0.0x1). No top-level domain does.
func numeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && last[0] <= '9'
}
