package store_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

// The operations of TestStore_properties, each in the store and in the model. They
// return what they did, in words.

func pick[T any](w *world, list []T) (one T) {
	if len(list) == 0 {
		return one
	}
	return list[w.rng.IntN(len(list))]
}

// mostly picks one that fresh tells to be good yet, and any now and then.
func mostly[T any](w *world, list []T, fresh func(T) bool) T {
	if w.rng.IntN(5) > 0 {
		good := slices.DeleteFunc(slices.Clone(list), func(one T) bool { return !fresh(one) })
		if len(good) > 0 {
			list = good
		}
	}
	return pick(w, list)
}

func (g *modelGrant) alive() bool { return !g.dead }

func (w *world) anyUser() string   { return pick(w, []string{"u0", "u1", "u2"}) }
func (w *world) anyClient() string { return pick(w, []string{"c0", "c1", "c2", "static"}) }
func (w *world) anyRole() account.Role {
	return pick(w, []account.Role{account.RoleAdmin, account.RoleMember})
}

func (w *world) anyRights() account.Rights {
	return pick(w, []account.Rights{account.FullRights(), account.ReadRights(), {Backends: []string{"a"}, Write: true}, {Backends: []string{"*"}, Destructive: []string{"a"}}})
}

func (w *world) anyScope() string {
	return pick(w, []string{"", "", "", "mcp:read", "mcp:read mcp:write", "mcp:read mcp:write mcp:destructive", "mcp:read admin"})
}

// known ends the test if the store knows a user or client that the model does not,
// or the other way round.
func (w *world) known(err error, known bool) {
	w.t.Helper()
	if known && err != nil || !known && fault.CodeOf(err) != fault.NotFound {
		w.t.Errorf("known to the model: %v, the store says: %v", known, err)
	}
}

// endOf kills the grants and codes of a user or client.
func (w *world) endOf(of func(user, client string) bool, grants bool) {
	for _, g := range w.grants {
		g.dead = g.dead || grants && of(g.User, g.Client)
	}
	for _, c := range w.codes {
		c.gone = c.gone || of(c.User, c.Client)
	}
}

func ofUser(id string) func(string, string) bool {
	return func(user, _ string) bool { return user == id }
}

func (w *world) addUser() string {
	id, u := w.anyUser(), &modelUser{role: w.anyRole()}
	err := w.s.CreateUser(w.t.Context(), account.User{ID: id, Name: id, Role: u.role})
	switch {
	case w.users[id] == nil:
		must(w.t, err)
		w.users[id] = u
	case fault.CodeOf(err) != fault.Conflict:
		w.t.Errorf("user made twice: %v", err)
	}
	return "add user " + id
}

func (w *world) deleteUser() string {
	id := w.anyUser()
	w.known(w.s.DeleteUser(w.t.Context(), id), w.users[id] != nil)
	delete(w.users, id)
	w.endOf(ofUser(id), true)
	for _, k := range w.keys {
		k.dead = k.dead || k.user == id
	}
	return "delete user " + id
}

func (w *world) disable() string {
	id, disabled := w.anyUser(), w.rng.IntN(3) == 0
	w.known(w.s.SetUserDisabled(w.t.Context(), id, disabled), w.users[id] != nil)
	if u := w.users[id]; u != nil {
		u.disabled = disabled
		if disabled {
			w.endOf(ofUser(id), false)
		}
	}
	return fmt.Sprintf("disable user %s: %v", id, disabled)
}

func (w *world) changeRole() string {
	id, role := w.anyUser(), w.anyRole()
	_, err := w.s.ChangeUser(w.t.Context(), id, func(u *account.User) error { u.Role = role; return nil })
	w.known(err, w.users[id] != nil)
	if u := w.users[id]; u != nil {
		u.role = role
	}
	return fmt.Sprintf("role of %s: %s", id, role)
}

func (w *world) signOut() string {
	id := w.anyUser()
	var err error
	if w.rng.IntN(2) == 0 {
		err = w.s.SignOutEverywhere(w.t.Context(), id)
	} else {
		err = w.s.SetPasswordHash(w.t.Context(), id, "y")
	}
	w.known(err, w.users[id] != nil)
	w.endOf(ofUser(id), true)
	return "sign out " + id
}

