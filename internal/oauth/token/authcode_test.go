package token_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

var form = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

// The answer has exactly the members that clients wait for, in the types they wait
// for (R14, R15; RFC 6749, 5.1).
func TestR15_answer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.granted()
	var members map[string]any
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.UseNumber()
	must(t, decoder.Decode(&members))
	want := map[string]any{"access_token": a.Access, "token_type": "Bearer", "expires_in": json.Number("3600"), "refresh_token": a.Refresh, "scope": "mcp:read mcp:write"}
	if diff := cmp.Diff(want, members); diff != "" {
		t.Error(diff)
	}
	if !secret.WellFormed(oauth.PrefixAccess, a.Access) || !secret.WellFormed(oauth.PrefixRefresh, a.Refresh) {
		t.Errorf("tokens %s", a.body)
	}
	live, err := d.store.LiveToken(t.Context(), secret.Hash(a.Access))
	must(t, err)
	g := live.Grant
	if g.User != "anna" || g.Client != "dcr_app" || g.Resource != "/mcp" || !live.Expires.Equal(d.now.Add(accessTTL)) {
		t.Errorf("live token %+v", live)
	}
	rows := d.audit.take()
	wantRows := []account.Record{{Time: d.now, User: "anna", Credential: g.ID, Client: "dcr_app", Method: "oauth/token", Target: "authorization_code",
		Decision: account.Allowed, Outcome: account.Succeeded}}
	if diff := cmp.Diff(wantRows, rows); diff != "" {
		t.Error(diff)
	}
}

// A token never outlives what a person has agreed to.
func TestR14_lifetimes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.granted(func(c *oauth.Code) { c.GrantExpires = d.now.Add(10 * time.Minute) })
	if a.Expires != 600 {
		t.Errorf("expires_in %d of a consent for ten minutes", a.Expires)
	}
	found, err := d.store.RefreshToken(t.Context(), secret.Hash(a.Refresh))
	must(t, err)
	if !found.Expires.Equal(d.now.Add(10 * time.Minute)) {
		t.Errorf("refresh token until %v", found.Expires)
	}
	found, err = d.store.RefreshToken(t.Context(), secret.Hash(d.granted().Refresh))
	must(t, err)
	if !found.Expires.Equal(d.now.Add(refreshTTL)) {
		t.Errorf("refresh token until %v", found.Expires)
	}
}

// Without the right verifier there is no token, and the code is gone (A4).
func TestA4_verifier(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, given := range map[string]string{
		"missing": "-", "empty": "", "wrong": strings.Repeat("x", 43), "short": verifier[:42], "long": strings.Repeat("x", 129),
		"of another flow": "M25iVXpKU3puUjFaYWg3T1NDTDQtcW1ROUY5YXlwalNoc0hhakxifmZHag", "with a space": verifier[:42] + " ",
	} {
		code := d.code()
		d.wantError(d.redeem(code, "code_verifier", given), http.StatusBadRequest, "invalid_grant")
		d.wantError(d.redeem(code), http.StatusBadRequest, "invalid_grant")
		if g := d.grants(); len(g) > 0 {
			t.Fatalf("%s: grants %v", name, g)
		}
	}
}

// A code is good once; what came of it ends when it comes again (A5).
func TestA5_secondRedemption(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	code := d.code()
	first := d.redeem(code)
	d.wantOK(first)
	next := d.renew(first.Refresh)
	d.wantOK(next)
	d.wantError(d.redeem(code), http.StatusBadRequest, "invalid_grant")
	for _, access := range []string{first.Access, next.Access} {
		if d.alive(access) {
			t.Error("an access token survives the replay of its code")
		}
	}
	d.wantError(d.renew(next.Refresh), http.StatusBadRequest, "invalid_grant")
}

func TestA5_otherClient(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	code := d.code()
	d.wantError(d.redeem(code, "client_id", "dcr_other"), http.StatusBadRequest, "invalid_grant")
	if len(d.grants()) > 0 {
		t.Error("another client has got a grant")
	}
}

