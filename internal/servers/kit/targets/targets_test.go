package targets_test

import (
	"strings"
	"testing"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/targets"
)

func TestLists(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		allow, deny, name string
		ok                bool
	}{
		{"", "", "anything", true},
		{"acme/*", "", "acme/site", true},
		{"acme/*", "", "Acme/Site", true},
		{"acme/*", "", "acme2/site", false},
		{"acme/*", "*/secret", "acme/secret", false},
		{"", "prod*", "prod-1", false},
		{"", "prod*", "test-prod", true},
		{"*a*b*", "", "xaybz", true},
		{"*a*b*", "", "xbya", false},
		{"a*a", "", "a", false},
		{"ab*ba", "", "aba", false},
		{"web-1", "", "web-10", false},
		{"web-1,web-2", "", "web-2", true},
		{"*", "", "", true},
	} {
		l := targets.Lists{Setting: "X_HOSTS"}
		if tc.allow != "" {
			l.Allow = strings.Split(tc.allow, ",")
		}
		if tc.deny != "" {
			l.Deny = strings.Split(tc.deny, ",")
		}
		err := l.Check("host", tc.name)
		if (err == nil) != tc.ok {
			t.Errorf("allow %q, deny %q, %q: %v", tc.allow, tc.deny, tc.name, err)
		}
		if err != nil && (fault.CodeOf(err) != fault.Forbidden || !strings.Contains(fault.PublicOf(err), "X_HOSTS")) {
			t.Errorf("the refusal is %v", err)
		}
	}
}

func FuzzLists(f *testing.F) {
	f.Add("a*b", "axb")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		whole := targets.Lists{Allow: []string{pattern + "*"}}
		if exact := (targets.Lists{Allow: []string{pattern}}); exact.Allows(name) && !whole.Allows(name) {
			t.Errorf("%q matches %q, but not with a star at its end", pattern, name)
		}
	})
}
