package oauth_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/internal/oauth"
)

var urls = flag.Int("urls", 20_000, "URLs of the comparison with Node's URL parser")

// place is where a browser would go: what Node's WHATWG parser makes of a URL.
type place struct {
	Protocol, Hostname, Port, User, Hash string
	Bad                                  bool // it cannot be parsed
}

// parseScript answers each line, a URL as a JSON string, with a line.
const parseScript = `
require('readline').createInterface({input: process.stdin}).on('line', line => {
  let out;
  try {
    const u = new URL(JSON.parse(line));
    out = {Protocol: u.protocol, Hostname: u.hostname, Port: u.port, User: u.username + u.password, Hash: u.hash};
  } catch { out = {Bad: true}; }
  process.stdout.write(JSON.stringify(out) + '\n');
});`

// No redirect that passes our rules leads, as a browser reads it, to another origin
// than was registered, or than Go reads (A1, A2).
func TestA1_redirectsAsNodeReadsThem(t *testing.T) {
	t.Parallel()
	node := findNode(t)
	random := rand.New(rand.NewPCG(7, 11))
	var took, matched int
	for left := *urls; left > 0; {
		batch := make([]string, min(left, 50_000))
		for i := range batch {
			batch[i] = randomURL(random)
		}
		left -= len(batch)
		for i, read := range parseAll(t, node, batch) {
			asked := batch[i]
			if oauth.CheckRedirect(asked, nil) == nil {
				took++
				checkSameReading(t, asked, read)
			}
			for _, one := range registrable {
				if oauth.MatchRedirect([]string{one.uri}, asked) {
					matched++
					checkSameOrigin(t, one.uri, one.place, asked, read)
				}
			}
		}
	}
	t.Logf("%d URLs, %d may be registered, %d match", *urls, took, matched)
	if took < *urls/50 || matched < *urls/200 {
		t.Errorf("of %d URLs only %d were taken and %d matched: the comparison shows nothing", *urls, took, matched)
	}
}

// checkSameReading holds what Node reads against what consent would show.
func checkSameReading(t *testing.T, uri string, read place) {
	t.Helper()
	if read.Bad {
		return // it leads nowhere
	}
	u, err := url.Parse(uri)
	if err != nil {
		t.Errorf("%q is taken, but cannot be parsed: %v", uri, err)
		return
	}
	port := u.Port()
	if port != "" {
		port = strings.TrimLeft(port[:len(port)-1], "0") + port[len(port)-1:]
	}
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	if read.Protocol != u.Scheme+":" || !sameName(read.Hostname, u.Hostname()) || read.Port != port || read.User != "" || read.Hash != "" {
		t.Errorf("%q is taken as %s://%s, and Node reads %+v", uri, u.Scheme, u.Host, read)
	}
	if read.Protocol == "http:" && read.Hostname != "localhost" && read.Hostname != "127.0.0.1" && read.Hostname != "[::1]" {
		t.Errorf("%q is taken, and leads to %s by http", uri, read.Hostname)
	}
}

// checkSameOrigin holds what Node reads of a URL that matches against what was
// registered: the same origin, the port apart on loopback.
func checkSameOrigin(t *testing.T, registered string, want place, asked string, read place) {
	t.Helper()
	if want.Protocol == "http:" {
		want.Port = read.Port
	}
	if read != want {
		t.Errorf("%q matches %s, and Node reads %+v", asked, registered, read)
	}
}

func sameName(node, ours string) bool {
	if inner, ok := strings.CutPrefix(node, "["); ok {
		a, aerr := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		b, berr := netip.ParseAddr(ours)
		return aerr == nil && berr == nil && a == b
	}
	return strings.EqualFold(node, ours)
}

// registrable are redirect URIs of real clients, and what a browser makes of each.
var registrable = []struct {
	uri   string
	place place
}{
	{"https://claude.ai/api/mcp/auth_callback", place{Protocol: "https:", Hostname: "claude.ai"}},
	{"https://app.example.com:8443/cb?x=1", place{Protocol: "https:", Hostname: "app.example.com", Port: "8443"}},
	{"http://localhost/callback", place{Protocol: "http:", Hostname: "localhost"}},
	{"http://127.0.0.1:33418/", place{Protocol: "http:", Hostname: "127.0.0.1"}},
	{"http://[::1]/cb", place{Protocol: "http:", Hostname: "[::1]"}},
	{"http://localhost:6274", place{Protocol: "http:", Hostname: "localhost"}},
	{"cursor://anysphere.cursor-mcp/oauth/callback", place{Protocol: "cursor:", Hostname: "anysphere.cursor-mcp"}},
}

