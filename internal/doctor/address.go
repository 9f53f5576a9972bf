package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

const (
	issuerHint = "Set OAUTH_ISSUER_URL to the https address that clients reach, such as https://mcp.example.com, without a path, and start again."
	funnelHint = "Tailscale Funnel serves only the machine's own *.ts.net name. Either set OAUTH_ISSUER_URL to https://NAME.ts.net and let clients use that, or bring your own domain here another way, such as Cloudflare Tunnel or a reverse proxy on a VPS."
	cloudHint  = "Clients that run in the cloud (claude.ai, ChatGPT) cannot connect. If you need them, make the address public; clients in your own network are not concerned."
)

// address looks at the addresses themselves, before anything is asked. It tells
// whether there is one to ask.
func (x *examination) address() bool {
	typed := x.cfg.URL
	if typed == "" || x.cfg.Issuer != "" {
		if !x.issuer() && typed == "" {
			return false
		}
	}
	switch {
	case typed != "":
	case x.cfg.Issuer != "":
		typed = strings.TrimSuffix(x.cfg.Issuer, "/") + "/mcp"
	default:
		typed = x.standIn() + "/mcp"
	}
	if !x.typed(typed) {
		return false
	}
	x.port()
	return true
}

// standIn is the issuer of a server that none was configured for.
func (x *examination) standIn() string {
	u, err := url.Parse(x.cfg.Local)
	if err != nil || u.Port() == "" {
		return x.cfg.Local
	}
	return "http://localhost:" + u.Port()
}

// issuer looks at the configured issuer.
func (x *examination) issuer() bool {
	const what = "issuer"
	if x.cfg.Issuer == "" {
		x.warn(what, "none is configured; "+x.standIn()+" stands in", "Only programs on this machine can sign in. For others: "+lower(issuerHint))
		return true
	}
	u, err := url.Parse(x.cfg.Issuer)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		x.fail(what, fmt.Sprintf("%q is no http or https address", x.cfg.Issuer), issuerHint)
		return false
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		x.fail(what, x.cfg.Issuer+" has more than scheme and host", "Set OAUTH_ISSUER_URL to "+origin(u)+".")
		return false
	case u.Path != "" && u.Path != "/":
		x.fail(what, x.cfg.Issuer+" has a path", "Set OAUTH_ISSUER_URL to "+origin(u)+": with a path, clients look for the metadata in different places and do not find it.")
		return false
	case u.Path == "/":
		x.warn(what, x.cfg.Issuer+" ends in a slash", "Set OAUTH_ISSUER_URL to "+origin(u)+": clients compare issuers byte by byte.")
		return true
	}
	x.scheme(what, u)
	return true
}

// scheme wants https, except where nobody can listen.
func (x *examination) scheme(what string, u *url.URL) {
	switch {
	case u.Scheme == "https" || loopback(u.Hostname()):
		x.ok(what, "%s", origin(u))
	case inside(u.Hostname()):
		x.warn(what, origin(u)+" is plain http", "Passwords and tokens cross your network readably, and claude.ai and ChatGPT refuse such a server. Put a reverse proxy with a certificate in front, and set OAUTH_ISSUER_URL to its https address.")
	default:
		x.fail(what, origin(u)+" is plain http", "Clients refuse to sign in without https, and passwords would cross the internet readably. Put a reverse proxy or tunnel with a certificate in front, and set OAUTH_ISSUER_URL to its https address.")
	}
}

// typed looks at the URL that clients are given, and keeps its parts.
func (x *examination) typed(raw string) bool {
	const what = "URL for clients"
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		x.fail(what, fmt.Sprintf("%q is no http or https address", raw), "Give clients an address such as https://mcp.example.com/mcp.")
		return false
	}
	x.base, x.host, x.path = origin(u), strings.ToLower(u.Hostname()), "/mcp"
	trimmed := strings.TrimSuffix(u.Path, "/")
	switch {
	case strings.HasPrefix(trimmed, "/mcp/"):
		x.path = trimmed
	case trimmed != "" && trimmed != "/mcp":
		x.warn(what, raw+" is not where MCP is served", "Give clients "+x.base+"/mcp, or "+x.base+"/mcp/PROFILE.")
		return true
	}
	if x.cfg.URL != "" && x.cfg.Issuer == "" {
		x.scheme("issuer", u)
	}
	if i, err := url.Parse(x.cfg.Issuer); x.cfg.Issuer != "" && err == nil && origin(i) != x.base {
		x.fail(what, x.base+" is not the configured issuer "+origin(i), mismatchCure(x.base, origin(i)))
		return true
	}
	x.ok(what, "%s", x.base+x.path)
	return true
}

