package auth_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/auth"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
)

// Threat A12: a token opens the resource it was made for and no other.
func TestA12_audience(t *testing.T) {
	t.Parallel()
	s := newFake()
	s.profiles = []account.Profile{profile("private"), profile("office")}
	v := newVerifier(t, s)
	mcp := s.grant("grant_1", "anna", "/mcp")
	private := s.grant("grant_2", "anna", "/mcp/private")
	key := s.add("key_1", "anna", func(k *account.Key) { k.Profile = "office" })
	free := s.add("key_2", "anna")
	for _, c := range []struct {
		token, resource string
		err             error
	}{
		{mcp, "/mcp", nil}, {mcp, "/mcp/private", auth.ErrUnknown}, {mcp, "/mcp/nowhere", auth.ErrUnknown}, {mcp, "", nil},
		{private, "/mcp/private", nil}, {private, "/mcp", auth.ErrUnknown}, {private, "/mcp/office", auth.ErrUnknown}, {private, "", nil},
		{key, "/mcp/office", nil}, {key, "/mcp", auth.ErrUnknown}, {key, "/mcp/private", auth.ErrUnknown},
		{free, "/mcp", nil}, {free, "/mcp/private", nil}, {free, "/mcp/nowhere", errNotFound},
		{static, "/mcp/office", nil}, {static, "/mcp/nowhere", errNotFound},
	} {
		p, err := v.Authenticate(request(t, "Bearer "+c.token), c.resource)
		if c.err == errNotFound {
			if fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%.8s at %s: %v, want not found", c.token, c.resource, err)
			}
			continue
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%.8s at %s: %v, want %v", c.token, c.resource, err, c.err)
		}
		if err == nil && c.resource != "" && p.Profile != oauth.ProfileOf(c.resource) {
			t.Errorf("%.8s at %s: profile %q", c.token, c.resource, p.Profile)
		}
	}
}

var errNotFound = errors.New("not found")

func profile(name string) account.Profile {
	return account.Profile{Name: name, Title: name, Backends: []string{account.Any}, Allow: []string{account.Any}, Tier: account.TierWrite}
}

// Rights are those of the grant AND of the address AND of the user's profile.
func TestAuthenticate_joinsRights(t *testing.T) {
	t.Parallel()
	s := newFake()
	office, guest := profile("office"), profile("guest")
	office.Backends, guest.Deny = []string{"files", "mail"}, []string{"files_rm*"}
	s.profiles, s.bound = []account.Profile{office, guest}, map[string]string{"bob": "guest", "eve": "gone"}
	v := newVerifier(t, s)
	p, err := v.Authenticate(request(t, "Bearer "+s.add("key_bob", "bob")), "/mcp/office")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		backend, tool string
		tier          account.Tier
		want          account.Verdict
	}{
		{"files", "files_read", account.TierRead, account.Granted},
		{"files", "files_write", account.TierWrite, account.Granted},
		{"files", "files_rm_all", account.TierWrite, account.Hidden},
		{"files", "files_wipe", account.TierDestroy, account.Hidden},
		{"ssh", "ssh_exec", account.TierRead, account.Hidden},
	} {
		if got := p.Access.Tool(c.backend, c.tool, c.tier); got != c.want {
			t.Errorf("%s: %v, want %v", c.tool, got, c.want)
		}
	}
	// A profile that is gone is no reason to let its user do everything.
	if p, err := v.Authenticate(request(t, "Bearer "+s.add("key_eve", "eve")), "/mcp"); err == nil {
		t.Errorf("a user whose profile is gone is %+v", p)
	}
	read, err := v.Authenticate(request(t, "Bearer "+s.grant("grant_r", "anna", "/mcp")), "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	if got := read.Access.Tool("files", "files_write", account.TierWrite); got != account.NotGranted {
		t.Errorf("a grant to read: writing is %v", got)
	}
}

