package store_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

func TestUsers_shutOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		anna, ben := account.RoleMember, account.RoleAdmin
		for id, role := range map[string]account.Role{"anna": anna, "ben": ben} {
			if err := s.CreateUser(t.Context(), account.User{ID: id, Name: id, Role: role}); err != nil {
				t.Fatal(err)
			}
			// The key asks for more than anna's role has: hers is a member's all the same.
			if _, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "k", User: id, Role: account.RoleAdmin, Rights: account.FullRights()}); err != nil {
				t.Fatal(err)
			}
		}
		check := func(what string, want map[string]account.Role) {
			t.Helper()
			keys, err := s.LiveKeys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]account.Role{}
			for _, k := range keys {
				found[k.User] = k.Role
			}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		check("at first", map[string]account.Role{"anna": anna, "ben": ben})
		for _, step := range []struct {
			what string
			do   func() error
			want map[string]account.Role
		}{
			{"disabled", func() error { return s.SetUserDisabled(t.Context(), "ben", true) }, map[string]account.Role{"anna": anna}},
			{"enabled", func() error { return s.SetUserDisabled(t.Context(), "ben", false) }, map[string]account.Role{"anna": anna, "ben": ben}},
			{"deleted", func() error { return s.DeleteUser(t.Context(), "anna") }, map[string]account.Role{"ben": ben}},
		} {
			before, err := s.KeysVersion()
			if err != nil {
				t.Fatal(err)
			}
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
			check(step.what, step.want)
			if after, err := s.KeysVersion(); err != nil || after <= before {
				t.Errorf("%s: version %d after %d: %v", step.what, after, before, err)
			}
		}
	})
}

func TestUsers_refuses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		if _, err := s.Bootstrap(t.Context(), secret.New("x")); err != nil {
			t.Fatal(err)
		}
		for what, c := range map[string]struct {
			err  error
			code fault.Code
		}{
			"second admin":          {s.CreateUser(t.Context(), account.User{ID: "admin", Name: "x", Role: account.RoleAdmin}), fault.Conflict},
			"bad id":                {s.CreateUser(t.Context(), account.User{ID: "A b", Name: "x", Role: account.RoleAdmin}), fault.Invalid},
			"bad role":              {s.CreateUser(t.Context(), account.User{ID: "a", Name: "x", Role: "root"}), fault.Invalid},
			"unknown user disabled": {s.SetUserDisabled(t.Context(), "carl", true), fault.NotFound},
			"unknown user deleted":  {s.DeleteUser(t.Context(), "carl"), fault.NotFound},
			"admin deleted":         {s.DeleteUser(t.Context(), account.Admin), fault.Conflict},
			"unknown password":      {s.SetPasswordHash(t.Context(), "carl", "x"), fault.NotFound},
		} {
			if fault.CodeOf(c.err) != c.code {
				t.Errorf("%s: %v, want %s", what, c.err, c.code)
			}
		}
		if users, err := s.Users(t.Context()); err != nil || len(users) != 1 {
			t.Errorf("users %v: %v", users, err)
		}
	})
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		first, err := s.Bootstrap(t.Context(), secret.String{})
		if err != nil || first.Password.Empty() || first.Key.Empty() {
			t.Fatalf("first start made nothing: %v", err)
		}
		admin, err := s.User(t.Context(), account.Admin)
		if err != nil || admin.Role != account.RoleAdmin || !secret.CheckPassword(admin.PasswordHash, first.Password) {
			t.Errorf("admin %+v: %v", admin, err)
		}
		keys, err := s.LiveKeys(t.Context())
		if err != nil || len(keys) != 1 || keys[0].Hash != secret.Hash(first.Key.Reveal()) || keys[0].Role != account.RoleAdmin {
			t.Fatalf("keys %+v: %v", keys, err)
		}

		nothing := func(what string, password secret.String) {
			t.Helper()
			if again, err := s.Bootstrap(t.Context(), password); err != nil || again != (store.First{}) {
				t.Errorf("%s made something: %v", what, err)
			}
		}
		nothing("second start", secret.String{})
		configured := secret.New("from the environment")
		nothing("start with a password", configured)
		admin, err = s.User(t.Context(), account.Admin)
		if err != nil || !secret.CheckPassword(admin.PasswordHash, configured) {
			t.Errorf("the configured password does not fit: %v", err)
		}
		nothing("start with the same password", configured)
		if again, _ := s.User(t.Context(), account.Admin); again.PasswordHash != admin.PasswordHash {
			t.Error("the same password was hashed anew")
		}
		if _, err := s.RevokeKey(t.Context(), keys[0].ID); err != nil {
			t.Fatal(err)
		}
		nothing("start after the first key was revoked", secret.String{})
	})
}

