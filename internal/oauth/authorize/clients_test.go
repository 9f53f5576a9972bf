package authorize_test

import (
	"context"
	"errors"
	"html"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/authorize"
	"drawbridge/internal/oauth/consent"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // of challenge (RFC 7636, appendix B)

// shape is how a client registers and asks (security reference, 2.1 and 2.5).
type shape struct {
	id       string // of a metadata document; "": it registers itself, "typed": an admin enters it
	metadata oauth.Metadata
	redirect string // "": leaves it out
	params   url.Values
	scope    string // that consent hears of
	resource string
	path     string // where the request goes; "": /oauth/authorize
}

func shapes() map[string]shape {
	const mcp = base + "/mcp"
	with := func(pairs ...string) url.Values {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Add(pairs[i], pairs[i+1])
		}
		return q
	}
	public := func(name, kind string, uris ...string) oauth.Metadata {
		return oauth.Metadata{
			Name: name, ApplicationType: kind, RedirectURIs: uris, AuthMethod: oauth.AuthNone,
			GrantTypes: []string{oauth.GrantCode, oauth.GrantRefresh}, ResponseTypes: []string{"code"},
		}
	}
	claudeAI := "https://claude.ai/api/mcp/auth_callback"
	return map[string]shape{
		"C1 claude.ai, document": {id: "https://claude.ai/oauth/mcp-oauth-client-metadata", metadata: public("Claude", "", claudeAI, "https://claude.com/api/mcp/auth_callback"),
			redirect: claudeAI, params: with("state", "s", "scope", "mcp:read mcp:write offline_access", "resource", mcp), scope: "mcp:read mcp:write offline_access", resource: "/mcp"},
		"C1 claude.ai, registered": {metadata: public("Claude", "", claudeAI), redirect: claudeAI, params: with("state", "s", "resource", mcp), resource: "/mcp"},
		"C1 claude.ai, typed secret": {id: "typed", metadata: oauth.Metadata{Name: "claude", RedirectURIs: []string{claudeAI}, AuthMethod: oauth.AuthPost},
			redirect: claudeAI, params: with("state", "s", "resource", base+"/mcp/"), resource: "/mcp"},
		"C2 Claude Code, document": {id: "https://claude.ai/oauth/claude-code-client-metadata", metadata: public("Claude Code", "", "http://localhost/callback", "http://127.0.0.1/callback"),
			redirect: "http://localhost:3118/callback", params: with("state", "s", "resource", mcp), resource: "/mcp"},
		"C2 Claude Code, registered": {metadata: public("Claude Code (drawbridge)", "native", "http://localhost:54545/callback"),
			redirect: "http://localhost:61234/callback", params: with("state", "s", "scope", "mcp:read", "resource", mcp), scope: "mcp:read", resource: "/mcp"},
		"C3 ChatGPT": {id: "https://chatgpt.com/oauth/abc123/client.json", metadata: oauth.Metadata{Name: "ChatGPT", AuthMethod: oauth.AuthJWT, SigningAlg: "RS256",
			JWKSURI: "https://chatgpt.com/oauth/jwks.json", RedirectURIs: []string{"https://chatgpt.com/connector/oauth/abc123"}},
			redirect: "https://chatgpt.com/connector/oauth/abc123", params: with("state", "oauth_s_1", "scope", "mcp:read offline_access", "resource", mcp), scope: "mcp:read offline_access", resource: "/mcp"},
		"C3 ChatGPT, legacy": {metadata: public("ChatGPT", "", "https://chatgpt.com/connector_platform_oauth_redirect"),
			redirect: "https://chatgpt.com/connector_platform_oauth_redirect", params: with("state", "s", "resource", base), resource: "/mcp"},
		"C5 VS Code": {metadata: public("Visual Studio Code", "native", "https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"),
			redirect: "http://127.0.0.1:51700/", params: with("state", "s", "scope", "mcp:read", "prompt", "consent", "resource", mcp), scope: "mcp:read", resource: "/mcp"},
		"C6 Cursor": {metadata: public("Cursor", "", "cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"),
			redirect: "cursor://anysphere.cursor-mcp/oauth/callback", params: with("state", `{"id":"x"}`, "resource", mcp), resource: "/mcp"},
		"C7 Inspector": {metadata: public("MCP Inspector", "native", "http://127.0.0.1:6276/oauth/callback"),
			redirect: "http://127.0.0.1:40999/oauth/callback", params: with("state", "s", "scope", "mcp:read admin", "resource", mcp), scope: "mcp:read admin", resource: "/mcp"},
		"C8 Open WebUI": {metadata: oauth.Metadata{Name: "Open WebUI", AuthMethod: oauth.AuthPost, RedirectURIs: []string{webuiRedirect}, GrantTypes: []string{oauth.GrantCode, oauth.GrantRefresh}},
			redirect: webuiRedirect, params: with("state", "s", "nonce", "n", "resource", mcp), resource: "/mcp"},
		"C9 LibreChat": {metadata: oauth.Metadata{Name: "LibreChat MCP Client", RedirectURIs: []string{"https://librechat.example.com/api/mcp/home/oauth/callback"}},
			redirect: "https://librechat.example.com/api/mcp/home/oauth/callback", params: with("state", "user:home", "resource", mcp+"/"), resource: "/mcp"},
		"C10 n8n, without resource": {metadata: public("n8n", "", "https://n8n.example.com/rest/oauth2-credential/callback"),
			redirect: "https://n8n.example.com/rest/oauth2-credential/callback", params: with("state", "eyJ0b2tlbiI6IngifQ=="), resource: "/mcp"},
		"C11 Goose": {id: "https://goose-docs.ai/oauth/client-metadata.json", metadata: public("goose", "native", "http://localhost/oauth_callback", "http://127.0.0.1/oauth_callback"),
			redirect: "http://localhost:51111/oauth_callback", params: with("state", "s", "resource", mcp), resource: "/mcp"},
		"C12 Codex": {metadata: public("Codex", "native", "http://127.0.0.1:41111/callback/7f3a"), redirect: "http://127.0.0.1:41111/callback/7f3a",
			params: with("state", "s", "scope", "openid profile email offline_access", "resource", mcp), scope: "offline_access", resource: "/mcp"},
		"C13 mcp-remote": {metadata: public("MCP CLI Proxy", "native", "http://localhost:26231/oauth/callback"), redirect: "http://localhost:26231/oauth/callback",
			params: with("state", "5f0d8a3e-0000-4000-8000-000000000000", "prompt", "consent", "scope", "mcp:read offline_access", "resource", mcp), scope: "mcp:read offline_access", resource: "/mcp", path: "/authorize"},
		"C14 OpenCode": {metadata: public("OpenCode", "", "http://127.0.0.1:19876/mcp/oauth/callback"),
			redirect: "http://127.0.0.1:19876/mcp/oauth/callback", params: with("state", "s", "resource", mcp), resource: "/mcp"},
		"C15 mcporter, a profile": {metadata: public("mcporter", "", "http://127.0.0.1:45678/callback"), redirect: "http://127.0.0.1:45678/callback",
			params: with("state", "s", "scope", "mcp:read", "resource", base+"/mcp/private"), scope: "mcp:read", resource: "/mcp/private"},
		"C16 of 2025-03-26": {metadata: public("old", "", "http://localhost:9/cb"), params: with("state", "s"), resource: "/mcp", path: "/authorize"},
	}
}

