package remote

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"drawbridge/internal/fault"
)

// metadata are the addresses under which clouds hand credentials to whoever asks
// from inside. A backend may stand anywhere in the LAN, but never there.
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

func isMetadata(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.Contains(metadata, a) || slices.Contains(metadata, embedded(a))
}

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

// refuseMetadata looks at an address after its name was resolved.
func refuseMetadata(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if isMetadata(at.Addr()) {
		return errMetadata
	}
	return nil
}

var errMetadata = fault.New(fault.Forbidden,
	"The backend's address is that of a cloud's metadata service, which hands out credentials. Set the URL of an MCP server.")

// address reads an absolute http or https URL.
func address(raw, what string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.New(fault.Invalid, "%s is not usable. Write it as http://host:port/path or https://host/path.", what)
	}
	if u.User != nil {
		return nil, fault.New(fault.Invalid, "%s has a user or password in it. Set token or headers instead.", what)
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	a, err := netip.ParseAddr(host)
	if slices.Contains(metadataNames, host) || err == nil && isMetadata(a) {
		return nil, errMetadata
	}
	u.Fragment, u.RawFragment = "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}
