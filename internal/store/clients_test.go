package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

func TestClients(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		created := moment(time.Now().Add(-time.Hour))
		static := program("static")
		static.Kind, static.SecretHash, static.MayAdmin, static.Created = oauth.Static, secret.Hash("s"), true, created
		static.MachineUser, static.MachineRights = "anna", account.Rights{Backends: []string{"a"}}
		static.Metadata.JWKS = []byte(`{"keys":[]}`)
		must(t, s.CreateClient(ctx, static))
		registered := program("registered")
		registered.Kind, registered.Created, registered.Source = oauth.Registered, created.Add(time.Second), "192.0.2.0/24"
		must(t, s.RegisterClient(ctx, registered, 10))
		document := program("https://doc.example/client")
		document.Kind, document.Created = oauth.Document, created.Add(2*time.Second)
		must(t, s.SaveDocumentClient(ctx, document))

		got, err := s.Clients(ctx)
		if diff := cmp.Diff([]oauth.Client{static, registered, document}, got); err != nil || diff != "" {
			t.Errorf("clients: %v %s", err, diff)
		}
		one, err := s.Client(ctx, "static")
		if diff := cmp.Diff(static, one); err != nil || diff != "" {
			t.Errorf("client: %v %s", err, diff)
		}
		// A new snapshot of a document keeps what an admin has decided.
		_, err = s.ChangeClient(ctx, document.ID, func(c *oauth.Client) error { c.MayAdmin = true; return nil })
		must(t, err)
		fresh := document
		fresh.Metadata.Name, fresh.Created = "Another name", time.Now()
		must(t, s.SaveDocumentClient(ctx, fresh))
		fresh.MayAdmin, fresh.Created = true, document.Created
		one, err = s.Client(ctx, document.ID)
		if diff := cmp.Diff(fresh, one); err != nil || diff != "" {
			t.Errorf("new snapshot: %v %s", err, diff)
		}
	})
}

func TestClients_refuses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		must(t, s.CreateClient(ctx, program("taken")))
		machine := func(user string, rights account.Rights) oauth.Client {
			c := program("machine")
			c.MachineUser, c.MachineRights = user, rights
			return c
		}
		keep := func(*oauth.Client) error { return nil }
		change := func(id string, f func(*oauth.Client) error) error { _, err := s.ChangeClient(ctx, id, f); return err }
		unknown := func() error { _, err := s.Client(ctx, "other"); return err }
		for what, c := range map[string]struct {
			err  error
			code fault.Code
		}{
			"taken":                {s.CreateClient(ctx, program("taken")), fault.Conflict},
			"taken by another":     {s.RegisterClient(ctx, program("taken"), 10), fault.Conflict},
			"taken by a document":  {s.SaveDocumentClient(ctx, program("taken")), fault.Conflict},
			"no id":                {s.CreateClient(ctx, oauth.Client{}), fault.Invalid},
			"no machine user":      {s.CreateClient(ctx, machine("carl", account.ReadRights())), fault.NotFound},
			"no machine rights":    {s.CreateClient(ctx, machine("anna", account.Rights{})), fault.Invalid},
			"machine user unknown": {change("taken", func(c *oauth.Client) error { *c = machine("carl", account.ReadRights()); return nil }), fault.NotFound},
			"refused by caller":    {change("taken", func(*oauth.Client) error { return fault.New(fault.Forbidden, "No.") }), fault.Forbidden},
			"change unknown":       {change("other", keep), fault.NotFound},
			"delete unknown":       {s.DeleteClient(ctx, "other"), fault.NotFound},
			"unknown":              {unknown(), fault.NotFound},
		} {
			if fault.CodeOf(c.err) != c.code {
				t.Errorf("%s: %v, want %s", what, c.err, c.code)
			}
		}
		clients, err := s.Clients(ctx)
		want := program("taken")
		want.Kind = oauth.Static
		if diff := cmp.Diff([]oauth.Client{want}, clients, cmpopts.IgnoreFields(oauth.Client{}, "Created")); err != nil || diff != "" {
			t.Errorf("afterwards: %v %s", err, diff)
		}
	})
}

