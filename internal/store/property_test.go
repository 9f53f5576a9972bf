package store_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

var (
	steps = flag.Int("steps", 400, "how many operations the property test does, per engine")
	seed  = flag.Uint64("seed", 0, "of the property test; 0: another one each time")
)

// TestStore_properties does operations at random, in two processes that start anew
// now and then, and compares what the store lets in with a model that is too simple
// to be wrong: nobody without a live user, grant and client; a code at most once; a
// chain with one unused end; scopes that only shrink; revoked stays revoked; no row
// of a deleted user. Whatever changes a decision raises the version of keys.
func TestStore_properties(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		start := *seed
		if start == 0 {
			start = rand.Uint64()
		}
		w := &world{
			t: t, rng: rand.New(rand.NewPCG(start, 1)), cfg: cfg, now: time.Now(),
			users: map[string]*modelUser{}, clients: map[string]*modelClient{}, keys: map[string]*modelKey{},
		}
		defer func() {
			if t.Failed() {
				t.Logf("-seed %d; the last operations:\n%s", start, strings.Join(w.done[max(0, len(w.done)-25):], "\n"))
			}
		}()
		for range 2 {
			w.stores = append(w.stores, w.open())
		}
		defer func() {
			for _, s := range w.stores {
				must(t, s.Close())
			}
		}()
		must(t, w.stores[0].CreateUser(t.Context(), account.User{ID: "root", Name: "Root", Role: account.RoleAdmin, PasswordHash: "x"}))
		// Chance may leave a run without users or clients for long: it goes on then.
		for i := 0; i < *steps || w.triedLittle(*steps) && i < 10**steps; i++ {
			w.step()
			w.check(i%40 == 0)
			if t.Failed() {
				return
			}
		}
		w.check(true)
		if w.triedLittle(*steps) {
			t.Errorf("%d grants, %d refresh tokens in %d steps: little was tried", len(w.grants), len(w.refresh), len(w.done))
		}
	})
}

// world is a store and the model of it.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	cfg    store.Config
	stores []*store.Store
	s      *store.Store // of this step
	now    time.Time    // moves on by itself
	done   []string

	users   map[string]*modelUser
	clients map[string]*modelClient
	keys    map[string]*modelKey
	codes   []*modelCode
	grants  []*modelGrant
	access  []*modelAccess
	refresh []*modelRefresh
}

type (
	modelUser struct {
		role     account.Role
		disabled bool
	}
	modelClient struct{ static, mayAdmin bool }
	modelKey    struct {
		user string
		role account.Role
		dead bool
	}
	modelCode struct {
		oauth.Code
		gone, used bool
		grant      *modelGrant
	}
	modelGrant struct {
		account.Grant
		dead bool
	}
	modelAccess struct {
		hash  [32]byte
		grant *modelGrant
		scope string
	}
	modelRefresh struct {
		hash      [32]byte
		grant     *modelGrant
		scope     string
		used      time.Time
		successor *modelRefresh
		replay    []byte
	}
)

// triedLittle is whether there were too few grants and tokens for so many steps.
func (w *world) triedLittle(steps int) bool {
	return len(w.grants) < steps/50 || len(w.refresh) < steps/20
}

func (w *world) open() *store.Store {
	s, err := open(w.t, w.cfg)
	must(w.t, err)
	return s
}

// step does one operation in the store and the model.
func (w *world) step() {
	which := w.rng.IntN(len(w.stores))
	w.s = w.stores[which]
	before := w.decisions()
	version, err := w.s.KeysVersion()
	must(w.t, err)
	operations := []struct {
		weight int
		do     func() string
	}{
		{12, w.addUser}, {1, w.deleteUser}, {4, w.disable}, {4, w.changeRole}, {1, w.signOut},
		{12, w.addClient}, {1, w.deleteClient}, {4, w.changeClient},
		{40, w.createCode}, {40, w.redeem}, {80, w.rotate}, {3, w.revokeToken}, {2, w.revokeGrant}, {6, w.setRights},
		{6, w.createKey}, {3, w.revokeKey}, {2, w.purge}, {8, w.wait},
	}
	total := 1 // for a restart
	for _, o := range operations {
		total += o.weight
	}
	pick := w.rng.IntN(total)
	for _, o := range operations {
		if pick < o.weight {
			w.done = append(w.done, fmt.Sprintf("%d: %s", which, o.do()))
			after := w.decisions()
			changed := slices.ContainsFunc(slices.Collect(maps.Keys(before)), func(k string) bool { return before[k] != after[k] })
			if now, err := w.s.KeysVersion(); err != nil || changed && now <= version {
				w.t.Errorf("a decision changed and the version of keys did not: %v", err)
			}
			return
		}
		pick -= o.weight
	}
	must(w.t, w.s.Close())
	w.stores[which] = w.open()
	w.done = append(w.done, fmt.Sprintf("%d: restart", which))
}

