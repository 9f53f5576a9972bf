package login_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/login"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
)

const (
	base     = "https://home.example.ts.net"
	password = "a good long password"
)

// fakePasswords knows an admin and a member with the same password.
type fakePasswords struct {
	alone  bool
	refuse error
}

func (f *fakePasswords) SignIn(_ context.Context, name string, given secret.String) (account.User, error) {
	roles := map[string]account.Role{"admin": account.RoleAdmin, "anna": account.RoleMember}
	switch {
	case f.refuse != nil:
		return account.User{}, f.refuse
	case roles[name] == "" || given.Reveal() != password:
		return account.User{}, fault.New(fault.Unauthenticated, "The user name or the password is wrong. Try again.")
	}
	return account.User{ID: name, Name: "<b>" + name + "</b>", Role: roles[name], PasswordHash: "hash of " + name}, nil
}

func (f *fakePasswords) OnlyAdmin(context.Context) (bool, error) {
	if f.refuse != nil && fault.CodeOf(f.refuse) == fault.Unavailable {
		return false, f.refuse
	}
	return f.alone, nil
}

// fakeSessions keeps browser sessions.
type fakeSessions struct {
	mu   sync.Mutex // guards the rest
	live map[[32]byte]account.SignIn
	down error
}

func (f *fakeSessions) CreateSignIn(_ context.Context, s account.SignIn) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return f.down
	}
	f.live[s.ID] = s
	return nil
}

func (f *fakeSessions) EndSignIn(_ context.Context, hash [32]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.live, hash)
	return f.down
}

type fakeAudit struct{ rows []account.Record }

func (f *fakeAudit) Call(r account.Record) { f.rows = append(f.rows, r) }

type door struct {
	*login.Handler
	passwords *fakePasswords
	sessions  *fakeSessions
	audit     *fakeAudit
}

func newDoor() *door {
	d := &door{passwords: &fakePasswords{alone: true}, sessions: &fakeSessions{live: map[[32]byte]account.SignIn{}}, audit: &fakeAudit{}}
	d.Handler = &login.Handler{Log: slog.New(slog.DiscardHandler), Base: func() string { return base },
		Passwords: d.passwords, Sessions: d.sessions, Audit: d.audit}
	return d
}

// send sends a request to the route of its path, from our own page over https.
func (d *door) send(t testing.TB, method, target string, form url.Values, alter ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	ctx := route.WithPeer(t.Context(), route.Peer{HTTPS: true})
	r := httptest.NewRequestWithContext(ctx, method, base+target, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", base)
	}
	for _, a := range alter {
		a(r)
	}
	w := httptest.NewRecorder()
	for _, one := range d.Routes() {
		if one.Pattern == r.URL.Path {
			one.Handler.ServeHTTP(w, r)
		}
	}
	return w
}

func with(cookies []*http.Cookie) func(*http.Request) {
	return func(r *http.Request) {
		for _, c := range cookies {
			r.AddCookie(c)
		}
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	got := map[string]route.Policy{}
	for _, r := range newDoor().Routes() {
		got[r.Pattern+" "+strings.Join(r.Methods, " ")] = r.Policy
	}
	want := map[string]route.Policy{"/login GET HEAD POST": route.Public, "/logout POST": route.AdminPage}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

func TestLogin_signsIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the clock stands still
		d := newDoor()
		w := d.send(t, http.MethodPost, "/login", url.Values{"password": {password}, "next": {"/admin/keys?all=1"}})
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/admin/keys?all=1" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("status %d, headers %v\n%s", w.Code, w.Header(), w.Body)
		}
		cookies := w.Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("cookies %v", cookies)
		}
		c := cookies[0]
		if c.Name != "__Host-drawbridge" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" ||
			!secret.WellFormed(oauth.PrefixSignIn, c.Value) {
			t.Errorf("cookie %v", c)
		}
		now := time.Now()
		want := account.SignIn{ID: secret.Hash(c.Value), User: "admin", Role: account.RoleAdmin, Created: now, Seen: now, Expires: now.Add(12 * time.Hour), PasswordHash: "hash of admin"}
		if diff := cmp.Diff(want, d.sessions.live[want.ID]); diff != "" {
			t.Errorf("session (-want +got):\n%s", diff)
		}
	})
}

// A7: each sign-in makes a session of its own and ends the one before it, so that
// one which somebody else planted is worth nothing.
func TestLogin_A7_fixation(t *testing.T) {
	t.Parallel()
	d := newDoor()
	form := url.Values{"password": {password}}
	planted := d.send(t, http.MethodPost, "/login", form).Result().Cookies()
	after := d.send(t, http.MethodPost, "/login", form, with(planted)).Result().Cookies()
	if len(after) != 1 || after[0].Value == planted[0].Value || len(d.sessions.live) != 1 {
		t.Fatalf("planted %v, after %v, %d sessions", planted, after, len(d.sessions.live))
	}
	if _, ok := d.sessions.live[secret.Hash(planted[0].Value)]; ok {
		t.Error("the planted session goes on")
	}
	// A sign-in that fails changes nothing.
	bad := d.send(t, http.MethodPost, "/login", url.Values{"password": {"x"}}, with(after))
	if len(bad.Result().Cookies()) != 0 || len(d.sessions.live) != 1 {
		t.Errorf("after a wrong password: cookies %v, %d sessions", bad.Result().Cookies(), len(d.sessions.live))
	}
}