// Of 64 redemptions at the same time one gets tokens; and because the others are
// replays, nothing is left of it in the end (A5).
func TestA5_parallel(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	code := d.code()
	answers := make([]answer, 64)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = d.from(fmt.Sprintf("198.51.100.%d", i), pairsOf(code)...) })
	}
	all.Wait()
	var won []answer
	for _, a := range answers {
		if a.status == http.StatusOK {
			won = append(won, a)
			continue
		}
		d.wantError(a, http.StatusBadRequest, "invalid_grant")
	}
	if len(won) != 1 || len(d.grants()) != 1 {
		t.Fatalf("%d redemptions succeeded, %d grants", len(won), len(d.grants()))
	}
	if d.alive(won[0].Access) {
		t.Error("the code was presented 64 times, and its token lives")
	}
}

func pairsOf(code string) []string {
	return []string{"grant_type", "authorization_code", "client_id", "dcr_app", "code", code, "code_verifier", verifier}
}

// A code lives for a minute, and dies with its user.
func TestA24_codeExpires(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	late, gone := d.code(), d.code(func(c *oauth.Code) { c.User = "root" })
	d.wait(oauth.CodeLife)
	d.wantError(d.redeem(late), http.StatusBadRequest, "invalid_grant")
	code := d.code()
	d.wait(oauth.CodeLife - time.Millisecond)
	d.wantOK(d.redeem(code))
	code = d.code()
	must(t, d.store.SetUserDisabled(t.Context(), "anna", true))
	d.wantError(d.redeem(code), http.StatusBadRequest, "invalid_grant")
	d.wantError(d.redeem(gone), http.StatusBadRequest, "invalid_grant")
}

// The redirect URI, where it is sent, is that of the authorization request (R10).
func TestR10_redirectURI(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct {
		name, sent string
		want       bool
	}{
		{"same", callback, true},
		{"left out", "-", true},
		{"empty", "", true},
		{"another", "https://app.example.com/other", false},
		{"with a slash", callback + "/", false},
		{"another port", "https://app.example.com:443/cb", false},
		{"upper case", "https://APP.example.com/cb", false},
	} {
		pairs := merge(append(pairsOf(d.code()), "redirect_uri", callback), []string{"redirect_uri", c.sent})
		a := d.post(pairs...)
		if (a.status == http.StatusOK) != c.want {
			t.Errorf("%s: status %d: %s", c.name, a.status, a.body)
		}
		if !c.want {
			d.wantError(a, http.StatusBadRequest, "invalid_grant")
		}
	}
}

// A code is for one resource (A12, R20).
func TestA12_codeResource(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, name := range []string{"team", "other"} {
		must(t, d.store.SaveProfile(t.Context(), account.Profile{Name: name, Title: name, Backends: []string{"*"}, Allow: []string{"*"}, Tier: account.TierRead}))
	}
	for _, c := range []struct {
		name, agreed string
		sent         []string
		want         bool
	}{
		{"none", "/mcp", nil, true},
		{"empty", "/mcp/team", []string{""}, true},
		{"same", "/mcp", []string{base + "/mcp"}, true},
		{"origin", "/mcp", []string{base}, true},
		{"slash", "/mcp", []string{base + "/mcp/"}, true},
		{"upper case", "/mcp", []string{"HTTPS://GATE.example.com/mcp"}, true},
		{"none, of a profile", "/mcp/team", nil, true},
		{"same profile", "/mcp/team", []string{base + "/mcp/team"}, true},
		{"twice the same", "/mcp", []string{base, base + "/mcp"}, true},
		{"wider", "/mcp/team", []string{base + "/mcp"}, false},
		{"origin, of a profile", "/mcp/team", []string{base}, false},
		{"narrower", "/mcp", []string{base + "/mcp/team"}, false},
		{"another profile", "/mcp/team", []string{base + "/mcp/other"}, false},
		{"another server", "/mcp", []string{"https://other.example.com/mcp"}, false},
		{"two", "/mcp", []string{base + "/mcp", "https://other.example.com/mcp"}, false},
		{"two foreign", "/mcp", []string{"https://a.example.com/mcp", "https://b.example.com/mcp"}, false},
		{"admin", "/mcp", []string{base + "/admin"}, false},
	} {
		pairs := pairsOf(d.code(func(code *oauth.Code) { code.Resource = c.agreed }))
		for _, one := range c.sent {
			pairs = append(pairs, "resource", one)
		}
		a := d.post(pairs...)
		if !c.want {
			d.wantError(a, http.StatusBadRequest, "invalid_target")
			continue
		}
		live, err := d.store.LiveToken(t.Context(), secret.Hash(a.Access))
		if err != nil || live.Grant.Resource != c.agreed {
			t.Errorf("%s: status %d: %s; a token for %s, %v", c.name, a.status, a.body, live.Grant.Resource, err)
		}
	}
}