func TestChangeUser(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		must(t, s.SaveProfile(t.Context(), profile("work")))
		var changed account.User
		raises(t, s, true, "a change", func(ctx context.Context) {
			var err error
			changed, err = s.ChangeUser(ctx, "anna", func(u *account.User) error {
				u.Name, u.Role, u.Profile = "Anna B.", account.RoleAdmin, "work"
				u.ID, u.PasswordHash, u.Created = "other", "y", time.Unix(1, 0) // not for ChangeUser to change
				return nil
			})
			must(t, err)
		})
		want := account.User{ID: "anna", Name: "Anna B.", Role: account.RoleAdmin, Profile: "work"}
		read, err := s.User(t.Context(), "anna")
		for _, got := range []account.User{changed, read} {
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(account.User{}, "Created")); err != nil || diff != "" {
				t.Errorf("changed: %v %s", err, diff)
			}
		}
		if _, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "k", User: "anna", Role: account.RoleMember, Rights: account.FullRights()}); err != nil {
			t.Fatal(err)
		}
		if keys, err := s.LiveKeys(t.Context()); err != nil || len(keys) != 1 || keys[0].UserProfile != "work" {
			t.Errorf("keys %+v: %v", keys, err)
		}
		for what, c := range map[string]struct {
			change func(*account.User) error
			code   fault.Code
		}{
			"refused by the caller": {func(*account.User) error { return fault.New(fault.Forbidden, "No.") }, fault.Forbidden},
			"empty name":            {func(u *account.User) error { u.Name = ""; return nil }, fault.Invalid},
			"unknown role":          {func(u *account.User) error { u.Role = "root"; return nil }, fault.Invalid},
			"unknown profile":       {func(u *account.User) error { u.Profile = "gone"; return nil }, fault.NotFound},
		} {
			if _, err := s.ChangeUser(t.Context(), "anna", c.change); fault.CodeOf(err) != c.code {
				t.Errorf("%s: %v", what, err)
			}
		}
		root, err := s.User(t.Context(), "root")
		must(t, err)
		_, err = s.ChangeUser(t.Context(), "anna", func(u *account.User) error { u.Disabled = true; return nil })
		must(t, err)
		raises(t, s, false, "half a change", func(ctx context.Context) {
			_, err := s.ChangeUser(ctx, "root", func(u *account.User) error { u.Name, u.Profile, u.Disabled = "R", "work", true; return nil })
			if fault.CodeOf(err) != fault.Conflict {
				t.Errorf("the last admin is disabled: %v", err)
			}
		})
		if again, err := s.User(t.Context(), "root"); err != nil || again != root {
			t.Errorf("half a change was made: %+v: %v", again, err)
		}
		_, err = s.ChangeUser(t.Context(), "anna", func(u *account.User) error { u.Disabled = false; return nil })
		must(t, err)
		if again, err := s.User(t.Context(), "anna"); err != nil || again != read {
			t.Errorf("a refused change left %+v: %v", again, err)
		}
		if _, err := s.ChangeUser(t.Context(), "carl", func(*account.User) error { return nil }); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("unknown user: %v", err)
		}
	})
}

