package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

func TestRedeemCode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		register(t, s, "app")
		now := time.Now()
		rights := account.Rights{Backends: []string{"a"}, Write: true, Destructive: []string{"a"}}
		expires := now.Add(time.Hour).UTC().Truncate(time.Millisecond)
		hash := consent(t, s, "anna", "app", func(c *oauth.Code) { c.Rights, c.GrantExpires = rights, expires })
		m := minted(now)
		var seen oauth.Code
		var made account.Grant
		g, err := s.RedeemCode(t.Context(), hash, now, func(c oauth.Code) error { seen = c; return nil },
			func(g account.Grant) oauth.Minted { made = g; return m })
		must(t, err)
		if seen.Hash != hash || seen.Challenge != "challenge" || seen.RedirectURI != "https://app.example/cb" || seen.Expires.IsZero() {
			t.Errorf("check saw %+v", seen)
		}
		want := account.Grant{
			ID: g.ID, User: "anna", Client: "app", ClientName: "Program app", Resource: "/mcp", Rights: rights,
			Role: account.RoleMember, Created: now.UTC().Truncate(time.Millisecond), Expires: expires,
		}
		if diff := cmp.Diff(want, g); diff != "" || !strings.HasPrefix(g.ID, "grant_") || len(g.ID) != len("grant_")+12 {
			t.Errorf("grant: %s", diff)
		}
		if diff := cmp.Diff(g, made); diff != "" {
			t.Errorf("mint saw another grant: %s", diff)
		}
		live, err := s.LiveToken(t.Context(), m.Access)
		if diff := cmp.Diff(account.LiveToken{Grant: want, Expires: moment(m.AccessExpires)}, live); err != nil || diff != "" {
			t.Errorf("token: %v %s", err, diff)
		}
		refresh, err := s.RefreshToken(t.Context(), m.Refresh)
		if diff := cmp.Diff(oauth.Refresh{Grant: want, Expires: moment(m.RefreshExpires)}, refresh); err != nil || diff != "" {
			t.Errorf("refresh token: %v %s", err, diff)
		}
		if isLive(t, s, m.Refresh) {
			t.Error("a refresh token is let in like an access token")
		}
		if _, err := s.RefreshToken(t.Context(), m.Access); word(err) != "invalid_grant" {
			t.Errorf("an access token was taken for a refresh token: %v", err)
		}
		if c, err := s.Client(t.Context(), "app"); err != nil || c.LastUsed.IsZero() {
			t.Errorf("client %+v: %v", c, err)
		}
	})
}

func moment(at time.Time) time.Time { return at.UTC().Truncate(time.Millisecond) }

// A5: a second redemption is refused and ends what the first one has brought.
func TestRedeemCode_again(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		register(t, s, "app")
		for _, late := range []time.Duration{0, 10 * time.Minute, 23 * time.Hour} {
			hash, m := consent(t, s, "anna", "app"), minted(time.Now())
			raises(t, s, false, "a first redemption", func(ctx context.Context) {
				_, err := s.RedeemCode(ctx, hash, time.Now(), allow, give(m))
				must(t, err)
			})
			if !isLive(t, s, m.Access) {
				t.Fatal("the token is not let in")
			}
			then := time.Now().Add(late)
			if _, err := s.PurgeTokens(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			never := func(account.Grant) oauth.Minted { t.Error("tokens were minted"); return minted(then) }
			raises(t, s, true, "a second redemption", func(ctx context.Context) {
				if _, err := s.RedeemCode(ctx, hash, then, allow, never); word(err) != "invalid_grant" {
					t.Errorf("second redemption after %v: %v", late, err)
				}
			})
			if isLive(t, s, m.Access) {
				t.Errorf("after %v: the token lives on", late)
			}
			if _, err := s.Rotate(t.Context(), rotation("app", m.Refresh, then)); word(err) != "invalid_grant" {
				t.Errorf("after %v: the refresh token lives on: %v", late, err)
			}
		}
	})
}

