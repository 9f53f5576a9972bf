// Package guard decides where the browser may connect, and is its only way out: a
// proxy on a loopback port.
//
// Pages are written by strangers, and a model opens what a page tells it to. So no
// request of a page may reach what only this machine can: the machine itself, its
// network, a cloud's metadata service. The browser resolves no names (see package
// chrome); it hands host and port to the proxy, whatever the request is - a page, a
// frame, a script's fetch, a worker, a WebSocket, a download, the target of a
// redirect. The proxy looks the host up, once for each connection, refuses it when
// one of the answers is not an address of the public internet, and connects to an
// address that it has checked, which the socket checks once more. A second answer of
// the DNS therefore comes too late.
//
// An operator can open single hosts and networks of the LAN. Metadata addresses and
// Drawbridge itself stay closed. The proxy bounds nothing else: what comes back is
// the browser's to judge.
package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
)

// ErrRefused is in the errors for addresses that the rules forbid.
var ErrRefused = errors.New("address refused")

// Resolver looks up names. net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Deps is what a Guard stands on. But for Log, the zero value is the real network.
type Deps struct {
	Log *slog.Logger
	// Own are the host names and listen addresses (host:port) of this installation:
	// nothing opens them.
	Own      func() []string
	Resolver Resolver
	// Dial connects to an address that has been checked. nil: a socket that checks
	// it once more.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Interfaces are the machine's addresses, each with its network: public addresses
	// in them are neighbours. nil: asks the machine.
	Interfaces func() []netip.Prefix
}

// Guard is the rules and the proxy. Safe for concurrent use.
type Guard struct {
	log        *slog.Logger
	open       []opening
	own        func() []string
	resolver   Resolver
	connect    func(ctx context.Context, network, address string) (net.Conn, error)
	interfaces func() []netip.Prefix
	proxy      *proxy

	mu      sync.Mutex // guards reasons
	reasons map[string]reason
}

// New reads the allow list: hosts, addresses and networks that are opened beyond
// the rules, each with or without a port.
func New(allow []string, deps Deps) (*Guard, error) {
	g := &Guard{log: deps.Log, own: deps.Own, resolver: deps.Resolver, connect: deps.Dial, interfaces: deps.Interfaces, reasons: map[string]reason{}}
	for _, entry := range allow {
		o, err := parseOpening(entry)
		if err != nil {
			return nil, err
		}
		g.open = append(g.open, o)
	}
	if g.own == nil {
		g.own = func() []string { return nil }
	}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	if g.interfaces == nil {
		g.interfaces = machine
	}
	g.proxy = newProxy(g)
	return g, nil
}

// Check tells whether a browser may be sent to a URL, as far as that can be seen
// before it goes there. Redirects and everything on the page meet the proxy. The
// error is a *fault.Error.
func (g *Guard) Check(ctx context.Context, raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "This is not a URL that can be read. Send a complete one, such as https://example.org/page.")
	}
	switch {
	case raw == "about:blank":
		return nil
	case u.Scheme != "http" && u.Scheme != "https":
		return fault.New(fault.Forbidden, "The browser opens http and https pages and about:blank, nothing else. Send such a URL.")
	case u.Host == "":
		return fault.New(fault.Invalid, "The URL has no host. Send a complete one, such as https://example.org/page.")
	}
	host, port := clean(u.Hostname()), u.Port()
	if !ascii(host) {
		return nil // the browser knows its ASCII form, and the proxy will see that
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "The port of the URL is not one. Correct the URL.")
	}
	_, err = g.resolve(ctx, host, uint16(n))
	return g.public(host, err)
}

// public makes the sentence for an address that cannot be reached.
func (g *Guard) public(host string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRefused):
		return fault.Wrap(err, fault.Forbidden, "The browser may not open %s: it leads to this machine, its network or another place that is not the public internet. An operator can open the host with servers.puppeteer.allow.", host)
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return fault.Wrap(err, fault.Timeout, "The name %s could not be looked up in time. Try again later.", host)
	}
	return fault.Wrap(err, fault.Upstream, "The host %s could not be found. Check how it is written.", host)
}

