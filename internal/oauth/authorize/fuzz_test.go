package authorize_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
)

// Whatever a query holds, the browser is sent nowhere but to a redirect URI of a
// known client, with one error, one iss and its state; and consent is asked only
// about what was checked.
func FuzzAuthorize(f *testing.F) {
	for _, id := range []string{inspector, webui, cursor, machine, document, "gone", ""} {
		f.Add(request(id).Encode())
		f.Add(request(id, "redirect_uri", "-").Encode())
	}
	f.Add(request(cursor, "redirect_uri", "cursor://anysphere.cursor-mcp/oauth/callback").Encode())
	f.Add(request(inspector, "redirect_uri", "http://localhost:1/oauth/callback", "resource", base+"/mcp/private").Encode())
	f.Add(request(webui, "code_challenge_method", "plain", "prompt", "none", "scope", "admin").Encode())
	f.Add("client_id=" + webui + "&redirect_uri=" + url.QueryEscape("https://evil.example") + "&state=%0d%0a")
	f.Add("client_id=" + webui + "&client_id=x&;&%zz")
	f.Fuzz(func(t *testing.T, query string) {
		e := newEndpoint()
		w := e.do(t, http.MethodGet, query)
		to := w.Header().Get("Location")
		sent, err := url.ParseQuery(query)
		switch w.Code {
		case http.StatusBadRequest:
			if to != "" || len(e.consent.asked) != 0 || !strings.Contains(w.Body.String(), "<h1>") {
				t.Errorf("page with Location %q, asked %v", to, e.consent.asked)
			}
		case http.StatusSeeOther:
			client := e.known(sent.Get("client_id"))
			if err != nil || client == nil || len(e.consent.asked) != 0 {
				t.Fatalf("redirected to %q (%v)", to, err)
			}
			uri, rest, _ := strings.Cut(to, "?")
			q, err := url.ParseQuery(rest)
			if !oauth.MatchRedirect(client.Metadata.RedirectURIs, uri) || err != nil || strings.ContainsAny(to, "\r\n\x00") {
				t.Errorf("redirected to %q (%v)", to, err)
			}
			if len(q["error"]) != 1 || !slices.Equal(q["iss"], []string{base}) || q.Get("state") != sent.Get("state") || len(q["state"]) > 1 || q.Has("code") {
				t.Errorf("answer %v to %q", q, query)
			}
		case http.StatusOK:
			if len(e.consent.asked) != 1 {
				t.Fatalf("asked %v", e.consent.asked)
			}
			a := e.consent.asked[0]
			client := e.known(a.Client)
			if client == nil || a.Client != sent.Get("client_id") || a.State != sent.Get("state") || a.Code.Client != a.Client ||
				!oauth.MatchRedirect(client.Metadata.RedirectURIs, a.Code.RedirectURI) ||
				oauth.CheckChallenge(a.Code.Challenge, "S256") != nil || a.Code.Resource != "/mcp" && a.Code.Resource != "/mcp/"+oauth.ProfileOf(a.Code.Resource) ||
				a.Code.Resource != "/mcp" && account.CheckProfileName(oauth.ProfileOf(a.Code.Resource)) != nil {
				t.Errorf("asked %+v for %q", a, query)
			}
		default:
			t.Errorf("status %d", w.Code)
		}
	})
}

func (e *endpoint) known(id string) *oauth.Client {
	for _, clients := range []*fakeClients{e.clients, e.documents} {
		if c, ok := clients.by[id]; ok {
			return &c
		}
	}
	return nil
}
