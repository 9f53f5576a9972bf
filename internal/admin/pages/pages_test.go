package pages_test

import (
	"context"
	"fmt"
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
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/admin/pages"
	"drawbridge/internal/auth"
	"drawbridge/internal/backend"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
	"drawbridge/internal/web"
)

// hostile is what an outsider calls itself to break out of a page.
const hostile = `"><script>alert(1)</script>` + "\u202e\u200b"

// gateway has three backends, one of which is in trouble and says so.
type gateway struct{}

func (gateway) Statuses() []backend.Status {
	return []backend.Status{{Name: "memory", State: backend.Ready, Tools: 7}, {Name: "files", State: backend.Failed, LastError: hostile},
		{Name: "github", State: backend.Degraded, Tools: 41}}
}

func (gateway) Refused() []string { return []string{"two tools are called files_x; set a prefix"} }

type rows struct {
	mu    sync.Mutex
	names []string
}

func (r *rows) Call(one account.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append(r.names, one.Method+" "+one.Target+" "+string(one.Outcome))
}

// office is the pages on a real store, in front of which boss sits.
type office struct {
	t     *testing.T
	store *store.Store
	rows  *rows
	mux   *http.ServeMux
	pages *pages.Pages
	saw   strings.Builder // everything that GETs showed
}

const session = "dbw_session_of_boss"

func open(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, store: storetest.SQLite(t), rows: &rows{}, mux: http.NewServeMux()}
	for _, u := range []account.User{
		{ID: "boss", Name: "Boss", Role: account.RoleAdmin, PasswordHash: "hash"},
		{ID: "anna", Name: `Anna "><b>`, Role: account.RoleMember},
	} {
		if err := o.store.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	hash := func(_ context.Context, p secret.String) (string, error) { return "hash of " + p.Reveal(), nil }
	d, err := desk.New(log, desk.Deps{Users: o.store, Keys: o.store, Clients: o.store, Grants: o.store, Profiles: o.store, Credentials: o.store, Own: own, Audit: o.rows, Hash: hash})
	if err != nil {
		t.Fatal(err)
	}
	o.pages, err = pages.New(log, pages.Deps{Desk: d, Backends: gateway{}, Base: func() string { return "https://home.example" }})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range o.pages.Routes() {
		if r.Policy != route.AdminPage {
			t.Errorf("%s has policy %d", r.Pattern, r.Policy)
		}
		o.mux.Handle(r.Pattern, r.Handler)
	}
	return o
}

// page is an answer.
type page struct {
	status int
	body   string
	header http.Header
}

// text is the page without its markup.
func (p page) text() string {
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(p.body, ""))
}

func (p page) is(t *testing.T, status int, texts ...string) page {
	t.Helper()
	if p.status != status {
		t.Errorf("status %d, want %d: %s", p.status, status, p.text())
	}
	for _, text := range texts {
		if !strings.Contains(p.text(), text) {
			t.Errorf("page lacks %q: %s", text, p.text())
		}
	}
	return p
}

func (o *office) send(r *http.Request, cookie string) page {
	o.t.Helper()
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: web.SignInCookie, Value: cookie})
	}
	boss := account.Principal{User: "boss", Credential: "session", Role: account.RoleAdmin}
	w := httptest.NewRecorder()
	o.mux.ServeHTTP(w, r.WithContext(account.WithPrincipal(r.Context(), boss)))
	return page{w.Code, w.Body.String(), w.Header()}
}

func (o *office) get(target string) page {
	o.t.Helper()
	p := o.send(httptest.NewRequest(http.MethodGet, target, nil), session)
	o.saw.WriteString(p.body)
	return p
}

// token is the form token of a page that boss opened.
func (o *office) token(target string) string {
	o.t.Helper()
	m := regexp.MustCompile(`name="form_token" value="([^"]+)"`).FindStringSubmatch(o.get(target).body)
	if m == nil {
		o.t.Fatalf("%s has no form token", target)
	}
	return html.UnescapeString(m[1])
}

