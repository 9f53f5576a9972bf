package limit_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"drawbridge/internal/limit"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	b := limit.New(1, time.Second, 3, 2)
	for i := range 3 {
		if _, ok := b.Take("a", now); !ok {
			t.Errorf("token %d of 3 was not given", i+1)
		}
	}
	wait, ok := b.Take("a", now)
	if ok || wait <= 0 || wait > time.Second {
		t.Errorf("fourth token: %v after %v, want none for up to a second", ok, wait)
	}
	if _, full := b.Full("a", now); !full {
		t.Error("an empty bucket has tokens")
	}
	if _, ok := b.Take("b", now); !ok {
		t.Error("one key uses up another's")
	}
	if _, ok := b.Take("a", now.Add(time.Second)); !ok {
		t.Error("no token after the wait")
	}
	b.Forget("a")
	if _, full := b.Full("a", now); full {
		t.Error("forgotten, and still empty")
	}
}

// Whoever comes from many addresses must not make the process remember them all.
func TestBuckets_boundedMemory(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := limit.New(1, time.Hour, 1, 10)
	for i := range 1000 {
		b.Take(fmt.Sprint(i), now)
	}
	if _, ok := b.Take("999", now); ok {
		t.Error("the most recent key was forgotten")
	}
	if _, ok := b.Take("0", now); !ok {
		t.Error("a thousand keys are remembered, ten should be")
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.7":            "192.0.2.7",
		"::ffff:192.0.2.7":     "192.0.2.7",
		"2001:db8:1:2:3::4":    "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1": "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
		"160.79.104.10":        limit.Anthropic,
		"160.79.111.255":       limit.Anthropic,
		"160.79.112.0":         "160.79.112.0",
	} {
		if got := limit.Network(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is counted as %s, want %s", addr, got, want)
		}
	}
	if got := limit.Network(netip.Addr{}); got != "unknown" {
		t.Errorf("no address is counted as %s", got)
	}
}

// Whoever has many networks has them in one site.
func TestSite(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.7":           "192.0.2.7",
		"::ffff:192.0.2.7":    "192.0.2.7",
		"2001:db8:1:2:3::4":   "2001:db8:1::/48",
		"2001:db8:1:ffff::1":  "2001:db8:1::/48",
		"2001:db8:2::1":       "2001:db8:2::/48",
		"fe80::1%eth0":        "fe80::/48",
		"160.79.104.10":       limit.Anthropic,
		"::ffff:160.79.104.1": limit.Anthropic,
	} {
		if got := limit.Site(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is counted as %s, want %s", addr, got, want)
		}
	}
	if got := limit.Site(netip.Addr{}); got != "unknown" {
		t.Errorf("no address is counted as %s", got)
	}
}
