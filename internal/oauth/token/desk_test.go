package token_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/token"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

const (
	base      = "https://gate.example.com"
	callback  = "https://app.example.com/cb"
	appSecret = "app-secret-of-this-test"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	home      = "203.0.113.7"

	accessTTL  = time.Hour
	refreshTTL = 30 * 24 * time.Hour
)

// desk is the endpoint over a real store, with a clock that the test moves.
type desk struct {
	t     *testing.T
	store *store.Store
	mux   *http.ServeMux
	audit *recorder
	log   *bytes.Buffer

	mu  sync.Mutex // guards now
	now time.Time
}

func newDesk(t *testing.T, change ...func(*token.Deps)) *desk {
	t.Helper()
	s := storetest.SQLite(t)
	d := &desk{t: t, store: s, mux: http.NewServeMux(), audit: &recorder{}, log: &bytes.Buffer{}, now: time.Now().Truncate(time.Millisecond).UTC()}
	must(t, s.CreateUser(t.Context(), account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}))
	must(t, s.CreateUser(t.Context(), account.User{ID: "root", Name: "Root", Role: account.RoleAdmin, PasswordHash: "x"}))
	d.client("dcr_app", oauth.Registered, oauth.AuthNone)
	d.client("dcr_other", oauth.Registered, oauth.AuthNone)
	deps := token.Deps{Clients: &desks{s}, Codes: s, Refreshes: s, Machines: s, Audit: d.audit, Base: func() string { return base }, Now: d.clock}
	for _, f := range change {
		f(&deps)
	}
	h, err := token.New(slog.New(slog.NewTextHandler(d.log, nil)), deps, token.Config{AccessTTL: accessTTL, RefreshTTL: refreshTTL})
	must(t, err)
	mount(d.mux, h.Routes())
	return d
}

