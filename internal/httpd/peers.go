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

// forwarded is the request with the peer that a trusted proxy speaks for.
func (p *peers) forwarded(r *http.Request) *http.Request {
	if len(p.trusted) == 0 || !p.trusts(addrOf(r.RemoteAddr)) {
		return r // as connected has noted
	}
	return p.noted(r)
}

// noted is the request with all that can be known of its peer.
func (p *peers) noted(r *http.Request) *http.Request {
	// A request that says it came through Funnel only loses by it: it need not be
	// trusted. Tailscale takes the header out of what others send through it.
	peer := route.Peer{Addr: addrOf(r.RemoteAddr), HTTPS: r.TLS != nil, Funnel: r.Header.Get("Tailscale-Funnel-Request") != ""}
	if p.trusts(peer.Addr) {
		peer.Addr = p.client(peer.Addr, r.Header)
		peer.HTTPS = peer.HTTPS || r.Header.Get("X-Forwarded-Proto") == "https"
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
// the list is the client's own word.
func (p *peers) client(proxy netip.Addr, h http.Header) netip.Addr {
	hops := strings.Split(strings.Join(h["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return proxy
		}
		addr = addr.Unmap().WithZone("")
		if !p.trusts(addr) {
			return addr
		}
		proxy = addr
	}
	return proxy
}
