package account_test

import (
	"strings"
	"testing"
	"time"

	"drawbridge/internal/account"
)

func TestKey_Live(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
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
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	good := account.KeyRequest{Name: "Anna's laptop 💻", User: "anna@example.org", Role: account.RoleMember}
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
	} {
		r := good
		c.change(&r)
		if err := r.Check(now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", r, err, c.want)
		}
	}
}
