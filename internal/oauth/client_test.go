package oauth_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/oauth"
)

const callback = "https://app.example.com/cb"

// What a client leaves out has the meaning that RFC 7591 gives it, and what it cannot
// use here is left out of its entry.
func TestR8_Complete(t *testing.T) {
	t.Parallel()
	jwks := json.RawMessage(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	for _, c := range []struct {
		name     string
		in, want oauth.Metadata
	}{
		{name: "least",
			in:   oauth.Metadata{RedirectURIs: []string{callback}},
			want: oauth.Metadata{RedirectURIs: []string{callback}, AuthMethod: "none", GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}}},
		{name: "asked for",
			in:   oauth.Metadata{RedirectURIs: []string{callback}, AuthMethod: "client_secret_basic", GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, ApplicationType: "native", Scope: "  mcp:read   openid "},
			want: oauth.Metadata{RedirectURIs: []string{callback}, AuthMethod: "client_secret_basic", GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, ApplicationType: "native", Scope: "mcp:read openid"}},
		{name: "more than there is",
			in:   oauth.Metadata{RedirectURIs: []string{callback}, GrantTypes: []string{"implicit", "authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "authorization_code"}, ResponseTypes: []string{"token", "code", "code id_token"}},
			want: oauth.Metadata{RedirectURIs: []string{callback}, AuthMethod: "none", GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}}},
		{name: "only for show",
			in:   oauth.Metadata{RedirectURIs: []string{callback}, URI: "http://x.example", LogoURI: "javascript:alert(1)", TermsURI: "https://x.example/t", PolicyURI: "https://u:p@x.example/", Contacts: []string{"", "a@x.example"}, ApplicationType: "toaster"},
			want: oauth.Metadata{RedirectURIs: []string{callback}, AuthMethod: "none", GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}, TermsURI: "https://x.example/t", Contacts: []string{"a@x.example"}}},
		{name: "keys without use",
			in:   oauth.Metadata{RedirectURIs: []string{callback}, JWKSURI: "http://10.0.0.1/", JWKS: jwks, SigningAlg: "none"},
			want: oauth.Metadata{RedirectURIs: []string{callback}, AuthMethod: "none", GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}}},
		{name: "keys",
			in:   oauth.Metadata{RedirectURIs: []string{callback}, AuthMethod: "private_key_jwt", JWKS: jwks, SigningAlg: "EdDSA"},
			want: oauth.Metadata{RedirectURIs: []string{callback}, AuthMethod: "private_key_jwt", GrantTypes: []string{"authorization_code"}, ResponseTypes: []string{"code"}, JWKS: jwks, SigningAlg: "EdDSA"}},
		{name: "machine",
			in:   oauth.Metadata{AuthMethod: "client_secret_basic", GrantTypes: []string{"client_credentials"}},
			want: oauth.Metadata{AuthMethod: "client_secret_basic", GrantTypes: []string{"client_credentials"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := c.in
			if e := got.Complete(oauth.AuthNone, nil); e != nil {
				t.Fatal(e)
			}
			got.Contacts = slices.Clip(got.Contacts)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestA3_Complete_refuses(t *testing.T) {
	t.Parallel()
	uris := func(n int) []string { return slices.Repeat([]string{callback}, n) }
	keys := func(set string) oauth.Metadata {
		return oauth.Metadata{RedirectURIs: uris(1), AuthMethod: "private_key_jwt", JWKS: json.RawMessage(set)}
	}
	for _, c := range []struct {
		name string
		in   oauth.Metadata
		word string
	}{
		{"no redirect", oauth.Metadata{}, "invalid_redirect_uri"},
		{"one bad among good", oauth.Metadata{RedirectURIs: []string{callback, "javascript:alert(1)"}}, "invalid_redirect_uri"},
		{"eleven redirects", oauth.Metadata{RedirectURIs: uris(11)}, "invalid_redirect_uri"},
		{"long redirect", oauth.Metadata{RedirectURIs: []string{callback + strings.Repeat("x", 2048)}}, "invalid_redirect_uri"},
		{"http", oauth.Metadata{RedirectURIs: []string{"http://app.example.com/cb"}}, "invalid_redirect_uri"},
		{"redirect of a machine", oauth.Metadata{GrantTypes: []string{"client_credentials"}, RedirectURIs: []string{"http://app.example.com/cb"}}, "invalid_redirect_uri"},
		{"implicit only", oauth.Metadata{RedirectURIs: uris(1), GrantTypes: []string{"implicit"}}, "invalid_client_metadata"},
		{"token only", oauth.Metadata{RedirectURIs: uris(1), ResponseTypes: []string{"token"}}, "invalid_client_metadata"},
		{"unknown authentication", oauth.Metadata{RedirectURIs: uris(1), AuthMethod: "client_secret_jwt"}, "invalid_client_metadata"},
		{"no keys", oauth.Metadata{RedirectURIs: uris(1), AuthMethod: "private_key_jwt"}, "invalid_client_metadata"},
		{"keys twice", oauth.Metadata{RedirectURIs: uris(1), AuthMethod: "private_key_jwt", JWKSURI: "https://x.example/k", JWKS: json.RawMessage(`{"keys":[{}]}`)}, "invalid_client_metadata"},
		{"keys by http", oauth.Metadata{RedirectURIs: uris(1), AuthMethod: "private_key_jwt", JWKSURI: "http://x.example/k"}, "invalid_client_metadata"},
		{"signature none", oauth.Metadata{RedirectURIs: uris(1), AuthMethod: "private_key_jwt", JWKSURI: "https://x.example/k", SigningAlg: "none"}, "invalid_client_metadata"},
		{"signature HS256", oauth.Metadata{RedirectURIs: uris(1), AuthMethod: "private_key_jwt", JWKSURI: "https://x.example/k", SigningAlg: "HS256"}, "invalid_client_metadata"},
		{"private key", keys(`{"keys":[{"kty":"OKP","x":"a","d":"b"}]}`), "invalid_client_metadata"},
		{"shared key", keys(`{"keys":[{"kty":"oct","k":"b"}]}`), "invalid_client_metadata"},
		{"no key in the set", keys(`{"keys":[]}`), "invalid_client_metadata"},
		{"a list of keys", keys(`[{"kty":"OKP","x":"a"}]`), "invalid_client_metadata"},
		{"too many keys", keys(`{"keys":[` + strings.Repeat(`{},`, 20) + `{}]}`), "invalid_client_metadata"},
		{"long name", oauth.Metadata{RedirectURIs: uris(1), Name: strings.Repeat("x", 2049)}, "invalid_client_metadata"},
		{"long scope", oauth.Metadata{RedirectURIs: uris(1), Scope: strings.Repeat("x", 1025)}, "invalid_client_metadata"},
		{"many contacts", oauth.Metadata{RedirectURIs: uris(1), Contacts: uris(11)}, "invalid_client_metadata"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if e := c.in.Complete(oauth.AuthNone, nil); e == nil || e.Word != c.word {
				t.Errorf("%v, not %s", e, c.word)
			}
		})
	}
}

// Only a document proves where a client comes from.
func TestA10_Host(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		client oauth.Client
		want   string
	}{
		{oauth.Client{Kind: oauth.Document, ID: "https://claude.ai/oauth/mcp-oauth-client-metadata"}, "claude.ai"},
		{oauth.Client{Kind: oauth.Registered, ID: "dcr_x", Metadata: oauth.Metadata{Name: "claude.ai", URI: "https://claude.ai"}}, ""},
		{oauth.Client{Kind: oauth.Registered, ID: "https://claude.ai/oauth"}, ""},
		{oauth.Client{Kind: oauth.Static, ID: "https://claude.ai/oauth"}, ""},
		{oauth.Client{Kind: oauth.Document, ID: "://"}, ""},
	} {
		if got := c.client.Host(); got != c.want {
			t.Errorf("%+v: %q", c.client, got)
		}
	}
	if c := (oauth.Client{}); c.HasSecret() {
		t.Error("a client without a secret has one")
	}
}
