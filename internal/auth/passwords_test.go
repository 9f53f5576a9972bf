package auth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/argon2"

	"drawbridge/internal/account"
	"drawbridge/internal/auth"
	"drawbridge/internal/fault"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/store/storetest"
)

const (
	password = "a good long password"
	home     = "192.168.1.7"
	attacker = "203.0.113.9"
)

// fakeUsers is a list of users that can be down. It counts look-ups: there is one
// for each password that is checked.
type fakeUsers struct {
	mu      sync.Mutex // guards the rest
	users   []account.User
	lookups int
	down    error
}

func (f *fakeUsers) User(_ context.Context, id string) (account.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookups++
	if f.down != nil {
		return account.User{}, f.down
	}
	for _, u := range f.users {
		if u.ID == id {
			return u, nil
		}
	}
	return account.User{}, fault.New(fault.NotFound, "There is no such user.")
}

func (f *fakeUsers) Users(context.Context) ([]account.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.users, f.down
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

// gate is a checker with what is behind it.
type gate struct {
	*auth.Passwords
	users *fakeUsers
	audit *fakeAudit
}

// newGate has users with a hash that costs next to nothing.
func newGate(t testing.TB) *gate {
	t.Helper()
	salt := []byte("salt of sixteen.")
	sum := argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)
	enc := base64.RawStdEncoding
	hash := fmt.Sprintf("$argon2id$v=19$m=8,t=1,p=1$%s$%s", enc.EncodeToString(salt), enc.EncodeToString(sum))
	g := &gate{audit: &fakeAudit{}, users: &fakeUsers{users: []account.User{
		{ID: "admin", Name: "Admin", Role: account.RoleAdmin, PasswordHash: hash},
		{ID: "anna.b+c@example.com", Name: "Anna", Role: account.RoleMember, PasswordHash: hash},
		{ID: "off", Name: "Off", Role: account.RoleMember, PasswordHash: hash, Disabled: true},
		{ID: "keysonly", Name: "Keys", Role: account.RoleMember},
		{ID: "norole", Name: "None", PasswordHash: hash},
	}}}
	var err error
	if g.Passwords, err = auth.NewPasswords(slog.New(slog.DiscardHandler), g.users, g.audit); err != nil {
		t.Fatal(err)
	}
	return g
}

// try signs in from an address.
func (g *gate) try(t testing.TB, from, name, password string) error {
	t.Helper()
	ctx := route.WithPeer(t.Context(), route.Peer{Addr: netip.MustParseAddr(from)})
	user, err := g.SignIn(ctx, name, secret.New(password))
	if (err == nil) != (user.ID != "") {
		t.Errorf("user %+v with error %v", user, err)
	}
	return err
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ name, password, user, row string }{
		"right":                  {"admin", password, "admin", "admin"},
		"in capitals":            {"ADMIN", password, "admin", "admin"},
		"with spaces":            {" admin\t", password, "admin", "admin"},
		"full width":             {"ａｄｍｉｎ", password, "admin", "admin"},
		"mail address":           {"Anna.B+C@Example.com", password, "anna.b+c@example.com", "anna.b+c@example.com"},
		"wrong password":         {"admin", password + " ", "", "admin"},
		"password in capitals":   {"admin", strings.ToUpper(password), "", "admin"},
		"another's password":     {"keysonly", password, "", "keysonly"},
		"disabled":               {"off", password, "", "off"},
		"without a role":         {"norole", password, "", "norole"},
		"unknown":                {"nobody", password, "", ""},
		"no name":                {"", password, "", ""},
		"password as name":       {password, password, "", ""},
		"letters that look like": {"аdmin", password, "", ""}, // Cyrillic
		"hidden character":       {"ad\u200bmin", password, "", ""},
		"long name":              {strings.Repeat("x", 1<<20), password, "", ""},
		"not UTF-8":              {"admin\xff", password, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			ctx := route.WithPeer(t.Context(), route.Peer{Addr: netip.MustParseAddr(home)})
			user, err := g.SignIn(ctx, c.name, secret.New(c.password))
			if user.ID != c.user || c.user == "" && fault.CodeOf(err) != fault.Unauthenticated || c.user != "" && err != nil {
				t.Errorf("got %q, %v; want %q", user.ID, err, c.user)
			}
			want := account.Record{User: c.row, Method: "account/sign-in", Decision: account.Denied, Outcome: account.Failed}
			if c.user != "" {
				want.Decision, want.Outcome = account.Allowed, account.Succeeded
			}
			if len(g.audit.rows) != 1 {
				t.Fatalf("audit %+v", g.audit.rows)
			}
			want.Time = g.audit.rows[0].Time
			if diff := cmp.Diff(want, g.audit.rows[0]); diff != "" {
				t.Errorf("audit (-want +got):\n%s", diff)
			}
		})
	}
	g := newGate(t)
	for _, p := range []string{"", strings.Repeat("x", 1025)} {
		if err := g.try(t, home, "admin", p); fault.CodeOf(err) != fault.Unauthenticated || g.users.lookups != 0 {
			t.Errorf("%d bytes: %v after %d look-ups", len(p), err, g.users.lookups)
		}
	}
}