// What comes in the URL, or in other ways than a form, does not count (A13, A19).
func TestA13_onlyForms(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	code := d.code()
	query := url.Values{"grant_type": {"authorization_code"}, "client_id": {"dcr_app"}, "code": {code}, "code_verifier": {verifier}}.Encode()
	d.wantError(d.send(http.MethodPost, "/oauth/token?"+query, form, "", home), http.StatusBadRequest, "invalid_request")
	d.wantError(d.send(http.MethodPost, "/oauth/token?code="+code, form, strings.Replace(query, "&code="+code, "", 1), home), http.StatusBadRequest, "invalid_request")
	if a := d.send(http.MethodGet, "/oauth/token?"+query, nil, "", home); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", a.status)
	}
	d.wantOK(d.redeem(code)) // none of that has touched it
}

func TestA19_requests(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.wantOK(d.redeem(d.code(), "unknown_parameter", "x", "audience", "https://other.example.com"))
	for _, name := range []string{"grant_type", "code", "code_verifier", "client_id", "client_secret", "redirect_uri", "scope", "x"} {
		a := d.post(append(pairsOf("x"), name, "a", name, "b")...)
		d.wantError(a, http.StatusBadRequest, "invalid_request")
	}
	body := `{"grant_type":"authorization_code","client_id":"dcr_app","code":"x","code_verifier":"` + verifier + `"}`
	d.wantError(d.send(http.MethodPost, "/token", http.Header{"Content-Type": {"application/json"}}, body, home), http.StatusBadRequest, "invalid_request")
	d.wantError(d.send(http.MethodPost, "/token", http.Header{}, "grant_type=refresh_token", home), http.StatusBadRequest, "invalid_request")
	d.wantError(d.post(), http.StatusBadRequest, "invalid_request")
	d.wantError(d.post("grant_type", ""), http.StatusBadRequest, "invalid_request")
	for _, grant := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "AUTHORIZATION_CODE", "authorization_code "} {
		d.wantError(d.post("grant_type", grant, "client_id", "dcr_app"), http.StatusBadRequest, "unsupported_grant_type")
	}
	d.wantError(d.redeem("-"), http.StatusBadRequest, "invalid_grant")
	d.wantError(d.redeem(""), http.StatusBadRequest, "invalid_request")
	d.wantError(d.renew(""), http.StatusBadRequest, "invalid_request")
	d.wantError(d.redeem(d.code()[:52]+"0"), http.StatusBadRequest, "invalid_grant")
}

// Who the client is decides package clientauth; what it says is passed on as it is
// (A18, R10).
func TestA18_clients(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.client("app", oauth.Static, oauth.AuthPost)
	code := d.code(func(c *oauth.Code) { c.Client = "app" })
	d.wantError(d.redeem(code, "client_id", "dcr_nobody"), http.StatusUnauthorized, "invalid_client")
	d.wantError(d.redeem(code, "client_id", "-"), http.StatusUnauthorized, "invalid_client")
	d.wantError(d.redeem(code, "client_id", "app"), http.StatusUnauthorized, "invalid_client")
	d.wantError(d.redeem(code, "client_id", "app", "client_secret", "wrong"), http.StatusUnauthorized, "invalid_client")
	basic := d.redeem(code, "client_id", "-", "Authorization:", "Basic YXBwOndyb25n")
	d.wantError(basic, http.StatusUnauthorized, "invalid_client")
	if got := basic.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic ") {
		t.Errorf("WWW-Authenticate: %q", got)
	}
	if rows := d.audit.take(); len(rows) > 0 {
		t.Errorf("strangers have left %v", rows)
	}
	d.wantOK(d.redeem(code, "client_id", "app", "client_secret", appSecret)) // nothing of that has burnt the code
}