// role is the role that something of a user has now.
func (w *world) role(ticked account.Role, user string) account.Role {
	return ticked.Cap(w.users[user].role)
}

// allowed is what the model lets an access token do.
func (w *world) allowed(a *modelAccess) (rights account.Rights, role account.Role, ok bool) {
	g := a.grant
	user, client := w.users[g.User], w.clients[g.Client]
	if g.dead || user == nil || user.disabled || client == nil {
		return rights, role, false
	}
	role = account.RoleMember
	if client.static || client.mayAdmin {
		role = w.role(g.Role, g.User)
	}
	rights, role = oauth.Narrow(g.Rights, role, a.scope)
	return rights, role, true
}

// decisions is everything that the model decides, in words.
func (w *world) decisions() map[string]string {
	all := map[string]string{}
	for i, a := range w.access {
		rights, role, ok := w.allowed(a)
		all[fmt.Sprint("token ", i)] = fmt.Sprint(rights, role, ok)
	}
	for id := range w.keys {
		all["key "+id] = fmt.Sprint(w.keyRole(id))
	}
	return all
}

// keyRole is the role that a key has now, or "" if it is not let in.
func (w *world) keyRole(id string) account.Role {
	k := w.keys[id]
	if u := w.users[k.user]; k.dead || u == nil || u.disabled {
		return ""
	}
	return w.role(k.role, k.user)
}

// check compares the store with the model: the newest tokens and some others, or
// all of them.
func (w *world) check(all bool) {
	s := pick(w, w.stores)
	for i, a := range w.access {
		if !all && i < len(w.access)-4 && w.rng.IntN(len(w.access)) > 8 {
			continue
		}
		rights, role, ok := w.allowed(a)
		live, err := s.LiveToken(w.t.Context(), a.hash)
		switch {
		case !ok && fault.CodeOf(err) != fault.NotFound:
			w.t.Errorf("token %d of %s is let in: %v", i, a.grant.ID, err)
		case ok && (err != nil || cmp.Diff(rights, live.Grant.Rights) != "" || live.Grant.Role != role || live.Grant.Resource != "/mcp"):
			w.t.Errorf("token %d of %s: %+v %v; want %v %s", i, a.grant.ID, live.Grant, err, rights, role)
		}
	}
	keys, err := s.LiveKeys(w.t.Context())
	must(w.t, err)
	got, want := map[string]account.Role{}, map[string]account.Role{}
	for _, k := range keys {
		got[k.ID] = k.Role
	}
	for id := range w.keys {
		if role := w.keyRole(id); role != "" {
			want[id] = role
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("keys: %s", diff)
	}
	if all {
		w.checkRows()
	}
}

// checkRows looks at the tables past the store.
func (w *world) checkRows() {
	if n := number(w.t, w.cfg, `SELECT count(*) FROM (SELECT grant_id FROM tokens WHERE kind = 'refresh' AND used = 0
		GROUP BY grant_id HAVING count(*) > 1) forks`); n != 0 {
		w.t.Errorf("%d chains have more than one end", n)
	}
	for _, table := range []string{"api_keys", "grants", "codes", "sign_ins"} {
		if n := number(w.t, w.cfg, "SELECT count(*) FROM "+table+" WHERE user_id NOT IN (SELECT id FROM users)"); n != 0 {
			w.t.Errorf("%d rows of deleted users in %s", n, table)
		}
	}
	for _, r := range w.refresh {
		found, err := w.s.RefreshToken(w.t.Context(), r.hash)
		if err == nil && (found.Scope != r.scope || found.Used != !r.used.IsZero()) {
			w.t.Errorf("refresh token of %s: %+v, want scope %q, used %v", r.grant.ID, found, r.scope, r.used)
		}
	}
}