func (w *world) addClient() string {
	id := w.anyClient()
	c := &modelClient{static: id == "static"}
	var err error
	if c.static {
		err = w.s.CreateClient(w.t.Context(), program(id))
	} else {
		err = w.s.RegisterClient(w.t.Context(), program(id), 10)
	}
	switch {
	case w.clients[id] == nil:
		must(w.t, err)
		w.clients[id] = c
	case fault.CodeOf(err) != fault.Conflict:
		w.t.Errorf("client made twice: %v", err)
	}
	return "add client " + id
}

func (w *world) deleteClient() string {
	id := w.anyClient()
	w.known(w.s.DeleteClient(w.t.Context(), id), w.clients[id] != nil)
	delete(w.clients, id)
	w.endOf(func(_, client string) bool { return client == id }, true)
	return "delete client " + id
}

func (w *world) changeClient() string {
	id, may := w.anyClient(), w.rng.IntN(2) == 0
	_, err := w.s.ChangeClient(w.t.Context(), id, func(c *oauth.Client) error { c.MayAdmin = may; return nil })
	w.known(err, w.clients[id] != nil)
	if c := w.clients[id]; c != nil {
		c.mayAdmin = may
	}
	return fmt.Sprintf("client %s may be admin: %v", id, may)
}

func (w *world) createCode() string {
	_, hash := secret.NewToken(oauth.PrefixCode)
	c := &modelCode{Code: oauth.Code{
		Hash: hash, User: w.anyUser(), Client: w.anyClient(), Resource: oauth.DefaultResource,
		Rights: w.anyRights(), Role: w.anyRole(), Expires: w.now.Add(100 * time.Hour),
	}}
	user := w.users[c.User]
	if user != nil {
		c.PasswordHash = hashOf(w.t, w.s, c.User)
	}
	err := w.s.CreateCode(w.t.Context(), c.Code)
	w.known(err, user != nil && !user.disabled && w.clients[c.Client] != nil)
	if err == nil {
		w.codes = append(w.codes, c)
	}
	return fmt.Sprintf("code %d of %s for %s", len(w.codes)-1, c.User, c.Client)
}

func (w *world) redeem() string {
	c := mostly(w, w.codes, func(c *modelCode) bool { return !c.gone && !c.used })
	if c == nil {
		return "redeem nothing"
	}
	what := fmt.Sprintf("redeem code %d", slices.Index(w.codes, c))
	check, fits := allow, w.rng.IntN(8) > 0
	if !fits {
		check = func(oauth.Code) error { return oauth.Errorf("invalid_client", "It does not fit.") }
	}
	m := minted(w.now)
	m.AccessExpires, m.Scope = w.now.Add(100*time.Hour), w.anyScope()
	want := ""
	switch {
	case c.gone || c.used || w.users[c.User].disabled:
		want = "invalid_grant"
	case !fits:
		want = "invalid_client"
	}
	g, err := w.s.RedeemCode(w.t.Context(), c.Hash, w.now, check, give(m))
	if word(err) != want {
		w.t.Errorf("%s: %v, want %q", what, err, want)
	}
	if c.used && !c.gone && c.grant != nil {
		c.grant.dead = true
	}
	c.used = true
	if err != nil {
		return what + ": refused"
	}
	c.grant = &modelGrant{Grant: g}
	c.grant.Role = c.Role // what was ticked; the user and the client may allow less by then
	w.grants = append(w.grants, c.grant)
	w.keep(c.grant, m)
	return what + ": " + g.ID
}

func (w *world) keep(g *modelGrant, m oauth.Minted) *modelRefresh {
	r := &modelRefresh{hash: m.Refresh, grant: g, scope: m.Scope}
	w.access = append(w.access, &modelAccess{m.Access, g, m.Scope})
	w.refresh = append(w.refresh, r)
	return r
}

