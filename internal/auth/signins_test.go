package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/auth"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

const base = "https://home.example.ts.net"

// fakeSessions has browser sessions by their hash.
type fakeSessions struct {
	live  map[[32]byte]account.SignIn
	asked int
	down  error
}

func (f *fakeSessions) SignIn(_ context.Context, hash [32]byte, _ time.Time) (account.SignIn, error) {
	f.asked++
	if f.down != nil {
		return account.SignIn{}, f.down
	}
	in, ok := f.live[hash]
	if !ok {
		return in, fault.New(fault.NotFound, "The browser session has ended. Sign in again.")
	}
	return in, nil
}

func (f *fakeSessions) add(user string, role account.Role) string {
	token, hash := secret.NewToken(oauth.PrefixSignIn)
	f.live[hash] = account.SignIn{ID: hash, PasswordHash: "x", User: user, Role: role}
	return token.Reveal()
}

// browser is a request of a browser over https, from no page of ours.
func browser(t testing.TB, method, cookie string) *http.Request {
	t.Helper()
	ctx := route.WithPeer(t.Context(), route.Peer{HTTPS: true})
	r := httptest.NewRequestWithContext(ctx, method, base+"/admin", http.NoBody)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	return r
}

func TestSignIns(t *testing.T) {
	t.Parallel()
	sessions := &fakeSessions{live: map[[32]byte]account.SignIn{}}
	admin, member, nobody := sessions.add("ben", account.RoleAdmin), sessions.add("anna", account.RoleMember), sessions.add("", account.RoleAdmin)
	ended, _ := secret.NewToken(oauth.PrefixSignIn)
	access, _ := secret.NewToken(oauth.PrefixAccess)
	s := auth.NewSignIns(sessions, func() string { return base })
	for name, c := range map[string]struct {
		cookie string
		err    error
	}{
		"admin":             {"__Host-drawbridge=" + admin, nil},
		"among others":      {"a=b; __Host-drawbridge=" + admin + "; c=d", nil},
		"beside a planted":  {"drawbridge=" + member + "; __Host-drawbridge=" + admin, nil},
		"member":            {"__Host-drawbridge=" + member, auth.ErrNotAdmin},
		"nobody's":          {"__Host-drawbridge=" + nobody, auth.ErrSignedOut},
		"ended":             {"__Host-drawbridge=" + ended.Reveal(), auth.ErrSignedOut},
		"an access token":   {"__Host-drawbridge=" + access.Reveal(), auth.ErrSignedOut},
		"garbage":           {"__Host-drawbridge=x", auth.ErrSignedOut},
		"altered":           {"__Host-drawbridge=" + admin[:len(admin)-1] + "_", auth.ErrSignedOut},
		"none":              {"", auth.ErrNoCredential},
		"another's":         {"session=" + admin, auth.ErrNoCredential},
		"without prefix":    {"drawbridge=" + admin, auth.ErrNoCredential}, // a neighbour on the domain could set it
		"two":               {"__Host-drawbridge=" + admin + "; __Host-drawbridge=" + member, auth.ErrNoCredential},
		"the page's cookie": {"__Host-drawbridge-consent=" + admin, auth.ErrNoCredential},
	} {
		before := sessions.asked
		p, err := s.Authenticate(browser(t, http.MethodGet, c.cookie))
		switch name {
		case "an access token", "garbage", "altered":
			if sessions.asked != before {
				t.Errorf("%s: the store was asked about what cannot be a session", name)
			}
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
		want := account.Principal{}
		if c.err == nil {
			want = account.Principal{User: "ben", Credential: "web", Role: account.RoleAdmin, Access: account.Everything()}
		}
		if p != want {
			t.Errorf("%s: %+v", name, p)
		}
	}
	sessions.down = errors.New("canary")
	p, err := s.Authenticate(browser(t, http.MethodGet, "__Host-drawbridge="+admin))
	if fault.CodeOf(err) != fault.Unavailable || p != (account.Principal{}) {
		t.Errorf("store down: %+v, %v", p, err)
	}
}

// A7: what changes something has to come from a page of ours, since the cookie
// comes along from anywhere.
func TestSignIns_A7_csrf(t *testing.T) {
	t.Parallel()
	sessions := &fakeSessions{live: map[[32]byte]account.SignIn{}}
	cookie := "__Host-drawbridge=" + sessions.add("ben", account.RoleAdmin)
	s := auth.NewSignIns(sessions, func() string { return base })
	for name, c := range map[string]struct {
		site, origin string
		ok           bool
	}{
		"own page":             {"same-origin", base, true},
		"own page, site alone": {"same-origin", "", true},
		"own page, old":        {"", base, true},
		"cross-site":           {"cross-site", "https://evil.example", false},
		"same-site":            {"same-site", "https://other.example.ts.net", false},
		"typed":                {"none", "", false},
		"foreign":              {"", "https://evil.example", false},
		"over http":            {"", "http://home.example.ts.net", false},
		"hidden":               {"", "null", false},
		"neither":              {"", "", false},
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "PURGE", http.MethodGet, http.MethodHead} {
			r := browser(t, method, cookie)
			if c.site != "" {
				r.Header.Set("Sec-Fetch-Site", c.site)
			}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			p, err := s.Authenticate(r)
			if c.ok || method == http.MethodGet || method == http.MethodHead {
				if err != nil || p.User != "ben" {
					t.Errorf("%s, %s: %+v, %v", name, method, p, err)
				}
				continue
			}
			if !errors.Is(err, auth.ErrOtherPage) || p != (account.Principal{}) {
				t.Errorf("%s, %s: %+v, %v", name, method, p, err)
			}
		}
	}
}

// With a store: a session ends with its sign-out, its user, its idleness and its
// time.
func TestSignIns_withStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		st := storetest.Open(t, cfg)
		s := auth.NewSignIns(st, func() string { return base })
		now := time.Now()
		for _, id := range []string{"admin", "ben", "cleo"} {
			if err := st.CreateUser(t.Context(), account.User{ID: id, Name: id, Role: account.RoleAdmin, PasswordHash: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		begin := func(user string, seen, expires time.Time) (string, [32]byte) {
			t.Helper()
			token, hash := secret.NewToken(oauth.PrefixSignIn)
			in := account.SignIn{ID: hash, PasswordHash: "x", User: user, Role: account.RoleAdmin, Created: seen, Seen: seen, Expires: expires}
			if err := st.CreateSignIn(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			return "__Host-drawbridge=" + token.Reveal(), hash
		}
		check := func(what, cookie string, want error) {
			t.Helper()
			if _, err := s.Authenticate(browser(t, http.MethodGet, cookie)); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		later := now.Add(12 * time.Hour)
		mine, hash := begin("ben", now, later)
		others, _ := begin("cleo", now, later)
		idle, _ := begin("ben", now.Add(-31*time.Minute), later)
		old, _ := begin("ben", now, now)
		check("live", mine, nil)
		check("idle", idle, auth.ErrSignedOut)
		check("expired", old, auth.ErrSignedOut)
		if err := st.EndSignIn(t.Context(), hash); err != nil {
			t.Fatal(err)
		}
		check("signed out", mine, auth.ErrSignedOut)
		check("another's", others, nil)
		if err := st.SetUserDisabled(t.Context(), "cleo", true); err != nil {
			t.Fatal(err)
		}
		check("shut out", others, auth.ErrSignedOut)
	})
}
