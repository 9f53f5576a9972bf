package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// guard knows the names this server answers to. A web page can point a name it
// owns at this machine (DNS rebinding); it cannot do so with an address or a
// name without dots, so those pass.
type guard struct {
	hosts   map[string]bool
	origins map[string]bool
}

func newGuard(cfg Config) *guard {
	g := &guard{hosts: map[string]bool{"localhost": true}, origins: map[string]bool{}}
	if name, err := os.Hostname(); err == nil {
		name = strings.ToLower(name)
		g.hosts[name] = true
		g.hosts[name+".local"] = true
	}
	if u, err := url.Parse(cfg.IssuerURL); err == nil && u.Host != "" {
		g.hosts[hostName(u.Host)] = true
	}
	for _, h := range cfg.AllowedHosts {
		g.hosts[hostName(h)] = true
	}
	for _, o := range cfg.AllowedOrigins {
		g.origins[strings.ToLower(strings.TrimSuffix(o, "/"))] = true
	}
	return g
}

// hostName is the lower-case name of a Host header, without port and final dot.
func hostName(h string) string {
	if name, _, err := net.SplitHostPort(h); err == nil {
		h = name
	}
	h = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]")
	return strings.ToLower(strings.TrimSuffix(h, "."))
}

// host tells whether the server answers to this Host header.
func (g *guard) host(header string) bool {
	name := hostName(header)
	if name == "" {
		return false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return g.hosts[name] || !strings.Contains(name, ".")
}

// origin tells whether a page of this origin may use the server that host, a
// Host header that was let through, names. Unlike Host, an origin with an address
// proves nothing: anybody can serve a page from a bare address, or from a device
// in the LAN. So it is a page of this machine, of a name the server goes by, of the
// very host that it talks to, or one that the operator has named.
func (g *guard) origin(header, host string) bool {
	if g.origins[strings.ToLower(header)] {
		return true
	}
	u, err := url.Parse(header)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || !strings.EqualFold(u.Scheme+"://"+u.Host, header) {
		return false
	}
	name := hostName(u.Host)
	a, err := netip.ParseAddr(name)
	return g.hosts[name] || name == hostName(host) || err == nil && a.Unmap().IsLoopback()
}

// openCORS lets pages of every origin read the answers of a route that is open to
// them, and answers their preflights. It reports whether the request is over.
func openCORS(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Origin") == "" && r.Method != http.MethodOptions {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	if r.Method != http.MethodOptions {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", allowedHeaders)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// What pages may send and read (security reference, R4).
const (
	allowedHeaders = "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name"
	exposedHeaders = "Mcp-Session-Id, WWW-Authenticate"
)

// cors answers a preflight, and lets an accepted origin read what it needs. It
// reports whether the request is over.
func cors(w http.ResponseWriter, r *http.Request, origin string) bool {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", allowedHeaders+", "+r.Header.Get("Access-Control-Request-Headers"))
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
