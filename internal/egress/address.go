package egress

import (
	"net/netip"
	"slices"
)

// metadata are the addresses under which clouds hand credentials to whoever asks
// from inside. Nothing opens them.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // AWS, Azure, Google, DigitalOcean, Oracle, OpenStack
	netip.MustParseAddr("169.254.170.2"),   // AWS containers
	netip.MustParseAddr("169.254.170.23"),  // AWS EKS
	netip.MustParseAddr("169.254.42.42"),   // Scaleway
	netip.MustParseAddr("169.254.0.23"),    // Tencent
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("192.0.0.192"),     // Oracle, older
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd00:ec2::23"),    // AWS EKS
	netip.MustParseAddr("fd20:ce::254"),    // Google
}

var metadataNames = []string{"metadata.google.internal", "metadata.goog", "metadata.tencentyun.com", "instance-data", "instance-data.ec2.internal"}

// Metadata tells whether a is, or is translated on the way to, the address of a
// cloud's metadata service. Whoever may reach the LAN asks this and not Public.
func Metadata(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.Contains(metadata, a) || slices.Contains(metadata, embedded(a))
}

// MetadataName tells whether host, in lower case and without a final dot, is a
// name of a cloud's metadata service.
func MetadataName(host string) bool { return slices.Contains(metadataNames, host) }

// The networks whose addresses hold one of IPv4: NAT64 (RFC 6052, RFC 8215), 6to4
// (RFC 3056), and the old compatible form (RFC 4291, section 2.5.5.1).
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	compatible = netip.MustParsePrefix("::/96")
)

// embedded is the IPv4 address that a translator on the way would make of a, or
// the zero Addr.
func embedded(a netip.Addr) netip.Addr {
	b := a.As16()
	switch {
	case !a.Is6():
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case nat64.Contains(a), nat64Local.Contains(a), compatible.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.Addr{}
}

// special are the networks of the special-purpose registries (RFC 6890) that do
// not lead to the public internet, or lead elsewhere than they look. Being global
// unicast as netip sees it is not enough: that takes in half of them.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carriers' NAT; Tailscale
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("240.0.0.0/4"), // broadcast too

	compatible, nat64, nat64Local, sixToFour,
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo, benchmarks, ORCHID
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("ff00::/8"),
}

// global6 is all of IPv6 that is given out for global use so far.
var global6 = netip.MustParsePrefix("2000::/3")

// Public tells whether a is an address of the public internet.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	// An address with a zone is in no prefix.
	return a.IsGlobalUnicast() && !Metadata(a) && (a.Is4() || global6.Contains(a)) &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}
