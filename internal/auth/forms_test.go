package auth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/auth"
	"drawbridge/internal/fault"
	"drawbridge/internal/route"
)

// A7: a form counts only with the session that it was made for.
func TestCheckForm_A7(t *testing.T) {
	t.Parallel()
	sessions := &fakeSessions{live: map[[32]byte]account.SignIn{}}
	mine := "__Host-drawbridge=" + sessions.add("ben", account.RoleAdmin)
	others := "__Host-drawbridge=" + sessions.add("ben", account.RoleAdmin)
	token := auth.FormToken(browser(t, http.MethodGet, mine))
	if token == "" || strings.Contains(mine, token) || token == auth.FormToken(browser(t, http.MethodGet, others)) {
		t.Fatalf("token %q", token)
	}
	if got := auth.FormToken(browser(t, http.MethodGet, "")); got != "" {
		t.Errorf("without a session: %q", got)
	}
	const kind = "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		cookie, kind, body, header string
		ok                         bool
	}{
		"own":                 {mine, kind, "form_token=" + token, "", true},
		"of another session":  {others, kind, "form_token=" + token, "", false},
		"none":                {mine, kind, "a=b", "", false},
		"empty":               {mine, kind, "form_token=", "", false},
		"altered":             {mine, kind, "form_token=" + token[1:] + "A", "", false},
		"twice":               {mine, kind, "form_token=" + token + "&form_token=" + token, "", false},
		"no cookie":           {"", kind, "form_token=" + token, "", false},
		"no cookie, no token": {"", kind, "form_token=", "", false},
		"as JSON":             {mine, "application/json", `{"form_token":"` + token + `"}`, "", false},
		"as plain text":       {mine, "text/plain", "form_token=" + token, "", false},
		"unreadable":          {mine, kind, "form_token=%zz", "", false},
		"with a key":          {"", "application/json", `{}`, "Bearer x", true},
	} {
		r := httptest.NewRequestWithContext(route.WithPeer(t.Context(), route.Peer{HTTPS: true}), http.MethodPost, base+"/admin/users?form_token="+url.QueryEscape(token), strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		if c.cookie != "" {
			r.Header.Set("Cookie", c.cookie)
		}
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		err := auth.CheckForm(r)
		if (err == nil) != c.ok || err != nil && fault.CodeOf(err) != fault.Forbidden && name != "unreadable" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
