package egress_test

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"drawbridge/internal/egress"
	"drawbridge/internal/egress/egresstest"
	"drawbridge/internal/fault"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		allow, host, address string
		want                 bool
	}{
		{"docs.lan", "docs.lan", "10.0.0.7:443", true},
		{"DOCS.lan", "docs.lan", "10.0.0.7:443", true},
		{"docs.lan", "docs.lan", "10.0.0.7:8443", false},
		{"docs.lan", "other.lan", "10.0.0.7:443", false},
		{"docs.lan", "docs.lan", "169.254.169.254:443", false},
		{"docs.lan:8443", "docs.lan", "10.0.0.7:8443", true},
		{"docs.lan:8443", "docs.lan", "10.0.0.7:443", false},
		{"docs.lan:8443", "docs.lan", "93.184.216.34:8443", true},
		{"10.0.0.0/24", "docs.lan", "10.0.0.7:443", true},
		{"10.0.0.9/24", "docs.lan", "10.0.0.7:443", true},
		{"10.0.0.0/24", "docs.lan", "10.0.1.7:443", false},
		{"10.0.0.0/24:8443", "docs.lan", "10.0.0.7:8443", true},
		{"10.0.0.7", "docs.lan", "10.0.0.7:443", true},
		{"10.0.0.7", "docs.lan", "[::ffff:10.0.0.7]:443", true},
		{"::ffff:10.0.0.7", "docs.lan", "10.0.0.7:443", true},
		{"127.0.0.1:4444", "docs.lan", "127.0.0.1:4444", true},
		{"[::1]:4444", "docs.lan", "[::1]:4444", true},
		{"::1", "docs.lan", "[::1]:443", true},
		{"fd00::/8", "docs.lan", "[fd12::1]:443", true},
		{"fd00::/8", "docs.lan", "[fd00:ec2::254]:443", false},
		{"fd00::/8", "docs.lan", "[fd12::1%eth0]:443", false},
		{"0.0.0.0/0", "docs.lan", "169.254.169.254:443", false},
		{"0.0.0.0/0", "docs.lan", "168.63.129.16:443", false},
		{"::/0", "docs.lan", "[64:ff9b::a9fe:a9fe]:443", false},
		{"::/0", "docs.lan", "[::ffff:169.254.169.254]:443", false},
	} {
		c := client(t, egress.Config{Allow: []string{tt.allow}}, egresstest.New(t).Deps())
		if got := c.Control(tt.host, tt.address) == nil; got != tt.want {
			t.Errorf("with %s: %s at %s: %v, want %v", tt.allow, tt.host, tt.address, got, tt.want)
		}
	}
}

// TestAllow_check has hosts that the rules for names would refuse.
func TestAllow_check(t *testing.T) {
	t.Parallel()
	c := client(t, egress.Config{Allow: []string{"docs.lan", "localhost:4444", "10.0.0.0/24:8443"}, Ports: []uint16{443, 444}}, egresstest.New(t).Deps())
	for url, want := range map[string]bool{
		"https://docs.lan/x": true, "https://DOCS.lan:444/x": true, "https://docs.lan./x": false, "https://a.docs.lan/x": false, "http://docs.lan/x": false,
		"https://localhost:4444/x": true, "https://a.localhost:4444/x": false, "https://10.0.0.7:8443/x": true, "https://10.0.1.7:8443/x": false,
		"https://good.example.org:444/x": true, "https://good.example.org:445/x": false, "https://127.1:4444/x": false,
	} {
		if _, err := c.Check(url); (err == nil) != want {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestNeighbours(t *testing.T) {
	t.Parallel()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal("this machine does not tell its addresses:", err)
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Bits() > 0 && !slices.Contains(egress.Neighbours(), p.Masked()) {
			t.Errorf("%s is missing", p)
		}
	}
}

func TestAllow_refused(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"", "*", "*.example.org", "a b", "10.0.0.0/33", "127.1", "2130706433", "docs.lan:0", "docs.lan:99999", "docs.lan:x", "fe80::1%eth0",
		"https://docs.lan", "docs.lan/x", "169.254.169.254", "metadata.google.internal", "[fd00:ec2::254]:443", "docs.lan.", "u@docs.lan"} {
		if _, err := egress.New(egress.Config{Allow: []string{entry}}, egress.Deps{}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v", entry, err)
		}
	}
	if _, err := egress.New(egress.Config{MaxBytes: -1}, egress.Deps{}); err == nil {
		t.Error("a negative limit was taken")
	}
}

// TestAllow_metadata opens everything that can be opened: metadata services stay shut,
// and so does Drawbridge itself unless its very name is opened.
func TestAllow_metadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.Answer("cloud.example.org", "169.254.169.254")
		n.Serve(egresstest.Own, http.NotFoundHandler())
		c := client(t, egress.Config{Allow: []string{"0.0.0.0/0", "::/0", "cloud.example.org"}}, n.Deps())
		for _, url := range []string{"https://cloud.example.org/", "https://169.254.169.254/", "https://[fd00:ec2::254]/", "https://metadata.google.internal/", "https://" + egresstest.Own + "/"} {
			if _, err := c.Get(t.Context(), url, "*/*"); !errors.Is(err, egress.ErrRefused) {
				t.Errorf("%s: %v", url, err)
			}
		}
		c = client(t, egress.Config{Allow: []string{egresstest.Own}}, n.Deps())
		if _, err := c.Get(t.Context(), "https://"+egresstest.Own+"/", "*/*"); err != nil {
			t.Errorf("its own name, opened: %v", err)
		}
	})
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	for _, a := range []string{"169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254", "fd00:ec2::254", "fd00:ec2::254%eth0", "168.63.129.16"} {
		if !egress.Metadata(netip.MustParseAddr(a)) {
			t.Errorf("%s is not taken for metadata", a)
		}
	}
	for _, a := range []string{"169.254.169.253", "10.0.0.1", "fd00:ec2::255", "2002:a9fe:a9fd::1"} {
		if egress.Metadata(netip.MustParseAddr(a)) {
			t.Errorf("%s is taken for metadata", a)
		}
	}
	if !egress.MetadataName("metadata.google.internal") || egress.MetadataName("metadata.example.org") {
		t.Error("names of metadata services are not told apart")
	}
}
