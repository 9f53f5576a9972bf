package egresstest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// Networks are those that no URL of a stranger may lead into.
var Networks = []string{
	"127.0.0.0/8", "0.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "192.0.0.0/24",
	"192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
	"168.63.129.16/32", // Azure's metadata, public by its looks
	"::/128", "::1/128", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "2001:db8::/32",
	"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "100::/64", "3fff::/20", "5f00::/16", "4000::/2",
	"2a02:8071:5::/64", // public, but the client's neighbours: see Net.Deps
}

func forbidden(a netip.Addr) bool {
	for _, text := range Networks {
		if netip.MustParsePrefix(text).Contains(a.Unmap().WithZone("")) {
			return true
		}
	}
	return a.Zone() != ""
}

// Addresses are some of every network: the first, the last, and one in between;
// those of IPv4 also as IPv6 writes them.
func Addresses() []netip.Addr {
	var all []netip.Addr
	for _, text := range Networks {
		p := netip.MustParsePrefix(text)
		first := p.Addr()
		last, middle := first.AsSlice(), first.AsSlice()
		for bit := p.Bits(); bit < len(last)*8; bit++ {
			last[bit/8] |= 0x80 >> (bit % 8)
			if bit%3 == 0 {
				middle[bit/8] |= 0x80 >> (bit % 8)
			}
		}
		for _, raw := range [][]byte{first.AsSlice(), middle, last} {
			a, _ := netip.AddrFromSlice(raw)
			all = append(all, a)
			if a.Is4() {
				all = append(all, netip.AddrFrom16(a.As16()))
			}
		}
	}
	return append(all, netip.MustParseAddr("fe80::1%eth0"))
}

// Case is a URL whose fetch must fail without a connection to anything inside.
type Case struct{ Name, URL string }

// Public names of the internet that Cases builds.
const (
	good = "good.example.org"
	bad  = "inside.example.org"
)

