package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
			if _, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "k", User: id, Role: account.RoleAdmin}); err != nil {
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
			"unknown password":      {s.SetPassword(t.Context(), "carl", secret.New("x")), fault.NotFound},
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
