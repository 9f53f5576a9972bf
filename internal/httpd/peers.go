package httpd

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"drawbridge/internal/route"
)

// peers finds out who is at the other end. Headers about that are believed from
// trusted proxies alone (security T5); of a request that came from anybody else
// the connection is all that counts.
type peers struct {
	trusted []netip.Prefix
	https   string // the issuer's host, where the issuer is https
}

func newPeers(cfg Config) *peers {
	p := &peers{trusted: cfg.TrustedProxies}
	if u, err := url.Parse(cfg.IssuerURL); err == nil && u.Scheme == "https" {
		p.https = hostName(u.Host)
	}
	return p
}

// connected notes the peer of a new connection, so that most requests cost nothing.
func (p *peers) connected(ctx context.Context, conn net.Conn) context.Context {
	return route.WithPeer(ctx, route.Peer{Addr: addrOf(conn.RemoteAddr().String())})
}

func addrOf(hostPort string) netip.Addr {
	at, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// forwarded is the request with the peer that a proxy speaks for, if one does.
func (p *peers) forwarded(r *http.Request) *http.Request {
	if !relayed(r.Header) {
		return r // as connected has noted
	}
	return p.noted(r)
}

// relayed tells whether a proxy says that it passes a request on.
func relayed(h http.Header) bool { return len(h["X-Forwarded-For"]) > 0 || len(h["Forwarded"]) > 0 }

// noted is the request with all that can be known of its peer.
func (p *peers) noted(r *http.Request) *http.Request {
	// A request that says it came through Funnel only loses by it: it need not be
	// trusted. Tailscale takes the header out of what others send through it.
	peer := route.Peer{Addr: addrOf(r.RemoteAddr), HTTPS: r.TLS != nil, Funnel: len(r.Header["Tailscale-Funnel-Request"]) > 0}
	switch {
	case p.trusts(peer.Addr):
		peer.Addr = p.client(peer.Addr, r.Header)
		peer.HTTPS = peer.HTTPS || r.Header.Get("X-Forwarded-Proto") == "https"
	case relayed(r.Header):
		peer.Relayed = true
	}
	// Whoever asks for the issuer's own https address came by it, whatever stands
	// between. Were it not so, a cookie would not be kept.
	peer.HTTPS = peer.HTTPS || p.https != "" && hostName(r.Host) == p.https
	return r.WithContext(route.WithPeer(r.Context(), peer))
}

func (p *peers) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p.trusted, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// client is the nearest address that no trusted proxy has: what stands before it in
// the list is the client's own word. The zero Addr is one that cannot be read.
func (p *peers) client(proxy netip.Addr, h http.Header) netip.Addr {
	if len(h["X-Forwarded-For"]) == 0 {
		return proxy
	}
	hops := strings.Split(strings.Join(h["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		if proxy = hopAddr(strings.TrimSpace(hop)); !p.trusts(proxy) {
			break
		}
	}
	return proxy
}

// hopAddr reads an entry of the list, which some proxies write with a port.
func hopAddr(hop string) netip.Addr {
	if addr := addrOf(hop); addr.IsValid() {
		return addr
	}
	addr, err := netip.ParseAddr(hop)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}
