package httpd_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"drawbridge/internal/httpd"
)

// Threat T6: the machine's name is public through Tailscale Funnel, and with it the
// admin pages. What comes that way finds none there, whoever it says it is; the rest
// works. tailscaled sets the header itself and takes it out of what clients send.
func TestT6_funnel(t *testing.T) {
	t.Parallel()
	const funnel, admin, member = "Tailscale-Funnel-Request: ?1\r\n", "Authorization: Bearer admin\r\n", "Authorization: Bearer member\r\n"
	private := start(t, httpd.Config{})
	behind := start(t, httpd.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	public := start(t, httpd.Config{AdminOnFunnel: true})
	for _, c := range []struct {
		addr, request, headers string
		want                   int
	}{
		{private, "GET /admin", funnel + admin, http.StatusNotFound},
		{private, "GET /admin", funnel, http.StatusNotFound},
		{private, "POST /page", funnel + admin, http.StatusNotFound},
		{private, "GET /page", funnel, http.StatusNotFound}, // not even the way to sign in
		{private, "GET /admin", admin, http.StatusOK},
		{private, "GET /page", "", http.StatusSeeOther},
		{private, "POST /mcp", funnel + member, http.StatusOK},
		{private, "POST /oauth/token", funnel, http.StatusOK},
		{behind, "GET /admin", funnel + admin + "X-Forwarded-For: 203.0.113.9\r\n", http.StatusNotFound},
		{public, "GET /admin", funnel + admin, http.StatusOK},
		{public, "GET /admin", funnel, http.StatusUnauthorized},
	} {
		status, body, _ := raw(t, c.addr, c.request+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n"+c.headers+"\r\n")
		if status != c.want || status == http.StatusNotFound && strings.Contains(body, "content of") {
			t.Errorf("%s with %q: %d %q, want %d", c.request, c.headers, status, body, c.want)
		}
	}
}
