package token_test

import (
	"context"
	"net/http"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/token"
	"drawbridge/internal/secret"
)

// machine enters a client that acts by itself.
func (d *desk) machine(id string, change ...func(*oauth.Client)) {
	d.t.Helper()
	d.client(id, oauth.Static, oauth.AuthBasic, append([]func(*oauth.Client){func(c *oauth.Client) {
		c.MachineUser, c.MachineRights = "anna", account.Rights{Backends: []string{account.Any}, Write: true}
		c.Metadata.GrantTypes, c.Metadata.RedirectURIs = []string{oauth.GrantMachine}, nil
	}}, change...)...)
}

func (d *desk) run(id string, pairs ...string) answer {
	d.t.Helper()
	return d.post(merge([]string{"grant_type", "client_credentials", "client_id", id, "client_secret", appSecret}, pairs)...)
}

// A machine gets what the admin gave it, for the user the admin named, and no
// refresh token; all its tokens belong to one grant.
func TestMachine(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.machine("robot")
	for _, c := range []struct{ asked, got string }{
		{"", "mcp:read mcp:write"},
		{"mcp:read", "mcp:read"},
		{"mcp:read mcp:destructive admin", "mcp:read"}, // what there is of it (R16)
		{" ", "mcp:read mcp:write"},
		{"mcp:write", "mcp:read mcp:write"},   // who may write may read
		{"openid offline_access", "mcp:read"}, // nothing of it: the least there is
		{"openid", "mcp:read"},
		{"admin", "mcp:read"},
		{"mcp:destructive", "mcp:read"},
	} {
		a := d.run("robot", "scope", c.asked)
		d.wantOK(a)
		if a.Refresh != "" || a.Scope != c.got || a.Type != "Bearer" || a.Expires != 3600 {
			t.Errorf("scope %q: %s", c.asked, a.body)
		}
		live, err := d.store.LiveToken(t.Context(), secret.Hash(a.Access))
		must(t, err)
		g := live.Grant
		if g.User != "anna" || g.Client != "robot" || g.Resource != "/mcp" || oauth.ScopeOf(g.Rights, g.Role) != c.got {
			t.Errorf("scope %q: grant %+v", c.asked, g)
		}
	}
	if n := len(d.grants()); n != 1 {
		t.Errorf("%d grants", n)
	}
	if rows := d.audit.take(); len(rows) != 9 || rows[0].Target != "client_credentials" || rows[0].User != "anna" || rows[0].Client != "robot" || rows[0].Credential == "" {
		t.Errorf("records %+v", rows)
	}
}

func TestA12_machineResource(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.machine("robot")
	must(t, d.store.SaveProfile(t.Context(), account.Profile{Name: "team", Title: "Team", Backends: []string{"*"}, Allow: []string{"*"}, Tier: account.TierRead}))
	a := d.run("robot", "resource", base+"/mcp/team")
	d.wantOK(a)
	live, err := d.store.LiveToken(t.Context(), secret.Hash(a.Access))
	must(t, err)
	if live.Grant.Resource != "/mcp/team" {
		t.Errorf("a token for %s", live.Grant.Resource)
	}
	for _, resource := range []string{"https://other.example.com/mcp", base + "/admin", base + "/mcp/nobody"} {
		d.wantError(d.run("robot", "resource", resource), http.StatusBadRequest, "invalid_target")
	}
}

// selfMade are clients that say that they registered themselves.
type selfMade struct{ token.Authenticator }

func (a selfMade) Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (oauth.Client, *oauth.Error) {
	c, e := a.Authenticator.Authenticate(ctx, r, p)
	c.Kind = oauth.Registered
	return c, e
}

// Whom a client acts for counts only if an admin said so.
func TestMachine_selfMade(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(deps *token.Deps) { deps.Clients = selfMade{deps.Clients} })
	d.machine("robot")
	d.wantError(d.run("robot"), http.StatusBadRequest, "unauthorized_client")
}

// Nobody becomes a machine but by an admin's hand.
func TestMachine_refused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.client("web", oauth.Static, oauth.AuthBasic)
	d.machine("open", func(c *oauth.Client) { c.Metadata.AuthMethod, c.SecretHash = oauth.AuthNone, [32]byte{} })
	d.client("dcr_robot", oauth.Registered, oauth.AuthBasic, func(c *oauth.Client) { c.Metadata.GrantTypes = []string{oauth.GrantMachine} })
	d.client("https://app.example.com/client.json", oauth.Document, oauth.AuthJWT)
	for _, id := range []string{"web", "open", "dcr_robot", "dcr_app", "https://app.example.com/client.json"} {
		d.wantError(d.run(id), http.StatusBadRequest, "unauthorized_client")
	}
	d.machine("robot")
	d.wantError(d.run("robot", "client_secret", "wrong"), http.StatusUnauthorized, "invalid_client")
	must(t, d.store.SetUserDisabled(t.Context(), "anna", true))
	d.wantError(d.run("robot"), http.StatusBadRequest, "unauthorized_client")
	if n := len(d.grants()); n != 0 {
		t.Errorf("%d grants", n)
	}
}
