package clientdoc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"drawbridge/internal/egress/egresstest"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/clientdoc"
)

const id = "https://app.example.org/client"

func TestIsDocument(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{id: true, "HTTPS://x": true, "https://": true, "dcr_7f3a": false, "http://app.example.org/client": false, "https:/": false, "": false} {
		if clientdoc.IsDocument(in) != want {
			t.Errorf("%q: not %v", in, want)
		}
	}
}

// TestID holds the rules for the URL, by the letter.
func TestID(t *testing.T) {
	t.Parallel()
	n := egresstest.New(t)
	d := documents(t, n, clientdoc.Config{})
	for _, in := range []string{
		"", "https://", "https://app.example.org", "https://app.example.org/", "http://app.example.org/client", "HTTPS://app.example.org/client", "https://App.example.org/client",
		"https://app.example.org/client?a=b", "https://app.example.org/client?", "https://app.example.org/client#", "https://app.example.org/client#a",
		"https://user@app.example.org/client", "https://user:pw@app.example.org/client", "https://@app.example.org/client",
		"https://app.example.org/./client", "https://app.example.org/a/../client", "https://app.example.org/..", "https://app.example.org/%2e%2E/client", "https://app.example.org/.%2e/client",
		`https://app.example.org\client`, `https://app.example.org/a\..\client`, "https://app.example.org/client\n", " https://app.example.org/client", "https://app.example.org/a b",
		"https://app.example.org/ä", "https://äpp.example.org/client", "https:app.example.org/client", "https:///client", "https://app.example.org/a%zz", "https://app.example.org/{a}",
		"https://app.example.org/" + strings.Repeat("a", 2048),
	} {
		if _, err := d.Client(from(t, "192.0.2.1"), in); fault.CodeOf(err) != fault.Invalid || !strings.HasPrefix(fault.PublicOf(err), "The client_id is not") {
			t.Errorf("%q: %v", in, err)
		}
	}
	if n.Dials() != 0 {
		t.Errorf("%d connections", n.Dials())
	}
}

