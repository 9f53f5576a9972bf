package token_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"drawbridge/internal/account"
	"drawbridge/internal/egress"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/clientauth"
	"drawbridge/internal/oauth/token"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
)

// shape is how a client asks for tokens: the headers and forms that were captured
// or reported of it (security reference, 2.1 and 2.5).
type shape struct {
	name     string
	id       string
	kind     oauth.Kind
	method   string
	scope    string // registered
	redirect string // registered
	used     string // as in the authorization request; "": as registered
	path     string // "": /oauth/token
	addr     string // "": somewhere
	headers  []string
	code     []string // of the code request beside grant_type and code
	refresh  []string // of the refresh, beside grant_type and refresh_token
}

const (
	agent    = "User-Agent:"
	claude   = "https://claude.ai/oauth/mcp-oauth-client-metadata"
	chatgpt  = "https://chatgpt.com/oauth/abc/client.json"
	resource = base + "/mcp"

	// Stand for what is only known when the test runs.
	theSecret = "$secret"
	basicOf   = "$id:secret" // in base64
	basicID   = "$id:"       // in base64
	assertion = "$jwt"       // signed anew each time
	jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

var shapes = []shape{
	{name: "C1 claude.ai, with its document", id: claude, kind: oauth.Document, method: oauth.AuthNone, redirect: "https://claude.ai/api/mcp/auth_callback",
		addr: "160.79.106.35", headers: []string{agent, "python-httpx/0.28.1"},
		code:    []string{"client_id", claude, "code_verifier", verifier, "redirect_uri", "https://claude.ai/api/mcp/auth_callback", "resource", resource},
		refresh: []string{"client_id", claude, "resource", resource}},
	{name: "C1 claude.ai, with an id and secret typed in", id: "my-claude", kind: oauth.Static, method: oauth.AuthBasic, redirect: "https://claude.ai/api/mcp/auth_callback",
		addr: "160.79.104.10", headers: []string{agent, "python-httpx/0.28.1"},
		code:    []string{"client_id", "my-claude", "client_secret", theSecret, "code_verifier", verifier, "redirect_uri", "https://claude.ai/api/mcp/auth_callback", "resource", resource},
		refresh: []string{"client_id", "my-claude", "client_secret", theSecret, "resource", resource}},
	{name: "C2 Claude Code", id: "https://claude.ai/oauth/claude-code-client-metadata", kind: oauth.Document, method: oauth.AuthNone, redirect: "http://localhost/callback", used: "http://localhost:3118/callback",
		code:    []string{"client_id", "https://claude.ai/oauth/claude-code-client-metadata", "code_verifier", verifier, "redirect_uri", "http://localhost:3118/callback", "resource", resource},
		refresh: []string{"client_id", "https://claude.ai/oauth/claude-code-client-metadata", "resource", resource}},
	{name: "C3 ChatGPT", id: chatgpt, kind: oauth.Document, method: oauth.AuthJWT, redirect: "https://chatgpt.com/connector/oauth/abc",
		code: []string{"client_id", chatgpt, "client_assertion_type", jwtBearer, "client_assertion", assertion,
			"code_verifier", verifier, "redirect_uri", "https://chatgpt.com/connector/oauth/abc", "resource", resource},
		refresh: []string{"client_id", chatgpt, "client_assertion_type", jwtBearer, "client_assertion", assertion, "resource", resource}},
	{name: "C5 VS Code", id: "dcr_code", kind: oauth.Registered, method: oauth.AuthNone, redirect: "http://127.0.0.1/", used: "http://127.0.0.1:33418/",
		headers: []string{"Accept:", "application/json"},
		code:    []string{"client_id", "dcr_code", "code_verifier", verifier, "redirect_uri", "http://127.0.0.1:33418/", "resource", resource},
		refresh: []string{"client_id", "dcr_code"}},
	{name: "C6 Cursor", id: "dcr_cursor", kind: oauth.Registered, method: oauth.AuthNone, redirect: "cursor://anysphere.cursor-mcp/oauth/callback",
		code:    []string{"client_id", "dcr_cursor", "code_verifier", verifier, "redirect_uri", "cursor://anysphere.cursor-mcp/oauth/callback", "resource", resource},
		refresh: []string{"client_id", "dcr_cursor", "resource", resource}},
	{name: "C7 Inspector", id: "dcr_inspector", kind: oauth.Registered, method: oauth.AuthNone, redirect: "http://localhost:6274/oauth/callback",
		headers: []string{"Origin:", "http://localhost:6274", "Accept:", "application/json"},
		code:    []string{"client_id", "dcr_inspector", "code_verifier", verifier, "redirect_uri", "http://localhost:6274/oauth/callback", "resource", resource},
		refresh: []string{"client_id", "dcr_inspector", "resource", resource}},
	{name: "C8 Open WebUI", id: "dcr_webui", kind: oauth.Registered, method: oauth.AuthPost, scope: "mcp:read mcp:write mcp:destructive", redirect: "https://webui.example.com/oauth/clients/mcp:files/callback",
		code:    []string{"client_id", "dcr_webui", "client_secret", theSecret, "code_verifier", verifier, "redirect_uri", "https://webui.example.com/oauth/clients/mcp:files/callback", "resource", resource},
		refresh: []string{"client_id", "dcr_webui", "client_secret", theSecret, "resource", resource}},
	{name: "C9 LibreChat, without a secret", id: "dcr_libre", kind: oauth.Registered, method: oauth.AuthNone, scope: "mcp:read mcp:write", redirect: "https://chat.example.com/api/mcp/gate/oauth/callback",
		code:    []string{"client_id", "dcr_libre", "code_verifier", verifier, "redirect_uri", "https://chat.example.com/api/mcp/gate/oauth/callback", "resource", resource},
		refresh: []string{"client_id", "dcr_libre", "scope", "mcp:read mcp:write"}},
	{name: "C9 LibreChat, older: its id in the header only", id: "dcr_libre2", kind: oauth.Registered, method: oauth.AuthNone, redirect: "https://chat.example.com/api/mcp/gate/oauth/callback",
		headers: []string{"Authorization:", basicID},
		code:    []string{"code_verifier", verifier, "redirect_uri", "https://chat.example.com/api/mcp/gate/oauth/callback"}},
	{name: "C9 LibreChat, with Basic", id: "dcr_libre3", kind: oauth.Registered, method: oauth.AuthBasic, redirect: "https://chat.example.com/api/mcp/gate/oauth/callback",
		headers: []string{"Authorization:", basicOf},
		code:    []string{"code_verifier", verifier, "redirect_uri", "https://chat.example.com/api/mcp/gate/oauth/callback"}},
	{name: "C10 n8n, older: no resource", id: "dcr_n8n", kind: oauth.Registered, method: oauth.AuthPost, redirect: "https://n8n.example.com/rest/oauth2-credential/callback",
		code:    []string{"client_id", "dcr_n8n", "client_secret", theSecret, "code_verifier", verifier, "redirect_uri", "https://n8n.example.com/rest/oauth2-credential/callback"},
		refresh: []string{"client_id", "dcr_n8n", "client_secret", theSecret}},
	{name: "C11 Goose", id: "https://goose-docs.ai/oauth/client-metadata.json", kind: oauth.Document, method: oauth.AuthNone, redirect: "http://localhost/oauth_callback", used: "http://localhost:50999/oauth_callback",
		code:    []string{"client_id", "https://goose-docs.ai/oauth/client-metadata.json", "code_verifier", verifier, "redirect_uri", "http://localhost:50999/oauth_callback", "resource", resource},
		refresh: []string{"client_id", "https://goose-docs.ai/oauth/client-metadata.json"}},
	{name: "C12 Codex", id: "dcr_codex", kind: oauth.Registered, method: oauth.AuthNone, scope: "openid profile email offline_access", redirect: "http://127.0.0.1/callback/abc", used: "http://127.0.0.1:61234/callback/abc",
		code:    []string{"client_id", "dcr_codex", "code_verifier", verifier, "redirect_uri", "http://127.0.0.1:61234/callback/abc", "resource", resource},
		refresh: []string{"client_id", "dcr_codex", "scope", "openid profile email offline_access"}},
	{name: "C13 mcp-remote", id: "dcr_remote", kind: oauth.Registered, method: oauth.AuthNone, redirect: "http://localhost:3334/oauth/callback", path: "/token",
		code:    []string{"client_id", "dcr_remote", "code_verifier", verifier, "redirect_uri", "http://localhost:3334/oauth/callback", "resource", base + "/"},
		refresh: []string{"client_id", "dcr_remote", "resource", base + "/"}},
	{name: "C14 OpenCode", id: "dcr_opencode", kind: oauth.Registered, method: oauth.AuthNone, redirect: "http://127.0.0.1:19876/mcp/oauth/callback",
		code:    []string{"client_id", "dcr_opencode", "code_verifier", verifier, "redirect_uri", "http://127.0.0.1:19876/mcp/oauth/callback", "resource", resource},
		refresh: []string{"client_id", "dcr_opencode", "resource", resource}},
	{name: "C15 mcporter", id: "dcr_porter", kind: oauth.Registered, method: oauth.AuthNone, redirect: "http://127.0.0.1:45454/callback",
		code:    []string{"client_id", "dcr_porter", "code_verifier", verifier, "redirect_uri", "http://127.0.0.1:45454/callback", "resource", resource + "/"},
		refresh: []string{"client_id", "dcr_porter", "resource", resource + "/"}},
	{name: "C16 a client of 2025-03-26", id: "dcr_old", kind: oauth.Registered, method: oauth.AuthNone, redirect: "https://old.example.com/cb", path: "/token",
		code:    []string{"client_id", "dcr_old", "code_verifier", verifier, "redirect_uri", "https://old.example.com/cb"},
		refresh: []string{"client_id", "dcr_old"}},
}

// published is a client's private key with the set in which it publishes it.
type published struct{ key *rsa.PrivateKey }

// Get serves the set, wherever it is looked for.
func (p published) Get(context.Context, string, string) (egress.Response, error) {
	body, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "1", Use: "sig"}}})
	return egress.Response{Status: http.StatusOK, Body: body}, err
}

