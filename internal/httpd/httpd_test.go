package httpd_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/httpd"
	"drawbridge/internal/route"
)

// oneKey accepts "Bearer admin" and "Bearer member".
type oneKey struct{}

func (k oneKey) AuthenticateAdmin(r *http.Request) (account.Principal, error) {
	return k.Authenticate(r, "")
}

func (oneKey) Authenticate(r *http.Request, resource string) (account.Principal, error) {
	switch r.Header.Get("Authorization") {
	case "Bearer office":
		if resource != "/mcp/office" {
			break
		}
		return account.Principal{User: "o", Role: account.RoleMember}, nil
	case "Bearer admin":
		return account.Principal{User: "a", Role: account.RoleAdmin}, nil
	case "Bearer client":
		return account.Principal{User: "c", Credential: "grant_1", Client: "dcr_1", Role: account.RoleMember}, nil
	case "Bearer member":
		return account.Principal{User: "m", Role: account.RoleMember}, nil
	}
	return account.Principal{}, fault.New(fault.Unauthenticated, "Send a key as Authorization: Bearer.")
}

// start serves four routes that answer with their path and user.
func start(t *testing.T, cfg httpd.Config) (addr string) {
	t.Helper()
	tell := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := account.PrincipalFrom(r.Context())
		fmt.Fprintf(w, "content of %s for %q", r.URL.Path, p.User)
	})
	get := []string{http.MethodGet}
	cfg.Listen = "127.0.0.1:0"
	s, err := httpd.New(slog.New(slog.DiscardHandler), oneKey{}, cfg, []route.Route{
		{Pattern: "/health", Methods: get, Policy: route.Public, Handler: tell},
		{Pattern: "/mcp", Methods: []string{http.MethodGet, http.MethodPost}, Policy: route.Bearer, Handler: tell},
		{Pattern: "/mcp/", Methods: []string{http.MethodGet, http.MethodPost}, Policy: route.Bearer, Handler: tell},
		{Pattern: "/mcp/{profile}", Methods: []string{http.MethodPost}, Policy: route.Bearer, Resource: "/mcp/{profile}", Handler: tell},
		{Pattern: "/admin", Methods: get, Policy: route.Admin, Handler: tell},
		{Pattern: "/page", Methods: []string{http.MethodGet, http.MethodPost}, Policy: route.AdminPage, Handler: tell},
		{Pattern: "/oauth/token", Methods: []string{http.MethodPost}, Policy: route.Public, AnyOrigin: true, Handler: tell},
		{Pattern: "/peer", Methods: get, Policy: route.Public, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%+v", route.PeerFrom(r.Context()))
		})},
		{Pattern: "/panic", Methods: get, Policy: route.Public, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Shutdown(t.Context(), func() {}); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		<-done
	})
	return s.Addr().String()
}

// raw sends a request as written and returns status and body.
func raw(t *testing.T, addr, request string) (int, string, http.Header) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, request)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body), res.Header
}