// A14: five failures cost nothing, then each next try has to wait longer, up to a
// minute, whatever it brings.
func TestSignIn_A14_delays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		spellings := []string{"admin", "ADMIN", "ａdmin", " admin", "Admin"} // one account
		for i, name := range spellings {
			if err := g.try(t, attacker, name, "x"); fault.CodeOf(err) != fault.Unauthenticated {
				t.Errorf("failure %d: %v", i+1, err)
			}
		}
		for _, wait := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			time.Sleep(time.Duration(wait)*time.Second - time.Millisecond) // of the fake clock
			err := g.try(t, attacker, "admin", password)
			if fault.CodeOf(err) != fault.Limited || !strings.Contains(fault.PublicOf(err), "Try again in a second.") {
				t.Errorf("right password a millisecond before %d s have passed: %v", wait, err)
			}
			time.Sleep(time.Millisecond)
			if err := g.try(t, attacker, "admin", "x"); fault.CodeOf(err) != fault.Unauthenticated {
				t.Errorf("after %d s: %v", wait, err)
			}
		}
		err := g.try(t, attacker, "admin", "x")
		if fault.CodeOf(err) != fault.Limited || !strings.Contains(fault.PublicOf(err), "Try again in 60 seconds.") {
			t.Errorf("how long: %v", err)
		}
		time.Sleep(time.Minute)
		if err := g.try(t, attacker, "admin", password); err != nil {
			t.Errorf("the right password in its time: %v", err)
		}
		for i := range 5 {
			if err := g.try(t, attacker, "admin", "x"); fault.CodeOf(err) != fault.Unauthenticated {
				t.Errorf("failure %d after it: %v", i+1, err)
			}
		}
		time.Sleep(15 * time.Minute)
		for i := range 5 {
			if err := g.try(t, attacker, "admin", "x"); fault.CodeOf(err) != fault.Unauthenticated {
				t.Errorf("failure %d after a quarter of an hour: %v", i+1, err)
			}
		}
	})
}

// A14: guessing from one address, at one account or at many, does not keep the
// owner out, who comes from an address of which nothing is known.
func TestSignIn_A14_ownerElsewhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from func(i int) string
		name func(i int) string
	}{
		"one account":   {func(int) string { return attacker }, func(int) string { return "admin" }},
		"many accounts": {func(int) string { return attacker }, func(i int) string { return fmt.Sprintf("user%d", i) }},
		"an IPv6 site":  {func(i int) string { return fmt.Sprintf("2001:db8:7:%x::1", i) }, func(int) string { return "off" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t)
				for i := range 300 {
					g.users.users = append(g.users.users, account.User{ID: fmt.Sprintf("user%d", i), PasswordHash: g.users.users[0].PasswordHash})
				}
				for minute := range 5 {
					for i := range 60 {
						_ = g.try(t, c.from(minute*60+i), c.name(minute*60+i), "x") // any refusal will do
						time.Sleep(time.Second)
					}
					owner := fmt.Sprintf("198.51.100.%d", minute)
					if err := g.try(t, owner, "admin", password); err != nil {
						t.Errorf("the owner, minute %d: %v", minute+1, err)
					}
				}
				if g.users.lookups > 5*10+10+5 {
					t.Errorf("%d passwords were checked", g.users.lookups)
				}
			})
		})
	}
}