func TestUsers_lastAdminStays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		// Neither of them could sign in to help.
		must(t, s.CreateUser(ctx, account.User{ID: "ben", Name: "Ben", Role: account.RoleAdmin, PasswordHash: "x", Disabled: true}))
		must(t, s.CreateUser(ctx, account.User{ID: "carl", Name: "Carl", Role: account.RoleAdmin}))
		demote := func(u *account.User) error { u.Role = account.RoleMember; return nil }
		attempts := map[string]func() error{
			"loses the role":     func() error { _, err := s.ChangeUser(ctx, "root", demote); return err },
			"is disabled":        func() error { return s.SetUserDisabled(ctx, "root", true) },
			"is deleted":         func() error { return s.DeleteUser(ctx, "root") },
			"loses the password": func() error { return s.SetPasswordHash(ctx, "root", "") },
		}
		for what, try := range attempts {
			if err := try(); fault.CodeOf(err) != fault.Conflict || !strings.Contains(fault.PublicOf(err), "last admin") {
				t.Errorf("the last admin %s: %v", what, err)
			}
		}
		if root, err := s.User(ctx, "root"); err != nil || root.Role != account.RoleAdmin || root.Disabled || root.PasswordHash != "x" {
			t.Errorf("root %+v: %v", root, err)
		}
		must(t, s.SetUserDisabled(ctx, "ben", false))
		for _, what := range []string{"loses the password", "is deleted"} {
			if err := attempts[what](); err != nil {
				t.Errorf("with another admin, root %s: %v", what, err)
			}
		}
	})
}

// Two admins take each other's role away at the same time: one of them stays.
func TestChangeUser_adminsRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		stores := []*store.Store{storetest.Open(t, cfg), storetest.Open(t, cfg)}
		ids := []string{"one", "two"}
		for _, id := range ids {
			must(t, stores[0].CreateUser(t.Context(), account.User{ID: id, Name: id, Role: account.RoleAdmin, PasswordHash: "x"}))
		}
		for range 15 {
			var refused atomic.Int64
			var wg sync.WaitGroup
			for i, s := range stores {
				wg.Go(func() {
					_, err := s.ChangeUser(t.Context(), ids[i], func(u *account.User) error { u.Role = account.RoleMember; return nil })
					switch {
					case fault.CodeOf(err) == fault.Conflict:
						refused.Add(1)
					case err != nil:
						t.Errorf("change: %v", err)
					}
				})
			}
			wg.Wait()
			if refused.Load() != 1 {
				t.Fatalf("%d of two were refused", refused.Load())
			}
			for _, id := range ids {
				_, err := stores[0].ChangeUser(t.Context(), id, func(u *account.User) error { u.Role = account.RoleAdmin; return nil })
				must(t, err)
			}
		}
	})
}

