package gatewaytest_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
)

// beside is the store of a running gateway, as the commands open it.
func beside(t *testing.T, g *gatewaytest.Gateway) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), slog.New(slog.DiscardHandler), store.Config{StateDir: g.Dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// list is the body of a request that anybody with a credential may make.
const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + modernMeta + `}}`

// Threat T4 (CVE-2026-59822): a credential that fails its check falls through to an
// identity that may something. There is no way to one but a live credential in one
// Authorization header, and until then no backend hears anything.
func TestT4_credentials(t *testing.T) {
	t.Parallel()
	url, reached := counted(t, gatewaytest.NewFake("l", gatewaytest.R2026).HTTP(t))
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q}}}`, url))
	g.WaitTools("l_echo")
	s, must := beside(t, g), sent(t)
	if err := s.CreateUser(t.Context(), account.User{ID: "gone", Name: "Gone", Role: account.RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	_, gone, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "k", User: "gone", Role: account.RoleAdmin, Rights: account.FullRights()})
	if err != nil {
		t.Fatal(err)
	}
	d := gatewaytest.NewDoor(g.Base)
	g.WaitFor("the key to be known", func() bool { return must(d.List(t.Context(), gone.Reveal())).Status == http.StatusOK })
	if err := s.DeleteUser(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	g.WaitFor("the user to be gone", func() bool { return must(d.List(t.Context(), gone.Reveal())).Status == http.StatusUnauthorized })

	made, _ := secret.NewToken(secret.PrefixKey)
	token, _ := secret.NewToken(oauth.PrefixAccess)
	key := gatewaytest.Key
	for name, lines := range map[string][]string{
		"none": nil, "empty": {""}, "only the scheme": {"Bearer"}, "no token": {"Bearer "}, "null": {"Bearer null"},
		"a made-up key": {"Bearer sk-x"}, "a key of the right form": {"Bearer " + made.Reveal()}, "a token of the right form": {"Bearer " + token.Reveal()},
		"a deleted user's key": {"Bearer " + gone.Reveal()},
		"Basic":                {"Basic YWRtaW46YWRtaW4="}, "Digest": {"Digest username=admin"}, "another scheme": {"Token " + key}, "the key as Basic": {"Basic " + key}, "the key alone": {key},
		"two headers": {"Bearer " + key, "Bearer sk-x"}, "two, the good one last": {"Bearer sk-x", "Bearer " + key}, "twice the same": {"Bearer " + key, "Bearer " + key},
		"two joined": {"Bearer " + key + ",Bearer sk-x"}, "two joined with a space": {"Bearer " + key + ", Bearer sk-x"},
		"a word too many": {"Bearer " + key + " x"}, "two spaces": {"Bearer  " + key}, "a tab": {"Bearer\t" + key},
		"in quotes": {`Bearer "` + key + `"`}, "another case": {"Bearer " + strings.ToUpper(key)}, "a part of it": {"Bearer " + key[:len(key)-1]}, "more than it": {"Bearer " + key + "x"},
		"a long one": {"Bearer " + strings.Repeat("x", 60<<10)},
	} {
		header := []string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "MCP-Protocol-Version", gatewaytest.R2026, "Mcp-Method", "tools/call", "Mcp-Name", "l_echo"}
		for _, line := range lines {
			header = append(header, "Authorization", line)
		}
		body := modernBody("tools/call", `"name":"l_echo","arguments":{"text":"x"}`)
		a := must(d.Send(t.Context(), http.MethodPost, "/mcp", body, header...))
		if a.Status != http.StatusUnauthorized || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") || reached() != 0 {
			t.Errorf("%s: %d %q, %d calls reached the backend", name, a.Status, a.Body, reached())
		}
	}
	if status, _ := bare(t, g.App.Addr().String(), "POST", "/mcp", "Authorization: Bearer "+strings.Repeat("x", 1<<20)+"\r\n"); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a megabyte: %d", status)
	}
	if a := must(d.List(t.Context(), key)); a.Status != http.StatusOK {
		t.Errorf("the key itself: %d", a.Status)
	}
}

// Threat A13: tokens leak through addresses, forms, cookies and histories. A good
// token anywhere but in its header is nobody's, and so is a good token of another
// kind in the header.
func TestA13_otherPlaces(t *testing.T) {
	t.Parallel()
	g, d := owned(t, "")
	must, v := sent(t), enter(t, g, d, nil)
	json := []string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "MCP-Protocol-Version", gatewaytest.R2026, "Mcp-Method", "tools/list"}
	for name, ask := range map[string]func() (gatewaytest.Reply, error){
		"in the query": func() (gatewaytest.Reply, error) {
			return d.Send(t.Context(), http.MethodPost, "/mcp?access_token="+v.Access, list, json...)
		},
		"in a form": func() (gatewaytest.Reply, error) {
			return d.Form(t.Context(), "/mcp", url.Values{"access_token": {v.Access}})
		},
		"in a cookie": func() (gatewaytest.Reply, error) {
			return d.Send(t.Context(), http.MethodPost, "/mcp", list, append(json, "Cookie", "drawbridge="+v.Access+"; access_token="+v.Access)...)
		},
		"in a key's header": func() (gatewaytest.Reply, error) {
			return d.Send(t.Context(), http.MethodPost, "/mcp", list, append(json, "X-Api-Key", v.Access, "Proxy-Authorization", "Bearer "+v.Access)...)
		},
		"as a password": func() (gatewaytest.Reply, error) {
			return (&gatewaytest.Door{HTTP: d.HTTP}).Send(t.Context(), http.MethodPost, "http://x:"+v.Access+"@"+strings.TrimPrefix(g.Base, "http://")+"/mcp", list, json...)
		},
		"a refresh token": func() (gatewaytest.Reply, error) { return d.List(t.Context(), v.Refresh) },
		"a code":          func() (gatewaytest.Reply, error) { return d.List(t.Context(), v.Code) },
		"a client's id":   func() (gatewaytest.Reply, error) { return d.List(t.Context(), v.Client) },
		"in the query of the admin pages": func() (gatewaytest.Reply, error) {
			return d.Send(t.Context(), http.MethodGet, "/users?access_token="+gatewaytest.Key, "")
		},
	} {
		if a := must(ask()); a.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d %q", name, a.Status, a.Body)
		}
	}
	a := must(d.Send(t.Context(), http.MethodPost, "/oauth/token?"+url.Values{"grant_type": {"refresh_token"}, "refresh_token": {v.Refresh}, "client_id": {v.Client}}.Encode(),
		"", "Content-Type", "application/x-www-form-urlencoded"))
	if a.Status != http.StatusBadRequest || a.Get("error") != "invalid_request" {
		t.Errorf("a refresh in the query: %d %s", a.Status, a.Body)
	}
	if a = must(d.Refresh(t.Context(), v.Client, v.Access)); a.Get("error") != "invalid_grant" {
		t.Errorf("an access token as a refresh token: %d %s", a.Status, a.Body)
	}
	page, err := d.Ask(t.Context(), v.Client, v.Verifier, nil)
	if err != nil {
		t.Fatal(err)
	}
	back := must(d.Allow(t.Context(), page, ownersPassword, nil))
	if back.Status != http.StatusSeeOther || back.Header.Get("Referrer-Policy") != "no-referrer" || back.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("after the password: %s", back.Whole())
	}
	if a := must(d.List(t.Context(), v.Access)); a.Status != http.StatusOK {
		t.Errorf("where it belongs: %d", a.Status)
	}
}

// Threat T14 with tokens: a session's id is taken along by somebody else, kept after
// the grant was given back, or used without any credential.
func TestT14_grants(t *testing.T) {
	t.Parallel()
	g, d := owned(t, "")
	must, ours, theirs := sent(t), enter(t, g, d, nil), enter(t, g, d, nil)
	session := gatewaytest.Dial(t, g.Base, ours.Access, gatewaytest.R1125).Session
	ask := func(credential, session string) int {
		header := []string{"Content-Type", "application/json", "Accept", "application/json, text/event-stream", "Mcp-Session-Id", session}
		if credential != "" {
			header = append(header, "Authorization", "Bearer "+credential)
		}
		return must(d.Send(t.Context(), http.MethodPost, "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, header...)).Status
	}
	again := must(d.Refresh(t.Context(), ours.Client, ours.Refresh))
	fresh := g.Secret("access token", again.Get("access_token"))
	for name, c := range map[string]struct {
		credential string
		want       int
	}{
		"its own token": {ours.Access, 200}, "its own token after a refresh": {fresh, 200}, "another program's token": {theirs.Access, 404},
		"the owner's key": {gatewaytest.Key, 404}, "no token": {"", 401}, "no good token": {"x", 401},
	} {
		if got := ask(c.credential, session); got != c.want {
			t.Errorf("with %s: %d, want %d", name, got, c.want)
		}
	}
	if a := must(d.Revoke(t.Context(), ours.Client, again.Get("refresh_token"))); a.Status != http.StatusOK {
		t.Fatalf("revoke: %d %s", a.Status, a.Body)
	}
	for name, credential := range map[string]string{"token": ours.Access, "refreshed token": fresh} {
		if got := ask(credential, session); got != 401 {
			t.Errorf("with the %s of a grant that was given back: %d", name, got)
		}
	}
	if got := ask(theirs.Access, session); got != 404 {
		t.Errorf("afterwards with another program's token: %d", got)
	}
}

// Threat A12: a token for one address is no good at another, whichever of the two has
// more to offer.
func TestA12_addresses(t *testing.T) {
	t.Parallel()
	g, d := owned(t, "")
	must := sent(t)
	for _, name := range []string{"guest", "team"} {
		body := fmt.Sprintf(`{"name":%q,"backends":["*"],"allow":["*"],"tier":"read"}`, name)
		if a := must(d.JSON(t.Context(), http.MethodPost, "/profiles", gatewaytest.Key, body)); a.Status != http.StatusCreated {
			t.Fatalf("profile: %d %s", a.Status, a.Body)
		}
	}
	client, verifier := must(d.Register(t.Context(), "Guest", "none")).Get("client_id"), strings.Repeat("verifier-", 6)
	resource := strings.Replace(g.Base, "127.0.0.1", "localhost", 1) + "/mcp/guest"
	page, err := d.Ask(t.Context(), client, verifier, url.Values{"resource": {resource}})
	if err != nil {
		t.Fatal(err)
	}
	code := must(d.Allow(t.Context(), page, ownersPassword, nil)).Back().Get("code")
	guest := must(d.Redeem(t.Context(), client, code, verifier)).Get("access_token")
	whole := enter(t, g, d, nil).Access
	for _, c := range []struct {
		token, path string
		want        int
	}{
		{guest, "/mcp/guest", 200}, {guest, "/mcp/guest/", 200}, {guest, "/mcp", 401}, {guest, "/mcp/", 401}, {guest, "/mcp/team", 401}, {guest, "/mcp/nobody", 401},
		{whole, "/mcp", 200}, {whole, "/mcp/guest", 401}, {whole, "/mcp/nobody", 401},
	} {
		a := must(d.Send(t.Context(), http.MethodPost, c.path, list, "Content-Type", "application/json", "Accept", "application/json, text/event-stream",
			"MCP-Protocol-Version", gatewaytest.R2026, "Mcp-Method", "tools/list", "Authorization", "Bearer "+c.token))
		if a.Status != c.want {
			t.Errorf("%s with a token for %v: %d %s", c.path, c.token == whole, a.Status, a.Body)
		}
	}
}