// house is both endpoints with a real store behind them.
type house struct {
	*authorize.Handler
	store *store.Store
}

type onlyAdmin struct{ password string }

func (p onlyAdmin) SignIn(_ context.Context, name string, given secret.String) (account.User, error) {
	if name != account.Admin || given.Reveal() != p.password {
		return account.User{}, errors.New("wrong")
	}
	return account.User{ID: account.Admin, Role: account.RoleAdmin}, nil
}

func (onlyAdmin) OnlyAdmin(context.Context) (bool, error) { return true, nil }

type noBackends struct{}

func (noBackends) Offer(context.Context, string) ([]consent.Server, error) { return nil, nil }

type noAudit struct{}

func (noAudit) Call(account.Record) {}

func newHouse(t *testing.T, cfg store.Config) *house {
	t.Helper()
	s := storetest.Open(t, cfg)
	if err := s.CreateUser(t.Context(), account.User{ID: account.Admin, Name: "Admin", Role: account.RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveProfile(t.Context(), account.Profile{Name: "private", Title: "Private", Backends: []string{"*"}, Allow: []string{"*"}, Tier: account.TierRead}); err != nil {
		t.Fatal(err)
	}
	box, err := secret.NewBox(secret.Derive([]byte("an installation"), "consent"))
	if err != nil {
		t.Fatal(err)
	}
	log, base := slog.New(slog.DiscardHandler), func() string { return base }
	return &house{store: s, Handler: &authorize.Handler{Log: log, Base: base, Clients: s, Documents: s, Profiles: s, Consent: &consent.Handler{
		Log: log, Base: base, Box: box, Passwords: onlyAdmin{"a good long password"}, Offers: noBackends{}, Store: s, Audit: noAudit{},
	}}}
}

// add makes a client known the way it comes, and gives its id.
func (h *house) add(t *testing.T, s shape) string {
	t.Helper()
	client := oauth.Client{ID: s.id, Metadata: s.metadata, Created: time.Now()}
	if err := client.Metadata.Complete(oauth.AuthBasic, nil); err != nil {
		t.Fatal(err)
	}
	var err error
	switch s.id {
	case "":
		token, _ := secret.NewToken(oauth.PrefixClient)
		client.ID = token.Reveal()
		err = h.store.RegisterClient(t.Context(), client, 100)
	case "typed":
		err = h.store.CreateClient(t.Context(), client)
	default:
		err = h.store.SaveDocumentClient(t.Context(), client)
	}
	if err != nil {
		t.Fatal(err)
	}
	return client.ID
}

// serve sends a request through the route of its path.
func (h *house) serve(t *testing.T, method, path, rawQuery, body string, cookies []*http.Cookie) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(route.WithPeer(t.Context(), route.Peer{HTTPS: true}), method, base+path, strings.NewReader(body))
	r.URL.RawQuery = rawQuery
	for _, c := range cookies {
		r.AddCookie(c)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", base)
	}
	w := httptest.NewRecorder()
	for _, one := range h.Routes() {
		if one.Pattern == path {
			one.Handler.ServeHTTP(w, r)
		}
	}
	return w
}

var hidden = regexp.MustCompile(`name="request" value="([^"]*)"`)

// Every client of the security reference asks the way it does, a person says yes on
// the page, and the client has a code that is good for what it asked: the real
// handlers on a real store.
func TestAuthorize_clients(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		h := newHouse(t, cfg)
		for name, s := range shapes() {
			id := h.add(t, s)
			q := url.Values{"client_id": {id}, "response_type": {"code"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
			if s.redirect != "" {
				q.Set("redirect_uri", s.redirect)
			}
			maps.Copy(q, s.params)
			path := s.path
			if path == "" {
				path = "/oauth/authorize"
			}
			// Some look before they send a browser.
			if w := h.serve(t, http.MethodHead, path, q.Encode(), "", nil); w.Code != http.StatusOK {
				t.Fatalf("%s: HEAD: %d", name, w.Code)
			}
			page := h.serve(t, http.MethodGet, path, q.Encode(), "", nil)
			m := hidden.FindStringSubmatch(page.Body.String())
			if page.Code != http.StatusOK || m == nil {
				t.Fatalf("%s: %d, Location %q\n%s", name, page.Code, page.Header().Get("Location"), page.Body)
			}
			if got := strings.Contains(page.Body.String(), "It also asks for the admin pages"); got != oauth.HasScope(s.scope, oauth.ScopeAdmin) {
				t.Errorf("%s: consent heard of scope admin: %v", name, got)
			}
			form := url.Values{"request": {html.UnescapeString(m[1])}, "answer": {"allow"}, "password": {"a good long password"}, "days": {"0"}}
			back := h.serve(t, http.MethodPost, "/oauth/authorize", "", form.Encode(), page.Result().Cookies())
			h.checkCode(t, name, id, s, back)
		}
	})
}

func (h *house) checkCode(t *testing.T, name, id string, s shape, back *httptest.ResponseRecorder) {
	t.Helper()
	redirect := s.redirect
	if redirect == "" {
		redirect = s.metadata.RedirectURIs[0]
	}
	query, ok := strings.CutPrefix(back.Header().Get("Location"), redirect+"?")
	q, err := url.ParseQuery(query)
	if back.Code != http.StatusSeeOther || !ok || err != nil {
		t.Fatalf("%s: %d, Location %q", name, back.Code, back.Header().Get("Location"))
	}
	code := q.Get("code")
	want := url.Values{"iss": {base}, "state": {s.params.Get("state")}, "code": {code}}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Errorf("%s: answer (-want +got):\n%s", name, diff)
	}
	grant, err := h.store.RedeemCode(t.Context(), secret.Hash(code), time.Now(), func(c oauth.Code) error {
		if c.Client != id || c.RedirectURI != redirect || !oauth.Verify(c.Challenge, verifier) {
			t.Errorf("%s: code %+v", name, c)
		}
		return nil
	}, func(account.Grant) oauth.Minted {
		_, access := secret.NewToken(oauth.PrefixAccess)
		return oauth.Minted{Access: access, AccessExpires: time.Now().Add(time.Hour)}
	})
	if err != nil {
		t.Fatalf("%s: redeem: %v", name, err)
	}
	if grant.User != account.Admin || grant.Client != id || grant.Resource != s.resource || grant.Role != account.RoleMember ||
		!grant.Rights.Within(account.ReadRights()) || grant.ClientName != s.metadata.Name {
		t.Errorf("%s: grant %+v", name, grant)
	}
}