// A20: what each way to shut a user out ends, in one transaction, and what it
// leaves.
func TestUsers_shutOutOfEverything(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		ctx := t.Context()
		must(t, s.CreateUser(ctx, account.User{ID: "ben", Name: "Ben", Role: account.RoleMember}))
		for what, c := range map[string]struct {
			shut     func() error
			keyLives bool
			returns  bool // tokens live again when the user is let in again
			stays    bool // the user
		}{
			"sign out": {func() error { return s.SignOutEverywhere(ctx, "anna") }, true, false, true},
			"password": {func() error { return s.SetPasswordHash(ctx, "anna", "y") }, true, false, true},
			"disabled": {func() error { return s.SetUserDisabled(ctx, "anna", true) }, false, true, true},
			"renamed and disabled": {func() error {
				_, err := s.ChangeUser(ctx, "anna", func(u *account.User) error { u.Name, u.Disabled = "A.", true; return nil })
				return err
			}, false, true, true},
			"deleted": {func() error { return s.DeleteUser(ctx, "anna") }, false, false, false},
		} {
			must(t, s.CreateUser(ctx, account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}))
			must(t, s.RegisterClient(ctx, program("app"), 10))
			machine := program("machine")
			machine.MachineUser, machine.MachineRights = "anna", account.ReadRights()
			must(t, s.CreateClient(ctx, machine))
			_, _, err := s.CreateKey(ctx, account.KeyRequest{Name: "k", User: "anna", Role: account.RoleMember, Rights: account.FullRights()})
			must(t, err)
			_, token := granted(t, s, "anna", "app")
			_, others := granted(t, s, "ben", "app")
			code := consent(t, s, "anna", "app")
			byMachine := minted(time.Now())
			_, err = s.MachineToken(ctx, machine, "/mcp", time.Now(), give(byMachine))
			must(t, err)
			cookie := secret.Hash("cookie of anna")
			must(t, s.CreateSignIn(ctx, account.SignIn{ID: cookie, User: "anna", Created: time.Now(), Expires: time.Now().Add(time.Hour)}))

			raises(t, s, true, what, func(context.Context) { must(t, c.shut()) })
			keys, err := s.LiveKeys(ctx)
			if err != nil || (len(keys) == 1) != c.keyLives {
				t.Errorf("%s: keys %v %v", what, keys, err)
			}
			if isLive(t, s, token.Access) || isLive(t, s, byMachine.Access) {
				t.Errorf("%s: a token is let in", what)
			}
			if _, err := s.Rotate(ctx, rotation("app", token.Refresh, time.Now())); word(err) != "invalid_grant" {
				t.Errorf("%s: refreshed: %v", what, err)
			}
			if _, err := s.SignIn(ctx, cookie, time.Now()); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s: the browser session goes on: %v", what, err)
			}
			if !isLive(t, s, others.Access) {
				t.Errorf("%s: somebody else's token is dead", what)
			}
			if !c.stays {
				for _, table := range []string{"api_keys", "grants", "codes", "sign_ins"} {
					if n := number(t, cfg, "SELECT count(*) FROM "+table+" WHERE user_id = 'anna'"); n != 0 {
						t.Errorf("%s: %d rows in %s", what, n, table)
					}
				}
				if _, err := s.MachineToken(ctx, machine, "/mcp", time.Now(), give(minted(time.Now()))); word(err) != "unauthorized_client" {
					t.Errorf("%s: the machine acts for nobody: %v", what, err)
				}
				must(t, s.CreateUser(ctx, account.User{ID: "anna", Name: "Another Anna", Role: account.RoleMember}))
			}
			must(t, s.SetUserDisabled(ctx, "anna", false))
			if isLive(t, s, token.Access) != c.returns {
				t.Errorf("%s: let in again, the token lives: %v", what, !c.returns)
			}
			if _, err := s.RedeemCode(ctx, code, time.Now(), allow, give(minted(time.Now()))); word(err) != "invalid_grant" {
				t.Errorf("%s: the code was redeemed: %v", what, err)
			}
			if m, err := s.Client(ctx, "machine"); err != nil || (m.MachineUser == "anna") != c.stays {
				t.Errorf("%s: the machine acts for %q: %v", what, m.MachineUser, err)
			}
			must(t, s.DeleteUser(ctx, "anna"))
			must(t, s.DeleteClient(ctx, "app"))
			must(t, s.DeleteClient(ctx, "machine"))
		}
	})
}

// A new OAUTH_PASSWORD shuts out whoever came in with the old one; the same one
// changes nothing.
func TestBootstrap_newPassword(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		for i, password := range []string{"first password", "first password", "second password"} {
			_, err := s.Bootstrap(t.Context(), secret.New(password))
			must(t, err)
			if i == 0 {
				register(t, s, "app")
				granted(t, s, account.Admin, "app")
			}
			grants, err := s.Grants(t.Context(), account.Admin)
			must(t, err)
			if revoked := !grants[0].Revoked.IsZero(); revoked != (i == 2) {
				t.Errorf("start %d: grant revoked %v", i, revoked)
			}
		}
	})
}
