package store_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

func TestRotate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		register(t, s, "app")
		_, m := granted(t, s, "anna", "app")
		now := time.Now()
		for range 3 {
			r := rotation("app", m.Refresh, now)
			raises(t, s, false, "a rotation", func(ctx context.Context) {
				if replay, err := s.Rotate(ctx, r); err != nil || replay != nil {
					t.Fatalf("rotate: %q %v", replay, err)
				}
			})
			if !isLive(t, s, r.Minted.Access) || !isLive(t, s, m.Access) {
				t.Error("an access token is not let in")
			}
			for hash, used := range map[[32]byte]bool{m.Refresh: true, r.Minted.Refresh: false} {
				if got, err := s.RefreshToken(t.Context(), hash); err != nil || got.Used != used {
					t.Errorf("used %v, want %v: %v", got.Used, used, err)
				}
			}
			m, now = r.Minted, now.Add(time.Hour)
		}
	})
}

// D7: within a minute the very same answer, and nothing changes.
func TestRotate_replay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		register(t, s, "app")
		_, m := granted(t, s, "anna", "app")
		now := time.Now()
		first := rotation("app", m.Refresh, now)
		first.Replay = []byte("\x00 sealed \xff")
		_, err := s.Rotate(t.Context(), first)
		must(t, err)
		for _, late := range []time.Duration{0, -time.Hour, oauth.ReplayWindow - time.Second} { // a clock may be set back
			again := rotation("app", m.Refresh, now.Add(late))
			replay, err := s.Rotate(t.Context(), again)
			if err != nil || !bytes.Equal(replay, first.Replay) {
				t.Errorf("after %v: %q %v", late, replay, err)
			}
			if isLive(t, s, again.Minted.Access) {
				t.Errorf("after %v: a second chain lives", late)
			}
		}
		if _, err := s.Rotate(t.Context(), rotation("app", first.Minted.Refresh, now)); err != nil {
			t.Errorf("the successor is not taken: %v", err)
		}
		if n := number(t, cfg, "SELECT count(*) FROM tokens WHERE length(replay) > 0"); n != 1 {
			t.Errorf("%d answers are kept, want that of the newest token only", n)
		}
	})
}

// A11: whoever presents a used token otherwise ends the family.
func TestRotate_reuse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		register(t, s, "app")
		now := time.Now()
		rotate := func(presented [32]byte) oauth.Minted {
			t.Helper()
			r := rotation("app", presented, now)
			_, err := s.Rotate(t.Context(), r)
			must(t, err)
			return r.Minted
		}
		for what, c := range map[string]struct {
			prepare func(oauth.Minted) (presented [32]byte, last oauth.Minted)
			at      time.Duration
			purge   bool
		}{
			"after the window": {func(m oauth.Minted) ([32]byte, oauth.Minted) { return m.Refresh, rotate(m.Refresh) }, oauth.ReplayWindow, false},
			"much later":       {func(m oauth.Minted) ([32]byte, oauth.Minted) { return m.Refresh, rotate(m.Refresh) }, 20 * 24 * time.Hour, true},
			"successor used":   {func(m oauth.Minted) ([32]byte, oauth.Minted) { return m.Refresh, rotate(rotate(m.Refresh).Refresh) }, time.Second, false},
			"an older one": {func(m oauth.Minted) ([32]byte, oauth.Minted) {
				return m.Refresh, rotate(rotate(rotate(m.Refresh).Refresh).Refresh)
			}, time.Second, false},
		} {
			g, m := granted(t, s, "anna", "app")
			presented, last := c.prepare(m)
			if c.purge {
				if _, err := s.PurgeTokens(t.Context(), now.Add(2*time.Minute)); err != nil {
					t.Fatal(err)
				}
			}
			raises(t, s, true, what, func(ctx context.Context) {
				if replay, err := s.Rotate(ctx, rotation("app", presented, now.Add(c.at))); word(err) != "invalid_grant" || replay != nil {
					t.Errorf("%s: %q %v", what, replay, err)
				}
			})
			if isLive(t, s, m.Access) || isLive(t, s, last.Access) {
				t.Errorf("%s: an access token lives on", what)
			}
			if _, err := s.Rotate(t.Context(), rotation("app", last.Refresh, now)); word(err) != "invalid_grant" {
				t.Errorf("%s: the newest refresh token lives on: %v", what, err)
			}
			if g, err := s.Grant(t.Context(), g.ID); err != nil || g.Revoked.IsZero() {
				t.Errorf("%s: grant %+v %v", what, g, err)
			}
		}
	})
}