// Threat T4 for access tokens: unknown, expired, of a grant without user; and a
// store that is down is no reason to let anybody in, or to throw tokens away.
func TestT4_accessTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		v := newVerifier(t, s)
		good := s.grant("grant_1", "anna", "/mcp")
		unknown, _ := secret.NewToken(oauth.PrefixAccess)
		refresh, _ := secret.NewToken(oauth.PrefixRefresh)
		for name, token := range map[string]string{
			"unknown": unknown.Reveal(), "refresh token": refresh.Reveal(), "altered": good[:len(good)-1] + "x",
			"no user":     s.grant("grant_2", "", "/mcp"),
			"no resource": s.grant("grant_3", "anna", ""),
			"no role":     s.grant("grant_4", "anna", "/mcp", func(t *account.LiveToken) { t.Grant.Role = "" }),
			"revoked":     s.grant("grant_5", "anna", "/mcp", func(t *account.LiveToken) { t.Grant.Revoked = time.Now() }),
			"grant ended": s.grant("grant_6", "anna", "/mcp", func(t *account.LiveToken) { t.Grant.Expires = time.Now() }),
		} {
			if p, err := v.Authenticate(request(t, "Bearer "+token), "/mcp"); !errors.Is(err, auth.ErrUnknown) || p != (account.Principal{}) {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
		}
		p, err := v.Authenticate(request(t, "Bearer "+good), "/mcp")
		if err != nil || p.Credential != "grant_1" || p.Client != "dcr_x" {
			t.Fatalf("%+v, %v", p, err)
		}
		s.change(func() { s.down = errors.New("canary") })
		if p, err := v.Authenticate(request(t, "Bearer "+good), "/mcp"); fault.CodeOf(err) != fault.Unavailable || p != (account.Principal{}) {
			t.Errorf("store down: %+v, %v", p, err)
		}
		s.set(func() { s.down = nil })
		time.Sleep(time.Hour) // of the fake clock
		if _, err := v.Authenticate(request(t, "Bearer "+good), "/mcp"); !errors.Is(err, auth.ErrUnknown) {
			t.Errorf("at its expiry: %v", err)
		}
		if err := v.Recheck(t.Context(), p); err != nil {
			t.Errorf("a stream outlives the token that opened it: %v", err)
		}
		s.change(func() { clear(s.tokens) })
		if err := v.Recheck(t.Context(), p); !errors.Is(err, auth.ErrUnknown) {
			t.Errorf("but not its grant: %v", err)
		}
	})
}

// A token is read from the store once, until something is revoked; then it is read
// again.
func TestAuthenticate_remembersTokens(t *testing.T) {
	t.Parallel()
	s := newFake()
	v := newVerifier(t, s)
	token := s.grant("grant_1", "anna", "/mcp")
	use := func() (account.Principal, error) { return v.Authenticate(request(t, "Bearer "+token), "/mcp") }
	for range 100 {
		if _, err := use(); err != nil {
			t.Fatal(err)
		}
	}
	if s.lookups != 1 {
		t.Errorf("looked up %d times", s.lookups)
	}
	s.change(func() {})
	if _, err := use(); err != nil || s.lookups != 2 {
		t.Errorf("after a change: %v, looked up %d times", err, s.lookups)
	}
	s.change(func() { clear(s.tokens) })
	if p, err := use(); !errors.Is(err, auth.ErrUnknown) {
		t.Errorf("revoked: %+v, %v", p, err)
	}
}

// Threat A21: a key that is bound to a network is nobody elsewhere.
func TestA21_networks(t *testing.T) {
	t.Parallel()
	s := newFake()
	v := newVerifier(t, s)
	token := s.add("key_1", "anna", func(k *account.Key) {
		k.Networks = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	})
	for addr, ok := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd00::1": true, "10.2.0.1": false, "2001:db8::1": false, "": false} {
		r := request(t, "Bearer "+token)
		parsed, _ := netip.ParseAddr(addr)
		r = r.WithContext(route.WithPeer(r.Context(), route.Peer{Addr: parsed}))
		if _, err := v.Authenticate(r, "/mcp"); (err == nil) != ok {
			t.Errorf("from %q: %v", addr, err)
		}
		r = r.WithContext(route.WithPeer(r.Context(), route.Peer{Addr: parsed, Relayed: true}))
		if _, err := v.Authenticate(r, "/mcp"); err == nil {
			t.Errorf("through a proxy at %q that nobody trusts: let in", addr)
		}
	}
}

