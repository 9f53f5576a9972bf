package egress

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const maxURL = 8 << 10

// Check reads a URL and tells whether it may be fetched as far as that can be seen
// before its host is looked up. It looks at the text itself first: what two readers
// could take for two hosts is refused, not repaired. The error is a *fault.Error
// with ErrRefused in it.
func (c *Client) Check(raw string) (*url.URL, error) {
	if raw == "" || len(raw) > maxURL {
		return nil, refuse("the URL is empty or longer than %d bytes", maxURL)
	}
	for i := range len(raw) {
		if b := raw[i]; b <= ' ' || b > '~' || b == '\\' {
			return nil, refuse("the URL has a byte that does not belong into one")
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refuse("the URL cannot be read")
	}
	return u, c.checkURL(u)
}

// checkURL is Check for what has been parsed.
func (c *Client) checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "https":
		return refuse("the scheme is not https")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return refuse("the URL has a user name")
	case u.Opaque != "" || u.Host == "":
		return refuse("the URL has no host")
	}
	port, ok := portOf(u)
	if !ok || !c.opensPort(port) {
		return refuse("the port of %q is not open", u.Host)
	}
	host := hostOf(u)
	if a, err := netip.ParseAddr(host); err == nil {
		// Nobody publishes anything under a bare address, and a literal is the plainest
		// way to aim at somebody's network.
		if Metadata(a) || a.Zone() != "" || !c.opensAddr(a) {
			return refuse("the host %q is an address that is not allowed", host)
		}
		return nil
	}
	return c.checkName(host)
}

// checkName refuses names that mean this machine, this network or a metadata
// service, and what is no name.
func (c *Client) checkName(host string) error {
	switch {
	case !plainHost(host):
		return refuse("the host %q is not a host name in plain ASCII", host)
	case numeric(host):
		return refuse("the host %q is a number in disguise", host)
	case MetadataName(host):
		return refuse("the host %q is a metadata service", host)
	case c.opensHost(host):
		return nil
	case !strings.Contains(host, ".") || slices.ContainsFunc(localSuffixes, func(s string) bool { return strings.HasSuffix("."+host, s) }):
		return refuse("the host %q is a local name", host)
	case slices.ContainsFunc(c.own(), func(own string) bool { return strings.EqualFold(strings.TrimSuffix(own, "."), host) }):
		return refuse("the host %q is Drawbridge itself", host)
	}
	return nil
}

// localSuffixes are domains that are never in the public DNS (RFC 6761, 6762, 7686,
// 8375, and .internal by ICANN's decision).
var localSuffixes = []string{".localhost", ".localdomain", ".local", ".internal", ".home.arpa", ".lan", ".onion"}

func hostOf(u *url.URL) string { return strings.ToLower(u.Hostname()) }

func portOf(u *url.URL) (uint16, bool) {
	if strings.HasSuffix(u.Host, ":") {
		return 0, false
	}
	if u.Port() == "" {
		return 443, true
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	// One spelling: 00443 is not 443.
	return uint16(n), err == nil && strconv.FormatUint(n, 10) == u.Port()
}

// plainHost tells a host name of letters, digits and hyphens in lower case, without
// empty labels, so without a final dot.
func plainHost(host string) bool {
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if b := label[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' {
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