// 200 calls race for one refresh token, over two stores on one database: one chain
// goes on, and all of them can go on with it. test/durability has the same in two
// processes.
func TestRotate_race(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		stores := []*store.Store{storetest.Open(t, cfg), storetest.Open(t, cfg)}
		people(t, stores[0])
		register(t, stores[0], "app")
		_, m := granted(t, stores[0], "anna", "app")
		now := time.Now()
		for _, late := range []time.Duration{0, 2 * oauth.ReplayWindow} {
			calls := make([]oauth.Rotation, 200)
			replays := make([][]byte, len(calls))
			var won, refused atomic.Int64
			var wg sync.WaitGroup
			for i := range calls {
				calls[i] = rotation("app", m.Refresh, now)
				calls[i].Replay = fmt.Appendf(nil, "answer %d", i)
				if i%2 == 1 {
					calls[i].Now = now.Add(late)
				}
				wg.Go(func() {
					var err error
					replays[i], err = stores[i%2].Rotate(t.Context(), calls[i])
					switch {
					case err == nil && replays[i] == nil:
						won.Add(1)
					case word(err) == "invalid_grant":
						refused.Add(1)
					case err != nil:
						t.Errorf("rotate: %v", err)
					}
				})
			}
			wg.Wait()
			var chains []int
			for i, c := range calls {
				if _, err := stores[0].RefreshToken(t.Context(), c.Minted.Refresh); err == nil {
					chains = append(chains, i)
				}
			}
			if won.Load() != 1 || len(chains) != 1 {
				t.Fatalf("%d calls won, chains %v", won.Load(), chains)
			}
			for i := range calls {
				if replays[i] != nil && string(replays[i]) != fmt.Sprintf("answer %d", chains[0]) {
					t.Errorf("call %d was answered %q", i, replays[i])
				}
			}
			winner := calls[chains[0]].Minted
			// Whether one of those that are late finds the token used is up to chance.
			if alive := isLive(t, stores[1], winner.Access); alive != (refused.Load() == 0) || late == 0 && !alive {
				t.Errorf("calls %v apart: chain alive %v, %d refused", late, alive, refused.Load())
			}
			m = winner
		}
	})
}

func TestRotate_refuses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		register(t, s, "app")
		register(t, s, "other")
		ctx := t.Context()
		now := time.Now()
		for what, c := range map[string]struct {
			code   func(*oauth.Code)
			before func(account.Grant) error
			change func(*oauth.Rotation)
			word   string
			alive  bool // the grant goes on
		}{
			"unknown":        {change: func(r *oauth.Rotation) { r.Presented = secret.Hash("x") }, word: "invalid_grant", alive: true},
			"wrong client":   {change: func(r *oauth.Rotation) { r.Client = "other" }, word: "invalid_grant", alive: true},
			"expired":        {change: func(r *oauth.Rotation) { r.Now = now.Add(31 * 24 * time.Hour) }, word: "invalid_grant", alive: true},
			"consent ended":  {code: func(c *oauth.Code) { c.GrantExpires = now.Add(time.Hour) }, change: func(r *oauth.Rotation) { r.Now = now.Add(time.Hour) }, word: "invalid_grant", alive: true},
			"grant revoked":  {before: func(g account.Grant) error { _, err := s.RevokeGrant(ctx, g.ID); return err }, word: "invalid_grant"},
			"user disabled":  {before: func(account.Grant) error { return s.SetUserDisabled(ctx, "anna", true) }, word: "invalid_grant"},
			"client deleted": {before: func(account.Grant) error { return s.DeleteClient(ctx, "app") }, word: "invalid_grant"},
			"user deleted":   {before: func(account.Grant) error { return s.DeleteUser(ctx, "anna") }, word: "invalid_grant"},
		} {
			if c.code == nil {
				c.code = func(*oauth.Code) {}
			}
			g, m := granted(t, s, "anna", "app", c.code)
			if c.before != nil {
				must(t, c.before(g))
			}
			r := rotation("app", m.Refresh, now)
			if c.change != nil {
				c.change(&r)
			}
			replay, err := s.Rotate(ctx, r)
			if word(err) != c.word || replay != nil {
				t.Errorf("%s: %q %v", what, replay, err)
			}
			if isLive(t, s, m.Access) != c.alive || isLive(t, s, r.Minted.Access) {
				t.Errorf("%s: grant alive %v", what, isLive(t, s, m.Access))
			}
			if c.alive {
				if _, err := s.Rotate(ctx, rotation("app", m.Refresh, now)); err != nil {
					t.Errorf("%s: the right call afterwards: %v", what, err)
				}
			}
			_ = s.CreateUser(ctx, account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}) // only once deleted
			must(t, s.SetUserDisabled(ctx, "anna", false))
			if what == "client deleted" {
				register(t, s, "app")
				if isLive(t, s, m.Access) {
					t.Error("a client of the same id took up the grant")
				}
			}
		}
	})
}

