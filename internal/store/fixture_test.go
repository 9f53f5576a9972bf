package store_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
)

// must ends a test whose preparation failed.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// allow is the check of a code that fits.
func allow(oauth.Code) error { return nil }

// minted are fresh tokens for an hour and for 30 days from now.
func minted(now time.Time) oauth.Minted {
	_, access := secret.NewToken(oauth.PrefixAccess)
	_, refresh := secret.NewToken(oauth.PrefixRefresh)
	return oauth.Minted{
		Access: access, AccessExpires: now.Add(time.Hour),
		Refresh: refresh, RefreshExpires: now.Add(30 * 24 * time.Hour),
	}
}

// give is a mint that gives these tokens.
func give(m oauth.Minted) func(account.Grant) oauth.Minted {
	return func(account.Grant) oauth.Minted { return m }
}

// people makes the admin root, who can sign in, and the member anna.
func people(t testing.TB, s *store.Store) {
	t.Helper()
	must(t, s.CreateUser(t.Context(), account.User{ID: "root", Name: "Root", Role: account.RoleAdmin, PasswordHash: "x"}))
	must(t, s.CreateUser(t.Context(), account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}))
}

// program is a client that registered itself.
func program(id string) oauth.Client {
	return oauth.Client{ID: id, Metadata: oauth.Metadata{
		Name: "Program " + id, RedirectURIs: []string{"https://" + id + ".example/cb"}, AuthMethod: oauth.AuthNone,
		GrantTypes: []string{oauth.GrantCode, oauth.GrantRefresh},
	}}
}

func register(t testing.TB, s *store.Store, id string) {
	t.Helper()
	must(t, s.RegisterClient(t.Context(), program(id), 1000))
}

// consent makes a code of a user for a client, with everything allowed.
func consent(t testing.TB, s *store.Store, user, client string, change ...func(*oauth.Code)) [32]byte {
	t.Helper()
	_, hash := secret.NewToken(oauth.PrefixCode)
	c := oauth.Code{
		Hash: hash, Client: client, ClientName: "Program " + client, RedirectURI: "https://" + client + ".example/cb",
		Challenge: "challenge", Resource: oauth.DefaultResource, User: user,
		Rights: account.FullRights(), Role: account.RoleAdmin, Expires: time.Now().Add(oauth.CodeLife), PasswordHash: hashOf(t, s, user),
	}
	for _, f := range change {
		f(&c)
	}
	must(t, s.CreateCode(t.Context(), c))
	return hash
}

// hashOf is the hash of a user's password, as a sign-in finds it.
func hashOf(t testing.TB, s *store.Store, user string) string {
	t.Helper()
	u, err := s.User(t.Context(), user)
	must(t, err)
	return u.PasswordHash
}

// granted is a grant of a user for a client, with its first tokens.
func granted(t testing.TB, s *store.Store, user, client string, change ...func(*oauth.Code)) (account.Grant, oauth.Minted) {
	t.Helper()
	m := minted(time.Now())
	g, err := s.RedeemCode(t.Context(), consent(t, s, user, client, change...), time.Now(), allow, give(m))
	must(t, err)
	return g, m
}

// rotation exchanges the refresh token of some tokens for new ones.
func rotation(client string, presented [32]byte, now time.Time) oauth.Rotation {
	return oauth.Rotation{Presented: presented, Client: client, Minted: minted(now), Replay: []byte("sealed"), Now: now}
}

// isLive tells whether an access token is let in; another error than "not found"
// ends the test.
func isLive(t testing.TB, s *store.Store, access [32]byte) bool {
	t.Helper()
	_, err := s.LiveToken(t.Context(), access)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		t.Fatal(err)
	}
	return err == nil
}

// word is the OAuth word of an error that was returned as it is, "" for none.
func word(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := err.(*oauth.Error); ok { // callers look at the very error
		return e.Word
	}
	return "not an oauth.Error: " + err.Error()
}

// number reads one number past the store.
func number(t testing.TB, cfg store.Config, query string, args ...any) (n int64) {
	t.Helper()
	driver, dsn := "sqlite", file(cfg)
	if !cfg.URL.Empty() {
		driver, dsn = "pgx", cfg.URL.Reveal()
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	return n
}

// raises checks that do raises the version of keys, or that it does not.
func raises(t testing.TB, s *store.Store, want bool, what string, do func(context.Context)) {
	t.Helper()
	before, err := s.KeysVersion()
	must(t, err)
	do(t.Context())
	after, err := s.KeysVersion()
	must(t, err)
	if (after > before) != want {
		t.Errorf("%s: version of keys %d after %d, want a change: %v", what, after, before, want)
	}
}
