package remote

import (
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
)

// A backend may stand anywhere in the LAN, but never where a cloud hands credentials
// to whoever asks from inside.

// refuseMetadata looks at an address after its name was resolved.
func refuseMetadata(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if egress.Metadata(at.Addr()) {
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
	if egress.MetadataName(host) || err == nil && egress.Metadata(a) {
		return nil, errMetadata
	}
	u.Fragment, u.RawFragment = "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}