// mismatchCure is what to do about a server that says it is at other when clients
// come to base.
func mismatchCure(base, other string) string {
	b, berr := url.Parse(base)
	o, err := url.Parse(other)
	if err != nil || berr != nil || o.Host == "" {
		return "Check that it is Drawbridge that answers at " + base + ", not another server."
	}
	set := "Set OAUTH_ISSUER_URL to " + base + " and start again"
	switch {
	case loopback(o.Hostname()) && !loopback(b.Hostname()):
		return set + "."
	case tailscale(b.Hostname()) != tailscale(o.Hostname()):
		return funnelHint
	}
	return set + ", or give clients " + origin(o) + "/mcp."
}

// port looks at what port claude.ai and Tailscale Funnel allow.
func (x *examination) port() {
	const what = "port"
	u, _ := url.Parse(x.base) // typed has read it
	port := u.Port()
	switch {
	case u.Scheme != "https" || loopback(x.host):
	case port == "" || port == "443":
		x.ok(what, "443")
	case tailscale(x.host) && (port == "8443" || port == "10000"):
		x.fail(what, "Funnel serves "+port+" too, but claude.ai reaches port 443 only", "Serve on 443: tailscale funnel --bg --https=443 "+x.cfg.Local+", and set OAUTH_ISSUER_URL to https://"+x.host+".")
	case tailscale(x.host):
		x.fail(what, port+" is none that Funnel serves", "Serve on 443: tailscale funnel --bg --https=443 "+x.cfg.Local+", and set OAUTH_ISSUER_URL to https://"+x.host+".")
	default:
		x.warn(what, port+" is not 443", "claude.ai and other clients in the cloud connect to port 443 only. If you need them, serve on 443 and set OAUTH_ISSUER_URL to https://"+x.host+".")
	}
}

// names looks at what the host's name leads to.
func (x *examination) names(ctx context.Context) {
	const what = "name"
	if ip, err := netip.ParseAddr(x.host); err == nil {
		if !public(ip) && !ip.IsLoopback() {
			x.warn(what, x.host+" is an address inside a network", cloudHint)
		}
		return
	}
	if loopback(x.host) || inside(x.host) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if target, err := x.deps.Resolver.LookupCNAME(ctx, x.host); err == nil && tailscale(target) && !tailscale(x.host) {
		x.fail(what, x.host+" leads to "+strings.TrimSuffix(target, ".")+", which does not answer to that name", funnelHint)
		return
	}
	addrs, err := x.deps.Resolver.LookupNetIP(ctx, "ip", x.host)
	if gone, ok := errors.AsType[*net.DNSError](err); ok && gone.IsNotFound || err == nil && len(addrs) == 0 {
		x.fail(what, x.host+" has no address", "Make a DNS record for "+x.host+", or correct OAUTH_ISSUER_URL.")
		return
	}
	switch {
	case err != nil:
		x.warn(what, x.host+" could not be looked up: "+err.Error(), "Check the name server of this machine, then run the doctor again.")
	case slices.ContainsFunc(addrs, public):
		x.ok(what, "%s is %s", x.host, list(addrs))
	case tailscale(x.host):
		x.warn(what, x.host+" is "+list(addrs)+" inside your tailnet; from here it cannot be seen whether Funnel is on", "Look at tailscale funnel status. Without Funnel, only your own devices can connect.")
	default:
		x.warn(what, x.host+" is "+list(addrs)+", inside a network", cloudHint)
	}
}

// redirects shows a setting that lets codes cross a network readably.
func (x *examination) redirects() {
	const what = "plain http redirects"
	if len(x.cfg.RedirectHosts) == 0 {
		x.ok(what, "to this machine only")
		return
	}
	x.ok(what, "to this machine, and as configured to %s", strings.Join(x.cfg.RedirectHosts, ", "))
}

// origin is scheme and host of a URL.
func origin(u *url.URL) string { return u.Scheme + "://" + strings.ToLower(u.Host) }

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func tailscale(host string) bool {
	return strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".ts.net")
}

// inside tells names and addresses that mean something in one network only.
func inside(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err == nil {
		return !public(ip)
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal") || strings.HasSuffix(host, ".home.arpa")
}

// shared is what carriers and Tailscale number their networks from (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// public tells addresses that the internet can reach.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !shared.Contains(ip)
}

func list(addrs []netip.Addr) string {
	var texts []string
	for _, a := range addrs {
		texts = append(texts, a.Unmap().String())
	}
	return strings.Join(texts, ", ")
}

func lower(sentence string) string { return strings.ToLower(sentence[:1]) + sentence[1:] }