// A15: at the limit the oldest client goes that nobody has used.
func TestRegisterClient_limit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		const limit = 6
		age := time.Now().Add(-time.Hour)
		add := func(id string) error {
			c := program(id)
			age = age.Add(time.Second)
			c.Created = age
			return s.RegisterClient(ctx, c, limit)
		}
		for _, id := range []string{"granted", "waiting", "admin", "used"} { // oldest, and none may go
			must(t, add(id))
		}
		g, _ := granted(t, s, "anna", "granted")
		_, err := s.RevokeGrant(ctx, g.ID) // even an ended grant is a trace
		must(t, err)
		_, err = s.ChangeClient(ctx, "admin", func(c *oauth.Client) error { c.MayAdmin = true; return nil })
		must(t, err)
		must(t, s.CreateUser(ctx, account.User{ID: "ben", Name: "Ben", Role: account.RoleMember}))
		granted(t, s, "ben", "used")
		must(t, s.DeleteUser(ctx, "ben"))                                    // its grants go, its use stays noted
		raw(t, cfg, "UPDATE clients SET last_used = 0 WHERE id = 'granted'") // a grant alone is enough
		_, err = s.PurgeTokens(ctx, time.Now().Add(25*time.Hour))            // used codes
		must(t, err)
		consent(t, s, "anna", "waiting")
		must(t, s.CreateClient(ctx, program("static"))) // of another kind, does not count

		for i := range 8 {
			must(t, add(fmt.Sprintf("flood%d", i)))
			want := []string{"granted", "waiting", "admin", "used", "flood0", "static"}
			if i > 0 {
				want = []string{"granted", "waiting", "admin", "used", fmt.Sprintf("flood%d", i-1), fmt.Sprintf("flood%d", i), "static"}
			}
			if diff := cmp.Diff(want, clientIDs(t, s)); diff != "" {
				t.Fatalf("after %d: %s", i, diff)
			}
		}
		for _, id := range []string{"flood6", "flood7"} {
			granted(t, s, "anna", id)
		}
		if err := add("one too many"); fault.CodeOf(err) != fault.Limited {
			t.Errorf("at the limit: %v", err)
		}
		if n := len(clientIDs(t, s)); n != limit+1 {
			t.Errorf("%d clients", n)
		}
	})
}

func clientIDs(t *testing.T, s *store.Store) (ids []string) {
	t.Helper()
	clients, err := s.Clients(t.Context())
	must(t, err)
	for _, c := range clients {
		ids = append(ids, c.ID)
	}
	return ids
}

// Many register at once, in two processes: the limit holds.
func TestRegisterClient_flood(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		stores := []*store.Store{storetest.Open(t, cfg), storetest.Open(t, cfg)}
		const limit = 10
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				if err := stores[i%2].RegisterClient(t.Context(), program(fmt.Sprint(i)), limit); err != nil {
					t.Errorf("register: %v", err)
				}
			})
		}
		wg.Wait()
		if n := len(clientIDs(t, stores[0])); n != limit {
			t.Errorf("%d clients, want %d", n, limit)
		}
	})
}

// Clients are pushed out by a flood while codes for them are redeemed: whoever
// comes first, no grant is without its client.
func TestRegisterClient_evictionAndRedemption(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		a, b := storetest.Open(t, cfg), storetest.Open(t, cfg)
		people(t, a)
		var redeemed atomic.Int64
		for i := range 20 {
			id := fmt.Sprintf("app%d", i)
			must(t, a.RegisterClient(t.Context(), program(id), 1000))
			hash := consent(t, a, "anna", id)
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := a.RedeemCode(t.Context(), hash, time.Now(), allow, give(minted(time.Now())))
				if err == nil {
					redeemed.Add(1)
				} else if word(err) != "invalid_grant" {
					t.Errorf("redeem: %v", err)
				}
			})
			wg.Go(func() {
				if err := b.RegisterClient(t.Context(), program(fmt.Sprintf("flood%d", i)), i+2); err != nil && fault.CodeOf(err) != fault.Limited {
					t.Errorf("register: %v", err)
				}
			})
			wg.Wait()
		}
		orphans := number(t, cfg, "SELECT count(*) FROM grants g WHERE NOT EXISTS (SELECT 1 FROM clients c WHERE c.id = g.client_id)")
		if redeemed.Load() != 20 || orphans != 0 {
			t.Errorf("%d redeemed, %d grants without a client", redeemed.Load(), orphans)
		}
	})
}

