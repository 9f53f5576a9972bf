package consent_test

import (
	"bytes"
	"context"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/consent"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
)

const (
	base      = "https://home.example.ts.net"
	password  = "a good long password"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// fakeStore keeps what the handler writes, and can be down.
type fakeStore struct {
	mu      sync.Mutex // guards the rest
	clients map[string]oauth.Client
	codes   []oauth.Code
	used    map[string]bool
	down    error
	refuse  error // what codes get
}

func (f *fakeStore) Client(_ context.Context, id string) (oauth.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.clients[id]
	if !ok {
		return c, fault.New(fault.NotFound, "There is no such client.")
	}
	return c, nil
}

func (f *fakeStore) CreateCode(_ context.Context, c oauth.Code) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return f.down
	}
	if f.refuse != nil {
		return f.refuse
	}
	f.codes = append(f.codes, c)
	return nil
}

func (f *fakeStore) UseOnce(_ context.Context, kind string, value [32]byte, _ time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := kind + string(value[:])
	first := !f.used[key]
	f.used[key] = true
	return first, f.down
}

// fakePasswords knows an admin and a member with the same password.
type fakePasswords struct {
	mu     sync.Mutex // guards the rest
	alone  bool       // admin is the only user
	tried  int
	refuse error // what every try gets
}

func (f *fakePasswords) SignIn(_ context.Context, name string, given secret.String) (account.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried++
	if f.refuse != nil {
		return account.User{}, f.refuse
	}
	roles := map[string]account.Role{"admin": account.RoleAdmin, "anna": account.RoleMember}
	if roles[name] == "" || given.Reveal() != password {
		return account.User{}, fault.New(fault.Unauthenticated, "The user name or the password is wrong. Try again.")
	}
	return account.User{ID: name, Name: name, Role: roles[name], PasswordHash: "hash of " + name}, nil
}

func (f *fakePasswords) OnlyAdmin(context.Context) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alone, nil
}

// fakeOffers has backends by profile.
type fakeOffers struct {
	mu sync.Mutex // guards by
	by map[string][]consent.Server
}

func (f *fakeOffers) Offer(_ context.Context, profile string) ([]consent.Server, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	offer, ok := f.by[profile]
	if !ok {
		return nil, fault.New(fault.Unavailable, "The list of backends is not there yet. Try again in a few seconds.")
	}
	if offer == nil && profile != "" {
		return nil, fault.New(fault.NotFound, "There is no profile %q. See the list of profiles.", profile)
	}
	return offer, nil
}

type fakeAudit struct {
	mu   sync.Mutex // guards rows
	rows []account.Record
}

func (f *fakeAudit) Call(r account.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, r)
}

// door is a handler with all that is behind it.
type door struct {
	*consent.Handler
	store     *fakeStore
	passwords *fakePasswords
	offers    *fakeOffers
	audit     *fakeAudit
	log       bytes.Buffer // from Info on
}

func newDoor(t testing.TB) *door {
	t.Helper()
	box, err := secret.NewBox(secret.Derive([]byte("an installation"), "consent"))
	if err != nil {
		t.Fatal(err)
	}
	d := &door{
		store:     &fakeStore{clients: map[string]oauth.Client{}, used: map[string]bool{}},
		passwords: &fakePasswords{alone: true},
		offers: &fakeOffers{by: map[string][]consent.Server{
			"": {
				{Name: "erpnext", Title: "ERPNext", Tools: 22, Writes: 9, Dangerous: 2},
				{Name: "homeassistant", Title: "Home Assistant", Tools: 19, Writes: 7},
				{Name: "ssh", Tools: 3, Writes: 1, Dangerous: 1},
			},
			"empty": {},
			"gone":  nil,
			"kids":  {{Name: "homeassistant", Title: "Home Assistant", Tools: 4}},
		}},
		audit: &fakeAudit{},
	}
	d.Handler = &consent.Handler{
		Log: slog.New(slog.NewTextHandler(&d.log, nil)), Base: func() string { return base }, Box: box,
		Passwords: d.passwords, Offers: d.offers, Store: d.store, Audit: d.audit,
	}
	for _, c := range []oauth.Client{claude(), claudeCode(), stranger(), entered()} {
		d.store.clients[c.ID] = c
	}
	return d
}

func claude() oauth.Client {
	return oauth.Client{ID: "https://claude.ai/oauth/mcp-oauth-client-metadata", Kind: oauth.Document, Metadata: oauth.Metadata{
		Name: "Claude", RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"},
	}}
}