// sign makes an assertion of a client (RFC 7523).
func (p published) sign(t *testing.T, id string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "1"}}, nil)
	must(t, err)
	return signed(t, signer, id)
}

func signed(t *testing.T, signer jose.Signer, id string) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{"iss": id, "sub": id, "aud": base + "/oauth/token", "jti": rand.Text(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()})
	must(t, err)
	signature, err := signer.Sign(claims)
	must(t, err)
	text, err := signature.CompactSerialize()
	must(t, err)
	return text
}

// Every client gets its tokens and refreshes them twice in the way it does that, past
// the real authentication of clients. C4 brings a token and asks for none.
func TestClients(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	d := newDesk(t, func(deps *token.Deps) {
		s := deps.Codes.(*store.Store)
		clients, err := clientauth.New(slog.New(slog.DiscardHandler), clientauth.Deps{Clients: s, Marks: s, Fetcher: published{key}, Base: deps.Base})
		must(t, err)
		deps.Clients = clients
	})
	for _, c := range shapes {
		t.Run(c.name, func(t *testing.T) { // one after the other: they share the store
			d := d.in(t)
			d.client(c.id, c.kind, c.method, func(client *oauth.Client) {
				client.Metadata.RedirectURIs, client.Metadata.Scope = []string{c.redirect}, c.scope
				if c.method == oauth.AuthJWT {
					client.Metadata.JWKSURI = "https://chatgpt.com/oauth/jwks.json"
				}
			})
			used := c.used
			if used == "" {
				used = c.redirect
			}
			if !oauth.MatchRedirect([]string{c.redirect}, used) {
				t.Errorf("%s does not match %s", used, c.redirect)
			}
			code := d.code(func(code *oauth.Code) {
				code.Client, code.RedirectURI, code.Rights = c.id, used, account.ReadRights()
			})
			a := d.replay(c, published{key}, append([]string{"grant_type", "authorization_code", "code", code}, c.code...))
			for range 2 {
				d.wantOK(a)
				if a.Scope != "mcp:read" || a.Refresh == "" {
					t.Fatalf("%s", a.body)
				}
				live, err := d.store.LiveToken(t.Context(), secret.Hash(a.Access))
				must(t, err)
				if live.Grant.Client != c.id || live.Grant.Resource != "/mcp" {
					t.Errorf("grant %+v", live.Grant)
				}
				a = d.replay(c, published{key}, append([]string{"grant_type", "refresh_token", "refresh_token", a.Refresh}, c.refresh...))
			}
			d.wantOK(a)
		})
	}
}

