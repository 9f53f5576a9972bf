package store_test

import (
	"context"
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

func TestGrants(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		register(t, s, "app")
		annas, m := granted(t, s, "anna", "app")
		roots, _ := granted(t, s, "root", "app")
		list := func(user string, want ...account.Grant) {
			t.Helper()
			got, err := s.Grants(ctx, user)
			if len(got) == 2 && got[0].ID != annas.ID { // made in the same millisecond
				got[0], got[1] = got[1], got[0]
			}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("grants of %q: %v %s", user, err, diff)
			}
		}
		list("", annas, roots)
		list("anna", annas)
		list("carl")

		used := moment(time.Now().Add(time.Minute))
		raises(t, s, false, "last use", func(context.Context) {
			must(t, s.TouchGrants(ctx, []account.Use{{ID: annas.ID, At: used}, {ID: "grant_nobody", At: used}, {ID: annas.ID, At: used.Add(-time.Second)}}))
		})
		annas.LastUsed = used
		narrow := account.Rights{Backends: []string{"a"}}
		var err error
		raises(t, s, true, "rights", func(context.Context) {
			got, e := s.SetGrantRights(ctx, annas.ID, narrow)
			annas.Rights, err = narrow, e
			if diff := cmp.Diff(annas, got); diff != "" {
				t.Error(diff)
			}
		})
		must(t, err)
		list("anna", annas)
		if c, err := s.Client(ctx, "app"); err != nil || !c.LastUsed.Equal(used) {
			t.Errorf("client %+v: %v", c, err)
		}
		if live, err := s.LiveToken(ctx, m.Access); err != nil || cmp.Diff(narrow, live.Grant.Rights) != "" {
			t.Errorf("token %+v: %v", live, err)
		}
		raises(t, s, true, "revocation", func(context.Context) {
			got, e := s.RevokeGrant(ctx, annas.ID)
			err, annas.Revoked = e, got.Revoked
			if diff := cmp.Diff(annas, got); diff != "" || got.Revoked.IsZero() {
				t.Error(diff)
			}
		})
		must(t, err)
		list("", annas, roots)
		if one, err := s.Grant(ctx, annas.ID); err != nil || cmp.Diff(annas, one) != "" {
			t.Errorf("grant %+v: %v", one, err)
		}
		if isLive(t, s, m.Access) {
			t.Error("the token lives")
		}
		again := func() error { _, err := s.RevokeGrant(ctx, annas.ID); return err }
		ended := func() error { _, err := s.SetGrantRights(ctx, annas.ID, account.FullRights()); return err }
		empty := func() error { _, err := s.SetGrantRights(ctx, roots.ID, account.Rights{}); return err }
		unknown := func() error { _, err := s.Grant(ctx, "grant_x"); return err }
		for what, c := range map[string]struct {
			err  error
			code fault.Code
		}{
			"revoked again": {again(), fault.NotFound}, "rights of an ended one": {ended(), fault.NotFound},
			"no rights": {empty(), fault.Invalid}, "unknown": {unknown(), fault.NotFound},
		} {
			if fault.CodeOf(c.err) != c.code {
				t.Errorf("%s: %v", what, c.err)
			}
		}
		list("", annas, roots)
	})
}

func TestLiveToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		must(t, s.SaveProfile(ctx, profile("home")))
		_, err := s.ChangeUser(ctx, "anna", func(u *account.User) error { u.Profile = "home"; return nil })
		must(t, err)
		register(t, s, "app")
		issue := func(change func(*oauth.Minted), code ...func(*oauth.Code)) [32]byte {
			t.Helper()
			m := minted(time.Now())
			change(&m)
			_, err := s.RedeemCode(ctx, consent(t, s, "anna", "app", code...), time.Now(), allow, give(m))
			must(t, err)
			return m.Access
		}
		past := time.Now().Add(-time.Millisecond)
		for what, access := range map[string][32]byte{
			"unknown":       secret.Hash("x"),
			"zero":          {},
			"expired":       issue(func(m *oauth.Minted) { m.AccessExpires = past }),
			"consent ended": issue(func(*oauth.Minted) {}, func(c *oauth.Code) { c.GrantExpires = past }),
		} {
			if _, err := s.LiveToken(ctx, access); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s: %v", what, err)
			}
		}
		live, err := s.LiveToken(ctx, issue(func(m *oauth.Minted) { m.Scope = "mcp:read" }))
		if err != nil || live.UserProfile != "home" || cmp.Diff(account.ReadRights(), live.Grant.Rights) != "" {
			t.Errorf("token of a narrow scope %+v: %v", live, err)
		}
		if isLive(t, s, issue(func(*oauth.Minted) {})) != true {
			t.Error("a plain token is refused")
		}
	})
}