// T1 and T2: no path reaches content without its policy, however it is spelled.
func TestT2_routesInDisguise(t *testing.T) {
	t.Parallel()
	addr := start(t, httpd.Config{})
	const admin, member, nobody = "Authorization: Bearer admin\r\n", "Authorization: Bearer member\r\n", ""
	tests := []struct {
		target, headers string
		method          string
		want            int
	}{
		{"/health", nobody, "GET", 200},
		{"/mcp", nobody, "POST", 401},
		{"/mcp/", nobody, "POST", 401},
		{"/mcp", member, "POST", 200},
		{"/mcp?x=1&v=2", member, "POST", 200},
		{"/mcp?" + strings.Repeat("a=1&", 10_000), member, "POST", 400},
		{"/mcp/", member, "POST", 200},
		{"/mcp/other", member, "POST", 200},
		{"/mcp/office", "Authorization: Bearer office\r\n", "POST", 200},
		{"/mcp/other", "Authorization: Bearer office\r\n", "POST", 401},
		{"/mcp/office", nobody, "POST", 401},
		{"/page", nobody, "GET", 303},
		{"/page", nobody, "POST", 401},
		{"/page", "Authorization: Bearer wrong\r\n", "GET", 401},
		{"/page", member, "GET", 403},
		{"/page", admin, "GET", 200},
		{"/page", admin + "Tailscale-Funnel-Request: ?1\r\n", "GET", 404},
		{"/admin", admin + "Tailscale-Funnel-Request: ?1\r\n", "GET", 404},
		{"/mcp", member + "Tailscale-Funnel-Request: ?1\r\n", "POST", 200},
		{"/mcp", member, "PUT", 405},
		{"/mcp", nobody, "TRACE", 405},
		{"/admin", nobody, "GET", 401},
		{"/admin", member, "GET", 403},
		{"/admin", admin, "GET", 200},
		{"//admin", nobody, "GET", 400},
		{"//admin", admin, "GET", 400},
		{"/./admin", nobody, "GET", 400},
		{"/a/../admin", nobody, "GET", 400},
		{"/%61dmin", nobody, "GET", 400},
		{"/a/..%2fadmin", nobody, "GET", 400},
		{"/admin%2fx", nobody, "GET", 400},
		{"/health%2f..%2fadmin", nobody, "GET", 400},
		{"/ADMIN", nobody, "GET", 404},
		{"/admin;/x", nobody, "GET", 404},
		{"/admin/", nobody, "GET", 404},
		{"/nothing", nobody, "GET", 404},
		{"/", nobody, "GET", 404},
		{"/health", "X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-Forwarded-Prefix: /admin\r\n", "GET", 200},
		{"/admin", "X-HTTP-Method-Override: POST\r\nX-Original-URL: /health\r\n", "GET", 401},
	}
	for _, tt := range tests {
		status, body, header := raw(t, addr, tt.method+" "+tt.target+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+tt.headers+"Content-Length: 0\r\n\r\n")
		if status != tt.want {
			t.Errorf("%s %s with %q: %d, want %d", tt.method, tt.target, tt.headers, status, tt.want)
		}
		if status != 200 && strings.Contains(body, "content of") {
			t.Errorf("%s %s: %d with content", tt.method, tt.target, status)
		}
		if status == 401 && !strings.HasPrefix(header.Get("WWW-Authenticate"), `Bearer resource_metadata="http://localhost:`) {
			t.Errorf("%s: WWW-Authenticate is %q", tt.target, header.Get("WWW-Authenticate"))
		}
		if status == 405 && header.Get("Allow") == "" {
			t.Errorf("%s: 405 without Allow", tt.target)
		}
	}
}