func TestPurgeClients(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		now := time.Now()
		old := func(id string) oauth.Client { c := program(id); c.Created = now.Add(-25 * time.Hour); return c }
		must(t, s.RegisterClient(ctx, old("unused"), 10))
		must(t, s.RegisterClient(ctx, old("used"), 10))
		must(t, s.RegisterClient(ctx, program("young"), 10))
		must(t, s.CreateClient(ctx, old("static")))
		must(t, s.SaveDocumentClient(ctx, old("https://doc.example/c")))
		must(t, s.SaveDocumentClient(ctx, old("https://doc.example/used")))
		granted(t, s, "anna", "used")
		granted(t, s, "anna", "https://doc.example/used")
		if n, err := s.PurgeClients(ctx, now, 24*time.Hour); err != nil || n != 2 {
			t.Errorf("removed %d: %v", n, err)
		}
		if diff := cmp.Diff([]string{"https://doc.example/used", "static", "used", "young"}, clientIDs(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDeleteClient(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		register(t, s, "app")
		register(t, s, "other")
		g, m := granted(t, s, "anna", "app")
		_, others := granted(t, s, "anna", "other")
		code := consent(t, s, "anna", "app")
		raises(t, s, true, "deletion", func(context.Context) { must(t, s.DeleteClient(ctx, "app")) })
		if isLive(t, s, m.Access) || !isLive(t, s, others.Access) {
			t.Error("the wrong tokens live")
		}
		if g, err := s.Grant(ctx, g.ID); err != nil || g.Revoked.IsZero() || g.ClientName != "Program app" {
			t.Errorf("grant %+v: %v", g, err)
		}
		register(t, s, "app")
		if _, err := s.RedeemCode(ctx, code, time.Now(), allow, give(minted(time.Now()))); word(err) != "invalid_grant" {
			t.Errorf("a code of the one before was redeemed: %v", err)
		}
	})
}

// What an admin allowed a client to ask for counts for as long as it is allowed,
// and no longer.
func TestChangeClient_mayAdmin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		register(t, s, "app")
		must(t, s.CreateClient(ctx, program("static")))
		set := func(may bool) {
			t.Helper()
			raises(t, s, true, "a change", func(context.Context) {
				_, err := s.ChangeClient(ctx, "app", func(c *oauth.Client) error { c.MayAdmin = may; return nil })
				must(t, err)
			})
		}
		role := func(m oauth.Minted, want account.Role, what string) {
			t.Helper()
			if live, err := s.LiveToken(ctx, m.Access); err != nil || live.Grant.Role != want {
				t.Errorf("%s: role %q, want %q: %v", what, live.Grant.Role, want, err)
			}
		}
		_, m := granted(t, s, "root", "app")
		role(m, account.RoleMember, "a client that registered itself")
		set(true)
		role(m, account.RoleAdmin, "allowed by an admin")
		_, members := granted(t, s, "anna", "app")
		role(members, account.RoleMember, "with a member")
		set(false)
		role(m, account.RoleMember, "not allowed any more")
		_, m = granted(t, s, "root", "static")
		role(m, account.RoleAdmin, "a client that an admin entered")
		must(t, s.CreateUser(ctx, account.User{ID: "ben", Name: "Ben", Role: account.RoleAdmin, PasswordHash: "x"}))
		_, err := s.ChangeUser(ctx, "root", func(u *account.User) error { u.Role = account.RoleMember; return nil })
		must(t, err)
		role(m, account.RoleMember, "whose user is no admin any more")
	})
}

func TestMachineToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		c := program("machine")
		c.Metadata.GrantTypes = []string{oauth.GrantMachine}
		c.MachineUser, c.MachineRights = "anna", account.Rights{Backends: []string{"a"}, Write: true}
		must(t, s.CreateClient(ctx, c))
		must(t, s.SaveProfile(ctx, profile("work")))
		issue := func(resource string) (account.Grant, oauth.Minted, error) {
			m := minted(time.Now())
			m.Refresh = [32]byte{}
			g, err := s.MachineToken(ctx, c, resource, time.Now(), give(m))
			return g, m, err
		}
		first, m, err := issue("/mcp")
		must(t, err)
		if first.User != "anna" || first.Client != "machine" || first.Role != account.RoleMember || !isLive(t, s, m.Access) {
			t.Errorf("grant %+v", first)
		}
		if diff := cmp.Diff(c.MachineRights, first.Rights); diff != "" {
			t.Error(diff)
		}
		again, _, err := issue("/mcp")
		if err != nil || again.ID != first.ID {
			t.Errorf("another grant %+v: %v", again, err)
		}
		if other, _, err := issue("/mcp/work"); err != nil || other.ID == first.ID {
			t.Errorf("the same grant for another resource %+v: %v", other, err)
		}
		if _, _, err := issue("/mcp/gone"); word(err) != "invalid_target" {
			t.Errorf("unknown profile: %v", err)
		}
		// An admin narrows the grant; then gives the client other rights.
		_, err = s.SetGrantRights(ctx, first.ID, account.Rights{Backends: []string{"a"}})
		must(t, err)
		if again, _, err = issue("/mcp"); err != nil || again.Rights.Write {
			t.Errorf("a narrowed grant: %+v %v", again, err)
		}
		for what, change := range map[string]func(*oauth.Client){
			"rights": func(c *oauth.Client) { c.MachineRights = account.ReadRights() },
			"user":   func(c *oauth.Client) { c.MachineUser = "root" },
			"type":   func(c *oauth.Client) { c.Metadata.GrantTypes = []string{oauth.GrantCode} },
			"admin":  func(c *oauth.Client) { c.MayAdmin = true },
		} {
			before, m, err := issue("/mcp")
			must(t, err)
			c, err = s.ChangeClient(ctx, "machine", func(c *oauth.Client) error { change(c); return nil })
			must(t, err)
			if isLive(t, s, m.Access) {
				t.Errorf("with another %s the old token lives", what)
			}
			if after, _, err := issue("/mcp"); err != nil || after.ID == before.ID {
				t.Errorf("with another %s: %+v %v", what, after, err)
			}
		}
		if g, _, err := issue("/mcp"); err != nil || g.Role != account.RoleAdmin || g.User != "root" {
			t.Errorf("a machine that may be admin, for an admin: %+v %v", g, err)
		}
		must(t, s.CreateUser(ctx, account.User{ID: "ben", Name: "Ben", Role: account.RoleAdmin, PasswordHash: "x"}))
		must(t, s.SetUserDisabled(ctx, "root", true))
		stale := program("machine")
		stale.MachineUser, stale.MachineRights = "anna", account.FullRights()
		for what, c := range map[string]oauth.Client{"disabled user": c, "outdated": stale, "no machine": program("other")} {
			if _, err := s.MachineToken(ctx, c, "/mcp", time.Now(), give(minted(time.Now()))); word(err) != "unauthorized_client" {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// Many tokens at once for one machine: one grant.
func TestMachineToken_oneGrant(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		stores := []*store.Store{storetest.Open(t, cfg), storetest.Open(t, cfg)}
		people(t, stores[0])
		c := program("machine")
		c.MachineUser, c.MachineRights = "anna", account.ReadRights()
		must(t, stores[0].CreateClient(t.Context(), c))
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				if _, err := stores[i%2].MachineToken(t.Context(), c, "/mcp", time.Now(), give(minted(time.Now()))); err != nil {
					t.Errorf("issue: %v", err)
				}
			})
		}
		wg.Wait()
		if n := number(t, cfg, "SELECT count(*) FROM grants"); n != 1 {
			t.Errorf("%d grants", n)
		}
	})
}

