// Package route is the shape of a route: what it answers to, who may come in,
// and what runs. Every part of Drawbridge that serves HTTP hands a list of
// routes to httpd; a route without a policy stops the program at start.
package route

import (
	"context"
	"net/http"
	"net/netip"
)

// Policy says who may use a route. The zero value is no policy at all and is
// refused by httpd, so that forgetting one cannot open a door.
type Policy int

// The policies.
const (
	_         Policy = iota
	Public           // anybody; the list of public routes is exact and tested
	Bearer           // any live credential; missing: 401 with WWW-Authenticate
	Admin            // an admin: a bearer credential with that role, or a browser signed in; missing: 401, others: 403
	AdminPage        // as Admin, but a browser that is not signed in is sent to the sign-in page
	LiveState        // anybody who brings single-use state that the handler checks
)

// Route is one pattern of net/http.ServeMux with its policy. Pattern carries no
// method: Methods lists them, and httpd answers the others with 405 and Allow.
type Route struct {
	Pattern string
	Methods []string
	Policy  Policy
	Handler http.Handler

	// Resource is the path of the protected resource (RFC 8707) that a credential
	// must be for, such as /mcp; wildcards of Pattern stand in it as they do there.
	// "" takes a credential for any resource. Only for Bearer.
	Resource string
	// AnyOrigin lets pages of every origin read the answers. Only for routes that
	// take no cookie and of which a page learns nothing that a stranger may not.
	AnyOrigin bool
}

// Peer is what httpd found out about the other end of a connection, through
// trusted proxies and no others.
type Peer struct {
	Addr    netip.Addr // of the client; the zero Addr where it is unknown
	HTTPS   bool       // the client's own connection is encrypted
	Funnel  bool       // it came from the open internet through Tailscale Funnel
	Relayed bool       // a proxy that nobody trusts passed it on: Addr is the proxy's
}

type peerKey struct{}

// WithPeer returns a context that carries p. For httpd, and for tests.
func WithPeer(ctx context.Context, p Peer) context.Context {
	return context.WithValue(ctx, peerKey{}, p)
}

// PeerFrom is the peer of a request; the zero Peer outside of one.
func PeerFrom(ctx context.Context) Peer {
	p, _ := ctx.Value(peerKey{}).(Peer)
	return p
}
