package oauth_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/oauth"
)

// FuzzRedirect: what is taken stays one thing to every reader, and what matches
// differs from what was registered in a loopback port only.
func FuzzRedirect(f *testing.F) {
	for _, one := range registrable {
		f.Add(one.uri, one.uri)
	}
	f.Add("http://localhost/callback", "http://localhost:3118/callback")
	f.Add("http://127.0.0.1/", "http://127.0.0.1:80@evil.com/")
	f.Add("https://example.com/%2e%2e/cb", "https://example.com\\@evil.com/cb")
	f.Fuzz(func(t *testing.T, registered, asked string) {
		taken := oauth.CheckRedirect(registered, nil) == nil
		if taken {
			u, err := url.Parse(registered)
			if err != nil || u.User != nil || u.Fragment != "" || strings.ContainsAny(registered, "\\#@ \t\r\n") && strings.ContainsAny(u.Host, "\\#@ \t\r\n") {
				t.Fatalf("%q is taken", registered)
			}
			if u.Scheme == "http" && !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()) {
				t.Fatalf("%q is taken: http beyond this machine", registered)
			}
			if !oauth.MatchRedirect([]string{registered}, registered) {
				t.Fatalf("%q does not match itself", registered)
			}
		}
		if !taken || asked == registered || !oauth.MatchRedirect([]string{registered}, asked) {
			return
		}
		a, aerr := url.Parse(asked)
		r, rerr := url.Parse(registered)
		if aerr != nil || rerr != nil {
			t.Fatalf("%q matches %q", asked, registered)
		}
		a.Host, r.Host = a.Hostname(), r.Hostname()
		if a.Scheme != "http" || a.String() != r.String() {
			t.Fatalf("%q matches %q", asked, registered)
		}
	})
}

// FuzzParams: what is read has each parameter once, and reads the same again.
func FuzzParams(f *testing.F) {
	f.Add("grant_type=authorization_code&code=x&resource=a&resource=b")
	f.Add("client_id=a&client_id=b")
	f.Add("a=%zz;b")
	f.Fuzz(func(t *testing.T, raw string) {
		p, e := oauth.ParseParams(raw)
		if e != nil {
			if e.Word != "invalid_request" {
				t.Fatalf("%q: %v", raw, e)
			}
			return
		}
		values, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q is read, but is no query: %v", raw, err)
		}
		for name, all := range values {
			if len(all) > 1 && name != "resource" {
				t.Fatalf("%q has %s more than once", raw, name)
			}
			if p.Get(name) != all[0] || p.Has(name) != (all[0] != "") || slices.Contains(p.All(name), "") {
				t.Fatalf("%q: %s is read as %q", raw, name, p.Get(name))
			}
		}
	})
}

// FuzzResource: whatever is asked for, the answer is a path of ours, or none; and
// only for our own origin.
func FuzzResource(f *testing.F) {
	for _, asked := range []string{"https://gate.example.com/mcp", "https://gate.example.com/mcp/team-a/", "https://other.example.com/mcp", "https://gate.example.com@evil.com/mcp", ""} {
		f.Add(asked)
	}
	const base = "https://gate.example.com"
	f.Fuzz(func(t *testing.T, asked string) {
		path, e := oauth.Resource(base, []string{asked})
		if e != nil {
			if e.Word != "invalid_target" {
				t.Fatalf("%q: %v", asked, e)
			}
			return
		}
		if path != "/mcp" && (!strings.HasPrefix(path, "/mcp/") || oauth.ProfileOf(path) == "" || strings.ContainsAny(path[5:], "/.%")) {
			t.Fatalf("%q gives %q", asked, path)
		}
		if again, e := oauth.Resource(base, []string{base + path}); e != nil || again != path {
			t.Fatalf("%q gives %q, and that %q, %v", asked, path, again, e)
		}
		if asked == "" {
			return
		}
		u, err := url.Parse(asked)
		if err != nil || !strings.EqualFold(u.Scheme, "https") || !strings.EqualFold(u.Hostname(), "gate.example.com") || u.User != nil || u.Port() != "" && u.Port() != "443" {
			t.Fatalf("%q is taken for ours", asked)
		}
	})
}

// FuzzMetadataComplete: what a client may register is usable, has no empty values,
// and is complete the first time.
func FuzzMetadataComplete(f *testing.F) {
	f.Add(`{"redirect_uris":["https://app.example.com/cb"],"client_name":"x"}`)
	f.Add(`{"redirect_uris":["http://localhost/cb"],"grant_types":["implicit","refresh_token"],"contacts":[""]}`)
	f.Add(`{"redirect_uris":["cursor://x/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"RSA"}]}}`)
	f.Add(`{"grant_types":["client_credentials"],"scope":" a  b "}`)
	f.Fuzz(func(t *testing.T, raw string) {
		var m oauth.Metadata
		if json.Unmarshal([]byte(raw), &m) != nil {
			return
		}
		if e := m.Complete(oauth.AuthNone, nil); e != nil {
			if e.Word != "invalid_client_metadata" && e.Word != "invalid_redirect_uri" {
				t.Fatalf("%q: %v", raw, e)
			}
			return
		}
		first, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.GrantTypes) == 0 || m.AuthMethod == "" || slices.Contains(m.Contacts, "") || strings.Contains(string(first), "null,") && m.JWKS == nil {
			t.Fatalf("%q is completed to %s", raw, first)
		}
		for _, uri := range m.RedirectURIs {
			if oauth.CheckRedirect(uri, nil) != nil {
				t.Fatalf("%q may redirect to %q", raw, uri)
			}
		}
		if e := m.Complete(oauth.AuthNone, nil); e != nil {
			t.Fatalf("%s is not complete: %v", first, e)
		}
		if second, _ := json.Marshal(m); string(first) != string(second) {
			t.Fatalf("%s changes to %s", first, second)
		}
	})
}