// Threat T3: what opens the admin routes, and what does not.
func TestT3_realms(t *testing.T) {
	t.Parallel()
	s := newFake()
	s.profiles = []account.Profile{profile("office")}
	v := newVerifier(t, s)
	admin := func(t *account.LiveToken) { t.Grant.Role = account.RoleAdmin }
	for name, c := range map[string]struct {
		header string
		err    error
	}{
		"token without the scope": {"Bearer " + s.grant("grant_1", "admin", "/mcp", func(t *account.LiveToken) { t.Grant.Rights = account.FullRights() }), auth.ErrNotAdmin},
		"token with the scope":    {"Bearer " + s.grant("grant_2", "admin", "/mcp", admin), nil},
		"member key":              {"Bearer " + s.add("key_1", "anna"), auth.ErrNotAdmin},
		"admin key":               {"Bearer " + s.add("key_2", "admin", func(k *account.Key) { k.Role = account.RoleAdmin }), nil},
		"admin key of a profile":  {"Bearer " + s.add("key_3", "admin", func(k *account.Key) { k.Role, k.Profile = account.RoleAdmin, "office" }), auth.ErrNotAdmin},
		"token for a profile":     {"Bearer " + s.grant("grant_3", "admin", "/mcp/office", admin), auth.ErrNotAdmin},
		"static key":              {"Bearer " + static, nil},
		"nothing":                 {"", auth.ErrNoCredential},
		"fabricated":              {"Bearer sk-x", auth.ErrUnknown},
	} {
		r := request(t)
		if c.header != "" {
			r = request(t, c.header)
		}
		if _, err := v.AuthenticateAdmin(r); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
}

func TestRun_writesUsesOfGrants(t *testing.T) {
	t.Parallel()
	s := newFake()
	v := newVerifier(t, s)
	if _, err := v.Authenticate(request(t, "Bearer "+s.grant("grant_1", "anna", "/mcp")), "/mcp"); err != nil {
		t.Fatal(err)
	}
	v.Flush(context.Background())
	if len(s.touches) != 1 || len(s.touches[0]) != 1 || s.touches[0][0].ID != "grant_1" {
		t.Errorf("written: %v", s.touches)
	}
}

func TestAuthenticate_tokenAllocatesNothing(t *testing.T) {
	s := newFake()
	v := newVerifier(t, s)
	r := request(t, "Bearer "+s.grant("grant_1", "anna", "/mcp"))
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := v.Authenticate(r, "/mcp"); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per call", n)
	}
}

// A call goes on while its credential does, whatever that may do by then.
func TestAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		key, token := s.add("key_good", "anna"), s.grant("grant_1", "anna", "/mcp")
		v := newVerifier(t, s)
		var all []account.Principal
		for _, bearer := range []string{key, token, static} {
			p, err := v.Authenticate(request(t, "Bearer "+bearer), "/mcp")
			if err != nil {
				t.Fatal(err)
			}
			more := p
			more.Role, more.Access = account.RoleAdmin, account.NewAccess(account.FullRights(), profile("gone"))
			if err := errors.Join(v.Alive(t.Context(), p), v.Alive(t.Context(), more)); err != nil {
				t.Errorf("%s: %v", p.Credential, err)
			}
			if err := v.Recheck(t.Context(), more); !errors.Is(err, auth.ErrUnknown) {
				t.Errorf("%s: a stream keeps what was taken: %v", p.Credential, err)
			}
			all = append(all, p)
		}
		s.change(func() { s.down = errors.New("away") })
		for _, p := range all[:2] {
			if err := v.Alive(t.Context(), p); fault.CodeOf(err) != fault.Unavailable {
				t.Errorf("%s, store down: %v", p.Credential, err)
			}
		}
		time.Sleep(time.Minute) // of the fake clock
		s.change(func() { s.down = nil; clear(s.tokens); clear(s.keys) })
		for i, want := range []error{auth.ErrUnknown, auth.ErrUnknown, nil} {
			if err := v.Alive(t.Context(), all[i]); !errors.Is(err, want) {
				t.Errorf("%s, revoked: %v", all[i].Credential, err)
			}
		}
	})
}