// Texts of strangers that PostgreSQL cannot keep: what is asked for is unknown, what
// is written is refused, and a name for show loses the part. Both engines agree.
func TestStore_textThatCannotBeKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		ctx := t.Context()
		register(t, s, "app")
		for _, bad := range []string{"a\x00b", "a\xffb"} {
			for what, look := range map[string]func() error{
				"client":         func() error { _, err := s.Client(ctx, bad); return err },
				"change client":  func() error { _, err := s.ChangeClient(ctx, bad, func(*oauth.Client) error { return nil }); return err },
				"delete client":  func() error { return s.DeleteClient(ctx, bad) },
				"user":           func() error { _, err := s.User(ctx, bad); return err },
				"delete user":    func() error { return s.DeleteUser(ctx, bad) },
				"profile":        func() error { _, err := s.Profile(ctx, bad); return err },
				"delete profile": func() error { return s.DeleteProfile(ctx, bad) },
				"grant":          func() error { _, err := s.Grant(ctx, bad); return err },
				"revoke grant":   func() error { _, err := s.RevokeGrant(ctx, bad); return err },
				"revoke key":     func() error { _, err := s.RevokeKey(ctx, bad); return err },
			} {
				if err := look(); fault.CodeOf(err) != fault.NotFound {
					t.Errorf("%s %q: %v", what, bad, err)
				}
			}
			for what, err := range map[string]error{
				"register": s.RegisterClient(ctx, program(bad), 10), "create": s.CreateClient(ctx, program(bad)), "document": s.SaveDocumentClient(ctx, program(bad)),
			} {
				if fault.CodeOf(err) != fault.Invalid {
					t.Errorf("%s %q: %v", what, bad, err)
				}
			}
			if grants, err := s.Grants(ctx, bad); err != nil || len(grants) != 0 {
				t.Errorf("grants of %q: %v %v", bad, grants, err)
			}
			_, m := granted(t, s, "anna", "app", func(c *oauth.Code) { c.ClientName = bad })
			if err := s.RevokeToken(ctx, m.Access, bad); err != nil || !isLive(t, s, m.Access) {
				t.Errorf("revocation by %q: %v", bad, err)
			}
			shown := program("shown")
			shown.Metadata.Name = bad
			must(t, s.RegisterClient(ctx, shown, 10))
			must(t, s.DeleteClient(ctx, "shown"))
		}
		grants, err := s.Grants(ctx, "anna")
		must(t, err)
		for _, g := range grants {
			if g.ClientName != "ab" && g.ClientName != "a\ufffdb" { // JSON has put a mark in the place of what is not UTF-8
				t.Errorf("the client is called %q", g.ClientName)
			}
		}
	})
}