func TestRotate_scopeOnlyShrinks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		must(t, s.CreateClient(t.Context(), program("desk")))
		_, m := granted(t, s, "root", "desk")
		now := time.Now()
		for _, step := range []struct {
			scope string
			word  string
			want  account.Rights
			role  account.Role
		}{
			{"", "", account.FullRights(), account.RoleAdmin},
			{"mcp:read mcp:write mcp:destructive", "", account.FullRights(), account.RoleMember},
			{"", "invalid_scope", account.Rights{}, ""},
			{"mcp:read admin", "invalid_scope", account.Rights{}, ""},
			{"mcp:read mcp:write offline_access", "", account.Rights{Backends: []string{"*"}, Write: true}, account.RoleMember},
			{"mcp:read mcp:destructive", "invalid_scope", account.Rights{}, ""},
			{"mcp:read", "", account.ReadRights(), account.RoleMember},
			{"mcp:read mcp:write", "invalid_scope", account.Rights{}, ""},
			{"mcp:read", "", account.ReadRights(), account.RoleMember},
		} {
			r := rotation("desk", m.Refresh, now)
			r.Minted.Scope = step.scope
			if _, err := s.Rotate(t.Context(), r); word(err) != step.word {
				t.Fatalf("scope %q: %v, want %q", step.scope, err, step.word)
			}
			if step.word != "" {
				continue
			}
			live, err := s.LiveToken(t.Context(), r.Minted.Access)
			must(t, err)
			if !live.Grant.Rights.Within(step.want) || !step.want.Within(live.Grant.Rights) || live.Grant.Role != step.role {
				t.Errorf("scope %q: %+v", step.scope, live.Grant)
			}
			if next, err := s.RefreshToken(t.Context(), r.Minted.Refresh); err != nil || next.Scope != step.scope {
				t.Errorf("scope %q became %q: %v", step.scope, next.Scope, err)
			}
			m = r.Minted
		}
	})
}

// A rotation in one process races with what ends the grant in the other.
func TestRotate_whileRevoked(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		a, b := storetest.Open(t, cfg), storetest.Open(t, cfg)
		people(t, a)
		register(t, a, "app")
		ctx := t.Context()
		for i := range 40 {
			g, m := granted(t, a, "anna", "app")
			r := rotation("app", m.Refresh, time.Now())
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := a.Rotate(ctx, r); err != nil && word(err) != "invalid_grant" {
					t.Errorf("rotate: %v", err)
				}
			})
			wg.Go(func() {
				var err error
				switch i % 4 {
				case 0:
					_, err = b.RevokeGrant(ctx, g.ID)
				case 1:
					err = b.RevokeToken(ctx, m.Access, "app")
				case 2:
					err = b.SignOutEverywhere(ctx, "anna")
				case 3:
					err = b.DeleteUser(ctx, "anna")
				}
				if err != nil {
					t.Errorf("revoke: %v", err)
				}
			})
			wg.Wait()
			if isLive(t, a, m.Access) || isLive(t, a, r.Minted.Access) {
				t.Fatalf("round %d: a token lives", i)
			}
			if _, err := a.Rotate(ctx, rotation("app", r.Minted.Refresh, time.Now())); word(err) != "invalid_grant" {
				t.Fatalf("round %d: the chain goes on: %v", i, err)
			}
			if i%4 == 3 {
				if n := number(t, cfg, "SELECT count(*) FROM tokens t JOIN grants g ON g.id = t.grant_id WHERE g.user_id = 'anna'"); n != 0 {
					t.Errorf("round %d: %d tokens of a deleted user", i, n)
				}
				must(t, a.CreateUser(ctx, account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}))
			}
		}
	})
}
