package httpd_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"drawbridge/internal/httpd"
)

// T5: who is calling is read from headers only where a trusted proxy wrote them.
func TestT5_headersOfStrangers(t *testing.T) {
	t.Parallel()
	const claims = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nForwarded: for=203.0.113.9\r\n" +
		"X_Forwarded_For: 203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\nTailscale-User-Login: owner@example.org\r\n"
	direct := start(t, httpd.Config{})
	if got := peer(t, direct, claims, "localhost"); got != "{Addr:127.0.0.1 HTTPS:false Funnel:false Relayed:true}" {
		t.Errorf("a stranger's claims are believed: %s", got)
	}
	proxied := start(t, httpd.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}})
	for _, c := range []struct{ headers, want string }{
		{claims, "{Addr:203.0.113.9 HTTPS:true Funnel:false Relayed:false}"},
		{"", "{Addr:127.0.0.1 HTTPS:false Funnel:false Relayed:false}"},
		// The client wrote the first entry itself; the proxies added theirs behind it.
		{"X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.0.0.7\r\n", "{Addr:203.0.113.9 HTTPS:false Funnel:false Relayed:false}"},
		{"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.9\r\n", "{Addr:203.0.113.9 HTTPS:false Funnel:false Relayed:false}"},
		{"X-Forwarded-For: 203.0.113.9, rubbish, 10.0.0.7\r\n", "{Addr:invalid IP HTTPS:false Funnel:false Relayed:false}"},
		{"X-Forwarded-For: 203.0.113.9:4711\r\n", "{Addr:203.0.113.9 HTTPS:false Funnel:false Relayed:false}"},
		{"X-Forwarded-For: [2001:db8::1]:4711\r\n", "{Addr:2001:db8::1 HTTPS:false Funnel:false Relayed:false}"},
		{"X-Forwarded-For: \r\n", "{Addr:invalid IP HTTPS:false Funnel:false Relayed:false}"},
		{"X-Forwarded-For: ::ffff:203.0.113.9\r\n", "{Addr:203.0.113.9 HTTPS:false Funnel:false Relayed:false}"},
		{"Tailscale-Funnel-Request: ?1\r\n", "{Addr:127.0.0.1 HTTPS:false Funnel:true Relayed:false}"},
	} {
		if got := peer(t, proxied, c.headers, "localhost"); got != c.want {
			t.Errorf("%q: %s, want %s", c.headers, got, c.want)
		}
	}
	public := start(t, httpd.Config{IssuerURL: "https://gate.example"})
	if got := peer(t, public, "", "gate.example"); !strings.Contains(got, "HTTPS:true") {
		t.Errorf("at the issuer's own address: %s", got)
	}
	if got := peer(t, public, "", "nas"); !strings.Contains(got, "HTTPS:false") {
		t.Errorf("in the LAN: %s", got)
	}
}

func peer(t *testing.T, addr, headers, host string) string {
	t.Helper()
	status, body, _ := raw(t, addr, "GET /peer HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n"+headers+"\r\n")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	return body
}

// R4: pages of every origin may use what takes no cookie, and nothing else.
func TestR4_anyOrigin(t *testing.T) {
	t.Parallel()
	addr := start(t, httpd.Config{})
	const evil = "Origin: https://evil.example\r\n"
	for _, c := range []struct {
		request string
		status  int
		allowed string
	}{
		{"OPTIONS /oauth/token HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\n" + evil, 204, "*"},
		{"OPTIONS /oauth/token HTTP/1.1\r\n", 204, "*"},
		{"POST /oauth/token HTTP/1.1\r\nContent-Length: 0\r\n" + evil, 200, "*"},
		{"POST /oauth/token HTTP/1.1\r\nContent-Length: 0\r\n", 200, ""},
		{"OPTIONS /mcp HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\n" + evil, 403, ""},
		{"OPTIONS /page HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\n" + evil, 403, ""},
		{"GET /peer HTTP/1.1\r\n" + evil, 403, ""},
		{"GET /nothing HTTP/1.1\r\n" + evil, 403, ""},
	} {
		status, _, h := raw(t, addr, c.request+"Host: localhost\r\nConnection: close\r\n\r\n")
		if status != c.status || h.Get("Access-Control-Allow-Origin") != c.allowed || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%q: %d, origin %q", c.request, status, h.Get("Access-Control-Allow-Origin"))
		}
	}
}

// A client that has gone wild is slowed down; keys and streams are not.
func TestClients_arePaced(t *testing.T) {
	t.Parallel()
	addr := start(t, httpd.Config{ClientRate: 5})
	call := func(method, credential string) int {
		status, _, _ := raw(t, addr, method+" /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\nAuthorization: Bearer "+credential+"\r\n\r\n")
		return status
	}
	count := func(method, credential string) (ok, limited int) {
		for range 100 {
			switch status := call(method, credential); status {
			case http.StatusOK:
				ok++
			case http.StatusTooManyRequests:
				limited++
			default:
				t.Fatalf("%s: %d", credential, status)
			}
		}
		return ok, limited
	}
	if ok, limited := count("POST", "client"); ok < 10 || limited == 0 {
		t.Errorf("of 100 requests of a client %d were let in and %d told to wait", ok, limited)
	}
	if ok, _ := count("GET", "client"); ok != 100 {
		t.Errorf("of 100 streams %d were let in", ok)
	}
	if ok, _ := count("POST", "member"); ok != 100 {
		t.Errorf("of 100 requests with a key %d were let in", ok)
	}
}