// A14: strangers share 30 hashes in any minute. From where the owner has signed in
// before, nothing that they do is felt.
func TestSignIn_A14_manyNetworks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		if err := g.try(t, home, "admin", password); err != nil {
			t.Fatal(err)
		}
		start := g.users.lookups
		for i := range 600 { // ten a second for a minute, each from a network of its own
			_ = g.try(t, fmt.Sprintf("10.%d.%d.1", i/200, i%200), "admin", "x") // any refusal will do
			time.Sleep(100 * time.Millisecond)
		}
		if n := g.users.lookups - start; n > 30 || n < 20 {
			t.Errorf("%d passwords of strangers were checked in a minute, want up to 30", n)
		}
		_ = g.try(t, "198.51.100.1", "off", "x") // takes what may just have come free
		if err := g.try(t, attacker, "off", "x"); fault.CodeOf(err) != fault.Limited {
			t.Errorf("one stranger more: %v", err)
		}
		for i := range 4 {
			if err := g.try(t, home, "admin", "typo"); fault.CodeOf(err) != fault.Unauthenticated {
				t.Errorf("typo %d of the owner: %v", i+1, err)
			}
		}
		if err := g.try(t, home, "admin", password); err != nil {
			t.Errorf("the owner: %v", err)
		}
		// Known for one account is not known for others.
		if err := g.try(t, home, "off", "x"); fault.CodeOf(err) != fault.Limited {
			t.Errorf("another account from there: %v", err)
		}
	})
}

// A14: a hundred tries at once are not all the first.
func TestSignIn_A14_manyAtOnce(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { _ = g.try(t, attacker, "admin", "x") }) // any refusal will do
	}
	wg.Wait()
	if g.users.lookups > 5 {
		t.Errorf("%d passwords were checked, want 5", g.users.lookups)
	}
}

// A14: whether there is such a user does not show in how long it takes. Most of it
// is argon2id filling its memory, which can be counted where time on a busy machine
// cannot: not in parallel, so that nobody else's memory is counted.
func TestSignIn_A14_sameTiming(t *testing.T) {
	g := newGate(t)
	g.users.users[0].PasswordHash = secret.HashPassword(secret.New(password))
	g.users.users[2].PasswordHash = g.users.users[0].PasswordHash
	cost := func(name string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := g.try(t, attacker, name, "x"); fault.CodeOf(err) != fault.Unauthenticated {
			t.Fatalf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	known := cost("admin")
	if known < 19<<20 {
		t.Errorf("a password costs %d bytes, want 19 MiB", known)
	}
	for _, name := range []string{"nobody", "", "off", "keysonly"} {
		if got := cost(name); got < known*9/10 || got > known*11/10 {
			t.Errorf("%q costs %d bytes, a known user %d", name, got, known)
		}
	}
}

// A store that is down says so, and is not the fault of whoever tried.
func TestSignIn_storeDown(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.users.down = errors.New("canary: connection refused")
	for range 7 {
		err := g.try(t, home, "admin", password)
		if fault.CodeOf(err) != fault.Unavailable || strings.Contains(fault.PublicOf(err), "canary") {
			t.Fatalf("%v", err)
		}
	}
	if _, err := g.OnlyAdmin(t.Context()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("OnlyAdmin: %v", err)
	}
	g.users.down = nil
	if err := g.try(t, home, "admin", password); err != nil || len(g.audit.rows) != 1 {
		t.Errorf("up again: %v, audit %+v", err, g.audit.rows)
	}
}

func TestOnlyAdmin(t *testing.T) {
	t.Parallel()
	admin, anna := account.User{ID: "admin"}, account.User{ID: "anna", Disabled: true}
	for name, c := range map[string]struct {
		users []account.User
		want  bool
	}{
		"admin":             {[]account.User{admin}, true},
		"admin and another": {[]account.User{admin, anna}, false},
		"another":           {[]account.User{anna}, false},
		"nobody":            {nil, false},
	} {
		g := newGate(t)
		g.users.users = c.users
		if got, err := g.OnlyAdmin(t.Context()); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// The whole way: with a store, a hash of its own making, and after its admin was
// shut out.
func TestPasswords_withStore(t *testing.T) {
	t.Parallel()
	s := storetest.SQLite(t)
	g := newGate(t)
	p, err := auth.NewPasswords(slog.New(slog.DiscardHandler), s, g.audit)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := p.Hash(t.Context(), secret.New(password))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []account.User{
		{ID: "admin", Name: "Admin", Role: account.RoleAdmin, PasswordHash: hash},
		{ID: "ben", Name: "Ben", Role: account.RoleAdmin, PasswordHash: hash},
	} {
		if err := s.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	user, err := p.SignIn(t.Context(), "Ben", secret.New(password))
	if err != nil || user.ID != "ben" || user.Role != account.RoleAdmin {
		t.Fatalf("%+v, %v", user, err)
	}
	if err := s.SetUserDisabled(t.Context(), "ben", true); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SignIn(t.Context(), "ben", secret.New(password)); fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("shut out: %v", err)
	}
}