// TestDocument holds the rules for what the document says. told is a part of what the
// client's author reads; "" is the answer that tells nothing.
func TestDocument(t *testing.T) {
	t.Parallel()
	d := documents(t, egresstest.New(t), clientdoc.Config{})
	const rest = `"redirect_uris":["https://app.example.org/cb"]`
	for _, tt := range []struct{ name, body, told string }{
		{"empty", ``, ""},
		{"no object", `[{"client_id":"` + id + `"}]`, ""},
		{"a string", `"client_id"`, ""},
		{"no id", `{` + rest + `}`, ""},
		{"another id", `{"client_id":"https://app.example.org/Client",` + rest + `}`, ""},
		{"id with a slash more", `{"client_id":"` + id + `/",` + rest + `}`, ""},
		{"id that is no string", `{"client_id":["` + id + `"],` + rest + `}`, ""},
		{"id twice", `{"client_id":"` + id + `","client_id":"` + id + `",` + rest + `}`, ""},
		{"id twice, escaped", `{"client_id":"` + id + `","client\u005fid":"` + id + `",` + rest + `}`, ""},
		{"redirects twice", `{"client_id":"` + id + `",` + rest + `,` + rest + `}`, ""},
		{"something after it", `{"client_id":"` + id + `",` + rest + `}{}`, ""},
		{"byte order mark", "\ufeff" + minimal(id), ""},
		{"not UTF-8", `{"client_id":"` + id + `","client_name":"` + "\xff" + `",` + rest + `}`, ""},
		{"six levels", `{"client_id":"` + id + `","a":[[[[[0]]]]],` + rest + `}`, ""},
		{"many levels", `{"client_id":"` + id + `","a":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `,` + rest + `}`, ""},
		{"too long", minimal(id) + strings.Repeat(" ", clientdoc.MaxBytes), ""},
		{"id in capitals too", `{"client_id":"` + id + `","CLIENT_ID":"x",` + rest + `}`, "almost like client_id"},
		{"redirects with a long s", `{"client_id":"` + id + `","redirect_uriſ":["https://evil.example.org/cb"],` + rest + `}`, "almost like redirect_uris"},
		{"secret", `{"client_id":"` + id + `","client_secret":"made-up",` + rest + `}`, "client_secret"},
		{"empty secret", `{"client_id":"` + id + `","client_secret":"",` + rest + `}`, "client_secret"},
		{"secret in capitals", `{"client_id":"` + id + `","Client_Secret":"made-up",` + rest + `}`, "client_secret"},
		{"secret's expiry", `{"client_id":"` + id + `","client_secret_expires_at":0,` + rest + `}`, "client_secret"},
		{"shared secret", `{"client_id":"` + id + `","token_endpoint_auth_method":"client_secret_basic",` + rest + `}`, "shared secret"},
		{"shared secret in the body", `{"client_id":"` + id + `","token_endpoint_auth_method":"client_secret_post",` + rest + `}`, "shared secret"},
		{"shared secret as a key", `{"client_id":"` + id + `","token_endpoint_auth_method":"client_secret_jwt",` + rest + `}`, "shared secret"},
		{"keys without keys", `{"client_id":"` + id + `","token_endpoint_auth_method":"private_key_jwt",` + rest + `}`, "jwks"},
		{"no keys at all", `{"client_id":"` + id + `","token_endpoint_auth_method":"private_key_jwt","jwks":null,` + rest + `}`, "jwks"},
		{"keys over http", `{"client_id":"` + id + `","token_endpoint_auth_method":"private_key_jwt","jwks_uri":"http://app.example.org/keys",` + rest + `}`, "https"},
		{"symmetric signature", `{"client_id":"` + id + `","token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://app.example.org/keys","token_endpoint_auth_signing_alg":"HS256",` + rest + `}`, "signing_alg"},
		{"no redirects", `{"client_id":"` + id + `"}`, "redirect_uris"},
		{"redirect that runs", `{"client_id":"` + id + `","redirect_uris":["javascript:alert(1)"]}`, "redirect URI"},
		{"redirect over http", `{"client_id":"` + id + `","redirect_uris":["http://app.example.org/cb"]}`, "redirect URI"},
		{"redirects that are a string", `{"client_id":"` + id + `","redirect_uris":"https://app.example.org/cb"}`, "type"},
		{"name that is a number", `{"client_id":"` + id + `","client_name":7,` + rest + `}`, "type"},
		{"only machines", `{"client_id":"` + id + `","grant_types":["client_credentials"],` + rest + `}`, "authorization_code"},
		{"only implicit", `{"client_id":"` + id + `","response_types":["token"],` + rest + `}`, "response type"},
	} {
		_, err := d.Read(id, []byte(tt.body))
		if err == nil || tt.told != "" && !strings.Contains(err.Error(), tt.told) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for name, body := range map[string]string{
		"the least":             minimal(id),
		"five levels":           `{"client_id":"` + id + `","a":[[[[0,"]]]]"]]]],` + rest + `}`,
		"id with escapes":       `{"client_id":"https:\/\/app.example.org\/client",` + rest + `}`,
		"strange members":       `{"client_id":"` + id + `","x":{"CLIENT_ID":1},"software_statement":"a",` + rest + `}`,
		"keys elsewhere":        `{"client_id":"` + id + `","token_endpoint_auth_method":"private_key_jwt","jwks":null,"jwks_uri":"https://app.example.org/keys",` + rest + `}`,
		"more response types":   `{"client_id":"` + id + `","response_types":["code","code id_token"],` + rest + `}`,
		"machines too":          `{"client_id":"` + id + `","grant_types":["authorization_code","client_credentials"],` + rest + `}`,
		"its own secret scheme": `{"client_id":"` + id + `","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback"]}`,
	} {
		c, err := d.Read(id, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(strings.Join(c.Metadata.GrantTypes, " "), "client_credentials") {
			t.Errorf("%s: a document gave itself client_credentials", name)
		}
	}
}

// FuzzDocument holds what is accepted against a plain reading of the same bytes.
func FuzzDocument(f *testing.F) {
	d := documents(f, egresstest.New(f), clientdoc.Config{})
	f.Add([]byte(minimal(id)))
	f.Add([]byte(`{"client_id":"` + id + `","redirect_uris":["http://localhost/callback"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]},"grant_types":["authorization_code"]}`))
	f.Add([]byte(`{"client_id":"` + id + `","redirect_uris":["cursor://a/b"],"client_name":"\ud83d\ude00","scope":" a  b ","contacts":["x"],"logo_uri":"https://x/y"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := d.Read(id, body)
		if err != nil {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(body, &plain); err != nil || plain["client_id"] != id {
			t.Fatalf("%v, %v", plain["client_id"], err)
		}
		if _, has := plain["client_secret"]; has {
			t.Error("it has a secret")
		}
		m := c.Metadata
		if c.ID != id || c.Kind != oauth.Document || c.HasSecret() || c.MayAdmin || m.AuthMethod != oauth.AuthNone && m.AuthMethod != oauth.AuthJWT {
			t.Errorf("%+v", c)
		}
		written, _ := plain["redirect_uris"].([]any)
		if len(written) != len(m.RedirectURIs) || len(written) == 0 {
			t.Errorf("redirects %v of %v", m.RedirectURIs, written)
		}
		for i, uri := range m.RedirectURIs {
			if uri != written[i] || oauth.CheckRedirect(uri, nil) != nil {
				t.Errorf("redirect %q of %v", uri, written[i])
			}
		}
	})
}
