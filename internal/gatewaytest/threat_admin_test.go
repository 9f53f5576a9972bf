package gatewaytest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/route"
)

const ownersPassword = "made up for threats 17"

// owned is a gateway whose admin has a password, and its door. more is added to the
// configuration, in YAML.
func owned(t *testing.T, more string) (*gatewaytest.Gateway, *gatewaytest.Door) {
	t.Helper()
	g := gatewaytest.Run(t, fmt.Sprintf("oauth: {password: %q}\n%s", ownersPassword, more))
	g.Secret("password", ownersPassword)
	return g, gatewaytest.NewDoor(g.Base)
}

// enter lets a program in as the admin, with more in the form of consent.
func enter(t *testing.T, g *gatewaytest.Gateway, d *gatewaytest.Door, more url.Values) gatewaytest.Visitor {
	t.Helper()
	v, err := d.Enter(t.Context(), "", ownersPassword, more)
	if err != nil {
		t.Fatal(err)
	}
	g.Secret("access token", v.Access)
	return v
}

// sent is a request whose answer came.
func sent(t *testing.T) func(a gatewaytest.Reply, err error) gatewaytest.Reply {
	return func(a gatewaytest.Reply, err error) gatewaytest.Reply {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

// asAdmin is a token with the scope admin: the client was allowed to ask for it, and
// an admin has ticked it.
func asAdmin(t *testing.T, g *gatewaytest.Gateway, d *gatewaytest.Door) string {
	t.Helper()
	must, verifier := sent(t), strings.Repeat("verifier-", 6)
	client := must(d.Register(t.Context(), "Console", "none")).Get("client_id")
	allow := must(d.JSON(t.Context(), http.MethodPost, "/clients/change", gatewaytest.Key, fmt.Sprintf(`{"id":%q,"may_admin":true}`, client)))
	page, err := d.Ask(t.Context(), client, verifier, url.Values{"scope": {"mcp:read admin"}})
	if err != nil || allow.Status != http.StatusOK {
		t.Fatalf("%v, %d %s", err, allow.Status, allow.Body)
	}
	back := must(d.Allow(t.Context(), page, ownersPassword, url.Values{"admin": {"yes"}}))
	token := must(d.Redeem(t.Context(), client, back.Back().Get("code"), verifier)).Get("access_token")
	if token == "" {
		t.Fatalf("no token: %d %s", back.Status, back.Body)
	}
	return g.Secret("admin's access token", token)
}

// adminRoutes are the addresses for admins, with something in place of wildcards.
func adminRoutes(g *gatewaytest.Gateway) map[string]route.Route {
	routes := map[string]route.Route{}
	for _, r := range g.App.Routes() {
		if r.Policy == route.Admin || r.Policy == route.AdminPage {
			routes[wildcard.ReplaceAllString(r.Pattern, "nobody")] = r
		}
	}
	return routes
}

// Threat T3: a token that some client got to use tools opens the admin pages too. It
// does not, although its user is an admin and every other tick was made; the answer
// says what would. A member's key does not either, and the scope does.
func TestT3_adminRoutes(t *testing.T) {
	t.Parallel()
	g, d := owned(t, "")
	must := sent(t)
	plain := enter(t, g, d, url.Values{"write": {"yes"}}).Access
	member, admin := keys(t, g, 1)[0], asAdmin(t, g, d)
	g.WaitFor("the key to be known", func() bool { return must(d.List(t.Context(), member)).Status == http.StatusOK })
	if got := must(d.List(t.Context(), plain)); got.Status != http.StatusOK {
		t.Fatalf("the token is no good for tools: %d %s", got.Status, got.Body)
	}
	routes := adminRoutes(g)
	if len(routes) < 30 {
		t.Fatalf("only %d routes are for admins", len(routes))
	}
	for path, r := range routes {
		for _, method := range r.Methods {
			for name, credential := range map[string]string{"a token without the scope": plain, "a member's key": member} {
				a := must(d.JSON(t.Context(), method, path, credential, "{}"))
				if a.Status != http.StatusForbidden || method != http.MethodHead && !strings.Contains(a.Body, "allow-admin") ||
					!strings.Contains(a.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
					t.Errorf("%s %s with %s: %d %q", method, path, name, a.Status, a.Body)
				}
			}
		}
		if path != strings.ReplaceAll(r.Pattern, "{$}", "") || !slices.Contains(r.Methods, http.MethodGet) {
			continue
		}
		if a := must(d.JSON(t.Context(), http.MethodGet, path, admin, "")); a.Status != http.StatusOK && a.Status != http.StatusNotFound { // a page of nothing in particular
			t.Errorf("GET %s with the scope: %d %q", path, a.Status, a.Body)
		}
	}
	for name, credential := range map[string]string{"token": plain, "key": member} { // what it may use, it may see
		if a := must(d.JSON(t.Context(), http.MethodGet, "/status", credential, "")); a.Status != http.StatusOK {
			t.Errorf("/status with a %s: %d", name, a.Status)
		}
	}
}

// Threat T6: through Tailscale Funnel none of the admin routes is there, for whoever
// asks, unless the operator wants them there.
func TestT6_adminOnFunnel(t *testing.T) {
	t.Parallel()
	must := sent(t)
	ask := func(d *gatewaytest.Door, method, path string) gatewaytest.Reply {
		return must(d.Send(t.Context(), method, path, "", "Authorization", "Bearer "+gatewaytest.Key, "Tailscale-Funnel-Request", "?1"))
	}
	g := gatewaytest.Run(t, "")
	private := gatewaytest.NewDoor(g.Base)
	for path, r := range adminRoutes(g) {
		for _, method := range r.Methods {
			never := ask(private, method, "/no-such-address")
			if a := ask(private, method, path); a.Status != http.StatusNotFound || a.Body != never.Body {
				t.Errorf("%s %s: %d %q", method, path, a.Status, a.Body)
			}
		}
	}
	for _, path := range []string{"/status", "/health", "/.well-known/oauth-authorization-server"} {
		if a := ask(private, http.MethodGet, path); a.Status != http.StatusOK {
			t.Errorf("GET %s: %d", path, a.Status)
		}
	}
	public := gatewaytest.NewDoor(gatewaytest.Run(t, "admin: {exposure: public}").Base)
	if a := ask(public, http.MethodGet, "/users"); a.Status != http.StatusOK {
		t.Errorf("with exposure public: %d", a.Status)
	}
}

// Threat T15 (CVE-2026-42271, CVE-2026-23744, CVE-2026-46339): whoever has an admin's
// credential has Drawbridge run a program. No address takes a command, by whatever
// member or field it is named, and nothing over HTTP adds a backend.
func TestT15_commands(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Run(t, "")
	d, must := gatewaytest.NewDoor(g.Base), sent(t)
	canary := filepath.Join(t.TempDir(), "ran")
	before := g.Dial(gatewaytest.R2026).Call("tools/list", "").Result()
	server := fmt.Sprintf(`{"name":"evil","title":"evil","transport":"stdio","type":"stdio","command":"/bin/sh","args":["-c","touch %s"],"env":{}}`, canary)
	bodies := []string{server, `{"mcpServers":{"evil":` + server + `}}`, `{"backends":{"evil":` + server + `}}`, `{"server":` + server + `,"test":true}`}
	form := url.Values{"name": {"evil"}, "command": {"/bin/sh -c touch " + canary}, "url": {"file://" + canary}, "test": {"1"}}
	asked := 0
	for _, r := range g.App.Routes() {
		path := wildcard.ReplaceAllString(r.Pattern, "nobody")
		if strings.Contains(path, "backend") {
			t.Errorf("%s is about backends", path)
		}
		for _, method := range r.Methods {
			if method == http.MethodGet || method == http.MethodHead || method == http.MethodDelete {
				continue
			}
			for _, body := range bodies {
				must(d.JSON(t.Context(), method, path, gatewaytest.Key, body))
				asked++
			}
			must(d.Form(t.Context(), path, form, "Authorization", "Bearer "+gatewaytest.Key))
		}
	}
	for _, path := range []string{"/backends", "/admin/backends", "/admin/backends/test", "/api/backends", "/mcp-rest/test/connection", "/servers"} {
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			if a := must(d.JSON(t.Context(), method, path, gatewaytest.Key, server)); a.Status != http.StatusNotFound {
				t.Errorf("%s %s: %d", method, path, a.Status)
			}
		}
	}
	if asked < 80 {
		t.Errorf("only %d requests", asked)
	}
	if _, err := os.Stat(canary); err == nil {
		t.Error("the command ran")
	}
	if after := g.Dial(gatewaytest.R2026).Call("tools/list", "").Result(); after != before {
		t.Errorf("the tools are others now: %s", after)
	}
	if a := must(d.JSON(t.Context(), http.MethodGet, "/status", gatewaytest.Key, "")); strings.Contains(a.Body, "evil") {
		t.Errorf("a backend was added: %s", a.Body)
	}
}
