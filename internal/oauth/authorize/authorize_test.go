package authorize_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	var got []string
	for _, r := range newEndpoint().Routes() {
		if r.Policy != route.Public || r.AnyOrigin || r.Handler == nil {
			t.Errorf("%s: %+v", r.Pattern, r) // no CORS here (R4)
		}
		got = append(got, r.Pattern+" "+strings.Join(r.Methods, " "))
	}
	if diff := cmp.Diff([]string{"/oauth/authorize GET HEAD POST", "/authorize GET HEAD POST"}, got); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

// What a right request hands to consent.
func TestAuthorize_asks(t *testing.T) {
	t.Parallel()
	code := func(client, redirect, resource string) oauth.Code {
		return oauth.Code{Client: client, RedirectURI: redirect, Challenge: challenge, Resource: resource}
	}
	for name, c := range map[string]struct {
		query url.Values
		want  asked
	}{
		"plain":                 {request(webui), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp")}},
		"no state":              {request(webui, "state", "-"), asked{webui, "", "", code(webui, webuiRedirect, "/mcp")}},
		"the only redirect URI": {request(webui, "redirect_uri", "-"), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp")}},
		"empty is absent":       {request(webui, "redirect_uri", "", "resource", "", "scope", "", "prompt", ""), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp")}},
		"document":              {request(document, "redirect_uri", "-"), asked{document, "", "a state", code(document, "https://claude.ai/api/mcp/auth_callback", "/mcp")}},
		"loopback, any port":    {request(inspector, "redirect_uri", "http://localhost:51111/oauth/callback"), asked{inspector, "", "a state", code(inspector, "http://localhost:51111/oauth/callback", "/mcp")}},
		"own scheme":            {request(cursor, "redirect_uri", "cursor://anysphere.cursor-mcp/oauth/callback"), asked{cursor, "", "a state", code(cursor, "cursor://anysphere.cursor-mcp/oauth/callback", "/mcp")}},
		"resource":              {request(webui, "resource", base+"/mcp/"), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp")}},
		"profile":               {request(webui, "resource", base+"/mcp/private"), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp/private")}},
		"A12 no such profile":   {request(webui, "resource", base+"/mcp/gone"), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp/gone")}}, // consent tells, to whom it may
		"scopes, some unknown":  {request(webui, "scope", "openid admin profile offline_access mcp:read"), asked{webui, "mcp:read admin offline_access", "a state", code(webui, webuiRedirect, "/mcp")}},
		"prompt=consent":        {request(webui, "prompt", "consent"), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp")}},
		"prompt=login":          {request(webui, "prompt", "login consent"), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp")}},
		"response_mode=query":   {request(webui, "response_mode", "query"), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp")}},
		"unknown parameters":    {request(webui, "access_type", "offline", "nonce", "n", "code", "x", "iss", "y"), asked{webui, "", "a state", code(webui, webuiRedirect, "/mcp")}},
		"unusual state":         {request(webui, "state", "a+b/=&\"<ä>"), asked{webui, "", "a+b/=&\"<ä>", code(webui, webuiRedirect, "/mcp")}},
		"long state":            {request(webui, "state", strings.Repeat("s", 8<<10)), asked{webui, "", strings.Repeat("s", 8<<10), code(webui, webuiRedirect, "/mcp")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				e := newEndpoint()
				w := e.do(t, method, c.query.Encode())
				if w.Code != http.StatusOK || len(e.consent.asked) != 1 {
					t.Fatalf("%s: status %d, Location %q\n%s", method, w.Code, w.Header().Get("Location"), w.Body)
				}
				if diff := cmp.Diff(c.want, e.consent.asked[0]); diff != "" {
					t.Errorf("%s: asked (-want +got):\n%s", method, diff)
				}
			}
		})
	}
}

// noRedirect checks that a request ended on a page, and asked nobody.
func noRedirect(t *testing.T, e *endpoint, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status || w.Header().Get("Location") != "" || len(e.consent.asked) != 0 {
		t.Errorf("status %d, Location %q, asked %v; want %d and nothing", w.Code, w.Header().Get("Location"), e.consent.asked, status)
	}
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", w.Header())
	}
	if w.Header().Get("Access-Control-Allow-Origin") != "" || len(w.Result().Cookies()) != 0 {
		t.Errorf("headers %v", w.Header())
	}
}

// A1: a client of ours, and a redirect URI that is not one of its own, however
// near: a page and no redirect.
func TestAuthorize_A1_foreignRedirect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ client, uri string }{
		{webui, "https://evil.example/cb"},
		{webui, webuiRedirect + "/"},
		{webui, webuiRedirect + "/../../evil"},
		{webui, webuiRedirect + "?a=b"},
		{webui, webuiRedirect + "#f"},
		{webui, webuiRedirect[:len(webuiRedirect)-1]},
		{webui, "https://chat.example.com/oauth/clients/mcp%3Ahome/callback"},
		{webui, "https://chat.example.com/oauth/clients/MCP:home/callback"},
		{webui, "https://chat.example.com/oauth/%2e%2e/oauth/clients/mcp:home/callback"},
		{webui, "https://CHAT.example.com/oauth/clients/mcp:home/callback"},
		{webui, "https://chat.example.com:443/oauth/clients/mcp:home/callback"},
		{webui, "https://chat.example.com:8443/oauth/clients/mcp:home/callback"},
		{webui, "https://chat.example.com@evil.example/oauth/clients/mcp:home/callback"},
		{webui, "https://u@chat.example.com/oauth/clients/mcp:home/callback"},
		{webui, `https://chat.example.com\oauth/clients/mcp:home/callback`},
		{webui, "http://chat.example.com/oauth/clients/mcp:home/callback"},
		{webui, "https://chat.example.com./oauth/clients/mcp:home/callback"},
		{webui, "//chat.example.com/oauth/clients/mcp:home/callback"},
		{webui, "/oauth/clients/mcp:home/callback"},
		{webui, " " + webuiRedirect},
		{webui, webuiRedirect + "\n"},
		{webui, "javascript:alert(1)"},
		{webui, "data:text/html,x"},
		{inspector, "http://localhost:6274/oauth/callback2"},
		{inspector, "http://127.0.0.1:6274/oauth/callback"},
		{inspector, "http://localhost.evil.example:6274/oauth/callback"},
		{inspector, "http://localhost:6274@evil.example/oauth/callback"},
		{inspector, "https://localhost:6274/oauth/callback"},
		{inspector, "http://[::1]:6274/oauth/callback"},
		{inspector, "http://localhost:99999/oauth/callback"},
		{inspector, "-"}, // none, where it has two
		{"no-redirect", "-"},
		{"no-redirect", "https://evil.example/cb"},
		{cursor, "cursor://evil/oauth/callback"},
		{cursor, "https://www.cursor.com/agents/mcp/oauth/callback/"},
		{document, "https://claude.ai/api/mcp/auth_callback/"},
		{document, "https://claude.com/api/mcp/auth_callback"},
	} {
		e := newEndpoint()
		w := e.get(t, request(c.client, "redirect_uri", c.uri))
		noRedirect(t, e, w, http.StatusBadRequest)
		if t.Failed() {
			t.Fatalf("%s, %s", c.client, c.uri)
		}
		if !strings.Contains(w.Body.String(), "redirect_uri") || strings.Contains(w.Body.String(), "evil") {
			t.Errorf("%s: page says\n%s", c.uri, w.Body)
		}
	}
}

// A1, A19: of two of a parameter nobody knows which one counts.
func TestAuthorize_A19_pollution(t *testing.T) {
	t.Parallel()
	for name := range request(webui) {
		e := newEndpoint()
		q := request(webui)
		q.Add(name, q.Get(name))
		w := e.get(t, q)
		noRedirect(t, e, w, http.StatusBadRequest)
		if !strings.Contains(w.Body.String(), "<code>invalid_request</code>") {
			t.Errorf("%s twice:\n%s", name, w.Body)
		}
	}
	for name, raw := range map[string]string{
		"foreign redirect first": "redirect_uri=https://evil.example/cb&" + request(webui).Encode(),
		"foreign redirect last":  request(webui).Encode() + "&redirect_uri=https://evil.example/cb",
		"empty one":              request(webui).Encode() + "&redirect_uri=",
		"unknown one":            request(webui).Encode() + "&x=1&x=2",
		"not encoded":            request(webui).Encode() + "&x=%zz",
		"semicolon":              request(webui).Encode() + ";redirect_uri=https://evil.example/cb",
		"not UTF-8":              request(webui).Encode() + "&x=%ff",
		"many":                   request(webui).Encode() + strings.Repeat("&", 10) + strings.Join(strings.Split(strings.Repeat("abcdefghij", 10), ""), "=&") + manyParams(),
	} {
		e := newEndpoint()
		noRedirect(t, e, e.do(t, http.MethodGet, raw), http.StatusBadRequest)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	// resource may be sent twice (RFC 8707), when both are one of ours.
	e := newEndpoint()
	q := request(webui)
	q["resource"] = []string{base, base + "/mcp"}
	if w := e.get(t, q); w.Code != http.StatusOK {
		t.Errorf("two names of one resource: status %d", w.Code)
	}
}

func manyParams() string {
	var b strings.Builder
	for c := 'a'; c <= 'z'; c++ {
		for d := 'a'; d <= 'c'; d++ {
			b.WriteString("&" + string(c) + string(d) + "=1")
		}
	}
	return b.String()
}

// R13: a client that we do not know gets a page with the way out, and the word by
// which Open WebUI knows that it has to register anew.
func TestAuthorize_R13_unknownClient(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"dcr_gone", "mcp-client", "https://claude.ai/unknown", "https://", strings.Repeat("x", 3000), "'; DROP TABLE clients", "dcr_webui "} {
		e := newEndpoint()
		w := e.get(t, request(id))
		noRedirect(t, e, w, http.StatusBadRequest)
		for _, want := range []string{"remove and add the connector again", "<code>invalid_client</code>"} {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%.20q: the page does not say %q:\n%s", id, want, w.Body)
			}
		}
	}
	e := newEndpoint()
	w := e.get(t, request("-", "client_id", "-"))
	noRedirect(t, e, w, http.StatusBadRequest)
	if !strings.Contains(w.Body.String(), "<code>invalid_request</code>") {
		t.Errorf("no client_id:\n%s", w.Body)
	}
}

// A store that is down is not an unknown client: clients must keep their ids.
func TestAuthorize_storeDown(t *testing.T) {
	t.Parallel()
	down := fault.Wrap(errCanary, fault.Unavailable, "The database cannot be read now. Try again in a few seconds.")
	for name, c := range map[string]struct {
		change func(e *endpoint)
		client string
	}{
		"clients":        {func(e *endpoint) { e.clients.down = down }, webui},
		"documents":      {func(e *endpoint) { e.documents.down = down }, document},
		"without a code": {func(e *endpoint) { e.clients.down = errCanary }, webui},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint()
			c.change(e)
			w := e.get(t, request(c.client))
			status := http.StatusServiceUnavailable
			if name == "without a code" {
				status = http.StatusInternalServerError
			}
			noRedirect(t, e, w, status)
			body := strings.ToLower(w.Body.String())
			for _, no := range []string{"canary", "invalid_client", "client id", "client_id", "redirect_uri"} {
				if strings.Contains(body, no) {
					t.Errorf("the page has %q:\n%s", no, body)
				}
			}
		})
	}
	e := newEndpoint()
	e.profiles.down = down
	w := e.get(t, request(webui, "resource", base+"/mcp/private"))
	if got := answer(t, w, webuiRedirect); got.Get("error") != "temporarily_unavailable" || strings.Contains(w.Header().Get("Location"), "canary") {
		t.Errorf("answer %v", got)
	}
}

// answer is what a client was told by redirect.
func answer(t *testing.T, w *httptest.ResponseRecorder, uri string) url.Values {
	t.Helper()
	query, ok := strings.CutPrefix(w.Header().Get("Location"), uri+"?")
	q, err := url.ParseQuery(query)
	if w.Code != http.StatusSeeOther || !ok || err != nil {
		t.Fatalf("status %d, Location %q (%v)\n%s", w.Code, w.Header().Get("Location"), err, w.Body)
	}
	return q
}

// A4, A6, A12, A23: whatever else is wrong goes to the verified client, with its
// state and exactly one iss.
func TestAuthorize_A6_errorRedirects(t *testing.T) {
	t.Parallel()
	ci := request(machine, "redirect_uri", "https://ci.example.com/cb")
	for name, c := range map[string]struct {
		query url.Values
		word  string
	}{
		"no response_type":              {request(webui, "response_type", "-"), "invalid_request"},
		"implicit":                      {request(webui, "response_type", "token"), "unsupported_response_type"},
		"hybrid":                        {request(webui, "response_type", "code id_token"), "unsupported_response_type"},
		"fragment":                      {request(webui, "response_mode", "fragment"), "invalid_request"},
		"form_post":                     {request(webui, "response_mode", "form_post"), "invalid_request"},
		"A4 no challenge":               {request(webui, "code_challenge", "-"), "invalid_request"},
		"A4 no challenge, no method":    {request(webui, "code_challenge", "-", "code_challenge_method", "-"), "invalid_request"},
		"A4 plain":                      {request(webui, "code_challenge_method", "plain"), "invalid_request"},
		"A4 method left out":            {request(webui, "code_challenge_method", "-"), "invalid_request"},
		"A4 method in lower case":       {request(webui, "code_challenge_method", "s256"), "invalid_request"},
		"A4 challenge too short":        {request(webui, "code_challenge", challenge[:42]), "invalid_request"},
		"A4 challenge padded":           {request(webui, "code_challenge", challenge+"="), "invalid_request"},
		"A12 foreign resource":          {request(webui, "resource", "https://other.example/mcp"), "invalid_target"},
		"A12 a name that none can have": {request(webui, "resource", base+"/mcp/..%2fprivate"), "invalid_target"},
		"A12 other path":                {request(webui, "resource", base+"/admin"), "invalid_target"},
		"prompt=none":                   {request(webui, "prompt", "none"), "consent_required"},
		"prompt=none and more":          {request(webui, "prompt", "none login"), "invalid_request"},
		"request object":                {request(webui, "request", "eyJhbGciOiJub25lIn0.e30."), "request_not_supported"},
		"request_uri":                   {request(webui, "request_uri", "https://evil.example/r"), "request_not_supported"},
		"a machine":                     {ci, "unauthorized_client"},
		"A23 markup in what is wrong":   {request(webui, "response_type", "<script>alert(1)</script>"), "unsupported_response_type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, state := range []string{"a state", "a+b/=&\"<ä>\r\nx", "-"} {
				e := newEndpoint()
				c.query.Set("state", state)
				if state == "-" {
					c.query.Del("state")
				}
				w := e.get(t, c.query)
				q := answer(t, w, c.query.Get("redirect_uri"))
				if len(e.consent.asked) != 0 {
					t.Error("somebody was asked")
				}
				if q.Get("error") != c.word {
					t.Errorf("error %q, want %q", q.Get("error"), c.word)
				}
				for _, ch := range q.Get("error_description") {
					if ch < ' ' || ch > '~' || ch == '"' || ch == '\\' {
						t.Errorf("description %q has %q", q.Get("error_description"), ch)
					}
				}
				want := url.Values{"error": {c.word}, "error_description": q["error_description"], "iss": {base}}
				if state != "-" {
					want.Set("state", state)
				}
				if diff := cmp.Diff(want, q); diff != "" || q.Get("error_description") == "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if strings.Contains(w.Header().Get("Location"), "alert") || w.Body.Len() != 0 || w.Header().Get("Referrer-Policy") != "no-referrer" {
					t.Errorf("Location %q, body %q", w.Header().Get("Location"), w.Body)
				}
			}
		})
	}
}

