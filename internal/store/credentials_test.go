package store_test

import (
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

// Credentials are sealed, bound to user, server and name, and end with their user.
func TestCredentials(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		ctx, s := t.Context(), storetest.Open(t, cfg)
		for _, id := range []string{"anna", "ben"} {
			if err := s.CreateUser(ctx, account.User{ID: id, Name: id, Role: account.RoleMember}); err != nil {
				t.Fatal(err)
			}
		}
		put := func(user, server, name, value string) error {
			return s.PutCredential(ctx, user, server, name, secret.New(value))
		}
		for _, err := range []error{put("anna", "erpnext", "api_key", "of anna, old"), put("anna", "erpnext", "api_key", "of anna"),
			put("anna", "erpnext", "api_secret", "of anna, too"), put("ben", "erpnext", "api_key", "of ben")} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := put("nobody", "erpnext", "api_key", "x"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("of nobody: %v", err)
		}
		got, err := s.Credentials(ctx, "anna", "erpnext")
		if err != nil || len(got) != 2 || got["api_key"].Reveal() != "of anna" || got["api_secret"].Reveal() != "of anna, too" {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := s.Credentials(ctx, "anna", "forgejo"); err != nil || got == nil || len(got) != 0 {
			t.Errorf("of a server without any: %v, %v", got, err)
		}
		names, err := s.CredentialNames(ctx, "anna")
		if err != nil || len(names) != 2 || names[0].Name != "api_key" || names[0].Updated.IsZero() {
			t.Errorf("%v, %v", names, err)
		}
		if err := s.DeleteCredential(ctx, "anna", "erpnext", "api_secret"); err != nil {
			t.Error(err)
		}
		if err := s.DeleteCredential(ctx, "anna", "erpnext", "api_secret"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("twice: %v", err)
		}
		if err := s.DeleteUser(ctx, "anna"); err != nil {
			t.Fatal(err)
		}
		if names, err := s.CredentialNames(ctx, "anna"); err != nil || len(names) != 0 {
			t.Errorf("after their user: %v, %v", names, err)
		}
		if got, err := s.Credentials(ctx, "ben", "erpnext"); err != nil || got["api_key"].Reveal() != "of ben" {
			t.Errorf("of another user: %v, %v", got, err)
		}
	})
}

// A row that is moved to another user does not open, and none shows its value.
func TestCredentials_bound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		ctx, s := t.Context(), storetest.Open(t, cfg)
		for _, id := range []string{"anna", "ben"} {
			if err := s.CreateUser(ctx, account.User{ID: id, Name: id, Role: account.RoleMember}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.PutCredential(ctx, "anna", "forgejo", "token", secret.New("canary-7b1f")); err != nil {
			t.Fatal(err)
		}
		if n := number(t, cfg, "SELECT count(*) FROM user_credentials WHERE length(value) < 11 + 28"); n != 0 {
			t.Error("the value is not sealed")
		}
		raw(t, cfg, "UPDATE user_credentials SET user_id = 'ben'")
		if got, err := s.Credentials(ctx, "ben", "forgejo"); err == nil {
			t.Errorf("a stolen row opens: %v", got)
		}
	})
}