// fields are names and values in turn.
func fields(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func (o *office) post(target string, v url.Values) page {
	o.t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return o.send(r, session)
}

// submit opens a page and sends one of its forms.
func (o *office) submit(target, do string, pairs ...string) page {
	o.t.Helper()
	v := fields(pairs...)
	v.Set("do", do)
	v.Set("form_token", o.token(target))
	return o.post(target, v)
}

// done follows the answer of a form to the page it leads to.
func (o *office) done(p page, path, message string) {
	o.t.Helper()
	to := p.header.Get("Location")
	if p.status != http.StatusSeeOther || !strings.HasPrefix(to, path+"?") && !strings.HasPrefix(to, path+"&") {
		o.t.Errorf("status %d to %q, want %s: %s", p.status, to, path, p.text())
		return
	}
	o.get(to).is(o.t, http.StatusOK, message)
}

// shown is the secret on the answer to a form.
func shown(t *testing.T, p page, prefix string) string {
	t.Helper()
	m := regexp.MustCompile(`<code class="secret">(` + prefix + `[^<]+)</code>`).FindStringSubmatch(p.body)
	if p.status != http.StatusOK || m == nil || p.header.Get("Location") != "" || p.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("no secret: %d %v %s", p.status, p.header, p.text())
	}
	return m[1]
}

func (o *office) client(kind oauth.Kind, id, name string) oauth.Client {
	o.t.Helper()
	c := oauth.Client{ID: id, Kind: kind, Created: time.Now(), Metadata: oauth.Metadata{Name: name, RedirectURIs: []string{"https://c.example/cb"},
		GrantTypes: []string{oauth.GrantCode}, AuthMethod: oauth.AuthNone}}
	save := o.store.SaveDocumentClient
	if kind == oauth.Registered {
		save = func(ctx context.Context, c oauth.Client) error { return o.store.RegisterClient(ctx, c, 100) }
	}
	if err := save(o.t.Context(), c); err != nil {
		o.t.Fatal(err)
	}
	return c
}