// A6: an iss of the client's own in its redirect URI could be taken for ours.
func TestAuthorize_A6_oneIss(t *testing.T) {
	t.Parallel()
	e := newEndpoint()
	noRedirect(t, e, e.get(t, request("holds-a-part", "redirect_uri", "-")), http.StatusBadRequest)
	long := newEndpoint()
	noRedirect(t, long, long.get(t, request(webui, "state", strings.Repeat("s", 8<<10+1))), http.StatusBadRequest)
}

// A23: nothing of a request is on the error page.
func TestAuthorize_A23_errorPage(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script>`
	for _, name := range []string{"client_id", "redirect_uri"} {
		e := newEndpoint()
		q := request(webui, name, "https://evil.example/"+evil, "error_description", evil, "client_name", evil, "state", evil)
		w := e.get(t, q)
		noRedirect(t, e, w, http.StatusBadRequest)
		if body := w.Body.String(); strings.Contains(body, "<script") || strings.Contains(body, "evil") || strings.Contains(body, "alert") {
			t.Errorf("%s is on the page:\n%s", name, body)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || w.Header().Get("Referrer-Policy") != "no-referrer" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", w.Header())
		}
	}
}

// A19: a POST is the answer of the consent page, whatever it brings along.
func TestAuthorize_A19_postIsConsents(t *testing.T) {
	t.Parallel()
	e := newEndpoint()
	e.do(t, http.MethodPost, request(webui).Encode())
	e.do(t, http.MethodPost, "")
	if e.consent.answered != 2 || len(e.consent.asked) != 0 {
		t.Errorf("answered %d, asked %v", e.consent.answered, e.consent.asked)
	}
}

// However often one network answers, consent sees no more than a person could send;
// another network is not held back, nor is anybody by what other sites post.
func TestAuthorize_boundedAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the clock stands still
		e := newEndpoint()
		routes := e.Routes()
		post := func(addr, from string) *httptest.ResponseRecorder {
			var last *httptest.ResponseRecorder
			for _, one := range routes { // both paths
				ctx := route.WithPeer(t.Context(), route.Peer{Addr: netip.MustParseAddr(addr), HTTPS: true})
				r := httptest.NewRequestWithContext(ctx, http.MethodPost, one.Pattern, http.NoBody)
				r.Header.Set("Origin", from)
				last = httptest.NewRecorder()
				one.Handler.ServeHTTP(last, r)
			}
			return last
		}
		for range 100 {
			post("192.0.2.1", "https://evil.example")
		}
		if e.consent.answered != 200 {
			t.Errorf("%d of 200 foreign posts reached consent, which refuses them", e.consent.answered)
		}
		e.consent.answered = 0
		for range 100 {
			post("192.0.2.1", base)
		}
		w := post("192.0.2.1", base)
		if e.consent.answered != 120 || w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "Wait a minute") {
			t.Errorf("%d answers of 202, status %d, Retry-After %q\n%s", e.consent.answered, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
		if w := e.get(t, request(webui)); w.Code != http.StatusOK {
			t.Errorf("asking meanwhile: status %d", w.Code)
		}
		if w := post("198.51.100.7", base); w.Code != http.StatusSeeOther {
			t.Errorf("another network: status %d", w.Code)
		}
		e.consent.answered = 0
		for i := range 1000 { // a site with many networks
			post(fmt.Sprintf("2001:db8:1:%x::1", i), base)
		}
		if e.consent.answered != 480 {
			t.Errorf("%d answers of a /48", e.consent.answered)
		}
		time.Sleep(500 * time.Millisecond) // of the fake clock
		if w := post("192.0.2.1", base); w.Code != http.StatusTooManyRequests || e.consent.answered != 481 {
			t.Errorf("after half a second: %d answers, the second one's status %d", e.consent.answered-480, w.Code)
		}
	})
}