// A5: of 64 parallel redemptions, in two processes, one succeeds.
func TestRedeemCode_onceOfMany(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		a, b := storetest.Open(t, cfg), storetest.Open(t, cfg)
		people(t, a)
		register(t, a, "app")
		hash := consent(t, a, "anna", "app")
		var won, minting atomic.Int64
		var wg sync.WaitGroup
		for i := range 64 {
			s := []*store.Store{a, b}[i%2]
			wg.Go(func() {
				_, err := s.RedeemCode(t.Context(), hash, time.Now(), allow, func(account.Grant) oauth.Minted {
					minting.Add(1)
					return minted(time.Now())
				})
				switch word(err) {
				case "":
					won.Add(1)
				case "invalid_grant":
				default:
					t.Errorf("redeem: %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || minting.Load() != 1 {
			t.Errorf("%d redemptions succeeded, tokens were minted %d times", won.Load(), minting.Load())
		}
		if n := number(t, cfg, "SELECT count(*) FROM grants"); n != 1 {
			t.Errorf("%d grants", n)
		}
	})
}

func TestRedeemCode_refuses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		mismatch := oauth.Errorf("invalid_grant", "The verifier does not fit.")
		for name, c := range map[string]struct {
			code   func(*oauth.Code)
			before func(client string) error
			check  func(oauth.Code) error
			at     time.Duration
		}{
			"expired":         {at: oauth.CodeLife},
			"wrong verifier":  {check: func(oauth.Code) error { return mismatch }},
			"user disabled":   {before: func(string) error { return s.SetUserDisabled(ctx, "anna", true) }},
			"user deleted":    {before: func(string) error { return s.DeleteUser(ctx, "anna") }},
			"user signed out": {before: func(string) error { return s.SignOutEverywhere(ctx, "anna") }},
			"password new":    {before: func(string) error { return s.SetPasswordHash(ctx, "anna", "y") }},
			"client deleted":  {before: func(id string) error { return s.DeleteClient(ctx, id) }},
			"profile gone":    {code: func(c *oauth.Code) { c.Resource = "/mcp/gone" }},
		} {
			client := strings.ReplaceAll(name, " ", "-")
			register(t, s, client)
			if c.code == nil {
				c.code = func(*oauth.Code) {}
			}
			hash := consent(t, s, "anna", client, c.code)
			if c.before != nil {
				must(t, c.before(client))
			}
			if c.check == nil {
				c.check = allow
			}
			never := func(account.Grant) oauth.Minted { t.Errorf("%s: tokens were minted", name); return minted(time.Now()) }
			_, err := s.RedeemCode(ctx, hash, time.Now().Add(c.at), c.check, never)
			if word(err) != "invalid_grant" || name == "wrong verifier" && !errors.Is(err, mismatch) {
				t.Errorf("%s: %v", name, err)
			}
			// It is used up, whatever is put right afterwards.
			_ = s.CreateUser(ctx, account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}) // only once deleted
			must(t, s.SetUserDisabled(ctx, "anna", false))
			if name == "profile gone" {
				must(t, s.SaveProfile(ctx, profile("gone")))
			}
			if _, err := s.RedeemCode(ctx, hash, time.Now(), allow, never); word(err) != "invalid_grant" {
				t.Errorf("%s: second try: %v", name, err)
			}
		}
		if _, err := s.RedeemCode(ctx, secret.Hash("unknown"), time.Now(), allow, give(minted(time.Now()))); word(err) != "invalid_grant" {
			t.Errorf("unknown: %v", err)
		}
		if grants, err := s.Grants(ctx, ""); err != nil || len(grants) != 0 {
			t.Errorf("grants %v: %v", grants, err)
		}
	})
}

func TestCreateCode_refuses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		register(t, s, "app")
		must(t, s.CreateUser(t.Context(), account.User{ID: "ben", Name: "Ben", Role: account.RoleMember, Disabled: true}))
		good := oauth.Code{Client: "app", User: "anna", Rights: account.ReadRights(), Resource: "/mcp", Expires: time.Now().Add(time.Minute)}
		for what, c := range map[string]struct {
			change func(*oauth.Code)
			code   fault.Code
		}{
			"unknown user":   {func(c *oauth.Code) { c.User = "carl" }, fault.NotFound},
			"unknown client": {func(c *oauth.Code) { c.Client = "other" }, fault.NotFound},
			"no rights":      {func(c *oauth.Code) { c.Rights = account.Rights{} }, fault.Invalid},
			"disabled user":  {func(c *oauth.Code) { c.User = "ben" }, fault.NotFound},
			"other password": {func(c *oauth.Code) { c.PasswordHash = "x" }, fault.Conflict},
		} {
			bad := good
			bad.Hash = secret.Hash(what)
			c.change(&bad)
			if err := s.CreateCode(t.Context(), bad); fault.CodeOf(err) != c.code {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n := number(t, cfg, "SELECT count(*) FROM codes"); n != 0 {
			t.Errorf("%d codes", n)
		}
	})
}