func claudeCode() oauth.Client {
	return oauth.Client{ID: "https://claude.ai/oauth/claude-code-client-metadata", Kind: oauth.Document, Metadata: oauth.Metadata{
		Name: "Claude Code", RedirectURIs: []string{"http://localhost/callback", "http://127.0.0.1/callback"},
	}}
}

func stranger() oauth.Client {
	return oauth.Client{ID: "dcr_stranger", Kind: oauth.Registered, Metadata: oauth.Metadata{
		Name: "Open WebUI", RedirectURIs: []string{"https://chat.example.com/oauth/clients/mcp:home/callback"},
	}}
}

func entered() oauth.Client {
	return oauth.Client{ID: "n8n", Kind: oauth.Static, Metadata: oauth.Metadata{
		Name: "n8n", RedirectURIs: []string{"https://n8n.example.com/rest/oauth2-credential/callback"},
	}}
}

// page is what a browser has after a GET: the page and its cookies.
type page struct {
	*http.Response
	body    string
	cookies []*http.Cookie
}

var hidden = regexp.MustCompile(`name="request" value="([^"]*)"`)

// request is the sealed request in the page.
func (p *page) request(t testing.TB) string {
	t.Helper()
	m := hidden.FindStringSubmatch(p.body)
	if m == nil {
		t.Fatalf("no form in the page: %d %s", p.StatusCode, p.body)
	}
	return html.UnescapeString(m[1])
}

// plain is the page without what differs anyway: the sealed request and the name of
// the profile that was asked for.
func (p *page) plain(t testing.TB, profile string) string {
	t.Helper()
	return strings.ReplaceAll(strings.Replace(p.body, html.EscapeString(p.request(t)), "", 1), "“"+profile+"”", "")
}

// ask is a browser that comes with cookies and is asked about a client.
func (d *door) ask(t testing.TB, client oauth.Client, scope string, cookies ...*http.Cookie) *page {
	t.Helper()
	return d.askFor(t, client, oauth.DefaultResource, client.Metadata.RedirectURIs[0], scope, cookies...)
}

func (d *door) askFor(t testing.TB, client oauth.Client, resource, redirect, scope string, cookies ...*http.Cookie) *page {
	t.Helper()
	r := browser(t, http.MethodGet, "", cookies)
	w := httptest.NewRecorder()
	d.Ask(w, r, client, oauth.Code{Client: client.ID, RedirectURI: redirect, Challenge: challenge, Resource: resource}, scope, "a state")
	return result(w, cookies)
}

// result is the answer, with the cookies that the browser has after it.
func result(w *httptest.ResponseRecorder, cookies []*http.Cookie) *page {
	p := &page{Response: w.Result(), body: w.Body.String(), cookies: cookies}
	if set := p.Response.Cookies(); len(set) > 0 {
		p.cookies = set
	}
	return p
}

func browser(t testing.TB, method, body string, cookies []*http.Cookie) *http.Request {
	t.Helper()
	ctx := route.WithPeer(t.Context(), route.Peer{HTTPS: true})
	r := httptest.NewRequestWithContext(ctx, method, base+"/oauth/authorize", strings.NewReader(body))
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// form is what the page posts when somebody lets the client in.
func (p *page) form(t testing.TB, more ...string) url.Values {
	t.Helper()
	f := url.Values{"request": {p.request(t)}, "answer": {"allow"}, "password": {password}, "days": {"0"}}
	for i := 0; i < len(more); i += 2 {
		f.Add(more[i], more[i+1])
	}
	return f
}

// post posts a form from our own page.
func (d *door) post(t testing.TB, p *page, f url.Values, alter ...func(*http.Request)) *page {
	t.Helper()
	r := browser(t, http.MethodPost, f.Encode(), p.cookies)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", base)
	for _, a := range alter {
		a(r)
	}
	w := httptest.NewRecorder()
	d.Answer(w, r)
	return result(w, p.cookies)
}

// codes are the codes that were made so far.
func (d *door) codes() []oauth.Code {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	return d.store.codes
}

// refused checks that a post came to nothing.
func (d *door) refused(t *testing.T, got *page, status int) {
	t.Helper()
	if got.StatusCode != status || got.Header.Get("Location") != "" || len(d.codes()) != 0 {
		t.Errorf("status %d, Location %q, %d codes; want %d and nothing", got.StatusCode, got.Header.Get("Location"), len(d.codes()), status)
	}
}