// Cases builds servers and names, and the table of URLs that lead to trouble.
func (n *Net) Cases() []Case {
	// Its certificate is for whatever else leads to it, so that nothing fails by that.
	n.serve(good, "*.example.org", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	n.ServeFunc(Own, func(http.ResponseWriter, *http.Request) { n.t.Error("it fetched from itself") })
	n.Answer(bad, "10.1.2.3")
	cases := n.addresses()
	for _, url := range forms {
		cases = append(cases, Case{"form", url})
	}
	cases = append(cases, n.redirects()...)
	cases = append(cases, n.hostile()...)
	seen := map[string]bool{}
	return slices.DeleteFunc(cases, func(c Case) bool {
		again := seen[c.URL]
		seen[c.URL] = true
		return again
	})
}

func (n *Net) addresses() []Case {
	var cases []Case
	for i, a := range Addresses() {
		name := fmt.Sprintf("a%d.example.org", i)
		n.Answer(name, a.String())
		cases = append(cases, Case{"resolves to " + a.String(), "https://" + name + "/x"})
		host := a.String()
		if a.Is6() {
			host = "[" + strings.ReplaceAll(host, "%", "%25") + "]"
		}
		cases = append(cases, Case{"literal", "https://" + host + "/x"})
	}
	n.Answer("mixed.example.org", n.Address(good)+" 192.168.1.1")
	n.Answer("mixed6.example.org", "fd00::1 "+n.Address(good))
	n.Answer("127.0.0.1.nip.io", "127.0.0.1")
	n.Answer("nothing.example.org", "")
	n.Answer("many.example.org", strings.Repeat(n.Address(good)+" ", 40))
	for _, name := range []string{"mixed.example.org", "mixed6.example.org", "127.0.0.1.nip.io", "nothing.example.org", "many.example.org", "nowhere.example.org"} {
		cases = append(cases, Case{"name", "https://" + name + "/x"})
	}
	return cases
}

// forms are spellings that some reader takes for something inside, or for something
// else than https on the usual port.
var forms = []string{
	// Numbers that are addresses to inet_aton.
	"https://2130706433/x", "https://0x7f000001/x", "https://0X7F000001/x", "https://017700000001/x", "https://127.1/x", "https://10.1/x",
	"https://0177.0.0.1/x", "https://0x7f.0.0.1/x", "https://127.0.0.1./x", "https://127.0.0.0x1/x", "https://00127.0.0.1/x", "https://4294967296/x",
	"https://1.2.3.4.5/x", "https://example.0x/x", "https://example.7/x",
	// Letters that fold into ASCII.
	"https://127。0。0。1/x", "https://127．0．0．1/x", "https://１２７.0.0.1/x", "https://ⓛocalhost/x", "https://good.example。org/x", "https://ﬁle.example.org/x",
	// Final dots, capitals, local and own names.
	"https://good.example.org./x", "https://LOCALHOST/x", "https://localhost/x", "https://localhost./x", "https://a.localhost/x", "https://A.LocalHost./x",
	"https://localhost.localdomain/x", "https://printer.local/x", "https://router.lan/x", "https://nas.home.arpa/x", "https://intranet/x", "https://x.onion/x",
	"https://metadata.google.internal/x", "https://METADATA.google.internal/x", "https://metadata.google.internal./x", "https://metadata.goog/x", "https://instance-data/x",
	"https://" + Own + "/x", "https://OWN.Drawbridge.dev/x",
	// User names, and what hides a host behind another.
	"https://user@good.example.org/x", "https://user:secret@good.example.org/x", "https://@good.example.org/x", "https://good.example.org@10.1.2.3/x",
	"https://good.example.org:443@10.1.2.3/x", `https://good.example.org\@10.1.2.3/x`, `https://10.1.2.3\@good.example.org/x`, "https://10.1.2.3#@good.example.org/x",
	"https://10.1.2.3%2f@good.example.org/x", "https://good.example.org%00.10.1.2.3/x", "https://good.example.org%2e/x", "https://%31%30.1.2.3/x", "https://[good.example.org]/x",
	"https://good.example.org /x", "https://good.example.org\t/x", "https://good.example.org\r\nHost: 10.1.2.3/x", " https://good.example.org/x", "https://-good.example.org/x",
	"https://good..example.org/x", "https://.example.org/x", "https://good_example.org/x", "https://*.example.org/x",
	"https://[::1]/x", "https://[::ffff:127.0.0.1]/x", "https://[::ffff:7f00:1]/x", "https://[::127.0.0.1]/x", "https://[::1%25lo]/x", "https://[::1/x", "https://::1/x",
	// Ports and schemes.
	"https://good.example.org:80/x", "https://good.example.org:8443/x", "https://good.example.org:22/x", "https://good.example.org:0443/x", "https://good.example.org:/x",
	"https://good.example.org:65979/x", "https://good.example.org:-443/x", "https://good.example.org:0/x", "https://good.example.org:443:443/x",
	"http://good.example.org/x", "http://good.example.org:443/x", "ftp://good.example.org/x", "file:///etc/passwd", "file://good.example.org/etc/passwd", "gopher://good.example.org/x",
	"data:application/json,{}", "javascript:1", "//good.example.org/x", "/x", "good.example.org/x", "https:good.example.org/x", "https:/good.example.org/x", "https:///x", "https://", "", "https://?x", ":",
	"https://good.example.org/" + "\u00e9", "https://good.example.org/\x7f",
}

// redirects are answers that point elsewhere, each to something forbidden.
func (n *Net) redirects() []Case {
	targets := []string{"https://10.1.2.3/x", "https://" + bad + "/x", "https://localhost/x", "http://" + good + "/x", "http://127.0.0.1/x", "https://[::1]/x",
		"https://169.254.169.254/x", "https://" + good + ":8443/x", "https://u@" + good + "/x", "https://2130706433/x", "//" + bad + "/x", "file:///etc/passwd", "https://" + Own + "/x"}
	n.ServeFunc("redirects.example.org", func(w http.ResponseWriter, r *http.Request) {
		var code, target int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d/%d", &code, &target); err != nil {
			target = len(targets) - 1
		}
		w.Header().Set("Location", targets[target])
		w.WriteHeader(code)
	})
	n.ServeFunc("loop.example.org", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	cases := []Case{{"redirects for ever", "https://loop.example.org/x"}}
	for _, code := range []int{301, 302, 303, 307, 308} {
		for i, target := range targets {
			cases = append(cases, Case{fmt.Sprintf("%d to %s", code, target), fmt.Sprintf("https://redirects.example.org/%d/%d", code, i)})
		}
	}
	return cases
}

// hostile are servers that answer in a way that costs.
func (n *Net) hostile() []Case {
	n.serve("foreign.example.org", "other.example.net", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }))
	n.ServeFunc("hostile.example.org", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/hang":
			<-r.Context().Done()
		case "/drip":
			for r.Context().Err() == nil {
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
				}
			}
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte(" "), 4096)); err != nil {
					return
				}
			}
		case "/announced":
			w.Header().Set("Content-Length", "99999999999")
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb())
		case "/headers":
			for i := range 1000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), "1")
			}
			io.WriteString(w, "{}")
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			io.WriteString(w, "{}")
		case "/cut":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "{}")
		}
	})
	cases := []Case{{"certificate of another name", "https://foreign.example.org/x"}}
	for _, path := range []string{"hang", "drip", "endless", "announced", "bomb", "headers", "header", "cut"} {
		cases = append(cases, Case{"server: " + path, "https://hostile.example.org/" + path})
	}
	return cases
}

// bomb is 10 KB that unpack to some 10 MB.
func bomb() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for range 160 {
		z.Write(make([]byte, 64<<10))
	}
	z.Close()
	return b.Bytes()
}

// Sweep fetches every URL of the table; fetch must fail each time.
func Sweep(t *testing.T, cases []Case, fetch func(url string) error) {
	t.Helper()
	if len(cases) < 300 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		if err := fetch(c.URL); err == nil {
			t.Errorf("%s: %q was fetched", c.Name, c.URL)
		}
	}
}
