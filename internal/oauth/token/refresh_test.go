package token_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

// Each refresh token is good for one exchange; a client that lost the answer gets
// the same bytes again for a minute (A11, D7).
func TestA11_replay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.granted()
	next := d.renew(first.Refresh)
	d.wantOK(next)
	if next.Refresh == first.Refresh || next.Access == first.Access {
		t.Error("a token stays the same")
	}
	for range 3 {
		d.wait(19 * time.Second)
		if again := d.renew(first.Refresh); again.status != http.StatusOK || again.body != next.body {
			t.Errorf("status %d: %s, not %s", again.status, again.body, next.body)
		}
	}
	if !d.alive(first.Access) || !d.alive(next.Access) || len(d.grants()) != 1 {
		t.Error("the replay has changed something")
	}
	d.wantOK(d.renew(next.Refresh))
}

// After that, a used token ends the whole family: one of two who have it has stolen
// it (A11; RFC 9700, 4.14.2).
func TestA11_reuse(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(d *desk, next answer){
		"late":               func(d *desk, _ answer) { d.wait(oauth.ReplayWindow) },
		"successor was used": func(d *desk, next answer) { d.wantOK(d.renew(next.Refresh)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			first := d.granted()
			next := d.renew(first.Refresh)
			d.wantOK(next)
			before(d, next)
			grant := d.grants()[0]
			d.audit.take()
			d.wantError(d.renew(first.Refresh), http.StatusBadRequest, "invalid_grant")
			if d.alive(first.Access) || d.alive(next.Access) {
				t.Error("an access token of the family lives")
			}
			d.wantError(d.renew(next.Refresh), http.StatusBadRequest, "invalid_grant")
			want := account.Record{Time: d.now, User: "anna", Credential: grant.ID, Client: "dcr_app", Method: "oauth/token", Target: "refresh_token",
				Decision: account.Denied, Outcome: account.Failed}
			if rows := d.audit.take(); len(rows) == 0 || !cmp.Equal(want, rows[0]) {
				t.Errorf("records %+v", rows)
			}
		})
	}
}

// The same token for something else than the first time is no retry.
func TestA11_replayOfAnotherRequest(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.granted()
	d.wantOK(d.renew(first.Refresh, "scope", "mcp:read"))
	d.wantError(d.renew(first.Refresh), http.StatusBadRequest, "invalid_grant")
	d.wantError(d.renew(first.Refresh, "scope", "mcp:read mcp:write"), http.StatusBadRequest, "invalid_grant")
	d.wantOK(d.renew(first.Refresh, "scope", "mcp:read openid"))
}

// Processes that race for one token all get the same answer, and there is one chain.
func TestA11_race(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.granted()
	answers := make([]answer, 16)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = d.renew(first.Refresh) })
	}
	all.Wait()
	for _, a := range answers {
		if a.status != http.StatusOK || a.body != answers[0].body {
			t.Fatalf("status %d: %s, not %s", a.status, a.body, answers[0].body)
		}
	}
	d.wantOK(d.renew(answers[0].Refresh))
}

// Another client's token is none, and stays good for its own (A11).
func TestA11_otherClient(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.granted()
	d.wantError(d.renew(first.Refresh, "client_id", "dcr_other"), http.StatusBadRequest, "invalid_grant")
	d.wantError(d.renew(first.Refresh, "client_id", "dcr_other", "scope", "admin"), http.StatusBadRequest, "invalid_grant")
	next := d.renew(first.Refresh)
	d.wantOK(next)
	d.wait(2 * oauth.ReplayWindow)
	d.wantError(d.renew(first.Refresh, "client_id", "dcr_other"), http.StatusBadRequest, "invalid_grant")
	if !d.alive(next.Access) {
		t.Error("a stranger has ended the grant")
	}
	d.wantOK(d.renew(next.Refresh))
}