func (w *world) rotate() string {
	r := mostly(w, w.refresh, func(r *modelRefresh) bool { return r.used.IsZero() && !r.grant.dead })
	if r == nil {
		return "rotate nothing"
	}
	what := fmt.Sprintf("rotate token %d of %s", slices.Index(w.refresh, r), r.grant.ID)
	call := rotation(r.grant.Client, r.hash, w.now)
	call.Minted.AccessExpires = w.now.Add(100 * time.Hour)
	call.Minted.Scope = r.scope
	if w.rng.IntN(4) == 0 {
		call.Minted.Scope = w.anyScope()
	}
	call.Replay = fmt.Appendf(nil, "answer %d", len(w.refresh))
	if w.rng.IntN(10) == 0 {
		call.Client = "somebody else"
	}
	_, _, live := w.allowed(&modelAccess{grant: r.grant})
	again := !r.used.IsZero() && r.successor.used.IsZero() && w.now.Sub(r.used) < oauth.ReplayWindow
	grows := r.scope != "" && (call.Minted.Scope == "" || slices.ContainsFunc([]string{"mcp:write", "mcp:destructive", "admin"},
		func(s string) bool { return oauth.HasScope(call.Minted.Scope, s) && !oauth.HasScope(r.scope, s) }))
	want, replay := w.predictRotate(r, call, live, again, grows)
	got, err := w.s.Rotate(w.t.Context(), call)
	if word(err) != want || string(got) != string(replay) {
		w.t.Errorf("%s: %q %v, want %q %q", what, got, err, replay, want)
	}
	return what + ": " + want + string(replay)
}

// predictRotate does a rotation in the model.
func (w *world) predictRotate(r *modelRefresh, call oauth.Rotation, live, again, grows bool) (word string, replay []byte) {
	switch {
	case call.Client != r.grant.Client:
		return "invalid_grant", nil
	case again && live:
		return "", r.replay
	case again:
		return "invalid_grant", nil
	case !r.used.IsZero():
		r.grant.dead = true
		return "invalid_grant", nil
	case !live:
		return "invalid_grant", nil
	case grows:
		return "invalid_scope", nil
	}
	r.used, r.replay = w.now, call.Replay
	r.successor = w.keep(r.grant, call.Minted)
	return "", nil
}

func (w *world) revokeToken() string {
	a := pick(w, w.access)
	if a == nil {
		return "revoke nothing"
	}
	client := a.grant.Client
	if w.rng.IntN(4) == 0 {
		client = "somebody else"
	}
	must(w.t, w.s.RevokeToken(w.t.Context(), a.hash, client))
	a.grant.dead = a.grant.dead || client == a.grant.Client
	return fmt.Sprintf("%s revokes a token of %s", client, a.grant.ID)
}

func (w *world) revokeGrant() string {
	g := mostly(w, w.grants, (*modelGrant).alive)
	if g == nil {
		return "revoke nothing"
	}
	_, err := w.s.RevokeGrant(w.t.Context(), g.ID)
	w.known(err, !g.dead)
	g.dead = true
	return "revoke " + g.ID
}

func (w *world) setRights() string {
	g := mostly(w, w.grants, (*modelGrant).alive)
	if g == nil {
		return "set rights of nothing"
	}
	r := w.anyRights()
	_, err := w.s.SetGrantRights(w.t.Context(), g.ID, r)
	w.known(err, !g.dead)
	g.Rights = r
	return fmt.Sprintf("rights of %s: %v", g.ID, r)
}

func (w *world) createKey() string {
	k := &modelKey{user: w.anyUser(), role: w.anyRole()}
	key, _, err := w.s.CreateKey(w.t.Context(), account.KeyRequest{Name: fmt.Sprint(len(w.keys)), User: k.user, Role: k.role, Rights: w.anyRights()})
	w.known(err, w.users[k.user] != nil)
	if err == nil {
		w.keys[key.ID] = k
	}
	return "key for " + k.user
}

func (w *world) revokeKey() string {
	id := pick(w, slices.Sorted(maps.Keys(w.keys)))
	if id == "" {
		return "revoke no key"
	}
	_, err := w.s.RevokeKey(w.t.Context(), id)
	w.known(err, !w.keys[id].dead)
	w.keys[id].dead = true
	return "revoke " + id
}

func (w *world) purge() string {
	_, err := w.s.PurgeTokens(w.t.Context(), w.now)
	must(w.t, err)
	return "purge"
}

func (w *world) wait() string {
	by := pick(w, []time.Duration{time.Second, 30 * time.Second, 2 * time.Minute})
	w.now = w.now.Add(by)
	return "wait " + by.String()
}