// in is the same desk for a subtest.
func (d *desk) in(t *testing.T) *desk {
	return &desk{t: t, store: d.store, mux: d.mux, audit: d.audit, log: d.log, now: d.clock()}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mount does what httpd does with routes, as far as it matters here.
func mount(mux *http.ServeMux, routes []route.Route) {
	for _, r := range routes {
		mux.HandleFunc(r.Pattern, func(w http.ResponseWriter, req *http.Request) {
			if !slices.Contains(r.Methods, req.Method) {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			r.Handler.ServeHTTP(w, req)
		})
	}
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) wait(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

func (d *desk) client(id string, kind oauth.Kind, method string, change ...func(*oauth.Client)) {
	d.t.Helper()
	c := oauth.Client{ID: id, Kind: kind, Created: d.now, Metadata: oauth.Metadata{Name: "Program " + id, AuthMethod: method,
		RedirectURIs: []string{callback}, GrantTypes: []string{oauth.GrantCode}}}
	if method == oauth.AuthPost || method == oauth.AuthBasic {
		c.SecretHash = secret.Hash(appSecret)
	}
	for _, f := range change {
		f(&c)
	}
	switch kind {
	case oauth.Registered:
		must(d.t, d.store.RegisterClient(d.t.Context(), c, 100))
	case oauth.Document:
		must(d.t, d.store.SaveDocumentClient(d.t.Context(), c))
	default:
		must(d.t, d.store.CreateClient(d.t.Context(), c))
	}
}

// code makes a code as consent does.
func (d *desk) code(change ...func(*oauth.Code)) string {
	d.t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	text, hash := secret.NewToken(oauth.PrefixCode)
	c := oauth.Code{Hash: hash, Client: "dcr_app", ClientName: "Program", RedirectURI: callback, Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
		Resource: oauth.DefaultResource, User: "anna", Rights: account.Rights{Backends: []string{account.Any}, Write: true}, Role: account.RoleMember,
		Expires: d.clock().Add(oauth.CodeLife)}
	for _, f := range change {
		f(&c)
	}
	u, err := d.store.User(d.t.Context(), c.User)
	must(d.t, err)
	c.PasswordHash = u.PasswordHash
	must(d.t, d.store.CreateCode(d.t.Context(), c))
	return text.Reveal()
}

// answer is what the endpoint said.
type answer struct {
	status int
	header http.Header
	body   string

	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"`
	Refresh string `json:"refresh_token"`
	Scope   string `json:"scope"`
	Error   string `json:"error"`
	Text    string `json:"error_description"`
}

// post sends a form. Values come in pairs; headers are named with a colon at the end.
func (d *desk) post(pairs ...string) answer { return d.from(home, pairs...) }

func (d *desk) from(addr string, pairs ...string) answer {
	d.t.Helper()
	form, header := url.Values{}, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for i := 0; i < len(pairs); i += 2 {
		if name, ok := strings.CutSuffix(pairs[i], ":"); ok {
			header.Set(name, pairs[i+1])
			continue
		}
		form.Add(pairs[i], pairs[i+1])
	}
	return d.send(http.MethodPost, "/oauth/token", header, form.Encode(), addr)
}

func (d *desk) send(method, target string, header http.Header, body, addr string) answer {
	d.t.Helper()
	ctx := route.WithPeer(d.t.Context(), route.Peer{Addr: netip.MustParseAddr(addr), HTTPS: true})
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), body: w.Body.String()}
	if strings.HasPrefix(a.body, "{") {
		must(d.t, json.Unmarshal(w.Body.Bytes(), &a))
	}
	if a.status != http.StatusMethodNotAllowed && (a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json") {
		d.t.Errorf("headers %v", a.header)
	}
	return a
}

// redeem redeems a code as its client, with changes.
func (d *desk) redeem(code string, pairs ...string) answer {
	d.t.Helper()
	return d.post(merge([]string{"grant_type", "authorization_code", "client_id", "dcr_app", "code", code, "code_verifier", verifier}, pairs)...)
}

// renew refreshes a token as its client, with changes.
func (d *desk) renew(refresh string, pairs ...string) answer {
	d.t.Helper()
	return d.post(merge([]string{"grant_type", "refresh_token", "client_id", "dcr_app", "refresh_token", refresh}, pairs)...)
}

// merge lets later pairs take the place of earlier ones; a value of "-" takes the
// name out.
func merge(pairs, changes []string) []string {
	for i := 0; i < len(changes); i += 2 {
		at := -1
		for j := 0; j < len(pairs); j += 2 {
			if pairs[j] == changes[i] {
				at = j
			}
		}
		switch {
		case changes[i+1] == "-":
			pairs = slices.Delete(pairs, at, at+2)
		case at >= 0:
			pairs[at+1] = changes[i+1]
		default:
			pairs = append(pairs, changes[i], changes[i+1])
		}
	}
	return pairs
}

// granted redeems a fresh code.
func (d *desk) granted(change ...func(*oauth.Code)) answer {
	d.t.Helper()
	a := d.redeem(d.code(change...))
	d.wantOK(a)
	return a
}

func (d *desk) wantOK(a answer) {
	d.t.Helper()
	if a.status != http.StatusOK || a.Access == "" {
		d.t.Fatalf("status %d: %s", a.status, a.body)
	}
}

func (d *desk) wantError(a answer, status int, word string) {
	d.t.Helper()
	if a.status != status || a.Error != word || a.Text == "" || strings.Contains(a.body, "access_token") {
		d.t.Errorf("status %d: %s; not %d %s", a.status, a.body, status, word)
	}
}

// alive tells whether an access token opens anything.
func (d *desk) alive(access string) bool {
	d.t.Helper()
	_, err := d.store.LiveToken(d.t.Context(), secret.Hash(access))
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		d.t.Fatal(err)
	}
	return err == nil
}

// grants are all grants there are.
func (d *desk) grants() []account.Grant {
	d.t.Helper()
	g, err := d.store.Grants(d.t.Context(), "")
	must(d.t, err)
	return g
}

// desks authenticates clients the simple way: by their id, and their secret if they
// have one, in the body or with Basic.
type desks struct{ store *store.Store }

func (a *desks) Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (oauth.Client, *oauth.Error) {
	id, given, basic := r.BasicAuth()
	if !basic {
		id, given = p.Get("client_id"), p.Get("client_secret")
	}
	refused := oauth.Errorf("invalid_client", "The client is unknown. Register it again.")
	c, err := a.store.Client(ctx, id)
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		return oauth.Client{}, refused
	case err != nil:
		return oauth.Client{}, oauth.FromFault(err)
	case basic && p.Has("client_secret"), c.HasSecret() && secret.Hash(given) != c.SecretHash:
		return oauth.Client{}, refused
	}
	return c, nil
}

// recorder keeps audit records.
type recorder struct {
	mu   sync.Mutex // guards rows
	rows []account.Record
}

func (r *recorder) Call(row account.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, row)
}

// take gives the rows and forgets them.
func (r *recorder) take() []account.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := r.rows
	r.rows = nil
	return rows
}