// T7: names that a web page could point at this machine are refused.
func TestT7_hostAndOrigin(t *testing.T) {
	t.Parallel()
	addr := start(t, httpd.Config{IssuerURL: "https://gate.example", AllowedHosts: []string{"other.example:444"}, AllowedOrigins: []string{"https://app.example"}})
	tests := []struct {
		host, origin string
		want         int
	}{
		{"localhost", "", 200}, {"localhost:4444", "", 200}, {"LOCALHOST.", "", 200},
		{"127.0.0.1:4444", "", 200}, {"[::1]:4444", "", 200}, {"192.168.7.7", "", 200}, {"nas", "", 200},
		{"gate.example", "", 200}, {"Gate.Example:443", "", 200}, {"other.example", "", 200},
		{"evil.example", "", 421}, {"evil.example:4444", "", 421}, {"localhost.evil.example", "", 421},
		{"gate.example.evil.example", "", 421}, {"127.0.0.1.nip.io", "", 421}, {"xgate.example", "", 421},
		{"localhost", "https://evil.example", 403}, {"localhost", "null", 403}, {"localhost", "file://", 403},
		{"localhost", "http://localhost:6274", 200}, {"localhost", "https://gate.example", 200}, {"localhost", "https://app.example", 200},
		{"localhost", "https://app.example.evil.example", 403}, {"localhost", "http://127.0.0.1.evil.example", 403},
		// A page from a bare address or a bare name is anybody's, unless it is this very server's.
		{"localhost", "http://203.0.113.5", 403}, {"localhost", "http://192.168.7.7:8080", 403}, {"localhost", "http://[2001:db8::1]", 403},
		{"localhost", "http://nas", 403}, {"nas:4444", "http://nas:4444", 200}, {"192.168.7.7:4444", "http://192.168.7.7:4444", 200},
		{"192.168.7.7", "http://192.168.7.8", 403}, {"gate.example", "http://127.0.0.1:6274", 200}, {"localhost", "http://[::1]:6274", 200},
		{"localhost", "http://user@localhost", 403}, {"localhost", "http://localhost/path", 403}, {"localhost", "http://evil.example#localhost", 403},
		{"localhost", "http://localhost\r\nOrigin: https://evil.example", 403},
	}
	for _, tt := range tests {
		req := "GET /health HTTP/1.1\r\nHost: " + tt.host + "\r\nConnection: close\r\n"
		if tt.origin != "" {
			req += "Origin: " + tt.origin + "\r\n"
		}
		status, _, header := raw(t, addr, req+"\r\n")
		if status != tt.want {
			t.Errorf("Host %q, Origin %q: %d, want %d", tt.host, tt.origin, status, tt.want)
		}
		if got := header.Get("Access-Control-Allow-Origin"); (got != "") != (tt.origin != "" && tt.want == 200) {
			t.Errorf("Host %q, Origin %q: Access-Control-Allow-Origin %q", tt.host, tt.origin, got)
		}
	}
	status, _, _ := raw(t, addr, "GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if status != 421 {
		t.Errorf("absolute form naming another host: %d, want 421", status)
	}
	status, _, _ = raw(t, addr, "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
	if status != 400 {
		t.Errorf("OPTIONS * passes no check: %d, want 400", status)
	}
}

func TestT7_preflight(t *testing.T) {
	t.Parallel()
	addr := start(t, httpd.Config{})
	status, _, header := raw(t, addr, "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:6274\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\nConnection: close\r\n\r\n")
	if status != 204 || !strings.Contains(header.Get("Access-Control-Allow-Headers"), "authorization") {
		t.Errorf("preflight: %d %v", status, header)
	}
	if header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("credentials must never be allowed across origins")
	}
}

func TestPanic_isA500ForThatRequestAlone(t *testing.T) {
	t.Parallel()
	addr := start(t, httpd.Config{})
	status, body, header := raw(t, addr, "GET /panic HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if status != 500 || strings.Contains(body, "boom") || header.Get("X-Request-Id") == "" {
		t.Errorf("%d %q %v", status, body, header)
	}
	if status, _, _ := raw(t, addr, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); status != 200 {
		t.Errorf("after a panic: %d", status)
	}
}

func TestT9_headers(t *testing.T) {
	t.Parallel()
	addr := start(t, httpd.Config{})
	status, _, _ := raw(t, addr, "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Big: "+strings.Repeat("x", 80<<10)+"\r\n\r\n")
	if status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("80 KiB of header: %d, want 431", status)
	}
}

func TestT1_routeWithoutPolicy(t *testing.T) {
	t.Parallel()
	_, err := httpd.New(slog.New(slog.DiscardHandler), oneKey{}, httpd.Config{}, []route.Route{
		{Pattern: "/open", Methods: []string{"GET"}, Handler: http.NotFoundHandler()},
	})
	if err == nil || !strings.Contains(err.Error(), "policy") {
		t.Errorf("err = %v", err)
	}
}

// On standard input and output there is no port, and what asks for one must not fall.
func TestAddr_beforeListen(t *testing.T) {
	t.Parallel()
	s, err := httpd.New(slog.New(slog.DiscardHandler), oneKey{}, httpd.Config{Listen: "127.0.0.1:4444"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if addr := s.Addr(); addr != nil {
		t.Errorf("it listens on %v", addr)
	}
	if base := s.Base(); base != "http://127.0.0.1:4444" {
		t.Errorf("its base is %s", base)
	}
}