// replay sends what a client sends.
func (d *desk) replay(c shape, signs published, pairs []string) answer {
	d.t.Helper()
	body, header := url.Values{}, form.Clone()
	for i := 0; i < len(pairs); i += 2 {
		value := pairs[i+1]
		switch value {
		case theSecret:
			value = appSecret
		case assertion:
			value = signs.sign(d.t, c.id)
		}
		body.Add(pairs[i], value)
	}
	for i := 0; i < len(c.headers); i += 2 {
		value := c.headers[i+1]
		switch value {
		case basicOf:
			value = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.id+":"+appSecret))
		case basicID:
			value = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.id+":"))
		}
		header.Set(c.headers[i][:len(c.headers[i])-1], value)
	}
	path, addr := "/oauth/token", home
	if c.path != "" {
		path = c.path
	}
	if c.addr != "" {
		addr = c.addr
	}
	return d.send(http.MethodPost, path, header, body.Encode(), addr)
}

// counted are marks that say how many there are.
type counted struct {
	clientauth.Marks
	n *atomic.Int64
}

func (c counted) UseOnce(ctx context.Context, kind string, value [32]byte, until time.Time) (bool, error) {
	c.n.Add(1)
	return c.Marks.UseOnce(ctx, kind, value, until)
}

// A client that registered itself with a key of its own can write only so many marks
// from a network, with refresh tokens too.
func TestA17_marksAreBounded(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public(), Use: "sig"}}})
	must(t, err)
	marks := &atomic.Int64{}
	d := newDesk(t, func(deps *token.Deps) {
		s := deps.Codes.(*store.Store)
		clients, err := clientauth.New(slog.New(slog.DiscardHandler), clientauth.Deps{Clients: s, Marks: counted{s, marks}, Fetcher: published{}, Base: deps.Base})
		must(t, err)
		deps.Clients = clients
	})
	d.client("dcr_signs", oauth.Registered, oauth.AuthJWT, func(c *oauth.Client) { c.Metadata.JWKS = set })
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, nil)
	must(t, err)
	send := func() answer {
		return d.post("grant_type", "refresh_token", "refresh_token", "x", "client_id", "dcr_signs", "client_assertion_type", jwtBearer, "client_assertion", signed(t, signer, "dcr_signs"))
	}
	for range 70 {
		send()
	}
	d.wantError(send(), http.StatusTooManyRequests, "temporarily_unavailable")
	if n := marks.Load(); n != 60 {
		t.Errorf("71 assertions from one network left %d marks", n)
	}
	// Without an assertion nothing is written, and a dead token is dead (R11).
	for range 100 {
		d.wantError(d.renew("x"), http.StatusBadRequest, "invalid_grant")
	}
}