// A refresh may narrow the scope for good, and never widen it (A11, R16).
func TestA11_scope(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rights := account.Rights{Backends: []string{account.Any}, Write: true}
	for _, c := range []struct {
		name  string
		steps []string // scope asked for and scope got, in turns; "!" is invalid_scope, "-" asks for none
	}{
		{"none", []string{"-", "mcp:read mcp:write", "", "mcp:read mcp:write"}},
		{"the same", []string{"mcp:write mcp:read", "mcp:read mcp:write"}},
		{"less", []string{"mcp:read", "mcp:read", "-", "mcp:read", "mcp:read", "mcp:read"}},
		{"less, then more", []string{"mcp:read", "mcp:read", "mcp:read mcp:write", "!", "mcp:write", "!"}},
		{"more", []string{"mcp:read mcp:write mcp:destructive", "!", "admin", "!", "-", "mcp:read mcp:write"}},
		{"habits", []string{"openid profile email offline_access", "mcp:read mcp:write", "mcp:read openid offline_access", "mcp:read"}},
		{"write alone", []string{"mcp:write", "mcp:read mcp:write"}},
	} {
		last := d.granted(func(code *oauth.Code) { code.Rights = rights }).Refresh
		for i := 0; i < len(c.steps); i += 2 {
			pairs := []string{"scope", c.steps[i]}
			if c.steps[i] == "-" {
				pairs = nil
			}
			a := d.renew(last, pairs...)
			if c.steps[i+1] == "!" {
				d.wantError(a, http.StatusBadRequest, "invalid_scope")
				continue
			}
			live, err := d.store.LiveToken(t.Context(), secret.Hash(a.Access))
			if got := oauth.ScopeOf(live.Grant.Rights, live.Grant.Role); err != nil || a.Scope != c.steps[i+1] || got != a.Scope {
				t.Errorf("%s, step %d: asked for %q, told %q, got %q, not %q: %v", c.name, i/2, c.steps[i], a.Scope, got, c.steps[i+1], err)
			}
			last = a.Refresh
		}
	}
}

// LibreChat sends the scope it registered with at each refresh, whatever it was
// granted. It keeps what it has (C9).
func TestC9_registeredScope(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.client("dcr_libre", oauth.Registered, oauth.AuthNone, func(c *oauth.Client) { c.Metadata.Scope = "mcp:read mcp:write mcp:destructive admin" })
	code := d.code(func(c *oauth.Code) { c.Client, c.Rights = "dcr_libre", account.ReadRights() })
	first := d.redeem(code, "client_id", "dcr_libre")
	d.wantOK(first)
	next := d.renew(first.Refresh, "client_id", "dcr_libre", "scope", "mcp:read mcp:write mcp:destructive admin")
	d.wantOK(next)
	if next.Scope != "mcp:read" {
		t.Errorf("scope %q", next.Scope)
	}
	live, err := d.store.LiveToken(t.Context(), secret.Hash(next.Access))
	must(t, err)
	if diff := cmp.Diff(account.ReadRights(), live.Grant.Rights); diff != "" || live.Grant.Role != account.RoleMember {
		t.Errorf("%v %s", live.Grant.Role, diff)
	}
}

// The resource stays what was agreed to (A12; RFC 8707, 2.2).
func TestA12_refreshResource(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	last := d.granted().Refresh
	for _, sent := range []string{base + "/mcp/team", "https://other.example.com/mcp"} {
		d.wantError(d.renew(last, "resource", sent), http.StatusBadRequest, "invalid_target")
	}
	for _, sent := range []string{base + "/mcp", base + "/", ""} {
		a := d.renew(last, "resource", sent)
		d.wantOK(a)
		last = a.Refresh
	}
}

// Refreshing goes on for as long as the grant may live, and no longer (R14).
func TestR14_refreshEnds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	last, begun := d.granted().Refresh, d.now
	idle := d.granted().Refresh
	for d.now.Sub(begun) < oauth.RefreshLimit-25*24*time.Hour {
		d.wait(25 * 24 * time.Hour)
		a := d.renew(last)
		d.wantOK(a)
		last = a.Refresh
	}
	found, err := d.store.RefreshToken(t.Context(), secret.Hash(last))
	must(t, err)
	if want := begun.Add(oauth.RefreshLimit); !found.Expires.Equal(want) {
		t.Errorf("the last token is good until %v, not %v", found.Expires, want)
	}
	d.wait(begun.Add(oauth.RefreshLimit).Sub(d.now))
	d.wantError(d.renew(last), http.StatusBadRequest, "invalid_grant")
	d.wantError(d.renew(idle), http.StatusBadRequest, "invalid_grant")
}