var (
	schemes = []string{"http", "https", "HTTP", "cursor", "com.example.app", "javascript", "file", "ws", "http\t", ""}
	marks   = []string{"://", "://", "://", "://", "://", ":/", ":", ":\\\\", "://\t", ":///", "//"}
	users   = []string{"", "", "", "", "", "", "", "a@", "a:b@", "localhost@", "localhost:80@", "@", "127.0.0.1\\@"}
	hosts   = []string{"localhost", "127.0.0.1", "[::1]", "claude.ai", "app.example.com", "anysphere.cursor-mcp", "evil.com", "localhost.evil.com", "127.0.0.1.nip.io",
		"127.1", "0x7f.1", "0177.0.0.1", "2130706433", "LOCALHOST", "localhost.", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::1%25lo]", "loc%61lhost", "localhost%00", "lo\u00adcalhost",
		"ⓛocalhost", "127。0。0。1", "xn--80ak6aa92e.com", "éxample.com", "%C3%A9.com", "a_b.example", "1.2.3.4.", "1.2.3.256", "", "exa mple.com", "a;b", "3com"}
	ports  = []string{"", "", "", ":80", ":443", ":8443", ":33418", ":6274", ":0", ":00080", ":65535", ":65536", ":99999", ":", ":8a", ":-1", ":80@evil.com", ":80\\@evil.com", ":８０"}
	paths  = []string{"", "/", "/callback", "/cb", "/api/mcp/auth_callback", "/oauth/callback", "/cb?x=1", "?x=1", "/../cb", "/%2e%2e/callback", "/a/./b", "/callback#f", "\\callback", "/call\nback", "/mcp:x", "//evil.com"}
	nasty  = []string{"@", ":", "/", "\\", "?", "#", "%", ".", "\t", "\n", "\r", " ", "[", "]", "%2f", "%5c", "%40", "%00", "\x00", "\u202e", "。", "＠", "／", "0", "x", ";", "&", "|", "^", "<", "localhost", "evil.com"}
	edited = 4
)

// randomURL makes a URL of parts, or spoils one that is in order.
func randomURL(r *rand.Rand) string {
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	if r.IntN(2) == 0 {
		return pick(schemes) + pick(marks) + pick(users) + pick(hosts) + pick(ports) + pick(paths)
	}
	uri := registrable[r.IntN(len(registrable))].uri
	if host := strings.Index(uri, "/callback"); host > 0 && r.IntN(2) == 0 {
		uri = uri[:host] + pick(ports) + uri[host:]
	}
	for range r.IntN(edited) {
		at := r.IntN(len(uri) + 1)
		switch r.IntN(3) {
		case 0:
			uri = uri[:at] + pick(nasty) + uri[at:]
		case 1:
			uri = uri[:at] + uri[min(len(uri), at+1+r.IntN(3)):]
		case 2:
			uri = uri[:at] + pick(nasty) + uri[min(len(uri), at+1):]
		}
	}
	return strings.ToValidUTF8(uri, "")
}

// parseAll asks Node what it makes of URLs.
func parseAll(t *testing.T, node string, batch []string) []place {
	t.Helper()
	var in bytes.Buffer
	lines := json.NewEncoder(&in)
	for _, uri := range batch {
		if err := lines.Encode(uri); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", parseScript)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run node: %v", err)
	}
	var read []place
	for scan := bufio.NewScanner(bytes.NewReader(out)); scan.Scan(); {
		var p place
		if err := json.Unmarshal(scan.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		read = append(read, p)
	}
	if len(read) != len(batch) {
		t.Fatalf("node answered %d of %d URLs", len(read), len(batch))
	}
	return read
}

// findNode looks for the Node of `make tools`, then for the system's.
func findNode(t *testing.T) string {
	t.Helper()
	for _, place := range []string{filepath.Join("..", "..", ".tools", "bin", "node"), "node"} {
		if path, err := exec.LookPath(place); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("node is not installed; run make tools")
	}
	t.Skip("node is not installed; run make tools to compare with its URL parser")
	return ""
}

// The places above are what Node makes of the URIs, and all of them may be registered.
func TestA1_registrable(t *testing.T) {
	t.Parallel()
	var all []string
	for _, one := range registrable {
		if e := oauth.CheckRedirect(one.uri, nil); e != nil {
			t.Errorf("%s may not be registered: %v", one.uri, e)
		}
		all = append(all, one.uri)
	}
	read := parseAll(t, findNode(t), all)
	for i, one := range registrable {
		if one.place.Protocol == "http:" {
			read[i].Port = "" // of no account on loopback
		}
		if read[i] != one.place {
			t.Errorf("%s: Node reads %+v", one.uri, read[i])
		}
	}
}
