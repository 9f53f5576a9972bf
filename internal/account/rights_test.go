package account_test

import (
	"encoding/json"
	"strings"
	"testing"

	"drawbridge/internal/account"
)

func TestAccess_nilAllowsNothing(t *testing.T) {
	t.Parallel()
	var a *account.Access
	if a.All() || a.Backend("x") || a.Prompt("x", "y") || a.Tool("x", "y", account.TierRead) != account.Hidden {
		t.Error("no access allows something")
	}
	if a.Key() == account.Everything().Key() || a.Key() == account.NewAccess(account.Rights{}).Key() {
		t.Error("no access has another's key")
	}
}

func TestAccess_key(t *testing.T) {
	t.Parallel()
	office := account.Profile{Name: "office", Backends: []string{"a"}, Allow: []string{"*"}, Tier: account.TierRead}
	same := account.NewAccess(account.ReadRights(), office)
	for name, other := range map[string]*account.Access{
		"other rights":  account.NewAccess(account.FullRights(), office),
		"no profile":    account.NewAccess(account.ReadRights()),
		"another order": account.NewAccess(account.ReadRights(), account.Profile{Name: "x"}, office),
	} {
		if other.Key() == same.Key() {
			t.Errorf("%s has the same key", name)
		}
	}
	if account.NewAccess(account.ReadRights(), office).Key() != same.Key() {
		t.Error("the same has another key")
	}
	if account.NewAccess(account.FullRights(), office).All() {
		t.Error("a profile does not bound full rights")
	}
}

func TestRights_Check(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]account.Rights{
		"empty list allows nothing": {},
		"name is empty":             {Backends: []string{""}},
		"cannot be shown":           {Backends: []string{"a\x00"}},
		"more than 200":             {Backends: make([]string, 201)},
	} {
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	if err := account.FullRights().Check(); err != nil {
		t.Error(err)
	}
}

func TestRights_Within(t *testing.T) {
	t.Parallel()
	some := account.Rights{Backends: []string{"a", "b"}, Write: true, Destructive: []string{"a"}}
	for _, c := range []struct {
		inner account.Rights
		want  bool
	}{
		{some, true},
		{account.Rights{Backends: []string{"a"}}, true},
		{account.Rights{Backends: []string{"c"}}, false},
		{account.Rights{Backends: []string{account.Any}}, false},
		{account.Rights{Backends: []string{"a"}, Destructive: []string{"b"}}, false},
		{account.FullRights(), false},
	} {
		if got := c.inner.Within(some); got != c.want {
			t.Errorf("%+v within %+v: %v", c.inner, some, got)
		}
		if !c.inner.Within(account.FullRights()) {
			t.Errorf("%+v is not within full rights", c.inner)
		}
	}
	if some.Within(account.ReadRights()) {
		t.Error("writing is within reading")
	}
}

func TestProfile_Names(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allow, deny, name string
		want              bool
	}{
		{"*", "", "anything", true},
		{"get_*", "", "get_state", true}, {"get_*", "", "get_", true}, {"get_*", "", "set_state", false}, {"get_*", "", "xget_state", false},
		{"*_state", "", "get_state", true}, {"*_state", "", "get_state_all", false},
		{"a*b*c", "", "abc", true}, {"a*b*c", "", "a1b2c", true}, {"a*b*c", "", "acb", false}, {"a*b*c", "", "abcb", false},
		{"a*bc", "", "abcbc", true}, {"a*a", "", "a", false}, {"**", "", "", true},
		{"get", "", "get", true}, {"get", "", "gets", false}, {"get", "", "Get", false},
		{"*", "*_rm", "files_rm", false}, {"*", "*_rm", "files_rmdir", true}, {"get_*", "get_secret*", "get_secrets", false},
	} {
		p := account.Profile{Backends: []string{"b"}, Allow: []string{c.allow}}
		if c.deny != "" {
			p.Deny = []string{c.deny}
		}
		if got := p.Names("b", c.name); got != c.want {
			t.Errorf("allow %s, deny %s: %q is %v", c.allow, c.deny, c.name, got)
		}
		if p.Names("other", c.name) {
			t.Errorf("%q of a backend that is not named", c.name)
		}
	}
}

func TestProfile_Check(t *testing.T) {
	t.Parallel()
	good := account.Profile{Name: "office-2", Title: "Büro", Backends: []string{"*"}, Allow: []string{"*"}, Tier: account.TierWrite}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*account.Profile){
		"profile name \"Office\"": func(p *account.Profile) { p.Name = "Office" },
		"profile name \"a/b\"":    func(p *account.Profile) { p.Name = "a/b" },
		"profile name \"2a\"":     func(p *account.Profile) { p.Name = "2a" },
		"profile name \"\"":       func(p *account.Profile) { p.Name = "" },
		"title is empty":          func(p *account.Profile) { p.Title = "" },
		"must not be empty":       func(p *account.Profile) { p.Backends = nil },
		"an empty list":           func(p *account.Profile) { p.Allow = nil },
		"tier is missing":         func(p *account.Profile) { p.Tier = 0 },
		"pattern name is empty":   func(p *account.Profile) { p.Deny = []string{""} },
	} {
		p := good
		change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

func TestTier(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"read", "write", "destructive"} {
		tier, err := account.ParseTier(word)
		if err != nil || tier.String() != word || !tier.Valid() {
			t.Errorf("%s: %v, %v", word, tier, err)
		}
	}
	var p struct{ Tier account.Tier }
	for _, bad := range []string{`{"Tier":""}`, `{"Tier":"all"}`, `{"Tier":3}`} {
		if err := json.Unmarshal([]byte(bad), &p); err == nil {
			t.Errorf("%s is %v", bad, p.Tier)
		}
	}
	if account.Tier(0).Valid() || account.Tier(9).Valid() || account.Tier(9).String() != "" {
		t.Error("a tier that is none is valid")
	}
}