// A dead refresh token is answered with invalid_grant, however it died and however
// often it comes (R10, R11).
func TestR11_deadTokens(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	never, _ := secret.NewToken(oauth.PrefixRefresh)
	revoked, expired, disabled, used := d.granted(), d.granted(), d.granted(func(c *oauth.Code) { c.User = "root" }), d.granted()
	live, err := d.store.LiveToken(t.Context(), secret.Hash(revoked.Access))
	must(t, err)
	_, err = d.store.RevokeGrant(t.Context(), live.Grant.ID)
	must(t, err)
	d.wantError(d.renew(revoked.Refresh, "scope", "admin"), http.StatusBadRequest, "invalid_grant")
	d.wantOK(d.renew(used.Refresh))
	d.wait(refreshTTL)
	must(t, d.store.SetUserDisabled(t.Context(), "anna", true))
	for name, dead := range map[string]string{
		"unknown": never.Reveal(), "malformed": "dbr_x", "access token": revoked.Access, "revoked": revoked.Refresh, "expired": expired.Refresh,
		"of a disabled user": disabled.Refresh, "used": used.Refresh,
	} {
		for range 60 {
			a := d.renew(dead)
			d.wantError(a, http.StatusBadRequest, "invalid_grant")
			if a.header.Get("Retry-After") != "" {
				t.Errorf("%s: Retry-After", name)
			}
		}
	}
	for _, dead := range []string{revoked.Refresh, expired.Refresh} { // whatever else is wrong
		d.wantError(d.renew(dead, "scope", "admin"), http.StatusBadRequest, "invalid_grant")
		d.wantError(d.renew(dead, "resource", "https://other.example.com/"), http.StatusBadRequest, "invalid_grant")
	}
	if rows := d.audit.take(); len(rows) > 40 {
		t.Errorf("a client that goes on asking leaves %d records", len(rows))
	}
}

// A client that refreshes without end is told to wait, and can go on afterwards.
func TestR11_tooOften(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.granted().Refresh
	last, other := first, d.granted().Refresh
	var a answer
	for range 30 {
		if a = d.renew(last); a.status != http.StatusOK {
			break
		}
		last = a.Refresh
	}
	d.wantOK(a)
	a = d.renew(last)
	d.wantError(a, http.StatusTooManyRequests, "temporarily_unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	d.wantOK(d.renew(other)) // another user of the same client
	d.wait(2 * time.Second)
	a = d.renew(last)
	d.wantOK(a)
	d.wantError(d.renew(a.Refresh), http.StatusTooManyRequests, "temporarily_unavailable")
	d.wantError(d.renew(first), http.StatusBadRequest, "invalid_grant") // dead, not early
}

// Rights that an admin takes from a grant are gone with the next token, too.
func TestA20_grantNarrowed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.granted()
	_, err := d.store.SetGrantRights(t.Context(), d.grants()[0].ID, account.ReadRights())
	must(t, err)
	if a := d.renew(first.Refresh); a.Scope != "mcp:read" {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	if rows := d.audit.take(); !slices.ContainsFunc(rows, func(r account.Record) bool { return r.Target == "refresh_token" && r.Decision == account.Allowed }) {
		t.Errorf("records %+v", rows)
	}
}

// The same answer once more is no refresh: processes that raced for one token do not
// have to wait before the next.
func TestR11_replaysAreFree(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.granted()
	answers := make([]answer, 32)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = d.renew(first.Refresh) })
	}
	all.Wait()
	for _, a := range answers {
		d.wantOK(a)
	}
	d.wantOK(d.renew(answers[0].Refresh))
}