// RFC 7009: either token ends the grant; what is not the client's changes nothing.
func TestRevokeToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		register(t, s, "app")
		for what, pick := range map[string]func(oauth.Minted) [32]byte{
			"access":  func(m oauth.Minted) [32]byte { return m.Access },
			"refresh": func(m oauth.Minted) [32]byte { return m.Refresh },
		} {
			_, m := granted(t, s, "anna", "app")
			raises(t, s, false, "a foreign revocation", func(context.Context) {
				must(t, s.RevokeToken(ctx, pick(m), "other"))
				must(t, s.RevokeToken(ctx, pick(m), ""))
				must(t, s.RevokeToken(ctx, secret.Hash("unknown"), "app"))
			})
			if !isLive(t, s, m.Access) {
				t.Errorf("%s: another client has ended the grant", what)
			}
			raises(t, s, true, what, func(context.Context) { must(t, s.RevokeToken(ctx, pick(m), "app")) })
			raises(t, s, false, "revoking again", func(context.Context) { must(t, s.RevokeToken(ctx, pick(m), "app")) })
			if isLive(t, s, m.Access) {
				t.Errorf("%s: the access token lives", what)
			}
			if _, err := s.Rotate(ctx, rotation("app", m.Refresh, time.Now())); word(err) != "invalid_grant" {
				t.Errorf("%s: the refresh token lives: %v", what, err)
			}
		}
	})
}

func TestPurgeTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		register(t, s, "app")
		now := time.Now()
		_, kept := granted(t, s, "anna", "app") // a used code, two tokens
		consent(t, s, "anna", "app")            // a code nobody redeems
		r := rotation("app", kept.Refresh, now) // two more tokens, and an answer
		_, err := s.Rotate(ctx, r)
		must(t, err)
		revoked, _ := granted(t, s, "anna", "app") // another used code, two tokens
		_, err = s.RevokeGrant(ctx, revoked.ID)
		must(t, err)
		_, err = s.UseOnce(ctx, "jti", secret.Hash("1"), now.Add(time.Minute))
		must(t, err)
		must(t, s.CreateSignIn(ctx, account.SignIn{ID: secret.Hash("c"), User: "anna", Created: now, Expires: now.Add(12 * time.Hour)}))
		for _, step := range []struct {
			late    time.Duration
			removed int64 // an answer that is dropped counts, too
			what    string
		}{
			{0, 2, "the tokens of the revoked grant"},
			{90 * time.Second, 3, "the code nobody redeemed, the answer, the mark"},
			{31 * time.Minute, 1, "the idle browser session"},
			{2 * time.Hour, 2, "the access tokens"},
			{25 * time.Hour, 2, "the used codes"},
			{29 * 24 * time.Hour, 0, "nothing"},
			{31 * 24 * time.Hour, 2, "the refresh tokens"},
		} {
			if n, err := s.PurgeTokens(ctx, now.Add(step.late)); err != nil || n != step.removed {
				t.Errorf("after %v: removed %d: %v; want %s", step.late, n, err, step.what)
			}
		}
	})
}

func TestUseOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		stores := []*store.Store{storetest.Open(t, cfg), storetest.Open(t, cfg)}
		until := time.Now().Add(time.Minute)
		var first atomic.Int64
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				got, err := stores[i%2].UseOnce(t.Context(), "jti", secret.Hash("a"), until)
				if err != nil {
					t.Error(err)
				}
				if got {
					first.Add(1)
				}
			})
		}
		wg.Wait()
		if first.Load() != 1 {
			t.Errorf("%d were first", first.Load())
		}
		for kind, value := range map[string]string{"jti": "b", "form": "a"} {
			if got, err := stores[0].UseOnce(t.Context(), kind, secret.Hash(value), until); err != nil || !got {
				t.Errorf("%s %s: %v %v", kind, value, got, err)
			}
		}
	})
}

func TestSignIns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		now := moment(time.Now())
		id := secret.Hash("cookie")
		want := account.SignIn{ID: id, User: "root", Role: account.RoleAdmin, Created: now, Seen: now, Expires: now.Add(time.Hour)}
		begun := want
		begun.PasswordHash = "x"
		must(t, s.CreateSignIn(ctx, begun))
		look := func(late time.Duration, goesOn bool, seen time.Duration) {
			t.Helper()
			got, err := s.SignIn(ctx, id, now.Add(late))
			if !goesOn {
				if fault.CodeOf(err) != fault.NotFound {
					t.Errorf("after %v: %+v %v", late, got, err)
				}
				return
			}
			want.Seen = now.Add(seen)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("after %v: %v %s", late, err, diff)
			}
		}
		look(0, true, 0)
		look(59*time.Second, true, 0)
		look(61*time.Second, true, 61*time.Second)
		look(31*time.Minute, true, 31*time.Minute) // thirty minutes since the last look
		look(61*time.Minute, false, 0)
		raw(t, cfg, "UPDATE users SET disabled = TRUE") // past the store, which would have ended it
		look(50*time.Minute, false, 0)
		raw(t, cfg, "UPDATE users SET disabled = FALSE")
		look(50*time.Minute, true, 50*time.Minute)
		look(40*time.Minute, true, 50*time.Minute) // a clock that was set back
		look(time.Hour, false, 0)
		must(t, s.SetUserDisabled(ctx, "anna", true))
		if err := s.CreateSignIn(ctx, account.SignIn{ID: secret.Hash("x"), User: "anna", Created: now, Expires: now.Add(time.Hour)}); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("of a disabled user: %v", err)
		}
		raises(t, s, true, "the end", func(context.Context) { must(t, s.EndSignIn(ctx, id)) })
		raises(t, s, false, "ending again", func(context.Context) { must(t, s.EndSignIn(ctx, id)) })
		look(50*time.Minute, false, 0)

		must(t, s.CreateSignIn(ctx, account.SignIn{ID: id, User: "root", Created: now, Expires: now.Add(12 * time.Hour), PasswordHash: "x"}))
		look(30*time.Minute, false, 0) // idle
	})
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		work := account.Profile{Name: "work", Title: "Work", Backends: []string{"a"}, Allow: []string{"a_*"}, Deny: []string{"a_x"}, Tier: account.TierWrite}
		raises(t, s, true, "saving", func(context.Context) { must(t, s.SaveProfile(ctx, work)) })
		must(t, s.SaveProfile(ctx, profile("home")))
		work.Tier = account.TierRead
		must(t, s.SaveProfile(ctx, work))
		got, err := s.Profiles(ctx)
		if diff := cmp.Diff([]account.Profile{profile("home"), work}, got); err != nil || diff != "" {
			t.Errorf("profiles: %v %s", err, diff)
		}
		one, err := s.Profile(ctx, "work")
		if diff := cmp.Diff(work, one); err != nil || diff != "" {
			t.Errorf("profile: %v %s", err, diff)
		}
		unknown := func() error { _, err := s.Profile(ctx, "other"); return err }
		for what, c := range map[string]struct {
			err  error
			code fault.Code
		}{
			"bad":               {s.SaveProfile(ctx, account.Profile{Name: "../x"}), fault.Invalid},
			"unknown":           {unknown(), fault.NotFound},
			"delete unknown":    {s.DeleteProfile(ctx, "other"), fault.NotFound},
			"delete no name":    {s.DeleteProfile(ctx, ""), fault.NotFound},
			"user of unknown":   {s.CreateUser(ctx, account.User{ID: "ben", Name: "Ben", Role: account.RoleMember, Profile: "other"}), fault.NotFound},
			"user without name": {s.CreateUser(ctx, account.User{ID: "ben", Name: "", Role: account.RoleMember}), fault.Invalid},
		} {
			if fault.CodeOf(c.err) != c.code {
				t.Errorf("%s: %v", what, c.err)
			}
		}
	})
}