func (o *office) grant(c oauth.Client, user string) account.Grant {
	o.t.Helper()
	code := oauth.Code{Hash: secret.Hash(c.ID + user), Client: c.ID, ClientName: c.Metadata.Name, RedirectURI: c.Metadata.RedirectURIs[0],
		Resource: oauth.DefaultResource, User: user, Rights: account.ReadRights(), Role: account.RoleMember, Expires: time.Now().Add(time.Minute)}
	if err := o.store.CreateCode(o.t.Context(), code); err != nil {
		o.t.Fatal(err)
	}
	g, err := o.store.RedeemCode(o.t.Context(), code.Hash, time.Now(), func(oauth.Code) error { return nil }, func(account.Grant) oauth.Minted {
		return oauth.Minted{Access: secret.Hash("a" + c.ID + user), AccessExpires: time.Now().Add(time.Hour)}
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return g
}

// T23: whatever clients, backends and users are called, it is text; and no page may
// load, run or be framed by anything.
func TestPages_escape(t *testing.T) {
	t.Parallel()
	o := open(t)
	reg := o.client(oauth.Registered, "dcr_1", hostile)
	doc := o.client(oauth.Document, "https://claude.ai/client", "Claude (verified) "+hostile)
	g := o.grant(reg, "anna")
	o.grant(doc, "anna")
	key, _, err := o.store.CreateKey(t.Context(), account.KeyRequest{Name: `"><script>x</script>`, User: "anna", Role: account.RoleMember,
		Rights: account.Rights{Backends: []string{`"><script>y</script>`}}, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.store.SaveProfile(t.Context(), account.Profile{Name: "p", Title: `</title><script>z</script>`, Backends: []string{"*"}, Allow: []string{`"><script>`}, Tier: account.TierRead}); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		"/admin", "/admin/users", "/admin/users/anna", "/admin/keys", "/admin/keys/" + key.ID, "/admin/clients",
		"/admin/clients/client?id=dcr_1", "/admin/clients/client?id=https%3A%2F%2Fclaude.ai%2Fclient",
		"/admin/grants", "/admin/grants?user=anna", "/admin/grants?user=" + url.QueryEscape(hostile), "/admin/grants/" + g.ID, "/admin/profiles", "/admin/profiles/p",
		"/admin/keys?done=" + url.QueryEscape(hostile),
	} {
		p := o.get(target).is(t, http.StatusOK)
		for _, bad := range []string{"<script", "\u202e", "\u200b"} {
			if strings.Contains(p.body, bad) {
				t.Errorf("%s has %q", target, bad)
			}
		}
		csp := p.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %s", target, csp, want)
			}
		}
	}
	for _, target := range []string{"/admin/users/nobody", "/admin/keys/key_none", "/admin/clients/client", "/admin/clients/client?id=" + url.QueryEscape(hostile), "/admin/grants/g", "/admin/profiles/none"} {
		if p := o.get(target).is(t, http.StatusNotFound, "This page cannot be shown"); strings.Contains(p.body, "<script") {
			t.Errorf("%s: %s", target, p.body)
		}
	}
	o.get("/admin/grants?user=%00").is(t, http.StatusBadRequest)
	o.get("/admin/clients").is(t, http.StatusOK, "claude.ai", "host proven", "registered itself, unchecked")
}

// A form counts only with the token of the browser session it comes with, with the
// fields that the page has, and as a form.
func TestPages_foreignForms(t *testing.T) {
	t.Parallel()
	o := open(t)
	v := fields("do", "create", "id", "eve", "role", "admin")
	o.post("/admin/users", v).is(t, http.StatusForbidden)
	v.Set("form_token", "x")
	o.post("/admin/users", v).is(t, http.StatusForbidden)
	other := httptest.NewRequest(http.MethodGet, "/", nil)
	other.AddCookie(&http.Cookie{Name: web.SignInCookie, Value: "dbw_session_of_mallory"})
	v.Set("form_token", auth.FormToken(other))
	o.post("/admin/users", v).is(t, http.StatusForbidden)

	o.submit("/admin/users", "create", "id", "eve", "role", "admin", "command", "sh").is(t, http.StatusBadRequest, `"command"`)
	o.submit("/admin/users", "format", "id", "eve").is(t, http.StatusBadRequest)
	o.submit("/admin/users", "create", "id", "\xff", "role", "admin").is(t, http.StatusBadRequest)
	o.submit("/admin/keys", "create", "user", "a\x00").is(t, http.StatusBadRequest, "no text has")
	o.submit("/admin/users", "create", "id", strings.Repeat("a", 70<<10)).is(t, http.StatusBadRequest, "too large")
	v.Set("form_token", o.token("/admin/users"))
	r := httptest.NewRequest(http.MethodPost, "/admin/users", strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "text/plain")
	o.send(r, session).is(t, http.StatusBadRequest)
	r = httptest.NewRequest(http.MethodPost, "/admin/users?"+v.Encode(), nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	o.send(r, session).is(t, http.StatusForbidden)
	if users, err := o.store.Users(t.Context()); err != nil || len(users) != 2 || len(o.rows.names) > 0 {
		t.Errorf("%d users, %v, recorded %v", len(users), err, o.rows.names)
	}
}

func TestPages_home(t *testing.T) {
	t.Parallel()
	o := open(t)
	if _, _, err := o.store.CreateKey(t.Context(), account.KeyRequest{Name: "office", User: "anna", Role: account.RoleMember,
		Rights: account.ReadRights(), Expires: time.Now().Add(50 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	o.get("/admin").is(t, http.StatusOK, "4 things need you", "files does not answer", "github does not answer; its last known tools are still offered",
		"set a prefix", "The key office of anna ends 2 days from now", "48 tools")
}

func TestPages_users(t *testing.T) {
	t.Parallel()
	o := open(t)
	password := shown(t, o.submit("/admin/users", "create", "id", "bob", "name", "Bob", "role", "member", "profile", "", "password", ""), "")
	if u, err := o.store.User(t.Context(), "bob"); err != nil || u.PasswordHash != "hash of "+password {
		t.Errorf("%+v, %v", u, err)
	}
	back := o.submit("/admin/users", "create", "id", "bob", "name", "Again", "role", "admin", "password", "my own long secret").is(t, http.StatusConflict, "Choose another id")
	if !strings.Contains(back.body, `value="Again"`) || strings.Contains(back.body, "my own long secret") {
		t.Errorf("what was entered is not shown again as it should: %s", back.body)
	}
	const bob = "/admin/users/bob"
	o.done(o.submit(bob, "change", "name", "Robert", "role", "admin", "profile", ""), bob, "The user is saved")
	o.done(o.submit(bob, "disable"), bob, "The user is shut out")
	o.done(o.submit(bob, "enable"), bob, "may come in again")
	o.done(o.submit(bob, "password", "password", "another long secret"), bob, "The password is set")
	again := shown(t, o.submit(bob, "password", "password", ""), "")
	o.submit(bob, "sign-out", "confirm", "bobby").is(t, http.StatusBadRequest, "Nothing was changed")
	o.done(o.submit(bob, "sign-out", "confirm", "bob"), bob, "signed out everywhere")
	o.submit(bob, "delete", "confirm", "").is(t, http.StatusBadRequest)
	o.submit("/admin/users/boss", "delete", "confirm", "boss").is(t, http.StatusConflict, "You are")
	o.done(o.submit(bob, "delete", "confirm", "bob"), "/admin/users", "The user is deleted")
	if u, err := o.store.Users(t.Context()); err != nil || len(u) != 2 {
		t.Errorf("%+v, %v", u, err)
	}
	for _, s := range []string{password, again, "hash of"} {
		if strings.Contains(o.saw.String(), s) {
			t.Errorf("a page shows %q later", s)
		}
	}
}

func TestPages_credentials(t *testing.T) {
	t.Parallel()
	o := open(t)
	const anna = "/admin/users/anna"
	o.done(o.submit(anna, "store-credential", "credential", "forgejo token", "value", "s3cr3t-token"), anna, "The credential is stored")
	o.done(o.submit(anna, "store-credential", "credential", "ssh private_key", "value", "-----BEGIN\r\nkey\r\n-----END"), anna, "The credential is stored")
	if got, err := o.store.Credentials(t.Context(), "anna", "ssh"); err != nil || got["private_key"].Reveal() != "-----BEGIN\nkey\n-----END\n" {
		t.Errorf("%q, %v", got["private_key"].Reveal(), err)
	}
	back := o.submit(anna, "store-credential", "credential", "forgejo name", "value", "s3cr3t-name").is(t, http.StatusBadRequest, "It takes: token.")
	if strings.Contains(back.body, "s3cr3t") {
		t.Errorf("the value is shown again: %s", back.body)
	}
	o.done(o.submit(anna, "remove-credential", "stored", "forgejo token"), anna, "The credential is removed")
	if got, err := o.store.CredentialNames(t.Context(), "anna"); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	o.get(anna).is(t, http.StatusOK, "ssh password")
	if saw := o.saw.String(); strings.Contains(saw, "s3cr3t") || strings.Contains(saw, "*.password") {
		t.Error("a page shows a credential, or a pattern to choose")
	}
}

func TestPages_keys(t *testing.T) {
	t.Parallel()
	o := open(t)
	made := o.submit("/admin/keys", "create", "name", "office", "user", "anna", "days", "30", "backends", "memory", "backends", "files", "write", "yes",
		"destructive", "memory", "role", "member", "profile", "", "networks", "192.168.1.0/24\r\n10.0.0.1")
	value := shown(t, made, "dbk_")
	keys, err := o.store.Keys(t.Context())
	if err != nil || len(keys) != 1 || keys[0].Hash != secret.Hash(value) {
		t.Fatalf("%+v, %v", keys, err)
	}
	k := keys[0]
	if got := fmt.Sprint(k.Rights, k.Networks, k.Expires.Sub(k.Created).Round(time.Hour)); got != "{[memory files] true [memory]} [192.168.1.0/24 10.0.0.1/32] 720h0m0s" {
		t.Error(got)
	}
	back := o.submit("/admin/keys", "create", "name", "x", "user", "anna", "days", "0", "backends", "memory", "role", "admin").is(t, http.StatusBadRequest, "Choose the role member")
	if !strings.Contains(back.body, `name="backends" value="memory" checked`) || strings.Contains(back.body, `value="*" checked`) {
		t.Error("the ticks are not shown again")
	}
	o.submit("/admin/keys", "create", "name", "x", "user", "anna", "days", "0", "role", "member").is(t, http.StatusBadRequest, "no backend is named")
	o.submit("/admin/keys", "create", "name", "x", "user", "anna", "days", "soon", "backends", "*", "role", "member").is(t, http.StatusBadRequest)
	path := "/admin/keys/" + k.ID
	o.get(path).is(t, http.StatusOK, "read and change memory, files; dangerous tools of memory", "192.168.1.0/24, 10.0.0.1/32")
	o.submit(path, "revoke", "confirm", "offic").is(t, http.StatusBadRequest)
	o.done(o.submit(path, "revoke", "confirm", "office"), path, "The key is revoked")
	o.get("/admin/keys").is(t, http.StatusOK, "0 live keys", "office", "revoked")
	if strings.Contains(o.saw.String(), value) {
		t.Error("a page shows the key later")
	}
	// A form that was open before: the key is gone, and the page says so.
	v := fields("do", "revoke", "confirm", "office", "form_token", o.token("/admin/keys"))
	o.post(path, v).is(t, http.StatusNotFound, "There is no live key")
}

func TestPages_clients(t *testing.T) {
	t.Parallel()
	o := open(t)
	value := shown(t, o.submit("/admin/clients", "create", "name", "n8n", "id", "n8n", "method", "client_secret_basic", "redirects", "https://n8n.example/cb", "machine_user", "", "backends", "*"), "dbs_")
	const n8n = "/admin/clients/client?id=n8n"
	o.get(n8n).is(t, http.StatusOK, "entered by an admin", "https://n8n.example/cb", "may not ask for it")
	o.done(o.submit(n8n, "change", "own", "yes", "name", "N8N", "redirects", "https://n8n.example/a\nhttps://n8n.example/b", "may_admin", "yes"), n8n, "The client is saved")
	o.submit(n8n, "change", "own", "yes", "name", "N8N", "redirects", "javascript:alert(1)").is(t, http.StatusBadRequest)
	c, err := o.store.Client(t.Context(), "n8n")
	if err != nil || c.Metadata.Name != "N8N" || len(c.Metadata.RedirectURIs) != 2 || !c.MayAdmin || c.SecretHash != secret.Hash(value) {
		t.Errorf("%+v, %v", c, err)
	}
	o.submit(n8n, "secret", "confirm", "no").is(t, http.StatusBadRequest)
	second := shown(t, o.submit(n8n, "secret", "confirm", "n8n"), "dbs_")
	if c, _ := o.store.Client(t.Context(), "n8n"); c.SecretHash != secret.Hash(second) {
		t.Error("the new secret is not the client's")
	}
	o.done(o.submit(n8n, "delete", "confirm", "n8n"), "/admin/clients", "The client is deleted")

	shown(t, o.submit("/admin/clients", "create", "name", "CI", "id", "ci", "method", "client_secret_basic", "redirects", "", "machine_user", "anna", "backends", "memory", "write", "yes"), "dbs_")
	const ci = "/admin/clients/client?id=ci"
	o.get(ci).is(t, http.StatusOK, "read and change memory, as anna")
	o.done(o.submit(ci, "change", "own", "yes", "name", "CI", "redirects", "", "machine", "yes", "machine_user", "boss", "backends", "*"), ci, "The client is saved")
	o.get(ci).is(t, http.StatusOK, "read all backends, as boss")

	doc := o.client(oauth.Document, "https://claude.ai/client", "Claude")
	path := "/admin/clients/client?id=" + url.QueryEscape(doc.ID)
	o.done(o.submit(path, "change", "may_admin", "yes"), path, "The client is saved")
	o.submit(path, "change", "own", "yes", "name", "Evil", "redirects", "https://evil.example/").is(t, http.StatusConflict)
	o.done(o.submit(path, "delete", "confirm", "claude.ai"), "/admin/clients", "The client is deleted")
	if strings.Contains(o.saw.String(), value) || strings.Contains(o.saw.String(), second) {
		t.Error("a page shows a secret later")
	}
}

func TestPages_grants(t *testing.T) {
	t.Parallel()
	o := open(t)
	g := o.grant(o.client(oauth.Document, "https://claude.ai/client", "Claude"), "anna")
	path := "/admin/grants/" + g.ID
	o.get(path).is(t, http.StatusOK, "Claude for anna", "read all backends")
	o.done(o.submit(path, "change", "backends", "memory", "write", "yes"), path, "The grant is saved")
	o.submit(path, "change", "write", "yes").is(t, http.StatusBadRequest, "no backend is named")
	if g, err := o.store.Grant(t.Context(), g.ID); err != nil || fmt.Sprint(g.Rights) != "{[memory] true []}" {
		t.Errorf("%+v, %v", g, err)
	}
	o.get("/admin/grants?user=anna").is(t, http.StatusOK, "1 live grant of anna", "read and change memory")
	o.get("/admin/grants?user=boss").is(t, http.StatusOK, "0 live grants of boss")
	o.submit(path, "revoke", "confirm", "Claude").is(t, http.StatusBadRequest)
	o.done(o.submit(path, "revoke", "confirm", "anna"), path, "The grant is revoked")
}

func TestPages_profiles(t *testing.T) {
	t.Parallel()
	o := open(t)
	const kids = "/admin/profiles/kids"
	o.done(o.submit("/admin/profiles", "create", "name", "kids", "title", "For the kids", "backends", "memory", "allow", "memory_*\nfiles_read*", "deny", "*_delete*", "tier", "write"), kids, "The profile is saved")
	p, err := o.store.Profile(t.Context(), "kids")
	if err != nil || fmt.Sprint(p) != "{kids For the kids [memory] [memory_* files_read*] [*_delete*] write}" {
		t.Errorf("%v, %v", p, err)
	}
	back := o.submit("/admin/profiles", "create", "name", "kids", "title", "Other", "backends", "*", "allow", "x_*", "tier", "destructive").is(t, http.StatusConflict)
	if !strings.Contains(back.body, "x_*</textarea>") || !strings.Contains(back.body, `value="destructive" selected`) {
		t.Error("what was entered is not shown again")
	}
	o.done(o.submit(kids, "change", "title", "Kids", "backends", "*", "allow", "*", "deny", "", "tier", "read"), kids, "The profile is saved")
	o.submit(kids, "change", "title", "Kids", "backends", "*", "allow", "", "tier", "read").is(t, http.StatusBadRequest)
	o.done(o.submit("/admin/users/anna", "change", "name", "Anna", "role", "member", "profile", "kids"), "/admin/users/anna", "The user is saved")
	o.submit(kids, "delete", "confirm", "kids").is(t, http.StatusConflict, "anna")
	o.done(o.submit("/admin/users/anna", "change", "name", "Anna", "role", "member", "profile", ""), "/admin/users/anna", "The user is saved")
	o.done(o.submit(kids, "delete", "confirm", "kids"), "/admin/profiles", "The profile is deleted")
	v := fields("do", "change", "title", "Kids", "backends", "*", "allow", "*", "deny", "", "tier", "read", "form_token", o.token("/admin/profiles"))
	o.post(kids, v).is(t, http.StatusNotFound) // it does not come back
}

// own is what users may have of their own.
var own = map[string][]string{"forgejo": {"token"}, "ssh": {"password", "private_key", "*.password"}}
