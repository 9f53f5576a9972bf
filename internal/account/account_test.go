package account_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func TestKey_Live(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		key    account.Key
		status string
	}{
		{"never expires", account.Key{}, "live"},
		{"expires later", account.Key{Expires: now.Add(time.Nanosecond)}, "live"},
		{"expires now", account.Key{Expires: now}, "expired"},
		{"expired", account.Key{Expires: now.Add(-time.Hour)}, "expired"},
		{"revoked", account.Key{Revoked: now.Add(-time.Hour)}, "revoked"},
		{"revoked by a clock that runs ahead", account.Key{Revoked: now.Add(time.Hour)}, "revoked"},
		{"revoked and expired", account.Key{Revoked: now, Expires: now}, "revoked"},
	} {
		if got := c.key.Status(now); got != c.status || c.key.Live(now) != (c.status == "live") {
			t.Errorf("%s: %s, live %v; want %s", c.name, got, c.key.Live(now), c.status)
		}
		grant := account.Grant{Revoked: c.key.Revoked, Expires: c.key.Expires}
		if got := grant.Status(now); got != c.status || grant.Live(now) != (c.status == "live") {
			t.Errorf("grant that %s: %s, live %v; want %s", c.name, got, grant.Live(now), c.status)
		}
	}
}

func TestFromNetwork(t *testing.T) {
	t.Parallel()
	home := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	for addr, want := range map[string]bool{
		"192.0.2.255":        true,
		"::ffff:192.0.2.1":   true,
		"2001:db8:ffff::1":   true,
		"192.0.3.0":          false,
		"2001:db9::1":        false,
		"2001:db8::1%eth0":   false, // a zone names a link of this machine, no network
		"::ffff:203.0.113.1": false,
	} {
		if got := account.FromNetwork(home, netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if account.FromNetwork(home, netip.Addr{}) || account.FromNetwork(nil, netip.MustParseAddr("192.0.2.1")) {
		t.Error("an unknown address, or no network at all, is let through")
	}
}

func TestRole_Cap(t *testing.T) {
	t.Parallel()
	a, m, unknown := account.RoleAdmin, account.RoleMember, account.Role("root")
	for _, c := range [][3]account.Role{
		{a, a, a}, {a, m, m}, {m, a, m}, {m, m, m}, {unknown, a, m}, {a, unknown, m}, {"", "", m},
	} {
		if got := c[0].Cap(c[1]); got != c[2] {
			t.Errorf("%q capped by %q: %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

func TestKeyRequest_Check(t *testing.T) {
	t.Parallel()
	good := account.KeyRequest{
		Name: "Anna's laptop 💻", User: "anna@example.org", Role: account.RoleMember, Rights: account.ReadRights(), Profile: "work",
	}
	if err := good.Check(now); err != nil {
		t.Errorf("good request: %v", err)
	}
	for _, c := range []struct {
		want   string
		change func(*account.KeyRequest)
	}{
		{"is empty", func(r *account.KeyRequest) { r.Name = "" }},
		{"longer than 64", func(r *account.KeyRequest) { r.Name = strings.Repeat("ä", 65) }},
		{"cannot be shown", func(r *account.KeyRequest) { r.Name = "\xff" }},
		{"ends with a space", func(r *account.KeyRequest) { r.Name = "a " }},
		{"cannot be shown", func(r *account.KeyRequest) { r.Name = "a\x1b[2Jb" }},
		{"cannot be shown", func(r *account.KeyRequest) { r.Name = "a\u202eb" }},
		{"unknown role", func(r *account.KeyRequest) { r.Role = "root" }},
		{"in the past", func(r *account.KeyRequest) { r.Expires = now }},
		{"use only a-z", func(r *account.KeyRequest) { r.User = "Anna" }},
		{"use only a-z", func(r *account.KeyRequest) { r.User = "a/b" }},
		{"first a letter", func(r *account.KeyRequest) { r.User = "../x" }},
		{"first a letter", func(r *account.KeyRequest) { r.User = "" }},
		{"1 to 64 characters", func(r *account.KeyRequest) { r.User = strings.Repeat("a", 65) }},
		{"no backend is named", func(r *account.KeyRequest) { r.Rights = account.Rights{} }},
		{"no backend is named", func(r *account.KeyRequest) { r.Rights = account.Rights{Write: true, Destructive: []string{"*"}} }},
		{"cannot be shown", func(r *account.KeyRequest) { r.Rights.Backends = []string{"a\x00"} }},
		{"cannot be shown", func(r *account.KeyRequest) { r.Rights.Destructive = []string{"a\x00"} }},
		{"more than 200", func(r *account.KeyRequest) { r.Rights.Backends = make([]string, 201) }},
		{"profile name", func(r *account.KeyRequest) { r.Profile = "../x" }},
		{"leave the profile out, or make it a member's key", func(r *account.KeyRequest) { r.Role = account.RoleAdmin }},
	} {
		r := good
		c.change(&r)
		if err := r.Check(now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", r, err, c.want)
		}
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	none := account.Rights{}
	a := account.Rights{Backends: []string{"a"}, Write: true}
	danger := account.Rights{Backends: []string{"a", "b"}, Destructive: []string{"b", "c"}}
	for _, c := range []struct {
		rights                account.Rights
		backend               string
		read, write, destroys bool
	}{
		{account.FullRights(), "a", true, true, true},
		{account.ReadRights(), "a", true, false, false},
		{none, "a", false, false, false},
		{a, "a", true, true, false},
		{a, "b", false, false, false},
		{a, "", false, false, false},
		{a, "*", false, false, false},
		{danger, "a", true, false, false},
		{danger, "b", true, false, true},
		{danger, "c", false, false, false}, // the tick for c says nothing without c
	} {
		got := fmt.Sprint(c.rights.Allow(c.backend, account.TierRead), c.rights.Allow(c.backend, account.TierWrite), c.rights.Allow(c.backend, account.TierDestroy))
		if want := fmt.Sprint(c.read, c.write, c.destroys); got != want {
			t.Errorf("%+v at %q: %s, want %s", c.rights, c.backend, got, want)
		}
		if c.rights.Allow(c.backend, 0) || c.rights.Allow(c.backend, 4) {
			t.Errorf("%+v allows an unknown tier", c.rights)
		}
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	everything := account.Profile{Name: "all", Backends: []string{"*"}, Allow: []string{"*"}, Tier: account.TierDestroy}
	reader := account.Profile{Name: "reader", Backends: []string{"a", "b"}, Allow: []string{"*"}, Deny: []string{"a_secret"}, Tier: account.TierRead}
	onlyA := account.Profile{Name: "a", Backends: []string{"a"}, Allow: []string{"a_*"}, Tier: account.TierDestroy}
	full, some := account.FullRights(), account.Rights{Backends: []string{"a", "c"}, Destructive: []string{"c"}}
	const hidden, refused, granted = account.Hidden, account.NotGranted, account.Granted
	for _, c := range []struct {
		what    string
		access  *account.Access
		backend string
		tool    string
		want    [3]account.Verdict // of a reading, writing, destroying tool
	}{
		{"nobody", nil, "a", "a_x", [3]account.Verdict{hidden, hidden, hidden}},
		{"everything", account.Everything(), "a", "a_x", [3]account.Verdict{granted, granted, granted}},
		{"a profile for all", account.NewAccess(full, everything), "a", "a_x", [3]account.Verdict{granted, granted, granted}},
		{"reading only", account.NewAccess(account.ReadRights()), "a", "a_x", [3]account.Verdict{granted, refused, refused}},
		{"another backend", account.NewAccess(some), "b", "b_x", [3]account.Verdict{hidden, hidden, hidden}},
		{"one of two", account.NewAccess(some), "a", "a_x", [3]account.Verdict{granted, refused, refused}},
		{"destroys, does not write", account.NewAccess(some), "c", "c_x", [3]account.Verdict{granted, refused, granted}},
		{"the profile ends at reading", account.NewAccess(full, reader), "a", "a_x", [3]account.Verdict{granted, hidden, hidden}},
		{"denied by name", account.NewAccess(full, reader), "a", "a_secret", [3]account.Verdict{hidden, hidden, hidden}},
		{"not in the profile", account.NewAccess(full, onlyA), "b", "a_x", [3]account.Verdict{hidden, hidden, hidden}},
		{"both profiles count", account.NewAccess(full, reader, onlyA), "a", "a_x", [3]account.Verdict{granted, hidden, hidden}},
		{"only one profile has it", account.NewAccess(full, reader, onlyA), "b", "b_x", [3]account.Verdict{hidden, hidden, hidden}},
		{"profile and rights", account.NewAccess(some, onlyA), "a", "a_x", [3]account.Verdict{granted, refused, refused}},
	} {
		var got [3]account.Verdict
		for i, tier := range []account.Tier{account.TierRead, account.TierWrite, account.TierDestroy} {
			got[i] = c.access.Tool(c.backend, c.tool, tier)
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
		visible := c.want[0] != hidden
		if c.access.Prompt(c.backend, c.tool) != visible || visible && !c.access.Backend(c.backend) {
			t.Errorf("%s: prompt %v, backend %v", c.what, c.access.Prompt(c.backend, c.tool), c.access.Backend(c.backend))
		}
		if c.access.All() != (c.access == account.Everything()) {
			t.Errorf("%s: said to deny nothing: %v", c.what, c.access.All())
		}
	}
}

func TestPrincipal(t *testing.T) {
	t.Parallel()
	if p, ok := account.PrincipalFrom(t.Context()); ok {
		t.Errorf("a principal of nobody: %+v", p)
	}
	want := account.Principal{User: "anna", Credential: "key_1", Role: account.RoleMember}
	ctx, cancel := context.WithCancel(account.WithPrincipal(t.Context(), want))
	defer cancel()
	if got, ok := account.PrincipalFrom(ctx); !ok || cmp.Diff(want, got) != "" {
		t.Errorf("principal %+v %v", got, ok)
	}
	owners := map[string]bool{}
	for _, p := range []account.Principal{
		{User: "a", Credential: "bc"}, {User: "ab", Credential: "c"},
		{User: "a", Credential: "bc", Profile: "x"}, {User: "a", Credential: "bcx"}, {User: "a", Credential: "b", Profile: "cx"},
	} {
		owners[p.Owner()] = true
	}
	if len(owners) != 5 {
		t.Errorf("some owners are one: %d are left", len(owners))
	}
	if !account.Local().Access.All() || account.Local().Role != account.RoleAdmin {
		t.Error("whoever started the process is held back")
	}
	if !account.Gateway().Access.All() || account.Gateway().Role != account.RoleMember {
		t.Error("the gateway is held back, or an admin")
	}
}