func TestDeleteProfile_inUse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		register(t, s, "app")
		must(t, s.SaveProfile(ctx, profile("work")))
		must(t, s.SaveProfile(ctx, profile("home")))
		bind := func(name string) func(*account.User) error {
			return func(u *account.User) error { u.Profile = name; return nil }
		}
		_, err := s.ChangeUser(ctx, "anna", bind("work"))
		must(t, err)
		key, _, err := s.CreateKey(ctx, account.KeyRequest{Name: "laptop", User: "anna", Role: account.RoleMember, Rights: account.FullRights(), Profile: "work"})
		must(t, err)
		g, _ := granted(t, s, "anna", "app", func(c *oauth.Code) { c.Resource = "/mcp/work" })
		refused := func(names ...string) {
			t.Helper()
			err := s.DeleteProfile(ctx, "work")
			if fault.CodeOf(err) != fault.Conflict {
				t.Errorf("deleted while in use by %v: %v", names, err)
			}
			for _, name := range names {
				if !strings.Contains(fault.PublicOf(err), name) {
					t.Errorf("%q does not name %q", fault.PublicOf(err), name)
				}
			}
		}
		refused("user anna", "laptop", key.ID, "Program app", g.ID)
		_, err = s.ChangeUser(ctx, "anna", bind(""))
		must(t, err)
		refused("laptop", "Program app")
		_, err = s.RevokeKey(ctx, key.ID)
		must(t, err)
		refused(g.ID)
		for i := range 9 {
			_, _, err := s.CreateKey(ctx, account.KeyRequest{Name: string(rune('a' + i)), User: "anna", Role: account.RoleMember, Rights: account.FullRights(), Profile: "work"})
			must(t, err)
		}
		refused("5 more")
		must(t, s.DeleteUser(ctx, "anna"))
		raises(t, s, true, "deletion", func(context.Context) { must(t, s.DeleteProfile(ctx, "work")) })
		must(t, s.DeleteProfile(ctx, "home"))
	})
}

// A profile is deleted while something is bound to it: one of the two is refused.
func TestDeleteProfile_whileBound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		a, b := storetest.Open(t, cfg), storetest.Open(t, cfg)
		people(t, a)
		ctx := t.Context()
		register(t, a, "app")
		for i := range 30 {
			name := "work" + string(rune('a'+i%26)) + string(rune('a'+i/26))
			must(t, a.SaveProfile(ctx, profile(name)))
			hash := consent(t, a, "anna", "app", func(c *oauth.Code) { c.Resource = "/mcp/" + name })
			var bound, deleted error
			var wg sync.WaitGroup
			wg.Go(func() {
				switch i % 3 {
				case 0:
					_, _, bound = a.CreateKey(ctx, account.KeyRequest{Name: name, User: "anna", Role: account.RoleMember, Rights: account.FullRights(), Profile: name})
				case 1:
					_, bound = a.ChangeUser(ctx, "anna", func(u *account.User) error { u.Profile = name; return nil })
				case 2:
					_, bound = a.RedeemCode(ctx, hash, time.Now(), allow, give(minted(time.Now())))
				}
			})
			wg.Go(func() { deleted = b.DeleteProfile(ctx, name) })
			wg.Wait()
			if (bound == nil) == (deleted == nil) {
				t.Fatalf("round %d: bound: %v, deleted: %v", i, bound, deleted)
			}
			_, err := a.ChangeUser(ctx, "anna", func(u *account.User) error { u.Profile = ""; return nil })
			must(t, err)
		}
	})
}
