package authorize_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/authorize"
)

const (
	base      = "https://home.example.ts.net"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// fakeClients knows clients, or is down.
type fakeClients struct {
	by   map[string]oauth.Client
	down error
}

func (f *fakeClients) Client(_ context.Context, id string) (oauth.Client, error) {
	if f.down != nil {
		return oauth.Client{}, f.down
	}
	c, ok := f.by[id]
	if !ok {
		return c, fault.New(fault.NotFound, "There is no such client.")
	}
	return c, nil
}

func newClients(clients ...oauth.Client) *fakeClients {
	f := &fakeClients{by: map[string]oauth.Client{}}
	for _, c := range clients {
		f.by[c.ID] = c
	}
	return f
}

type fakeProfiles struct{ down error }

func (f *fakeProfiles) Profile(_ context.Context, name string) (account.Profile, error) {
	if f.down != nil {
		return account.Profile{}, f.down
	}
	if name != "private" {
		return account.Profile{}, fault.New(fault.NotFound, "There is no such profile.")
	}
	return account.Profile{Name: name}, nil
}

// asked is what consent was handed.
type asked struct {
	Client, Scope, State string
	Code                 oauth.Code
}

// fakeConsent writes down what it is asked.
type fakeConsent struct {
	asked    []asked
	answered int
}

func (f *fakeConsent) Ask(w http.ResponseWriter, _ *http.Request, client oauth.Client, code oauth.Code, scope, state string) {
	f.asked = append(f.asked, asked{client.ID, scope, state, code})
	w.WriteHeader(http.StatusOK)
}

func (f *fakeConsent) Answer(w http.ResponseWriter, _ *http.Request) {
	f.answered++
	w.WriteHeader(http.StatusSeeOther)
}

// endpoint is a handler with what is behind it.
type endpoint struct {
	*authorize.Handler
	clients   *fakeClients
	documents *fakeClients
	profiles  *fakeProfiles
	consent   *fakeConsent
}

const (
	inspector = "dcr_inspector" // two loopback URIs
	webui     = "dcr_webui"     // one https URI with a colon in its path
	cursor    = "dcr_cursor"    // three of different kinds
	machine   = "ci"            // no authorization code grant
	document  = "https://claude.ai/oauth/mcp-oauth-client-metadata"

	webuiRedirect = "https://chat.example.com/oauth/clients/mcp:home/callback"
)

func newEndpoint() *endpoint {
	client := func(id string, kind oauth.Kind, uris ...string) oauth.Client {
		return oauth.Client{ID: id, Kind: kind, Metadata: oauth.Metadata{RedirectURIs: uris, GrantTypes: []string{oauth.GrantCode, oauth.GrantRefresh}}}
	}
	ci := client(machine, oauth.Static, "https://ci.example.com/cb")
	ci.Metadata.GrantTypes = []string{oauth.GrantMachine}
	e := &endpoint{
		clients: newClients(ci,
			client(inspector, oauth.Registered, "http://localhost:6274/oauth/callback", "http://127.0.0.1/callback"),
			client(webui, oauth.Registered, webuiRedirect),
			client(cursor, oauth.Registered, "cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"),
			client("holds-a-part", oauth.Static, "https://example.com/cb?iss=https://evil.example"),
			client("no-redirect", oauth.Static),
		),
		documents: newClients(client(document, oauth.Document, "https://claude.ai/api/mcp/auth_callback")),
		profiles:  &fakeProfiles{},
		consent:   &fakeConsent{},
	}
	e.Handler = &authorize.Handler{
		Log: slog.New(slog.DiscardHandler), Base: func() string { return base },
		Clients: e.clients, Documents: e.documents, Profiles: e.profiles, Consent: e.consent,
	}
	return e
}

// request is a right request of a client, altered: pairs of name and value, where
// the value "-" leaves the parameter out.
func request(client string, pairs ...string) url.Values {
	q := url.Values{
		"client_id": {client}, "response_type": {"code"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
		"state": {"a state"}, "redirect_uri": {webuiRedirect},
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "-" {
			q.Del(pairs[i])
			continue
		}
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

func (e *endpoint) do(t testing.TB, method, rawQuery string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/oauth/authorize", http.NoBody)
	r.URL.RawQuery = rawQuery
	w := httptest.NewRecorder()
	for _, route := range e.Routes() {
		if route.Pattern == "/oauth/authorize" {
			route.Handler.ServeHTTP(w, r)
		}
	}
	return w
}

func (e *endpoint) get(t testing.TB, q url.Values) *httptest.ResponseRecorder {
	t.Helper()
	return e.do(t, http.MethodGet, q.Encode())
}

var errCanary = errors.New("canary: connection refused")
