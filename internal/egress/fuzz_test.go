package egress_test

import (
	"regexp"
	"strings"
	"testing"

	"drawbridge/internal/egress"
	"drawbridge/internal/egress/egresstest"
)

// accepted is what may pass with nothing opened, said in another way than the code
// does: https, a name of at least two labels of which the last starts with a letter,
// no port but 443.
var accepted = regexp.MustCompile(`(?i)^https://(([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?)(:443)?([/?#][!-\[\]-~]*)?$`)

// FuzzCheck holds Check against a pattern: what it lets through has one reading.
func FuzzCheck(f *testing.F) {
	n := egresstest.New(f)
	for _, c := range n.Cases() {
		f.Add(c.URL)
	}
	c, err := egress.New(egress.Config{}, n.Deps())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := c.Check(raw)
		if err != nil {
			return
		}
		m := accepted.FindStringSubmatch(raw)
		if m == nil {
			t.Fatalf("%q passed", raw)
		}
		host := strings.ToLower(m[1])
		if !strings.EqualFold(u.Hostname(), host) {
			t.Errorf("%q was read as host %q", raw, u.Hostname())
		}
		for _, suffix := range []string{".localhost", ".local", ".internal", ".home.arpa", ".onion", ".lan"} {
			if strings.HasSuffix("."+host, suffix) || host == egresstest.Own {
				t.Errorf("%q passed", raw)
			}
		}
		if again, err := c.Check(u.String()); err != nil || again.Host != u.Host {
			t.Errorf("%q passed, %q does not: %v", raw, u, err)
		}
	})
}
