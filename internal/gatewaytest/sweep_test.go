package gatewaytest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/route"
)

// public is every address that answers to nobody in particular. It is exact: a
// route that is public and not here fails, and so does one that is here and gone.
var public = []string{
	"/.well-known/oauth-authorization-server",
	"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/",
	"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource/mcp/",
	"/.well-known/oauth-protected-resource/mcp/{profile}", "/.well-known/oauth-protected-resource/mcp/{profile}/",
	"/.well-known/{rest...}",
	"/authorize", "/health", "/livez", "/login",
	"/oauth/authorize", "/oauth/register", "/oauth/revoke", "/oauth/token",
	"/readyz", "/register", "/revoke", "/static/drawbridge.css", "/static/icon.svg", "/token",
}

// Threat T1: the public list is exact, and docs/reference/http.md has all of it.
func TestT1_publicList(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Run(t, "")
	var got []string
	for _, r := range g.App.Routes() {
		if r.Policy == route.Public || r.Policy == route.LiveState {
			got = append(got, r.Pattern)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, public) {
		t.Errorf("public routes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(public, "\n"))
	}
	doc, err := os.ReadFile("../../docs/reference/http.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range public {
		if path != "/" && !strings.Contains(string(doc), "`"+strings.TrimSuffix(path, "/")+"`") {
			t.Errorf("docs/reference/http.md does not name %s", path)
		}
	}
}

// disguises are ways to make one hop read another address, method, host or caller
// than the next: of each, the request line and headers for a path.
var disguises = []func(path string) (target, headers string){
	func(p string) (string, string) { return p, "" },
	func(p string) (string, string) { return p + "/", "" },
	func(p string) (string, string) { return "/" + p, "" },
	func(p string) (string, string) { return "/." + p, "" },
	func(p string) (string, string) { return "/health/.." + p, "" },
	func(p string) (string, string) { return "/health/..%2f" + p[1:], "" },
	func(p string) (string, string) { return fmt.Sprintf("/%%%02x%s", p[1], p[2:]), "" },
	func(p string) (string, string) { return p + "%2f", "" },
	func(p string) (string, string) { return p + ";/health", "" },
	func(p string) (string, string) { return strings.ToUpper(p), "" },
	func(p string) (string, string) { return p + "?x=/health", "" },
	func(p string) (string, string) { return "http://localhost" + p, "" },
	func(p string) (string, string) {
		return "/health", "X-Original-URL: " + p + "\r\nX-Rewrite-URL: " + p + "\r\n"
	},
	func(p string) (string, string) {
		return p, "X-Forwarded-Uri: /health\r\nX-Forwarded-Prefix: /health\r\n"
	},
	func(p string) (string, string) { return p, "X-HTTP-Method-Override: GET\r\nX-Method-Override: GET\r\n" },
	func(p string) (string, string) {
		return p, "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nForwarded: for=127.0.0.1;proto=https\r\n"
	},
	func(p string) (string, string) {
		return p, "Tailscale-User-Login: admin@example.org\r\nRemote-User: admin\r\n"
	},
	func(p string) (string, string) { return p, "Authorization: Bearer\r\n" },
	func(p string) (string, string) {
		return p, "Authorization: Bearer null\r\nCookie: drawbridge=x; __Host-drawbridge=x\r\n"
	},
	func(p string) (string, string) { return p + "?access_token=" + gatewaytest.Key, "" },
	func(p string) (string, string) { return p, "Authorization: Basic YWRtaW46YWRtaW4=\r\n" },
}

var sweepMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// Threats T1 and T2: no address that has a policy gives anything to whoever brings no
// credential, in whichever method and disguise.
func TestT1_sweep(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Run(t, "")
	addr := g.App.Addr().String()
	refusals := []int{303, 400, 401, 403, 404, 405, 421}
	asked := 0
	for _, r := range g.App.Routes() {
		if r.Policy == route.Public {
			continue
		}
		path := wildcard.ReplaceAllString(strings.TrimSuffix(r.Pattern, "{$}"), "admin")
		for _, method := range sweepMethods {
			for _, disguise := range disguises {
				target, headers := disguise(path)
				if target == "/health" && (method == "GET" || method == "HEAD") {
					continue // which is public, and says no more than ever
				}
				status, body := bare(t, addr, method, target, headers)
				asked++
				if !slices.Contains(refusals, status) {
					t.Errorf("%s %s with %q: %d", method, target, headers, status)
				}
				if strings.Contains(body, "key_") || strings.Contains(body, "backends") || strings.Contains(body, `"users"`) {
					t.Errorf("%s %s with %q: %d has content: %.200s", method, target, headers, status, body)
				}
			}
		}
	}
	t.Logf("%d requests", asked)
	if asked < 5000 {
		t.Errorf("only %d requests: the sweep does not sweep", asked)
	}
}

// bare sends a request as written.
func bare(t *testing.T, addr, method, target, headers string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n%s\r\n{}", method, target, headers)
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(body)
}