// A7: another site cannot sign somebody in, or out.
func TestLogin_A7_csrf(t *testing.T) {
	t.Parallel()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Origin")
			if name != "" {
				r.Header.Set(name, value)
			}
		}
	}
	for name, alter := range map[string]func(*http.Request){
		"cross-site": header("Sec-Fetch-Site", "cross-site"), "same-site": header("Sec-Fetch-Site", "same-site"),
		"foreign": header("Origin", "https://evil.example"), "hidden": header("Origin", "null"), "neither": header("", ""),
	} {
		d := newDoor()
		w := d.send(t, http.MethodPost, "/login", url.Values{"password": {password}}, alter)
		if w.Code != http.StatusForbidden || len(w.Result().Cookies()) != 0 || len(d.sessions.live) != 0 {
			t.Errorf("%s, in: status %d, cookies %v", name, w.Code, w.Result().Cookies())
		}
		mine := d.send(t, http.MethodPost, "/login", url.Values{"password": {password}}).Result().Cookies()
		w = d.send(t, http.MethodPost, "/logout", nil, with(mine), alter)
		if w.Code != http.StatusForbidden || len(d.sessions.live) != 1 {
			t.Errorf("%s, out: status %d, %d sessions", name, w.Code, len(d.sessions.live))
		}
	}
}

// T25: a sign-in leads to a page of ours, whatever it was asked for.
func TestLogin_T25_openRedirect(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"":                              "/admin",
		"/":                             "/",
		"/admin/users":                  "/admin/users",
		"/dashboard?q=a%20b&x=%C3":      "/dashboard?q=a%20b&x=%C3",
		"/admin/users/anna@example.com": "/admin/users/anna@example.com",
		"//evil.example":                "/admin",
		"///evil.example":               "/admin",
		`/\evil.example`:                "/admin",
		`\/evil.example`:                "/admin",
		`\\evil.example`:                "/admin",
		`/a\..\\evil.example`:           "/admin",
		"https:evil.example":            "/admin",
		"https://evil.example":          "/admin",
		"HTTPS://evil.example":          "/admin",
		"javascript:alert(1)":           "/admin",
		"evil.example":                  "/admin",
		" //evil.example":               "/admin",
		"/\t/evil.example":              "/admin",
		"/\n/evil.example":              "/admin",
		"/\x00/evil.example":            "/admin",
		"\t//evil.example":              "/admin",
		"/%2fevil.example":              "/admin",
		"/%2Fevil.example":              "/admin",
		"/%5cevil.example":              "/admin",
		"%2f%2fevil.example":            "/admin",
		"/%252fevil.example":            "/admin",
		"/%25255cevil.example":          "/admin",
		"/%09/evil.example":             "/admin",
		"/%0d%0aLocation:%20x":          "/admin",
		"/%zz":                          "/admin",
		"/login":                        "/admin",
		"/logout?x=1":                   "/admin",
		"/" + strings.Repeat("a", 3000): "/admin",
		"/" + strings.Repeat("%25", 9) + "2fevil": "/admin",
	} {
		d := newDoor()
		w := d.send(t, http.MethodPost, "/login", url.Values{"password": {password}, "next": {next}})
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
			t.Errorf("%.60q leads to %q (%d), want %q", next, got, w.Code, want)
		}
		// The page carries it along no further than that, either.
		w = d.send(t, http.MethodGet, "/login?next="+url.QueryEscape(next), nil)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "evil") {
			t.Errorf("%.60q is on the page:\n%s", next, w.Body)
		}
	}
}

