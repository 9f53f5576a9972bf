package guard_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/egress/egresstest"
	"drawbridge/internal/fault"
	"drawbridge/internal/servers/puppeteer/guard"
)

const good = "good.example.org"

// on makes a guard that lives in an internet of egresstest.
func on(t *testing.T, n *egresstest.Net, allow ...string) *guard.Guard {
	t.Helper()
	own := n.Deps()
	g, err := guard.New(allow, guard.Deps{
		Log: slog.New(slog.DiscardHandler), Own: func() []string { return append(own.Own(), "127.0.0.1:4444", ":4445") },
		Resolver: n, Dial: n.Dial, Interfaces: own.Near,
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ask sends one request to the proxy as a browser does and gives the status, or the
// error of the connection.
func ask(t *testing.T, proxy, method, target string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	host := strings.TrimPrefix(target, "http://")
	host, _, _ = strings.Cut(host, "/")
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method, target, host)
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if method == http.MethodConnect && resp.StatusCode == http.StatusOK {
		return resp.Status, nil // a tunnel has no body that ends
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
	return fmt.Sprintf("%d %s", resp.StatusCode, body), nil
}

// TestTable asks for every address of the table by name and by number, as a tunnel
// and as plain http. A connection to one of them would fail the test, too.
func TestTable(t *testing.T) {
	t.Parallel()
	n := egresstest.New(t)
	g := on(t, n)
	proxy, err := g.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	n.ServeFunc(good, func(http.ResponseWriter, *http.Request) {})
	for i, a := range egresstest.Addresses() {
		name := fmt.Sprintf("a%d.example.org", i)
		n.Answer(name, a.String())
		mixed := fmt.Sprintf("m%d.example.org", i)
		n.Answer(mixed, n.Address(good)+" "+a.String())
		literal := a.String()
		if a.Is6() {
			literal = "[" + literal + "]"
		}
		for _, host := range []string{name, mixed, literal} {
			if status, err := ask(t, proxy, "CONNECT", host+":443"); err == nil && !strings.HasPrefix(status, "502") && !strings.HasPrefix(status, "400") {
				t.Errorf("CONNECT %s (%s): %s", host, a, status)
			}
			if status, err := ask(t, proxy, "GET", "http://"+host+"/x"); err == nil && !strings.HasPrefix(status, "400") {
				t.Errorf("GET %s (%s): %s", host, a, status)
			}
			for _, scheme := range []string{"http", "https"} {
				checked := scheme + "://" + strings.ReplaceAll(host, "%", "%25") + "/x"
				if err := g.Check(t.Context(), checked); fault.CodeOf(err) != fault.Forbidden {
					t.Errorf("Check %s (%s): %v", checked, a, err)
				}
			}
		}
		if err := g.Control(good, netip.AddrPortFrom(a, 443).String()); err == nil {
			t.Errorf("%s: a socket would connect", a)
		}
	}
	if n.Dials() != 0 {
		t.Errorf("%d connections were made", n.Dials())
	}
}

// Spellings of something inside, and what is no page at all.
func TestForms(t *testing.T) {
	t.Parallel()
	n := egresstest.New(t)
	n.ServeFunc(good, func(http.ResponseWriter, *http.Request) {})
	g := on(t, n, "127.0.0.1", "metadata.example.org") // open, and yet not for these
	n.Answer("metadata.example.org", "169.254.169.254")
	for _, u := range []string{
		"http://2130706433/", "http://0x7f000001/", "http://127.1/", "http://0177.0.0.1/", "http://10.0.0.0x1/", "http://localhost/", "http://LOCALHOST./", "http://a.localhost/",
		"http://printer.local/", "http://router.lan/", "http://intranet/", "http://metadata.google.internal/", "http://METADATA.google.internal./", "http://metadata.example.org/",
		"https://" + egresstest.Own + "/", "http://127.0.0.1:4444/", "http://127.0.0.1:4445/", "http://[::1]:4444/", "http://" + good + ":22/", "http://" + good + ":25/",
		"file:///etc/passwd", "chrome://version", "view-source:https://good.example.org/", "data:text/html,x", "javascript:1", "ftp://good.example.org/", "about:srcdoc", "blob:https://good.example.org/x", "devtools://x/", "good.example.org", "//good.example.org/",
	} {
		if err := g.Check(t.Context(), u); fault.CodeOf(err) != fault.Forbidden {
			t.Errorf("%s: %v", u, err)
		}
	}
	for _, u := range []string{"https://", "http:///x", "http://good.example.org:99999/", "https://[::1/"} {
		if err := g.Check(t.Context(), u); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", u, err)
		}
	}
	for _, u := range []string{"about:blank", "https://" + good + "/x?y#z", "http://GOOD.example.org./", "https://" + good + ":8443/", "https://93.184.0.0/", "http://127.0.0.1/", "http://127.0.0.1:8123/", "https://bücher.example/"} {
		if err := g.Check(t.Context(), u); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
	if err := g.Check(t.Context(), "https://nowhere.example.org/"); fault.CodeOf(err) != fault.Upstream {
		t.Errorf("an unknown host: %v", err)
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	n := egresstest.New(t)
	n.Answer("nas.lan", "192.168.1.5")
	n.Answer("other.lan", "192.168.1.5")
	n.Answer("rebound.example.org", "192.168.1.5")
	for _, one := range []struct {
		allow, url string
		open       bool
	}{
		{"nas.lan", "http://nas.lan:5000/", true},
		{"NAS.lan", "https://nas.lan/", true},
		{"nas.lan:5000", "http://nas.lan:5000/", true},
		{"nas.lan:5000", "http://nas.lan:5001/", false},
		{"nas.lan", "http://other.lan/", false},
		{"nas.lan", "http://192.168.1.5/", false},
		{"nas.lan", "http://rebound.example.org/", false},
		{"192.168.1.0/24", "http://192.168.1.5/", true},
		{"192.168.1.5", "http://rebound.example.org/", true},
		{"192.168.1.5:80", "http://192.168.1.5:81/", false},
		{"[fd00::5]:80", "http://[fd00::5]/", true},
		{"fd00::/8", "http://[fd00:ec2::254]/", false},
		{"0.0.0.0/0", "http://169.254.169.254/", false},
	} {
		g := on(t, n, one.allow)
		if err := g.Check(t.Context(), one.url); (err == nil) != one.open {
			t.Errorf("allow %s: %s: %v", one.allow, one.url, err)
		}
	}
	for _, entry := range []string{"", "a b", "127.1", "nas.lan:0", "nas.lan:x", "169.254.169.254", "metadata.google.internal", "http://nas.lan"} {
		if _, err := guard.New([]string{entry}, guard.Deps{Log: slog.New(slog.DiscardHandler)}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("allow %q: %v", entry, err)
		}
	}
}

// A name that leads elsewhere the second time is looked up once for a connection:
// what was checked is what is connected to.
func TestRebinding(t *testing.T) {
	t.Parallel()
	n := egresstest.New(t)
	n.ServeFunc("rebind.example.org", func(w http.ResponseWriter, _ *http.Request) {})
	n.Answer("rebind.example.org", "10.0.0.1")
	g := on(t, n)
	proxy, err := g.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	if status, err := ask(t, proxy, "CONNECT", "rebind.example.org:443"); err != nil || !strings.HasPrefix(status, "200") {
		t.Errorf("first: %s, %v", status, err)
	}
	since := time.Now()
	if status, err := ask(t, proxy, "CONNECT", "rebind.example.org:443"); err != nil || !strings.HasPrefix(status, "502") {
		t.Errorf("second: %s, %v", status, err)
	}
	if err := g.Why("https://rebind.example.org/x", since); fault.CodeOf(err) != fault.Forbidden {
		t.Errorf("why: %v", err)
	}
	if err := g.Why("https://rebind.example.org/x", time.Now()); err != nil {
		t.Errorf("why, later: %v", err)
	}
	if n.Dials() != 1 {
		t.Errorf("%d connections", n.Dials())
	}
}

// The proxy on real sockets: plain requests pass unchanged, tunnels carry both ways
// and end with the guard.
func TestProxy(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s forwarded=%q via=%q", r.Method, r.RequestURI, body, r.Header.Get("X-Forwarded-For"), r.Header.Get("Via"))
	}))
	defer site.Close()
	address := site.Listener.Addr().String()
	g, err := guard.New([]string{address}, guard.Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := g.Start()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ask(t, proxy, "GET", "http://"+address+"/a%2Fb?x=1;y&%zz"); err != nil || got != `200 GET /a%2Fb?x=1;y&%zz  forwarded="" via=""` {
		t.Errorf("GET: %s, %v", got, err)
	}
	if got, err := ask(t, proxy, "GET", "/"); err != nil || !strings.HasPrefix(got, "400") {
		t.Errorf("a request to the proxy itself: %s, %v", got, err)
	}
	if got, err := ask(t, proxy, "GET", "http://"+proxy+"/"); err == nil {
		t.Errorf("the proxy through itself: %s", got)
	}
	conn, err := net.Dial("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\nGET /early HTTP/1.1\r\nHost: x\r\n\r\n", address, address)
	r := bufio.NewReader(conn)
	for _, want := range []string{"established", "GET /early"} {
		resp, err := http.ReadResponse(r, &http.Request{Method: map[bool]string{true: "CONNECT", false: "GET"}[want == "established"]})
		if err != nil {
			t.Fatal(err)
		}
		body := resp.Status
		if want != "established" {
			raw, _ := io.ReadAll(resp.Body)
			body = string(raw)
		}
		if !strings.Contains(body, want) {
			t.Errorf("tunnel: %q, want %q", body, want)
		}
	}
	g.Close()
	if _, err := r.ReadByte(); err == nil {
		t.Error("the tunnel outlived the guard")
	}
	if _, err := net.Dial("tcp", proxy); err == nil {
		t.Error("the proxy outlived its Close")
	}
}

func TestCheck_cancelled(t *testing.T) {
	t.Parallel()
	g, err := guard.New(nil, guard.Deps{Log: slog.New(slog.DiscardHandler), Resolver: stuck{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Check(ctx, "https://good.example.org/"); fault.CodeOf(err) != fault.Timeout || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// stuck answers when its caller gives up.
type stuck struct{}

func (stuck) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
