// Package signin_test signs in as people and programs do: a real Chromium reads the
// consent page and types the password, and real clients find their way from a 401 to
// a tool call by themselves. Whatever breaks here is somebody's lost evening.
package signin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"drawbridge/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const password = "made up for a test 42"

// serve starts a gateway whose admin has the password.
func serve(t *testing.T) *harness.Gateway {
	t.Helper()
	return harness.Serve(t, harness.Servers{}, "OAUTH_PASSWORD="+password)
}

// base is the address that the gateway goes by: without an issuer, localhost.
func base(g *harness.Gateway) string {
	_, port, _ := net.SplitHostPort(g.Addr)
	return "http://localhost:" + port
}

// callback is a client's redirect URI on loopback. What comes there is sent on.
func callback(t *testing.T, path string) (uri string, came <-chan url.Values) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan url.Values, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		ch <- r.URL.Query()
		_, _ = io.WriteString(w, "back at the client")
	})}
	go func() { _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String() + path, ch
}

// approve is a person at the consent page who lets the client in.
func approve(b *harness.Browser, authorize string, ticks ...string) {
	b.Open(authorize)
	for _, tick := range ticks {
		b.Click(tick)
	}
	b.Fill(`input[type=password]`, password)
	b.Click(`button.primary`)
}

func form(t *testing.T, to string, v url.Values) (int, map[string]any) {
	t.Helper()
	res, err := http.PostForm(to, v)
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, res)
}

func answer(t *testing.T, res *http.Response) (int, map[string]any) {
	t.Helper()
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	_ = json.Unmarshal(raw, &body) // not every answer is JSON
	return res.StatusCode, body
}

func get(t *testing.T, from string) map[string]any {
	t.Helper()
	res, err := http.Get(from)
	if err != nil {
		t.Fatal(err)
	}
	status, body := answer(t, res)
	if status != http.StatusOK {
		t.Fatalf("GET %s: %d", from, status)
	}
	return body
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"seed","version":"1"}}}`

// enter sends initialize with a token.
func enter(t *testing.T, at, token string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(initialize))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

var metadataURL = regexp.MustCompile(`resource_metadata="([^"]+)"`)

// TestSeedFlow is the seed's flow for claude.ai, end to end: 401, resource metadata,
// server metadata, registration, consent with the password alone, code, token with
// PKCE, /mcp, refresh, revoke, 401.
func TestSeedFlow(t *testing.T) {
	t.Parallel()
	g := serve(t)
	browser := harness.Chromium(t)
	at := base(g) + "/mcp"

	refused := enter(t, at, "")
	m := metadataURL.FindStringSubmatch(refused.Header.Get("WWW-Authenticate"))
	if refused.StatusCode != http.StatusUnauthorized || m == nil {
		t.Fatalf("%d, WWW-Authenticate %q", refused.StatusCode, refused.Header.Get("WWW-Authenticate"))
	}
	resource := get(t, m[1])
	if resource["resource"] != at {
		t.Fatalf("the resource is %v, clients were given %s", resource["resource"], at)
	}
	issuer, _ := resource["authorization_servers"].([]any)[0].(string)
	server := get(t, issuer+"/.well-known/oauth-authorization-server")
	if server["issuer"] != issuer || issuer != base(g) {
		t.Fatalf("issuer %v, named %s", server["issuer"], issuer)
	}
	endpoint := func(name string) string { s, _ := server[name].(string); return s }

	redirect, came := callback(t, "/api/mcp/auth_callback")
	body, _ := json.Marshal(map[string]any{"client_name": "Claude", "redirect_uris": []string{redirect},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "token_endpoint_auth_method": "none"})
	res, err := http.Post(endpoint("registration_endpoint"), "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	status, client := answer(t, res)
	id, _ := client["client_id"].(string)
	if status != http.StatusCreated || id == "" {
		t.Fatalf("register: %d %v", status, client)
	}

	verifier := strings.Repeat("verifier-", 6)
	sum := sha256.Sum256([]byte(verifier))
	authorize := endpoint("authorization_endpoint") + "?" + url.Values{
		"response_type": {"code"}, "client_id": {id}, "redirect_uri": {redirect}, "state": {"s-1"}, "resource": {at},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "scope": {"mcp:read offline_access"},
	}.Encode()
	browser.Open(authorize)
	if text := browser.Text(); !strings.Contains(text, "Claude") || browser.Has(`input[name=user]`) {
		t.Errorf("the consent page of an installation with one user shows:\n%s", text)
	}
	browser.Fill(`input[type=password]`, "not the password")
	browser.Click(`button.primary`)
	browser.Await("the page with what is wrong", func(string) bool { return browser.Has("#problem") })
	if !strings.HasPrefix(browser.Location(), base(g)+"/oauth/authorize") {
		t.Fatalf("a wrong password leads to %s", browser.Location())
	}
	approve(browser, authorize)
	back := await(t, browser, came)
	if back.Get("state") != "s-1" || back.Get("iss") != issuer || back.Get("code") == "" {
		t.Fatalf("back with %v", back)
	}

	redeem := url.Values{"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "client_id": {id},
		"redirect_uri": {redirect}, "code_verifier": {verifier}, "resource": {at}}
	status, first := form(t, endpoint("token_endpoint"), redeem)
	if status != http.StatusOK || first["token_type"] != "Bearer" || first["expires_in"] == nil || first["scope"] == nil {
		t.Fatalf("token: %d %v", status, first)
	}
	access, _ := first["access_token"].(string)
	refresh, _ := first["refresh_token"].(string)
	if res := enter(t, at, access); res.StatusCode != http.StatusOK || res.Header.Get("Mcp-Session-Id") == "" {
		t.Fatalf("/mcp with the token: %d", res.StatusCode)
	}
	status, second := form(t, endpoint("token_endpoint"), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {id}, "resource": {at}})
	if status != http.StatusOK || second["refresh_token"] == refresh {
		t.Fatalf("refresh: %d %v", status, second)
	}
	access, _ = second["access_token"].(string)
	if res := enter(t, at, access); res.StatusCode != http.StatusOK {
		t.Fatalf("/mcp with the second token: %d", res.StatusCode)
	}
	latest, _ := second["refresh_token"].(string)
	if status, _ := form(t, endpoint("revocation_endpoint"), url.Values{"token": {latest}, "client_id": {id}}); status != http.StatusOK {
		t.Fatalf("revoke: %d", status)
	}
	if res := enter(t, at, access); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("/mcp after revoking: %d", res.StatusCode)
	}
	if status, body := form(t, endpoint("token_endpoint"), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {latest}, "client_id": {id}}); status != http.StatusBadRequest || body["error"] != "invalid_grant" {
		t.Errorf("refresh after revoking: %d %v", status, body)
	}
}

// await returns what a client was sent back with.
func await(t *testing.T, b *harness.Browser, came <-chan url.Values) url.Values {
	t.Helper()
	select {
	case back := <-came:
		return back
	case <-time.After(harness.Patience):
		t.Fatalf("the browser was not sent back; it shows %s:\n%s", b.Location(), b.Text())
		return nil
	}
}

// fetchCode opens the browser for a client and waits for what comes back.
func fetchCode(ctx context.Context, b *harness.Browser, authorize string, came <-chan url.Values, ticks ...string) (url.Values, error) {
	approve(b, authorize, ticks...)
	select {
	case back := <-came:
		return back, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
