package httpd_test

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/httpd"
	"drawbridge/internal/route"
	"drawbridge/test/harness"
)

const (
	smuggled = "GET /smuggled HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n" // what an attacker hides in another request
	frontOf  = "X-Front"                                                 // where a front says which request it passes on
)

// witness is behind the door and notes what comes there.
type witness struct {
	mu      sync.Mutex // guards arrived
	arrived []arrival
}

// arrival is a request as Drawbridge read it, and what the front says that it was.
type arrival struct{ line, body, front string }

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // a body that breaks off is no request
	}
	w.mu.Lock()
	w.arrived = append(w.arrived, arrival{r.Method + " " + r.RequestURI, string(body), strings.Join(r.Header[frontOf], "|")})
	w.mu.Unlock()
	fmt.Fprintf(rw, "%s with %s", r.URL.Path, body)
}

// all are the requests that came so far.
func (w *witness) all() []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]arrival(nil), w.arrived...)
}

// watched is a server with a witness behind its routes.
func watched(t *testing.T) (addr string, w *witness) {
	t.Helper()
	w = &witness{}
	s, err := httpd.New(slog.New(slog.DiscardHandler), oneKey{}, httpd.Config{Listen: "127.0.0.1:0", IssuerURL: "https://mcp.example.com"}, []route.Route{
		{Pattern: "/mcp", Methods: []string{http.MethodGet, http.MethodPost}, Policy: route.Public, Handler: w},
		{Pattern: "/smuggled", Methods: []string{http.MethodGet, http.MethodPost}, Policy: route.Public, Handler: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }() // ends with Shutdown
	t.Cleanup(func() {
		_ = s.Shutdown(t.Context(), func() {}) // attackers leave connections half open
		<-done
	})
	return s.Addr().String(), w
}

// goFront is a proxy of Go's own making, as Caddy and tailscale serve are.
func goFront(t *testing.T, addr, nonce string) string {
	t.Helper()
	to := &url.URL{Scheme: "http", Host: addr}
	proxy := &httputil.ReverseProxy{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Host = p.In.Host
		p.SetXForwarded()
		p.Out.Header.Set(frontOf, nonce+" "+p.In.Method+" "+p.In.RequestURI)
	}}
	s := httptest.NewUnstartedServer(proxy)
	s.Config.ErrorLog = proxy.ErrorLog
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// nginxFront is nginx with the lines of deploy/nginx.conf.
func nginxFront(t *testing.T, addr, nonce string) string {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx = "/usr/sbin/nginx"; exec.CommandContext(t.Context(), nginx, "-v").Run() != nil {
			harness.Missing(t, "nginx is not installed: run make deps")
		}
	}
	snippet, err := os.ReadFile(filepath.Join(harness.Root(t), "deploy", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	dir, front := t.TempDir(), harness.FreeAddr(t)
	site := string(snippet)
	for _, change := range [][2]string{
		{"listen 443 ssl;", "listen " + front + ";"},
		{"ssl_certificate     /etc/ssl/mcp.example.com/fullchain.pem;", ""},
		{"ssl_certificate_key /etc/ssl/mcp.example.com/privkey.pem;", ""},
		{"server 127.0.0.1:4444;", "server " + addr + ";"},
		{"proxy_set_header Host $host;", "proxy_set_header Host $host; proxy_set_header " + frontOf + ` "` + nonce + ` $request_method $request_uri";`},
	} {
		if strings.Count(site, change[0]) != 1 {
			t.Fatalf("deploy/nginx.conf does not have %q once", change[0])
		}
		site = strings.Replace(site, change[0], change[1], 1)
	}
	conf := fmt.Sprintf("daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;\nevents {}\nhttp { access_log off;\n"+
		"client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;\n%[2]s\n}\n", dir, site)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Start(t, harness.Command(t, nginx, []string{"-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log")})).Await(t, front)
	return front
}

// probes are requests that two hops might take apart in two ways. Each has the
// smuggled one in it.
func probes() map[string]string {
	const post = "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\n"
	n := len(smuggled)
	length := func(n int) string { return "Content-Length: " + strconv.Itoa(n) + "\r\n" }
	hex := func(n int) string { return strconv.FormatInt(int64(n), 16) }
	empty := "0\r\n\r\n" + smuggled // the end of a chunked body, with more behind it
	all := map[string]string{
		"length and chunks":             post + length(len(empty)) + "Transfer-Encoding: chunked\r\n\r\n" + empty,
		"chunks and length":             post + "Transfer-Encoding: chunked\r\n" + length(len(empty)) + "\r\n" + empty,
		"short length, long chunk":      post + length(4) + "Transfer-Encoding: chunked\r\n\r\n" + hex(n) + "\r\n" + smuggled + "\r\n0\r\n\r\n",
		"two lengths, the second short": post + length(n) + length(0) + "\r\n" + smuggled,
		"two lengths, the first short":  post + length(0) + length(n) + "\r\n" + smuggled,
		"a list of lengths":             post + "Content-Length: 0, " + strconv.Itoa(n) + "\r\n\r\n" + smuggled,
		"a signed length":               post + "Content-Length: +0\r\n\r\n" + smuggled,
		"a negative length":             post + "Content-Length: -1\r\n\r\n" + smuggled,
		"a length in hex":               post + "Content-Length: 0x0\r\n\r\n" + smuggled,
		"an endless length":             post + "Content-Length: 99999999999999999999\r\n\r\n" + smuggled,
		"an empty length":               post + "Content-Length:\r\n\r\n" + smuggled,
		"space before a length's colon": post + "Content-Length : " + strconv.Itoa(n) + "\r\n\r\n" + smuggled,
		"underscore for a dash":         post + "Content_Length: " + strconv.Itoa(n) + "\r\n\r\n" + smuggled,
		"GET with a body":               "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\n" + length(n) + "\r\n" + smuggled,
		"chunk size in hex notation":    post + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + smuggled,
		"chunk size too large":          post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" + smuggled,
		"chunk size with a sign":        post + "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + smuggled,
		"chunk ended by a line feed":    post + "Transfer-Encoding: chunked\r\n\r\n0\n\n" + smuggled,
		"chunk extension over a line":   post + "Transfer-Encoding: chunked\r\n\r\n1;x=\"\n" + smuggled + "\r\n0\r\n\r\n",
		"a request among the trailers":  post + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"HTTP/1.0 with chunks":          "POST /mcp HTTP/1.0\r\nHost: mcp.example.com\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + empty,
		"HTTP/0.9":                      "GET /smuggled\r\n\r\n",
		"two spaces in the first line":  "GET  /mcp HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n" + smuggled,
		"a request in the first line":   "GET /mcp HTTP/1.1\r\nGET /smuggled HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n",
		"a carriage return in a field":  "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nX: a\r\rGET /smuggled HTTP/1.1\r\n\r\n",
		"lines ended by line feeds":     "GET /mcp HTTP/1.1\nHost: mcp.example.com\nX: a\n\n" + smuggled,
		"a line feed in a field":        "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nX: a\n" + length(n) + "\r\n" + smuggled,
		"NUL in a field":                post + length(n) + "X: a\x00b\r\n\r\n" + smuggled,
		"two hosts":                     "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nHost: evil.example\r\n\r\n" + smuggled,
		"another host in the target":    "GET http://evil.example/smuggled HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n",
		"a body that waits to be asked": post + "Expect: 100-continue\r\n" + length(n) + "\r\n" + smuggled,
		"an upgrade":                    "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + smuggled,
		"an upgrade to HTTP/2":          "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + smuggled,
		"the length as a hop's own":     post + "Connection: Content-Length\r\n" + length(n) + "\r\n" + smuggled,
		"the front's word as a hop's":   "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nConnection: " + frontOf + "\r\n\r\n" + smuggled,
		"CONNECT":                       "CONNECT mcp.example.com:443 HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n" + smuggled,
		"two requests at once":          "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n" + smuggled, // which is nobody's fault
	}
	for name, coding := range map[string]string{
		"an unknown coding":  "Transfer-Encoding: xchunked\r\n",
		"chunked, identity":  "Transfer-Encoding: chunked, identity\r\n",
		"identity, chunked":  "Transfer-Encoding: identity, chunked\r\n",
		"chunked twice":      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"capital letters":    "TRANSFER-ENCODING: CHUNKED\r\n",
		"space before colon": "Transfer-Encoding : chunked\r\n",
		"a tab":              "Transfer-Encoding:\tchunked\r\n",
		"a vertical tab":     "Transfer-Encoding: \x0bchunked\r\n",
		"a folded line":      "Transfer-Encoding:\r\n chunked\r\n",
		"folded into X":      "X: y\r\n Transfer-Encoding: chunked\r\n",
		"in quotes":          "Transfer-Encoding: \"chunked\"\r\n",
		"with a parameter":   "Transfer-Encoding: chunked;q=1\r\n",
	} {
		all["coding: "+name] = post + length(len(empty)) + coding + "\r\n" + empty
	}
	return all
}

// Threat T8: a request that hides another one reaches Drawbridge through a proxy that
// took it apart differently, and the hidden one is answered to somebody else. Through
// each documented kind of front, every request that arrives is one that the front has
// passed on as such, and everybody gets the own answer.
func TestT8_smuggling(t *testing.T) {
	t.Parallel()
	for name, front := range map[string]func(t *testing.T, addr, nonce string) string{"Go": goFront, "nginx": nginxFront} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, w := watched(t)
			nonce := rand.Text()
			at := front(t, addr, nonce)
			var attacks sync.WaitGroup
			for _, probe := range probes() {
				attacks.Go(func() { attack(t, at, probe) })
			}
			for i := range 20 {
				askFor(t, at, fmt.Sprintf("early %d", i))
			}
			attacks.Wait()
			for i := range 20 { // on connections that the attacks have left behind them
				askFor(t, at, fmt.Sprintf("late %d", i))
			}
			arrived := w.all()
			if len(arrived) < 45 {
				t.Errorf("only %d requests arrived: the probes prove nothing", len(arrived))
			}
			for _, a := range arrived {
				if a.front != nonce+" "+a.line {
					t.Errorf("%q arrived, which the front passed on as %q", a.line, a.front)
				}
			}
		})
	}
}

// TestT8_smuggling_isNoticed shows that the witness can tell.
func TestT8_smuggling_isNoticed(t *testing.T) {
	t.Parallel()
	addr, w := watched(t)
	attack(t, addr, probes()["two requests at once"])
	if got := w.all(); len(got) != 2 || got[1].line != "GET /smuggled" || got[1].front != "" {
		t.Errorf("arrived: %+v", got)
	}
}

// attack sends a probe and takes what comes back until the other side has no more
// to say, or lets us wait.
func attack(t *testing.T, addr, probe string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	_, _ = io.WriteString(conn, probe)
	_, _ = io.Copy(io.Discard, conn)
}

// askFor is somebody whose request is in order.
func askFor(t *testing.T, addr, what string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(what), what)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, _ := io.ReadAll(res.Body); string(got) != "/mcp with "+what {
		t.Errorf("whoever sent %q was answered %d %q", what, res.StatusCode, got)
	}
}