func TestLogin_refuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refuse error
		form   url.Values
		status int
		says   string
	}{
		"wrong password": {nil, url.Values{"password": {"x"}}, http.StatusForbidden, "password is wrong"},
		"throttled":      {fault.New(fault.Limited, "There were too many wrong tries. Try again in 8 seconds."), url.Values{"password": {password}}, http.StatusTooManyRequests, "in 8 seconds"},
		"store down":     {fault.Wrap(errors.New("canary"), fault.Unavailable, "Drawbridge cannot check credentials now. Try again in a few seconds."), url.Values{"password": {password}}, http.StatusServiceUnavailable, "cannot check credentials"},
		"huge":           {nil, url.Values{"password": {strings.Repeat("x", 17<<10)}}, http.StatusBadRequest, "did not arrive whole"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor()
			d.passwords.refuse = c.refuse
			c.form.Set("next", "/admin/keys")
			w := d.send(t, http.MethodPost, "/login", c.form)
			body := w.Body.String()
			if w.Code != c.status || !strings.Contains(body, c.says) || strings.Contains(body, "canary") || strings.Contains(body, password) || len(d.sessions.live) != 0 {
				t.Errorf("status %d, want %d and %q\n%s", w.Code, c.status, c.says, body)
			}
			if len(w.Result().Cookies()) != 0 || w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
	overtaken := newDoor()
	overtaken.sessions.down = fault.New(fault.Conflict, "The password was changed while it was checked. Start again, with the new one.")
	w := overtaken.send(t, http.MethodPost, "/login", url.Values{"password": {password}, "next": {"/admin/keys"}})
	if body := w.Body.String(); w.Code != http.StatusConflict || len(w.Result().Cookies()) != 0 || !strings.Contains(body, "with the new one") || !strings.Contains(body, `value="/admin/keys"`) {
		t.Errorf("overtaken by a new password: status %d, cookies %v\n%s", w.Code, w.Result().Cookies(), body)
	}
	d := newDoor()
	d.sessions.down = fault.New(fault.Unavailable, "The database cannot be written now. Try again later.")
	if w := d.send(t, http.MethodPost, "/login", url.Values{"password": {password}}); w.Code != http.StatusServiceUnavailable || len(w.Result().Cookies()) != 0 {
		t.Errorf("sessions cannot be kept: status %d, cookies %v", w.Code, w.Result().Cookies())
	}
}

// A member has nothing to do on the admin pages, and is told so instead of being
// let in to be refused.
func TestLogin_member(t *testing.T) {
	t.Parallel()
	d := newDoor()
	d.passwords.alone = false
	w := d.send(t, http.MethodPost, "/login", url.Values{"user": {"anna"}, "password": {password}})
	if w.Code != http.StatusForbidden || len(d.sessions.live) != 0 || len(w.Result().Cookies()) != 0 {
		t.Errorf("status %d, %d sessions", w.Code, len(d.sessions.live))
	}
	for _, want := range []string{"These pages are for admins", "&lt;b&gt;anna&lt;/b&gt;", base + "/mcp"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page does not say %q:\n%s", want, w.Body)
		}
	}
}

func TestLogin_page(t *testing.T) {
	t.Parallel()
	d := newDoor()
	w := d.send(t, http.MethodGet, "/login", nil)
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self'") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %q", policy)
	}
	if strings.Contains(w.Body.String(), `name="user"`) || strings.Contains(w.Body.String(), "not encrypted") || len(w.Result().Cookies()) != 0 {
		t.Errorf("page for the only user over https:\n%s", w.Body)
	}
	d.passwords.alone = false
	if w := d.send(t, http.MethodGet, "/login", nil); !strings.Contains(w.Body.String(), `name="user"`) {
		t.Errorf("page for several users:\n%s", w.Body)
	}
}

// Over plain http in a LAN one can sign in, and is told what that means (design
// 4.5).
func TestLogin_plainHTTP(t *testing.T) {
	t.Parallel()
	d := newDoor()
	plain := func(host string) func(*http.Request) {
		return func(r *http.Request) {
			*r = *r.WithContext(route.WithPeer(r.Context(), route.Peer{}))
			r.Host = host
			if r.Method == http.MethodPost {
				r.Header.Set("Origin", "http://"+host)
			}
		}
	}
	for host, warned := range map[string]bool{"192.168.1.5:4444": true, "nas.local:4444": true, "localhost:4444": false, "127.0.0.1:4444": false, "[::1]:4444": false} {
		w := d.send(t, http.MethodGet, "/login", nil, plain(host))
		if got := strings.Contains(w.Body.String(), "This connection is not encrypted"); got != warned {
			t.Errorf("%s: warned %v", host, got)
		}
		w = d.send(t, http.MethodPost, "/login", url.Values{"password": {password}}, plain(host))
		c := w.Result().Cookies()
		if w.Code != http.StatusSeeOther || len(c) != 1 || c[0].Name != "drawbridge" || c[0].Secure || !c[0].HttpOnly {
			t.Errorf("%s: status %d, cookies %v", host, w.Code, c)
		}
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	d := newDoor()
	mine := d.send(t, http.MethodPost, "/login", url.Values{"password": {password}}).Result().Cookies()
	w := d.send(t, http.MethodPost, "/logout", nil, with(mine), func(r *http.Request) {
		*r = *r.WithContext(account.WithPrincipal(r.Context(), account.Principal{User: "admin", Credential: "web", Role: account.RoleAdmin}))
	})
	c := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login" || len(d.sessions.live) != 0 || len(c) != 1 || c[0].Name != "__Host-drawbridge" || c[0].MaxAge >= 0 || c[0].Value != "" {
		t.Errorf("status %d, Location %q, cookies %v, %d sessions", w.Code, w.Header().Get("Location"), c, len(d.sessions.live))
	}
	if rows := d.audit.rows; len(rows) != 1 || rows[0].Method != "account/sign-out" || rows[0].User != "admin" || rows[0].Outcome != account.Succeeded {
		t.Errorf("audit %+v", rows)
	}
	// What could not be ended is not said to be.
	d.sessions.down = errors.New("canary")
	w = d.send(t, http.MethodPost, "/logout", nil, with(mine))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "canary") || len(w.Result().Cookies()) != 0 {
		t.Errorf("store down: status %d\n%s", w.Code, w.Body)
	}
}