// reason is why a host could not be reached of late.
type reason struct {
	err error
	at  time.Time
}

const maxReasons = 512

// note keeps why a connection failed, for who asks afterwards.
func (g *Guard) note(host string, err error) {
	if errors.Is(err, ErrRefused) {
		g.log.Debug("browser kept from an address", "host", host, "reason", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.reasons) >= maxReasons {
		clear(g.reasons) // they only make errors clearer
	}
	g.reasons[host] = reason{err, time.Now()}
}

// Why tells why the host of a URL could not be reached at or after since; nil when
// nothing is known. The error is a *fault.Error.
func (g *Guard) Why(raw string, since time.Time) error {
	u, err := url.Parse(raw)
	if err != nil {
		return nil
	}
	host := clean(u.Hostname())
	g.mu.Lock()
	r, ok := g.reasons[host]
	g.mu.Unlock()
	if !ok || r.at.Before(since) {
		return nil
	}
	if errors.Is(r.err, ErrRefused) {
		return g.public(host, r.err)
	}
	if _, ok := errors.AsType[*net.DNSError](r.err); ok {
		return g.public(host, r.err)
	}
	return fault.Wrap(r.err, fault.Upstream, "%s did not accept a connection. Check host and port, or try again later.", host)
}

// dial looks up a host and connects to one of the addresses that it has checked.
func (g *Guard) dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	host = clean(host)
	conn, err := g.dialAny(ctx, host, port)
	if err != nil {
		g.note(host, err)
	}
	return conn, err
}

func (g *Guard) dialAny(ctx context.Context, host string, port uint16) (net.Conn, error) {
	addrs, err := g.resolve(ctx, host, port)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var first error
	for i, a := range addrs {
		conn, err := g.dialOne(ctx, host, netip.AddrPortFrom(a, port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil { // the first address is the one that was meant
			first = err
		}
	}
	return nil, first
}

// dialTime bounds the addresses of a host together.
const dialTime = 15 * time.Second

// dialOne gives each of the addresses that are left an equal part of the time.
func (g *Guard) dialOne(ctx context.Context, host string, to netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	if g.connect != nil {
		return g.connect(ctx, "tcp", to.String())
	}
	d := net.Dialer{Control: g.control(host)}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", host, err)
	}
	return conn, nil
}

// resolve gives the addresses of a host. One forbidden address among them refuses
// them all: a name that is half outside and half inside is an attempt.
func (g *Guard) resolve(ctx context.Context, host string, port uint16) ([]netip.Addr, error) {
	addrs, err := g.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if err := g.permits(host, a, port); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

// maxAnswers bounds how many addresses of a host are looked at.
const maxAnswers = 64

func (g *Guard) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	if err := g.checkName(host); err != nil {
		return nil, err
	}
	name := host
	if !g.opensHost(host) {
		name += "." // else the machine's search domains would be tried, too
	}
	addrs, err := g.resolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	if len(addrs) == 0 || len(addrs) > maxAnswers {
		return nil, fmt.Errorf("look up %s: %w", host, &net.DNSError{Err: "no address, or too many", Name: host, IsNotFound: true})
	}
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, nil
}

// clean is a host as the rules compare it.
func clean(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] > '~' {
			return false
		}
	}
	return true
}

// machine asks for the addresses of this machine.
func machine() []netip.Prefix {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var all []netip.Prefix
	for _, one := range found {
		n, ok := one.(*net.IPNet)
		if !ok {
			continue
		}
		a, ok := netip.AddrFromSlice(n.IP)
		bits, size := n.Mask.Size()
		if a = a.Unmap(); ok && size == a.BitLen() {
			all = append(all, netip.PrefixFrom(a, bits))
		}
	}
	return all
}

// metadataName tells a name of a cloud's metadata service.
func metadataName(host string) bool { return egress.MetadataName(host) }