// A code is redeemed in one process while its user or client is shut out in the
// other: afterwards nothing lives, whoever came first.
func TestRedeemCode_whileShutOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		a, b := storetest.Open(t, cfg), storetest.Open(t, cfg)
		people(t, a)
		ctx := t.Context()
		for name, shut := range map[string]func(client string) error{
			"sign-out":      func(string) error { return b.SignOutEverywhere(ctx, "anna") },
			"new password":  func(string) error { return b.SetPasswordHash(ctx, "anna", "y") },
			"client":        func(id string) error { return b.DeleteClient(ctx, id) },
			"user disabled": func(string) error { return b.SetUserDisabled(ctx, "anna", true) },
			"user deleted":  func(string) error { return b.DeleteUser(ctx, "anna") },
		} {
			for i := range 12 {
				id := strings.ReplaceAll(name, " ", "-") + string(rune('a'+i))
				register(t, a, id)
				hash, m := consent(t, a, "anna", id), minted(time.Now())
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, err := a.RedeemCode(ctx, hash, time.Now(), allow, give(m)); err != nil && word(err) != "invalid_grant" {
						t.Errorf("%s: redeem: %v", name, err)
					}
				})
				wg.Go(func() {
					if err := shut(id); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
				wg.Wait()
				if isLive(t, a, m.Access) {
					t.Fatalf("%s, round %d: the token lives", name, i)
				}
				if name == "user deleted" {
					must(t, a.CreateUser(ctx, account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}))
				}
				must(t, a.SetUserDisabled(ctx, "anna", false))
				if name != "user disabled" && isLive(t, a, m.Access) {
					t.Fatalf("%s, round %d: the token lives again", name, i)
				}
			}
		}
	})
}

// A password is replaced while somebody signs in with the old one, which was right
// when it was checked: nothing comes of that, whoever was first.
func TestSignIn_overtakenByNewPassword(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		a, b := storetest.Open(t, cfg), storetest.Open(t, cfg)
		people(t, a)
		register(t, a, "app")
		ctx := t.Context()
		rows := func() int64 {
			return number(t, cfg, "SELECT (SELECT count(*) FROM sign_ins) + (SELECT count(*) FROM codes)")
		}
		attempts := func(round, checked string) map[string]func() error {
			in := account.SignIn{ID: secret.Hash("in" + round), User: "root", Created: time.Now(), Expires: time.Now().Add(time.Hour), PasswordHash: checked}
			code := oauth.Code{Hash: secret.Hash("code" + round), Client: "app", User: "root", Rights: account.ReadRights(), Resource: "/mcp",
				Expires: time.Now().Add(time.Minute), PasswordHash: checked}
			return map[string]func() error{
				"browser session": func() error { return a.CreateSignIn(ctx, in) },
				"code":            func() error { return a.CreateCode(ctx, code) },
			}
		}
		checked := hashOf(t, a, "root")
		must(t, b.SetPasswordHash(ctx, "root", "new"))
		for what, try := range attempts("", checked) {
			if err := try(); fault.CodeOf(err) != fault.Conflict || rows() != 0 {
				t.Errorf("%s with the old password: %v, %d rows", what, err, rows())
			}
		}
		for i := range 12 {
			round := string(rune('a' + i))
			checked := hashOf(t, a, "root")
			var wg sync.WaitGroup
			for what, try := range attempts(round, checked) {
				wg.Go(func() {
					if err := try(); err != nil && fault.CodeOf(err) != fault.Conflict {
						t.Errorf("%s: %v", what, err)
					}
				})
			}
			wg.Go(func() {
				if err := b.SetPasswordHash(ctx, "root", "new "+round); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if n := rows(); n != 0 {
				t.Fatalf("round %s: %d rows came of the old password", round, n)
			}
		}
		for what, try := range attempts("last", hashOf(t, a, "root")) {
			if err := try(); err != nil {
				t.Errorf("%s with the new password: %v", what, err)
			}
		}
	})
}
