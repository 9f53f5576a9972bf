package puppeteer_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/egress/egresstest"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/puppeteer"
	"drawbridge/internal/servers/puppeteer/guard"
)

const good = "good.example.org"

// internet starts a server whose browser lives in an internet of egresstest. A
// connection to an address that is not public fails the test, whoever causes it.
func internet(t *testing.T, n *egresstest.Net) *kittest.Client {
	t.Helper()
	browser(t)
	cfg := puppeteer.Config{Common: kit.Common{Mode: kit.ModeWrite, Toolsets: []string{"all"}}, Flags: []string{"--ignore-certificate-errors"}}
	log := &kittest.Log{}
	t.Cleanup(func() {
		if t.Failed() {
			for line := range strings.SplitSeq(log.String(), "\n") {
				if strings.Contains(line, "The browser refused") {
					t.Log(line)
				}
			}
		}
	})
	own := n.Deps()
	deps := kittest.Deps(log, nil)
	srv, err := puppeteer.NewOn(cfg, deps, guard.Deps{Log: deps.Log, Own: own.Own, Resolver: n, Dial: n.Dial, Interfaces: own.Near})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close(t.Context()) })
	return kittest.NewClient(srv, "admin")
}

// hosts are all the addresses of the table, by name and by number.
func hosts(n *egresstest.Net) (all []string) {
	for i, a := range egresstest.Addresses() {
		name := fmt.Sprintf("a%d.example.org", i)
		n.Answer(name, a.String())
		all = append(all, name)
		switch {
		case a.Zone() != "": // no URL has one
		case a.Is6():
			all = append(all, "["+a.String()+"]")
		default:
			all = append(all, a.String())
		}
	}
	return append(all, "localhost", "a.localhost", "2130706433", "0x7f.1", "0177.0.0.1", "metadata.google.internal", "printer.local", egresstest.Own)
}

// evaluate runs a script that gives a string, and waits for it.
func evaluate(t *testing.T, c *kittest.Client, script string) string {
	t.Helper()
	raw, err := json.Marshal(map[string]string{"script": script})
	if err != nil {
		t.Fatal(err)
	}
	text := c.Must(t, "puppeteer_evaluate", string(raw), nil).Text
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "Execution result:\n"), "\n\nConsole output:")
	var s string
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// reaching are the ways of a page to reach something: each a function that gives
// whether it was reached. All are tried with all hosts at once.
var reaching = map[string]string{
	"fetch":        "u => fetch('https://' + u + '/x', {mode:'no-cors'}).then(() => true)",
	"http":         "u => fetch('/plain?u=' + encodeURIComponent(u)).then(r => r.ok)",
	"redirect":     "u => fetch('/to?u=' + encodeURIComponent('https://' + u + '/x'), {mode:'no-cors'}).then(() => true)",
	"downgrade":    "u => fetch('/to?u=' + encodeURIComponent('http://' + u + '/x'), {mode:'no-cors'}).then(() => true)",
	"image":        "u => new Promise((ok, no) => { const i = new Image(); i.onload = () => ok(true); i.onerror = () => ok(false); i.src = 'https://' + u + '/x.png'; })",
	"script":       "u => new Promise(ok => { const s = document.createElement('script'); s.onload = () => ok(true); s.onerror = () => ok(false); s.src = 'https://' + u + '/x.js'; document.head.append(s); })",
	"websocket":    "u => new Promise(ok => { const w = new WebSocket('wss://' + u + '/x'); w.onopen = () => ok(true); w.onerror = () => ok(false); })",
	"events":       "u => new Promise(ok => { const e = new EventSource('https://' + u + '/x'); e.onopen = () => { e.close(); ok(true); }; e.onerror = () => { e.close(); ok(false); }; })",
	"worker":       "(() => { const w = new Worker(URL.createObjectURL(new Blob(['onmessage = e => fetch(\"https://\" + e.data + \"/x\", {mode:\"no-cors\"}).then(() => postMessage([e.data, true]), () => postMessage([e.data, false]))']))); const waiting = {}; w.onmessage = e => waiting[e.data[0]](e.data[1]); return u => new Promise(ok => { waiting[u] = ok; w.postMessage(u); }); })()",
	"service":      "(() => { const up = navigator.serviceWorker.register('/sw.js').then(() => navigator.serviceWorker.ready); return u => up.then(r => new Promise(ok => { const ch = new MessageChannel(); ch.port1.onmessage = e => ok(e.data); r.active.postMessage(u, [ch.port2]); })); })()",
	"beacon":       "u => { navigator.sendBeacon('https://' + u + '/x', 'x'); return false; }",
	"hints":        "u => { for (const rel of ['preconnect', 'dns-prefetch', 'prefetch', 'preload', 'modulepreload']) { const l = document.createElement('link'); l.rel = rel; l.as = 'image'; l.href = 'https://' + u + '/x'; document.head.append(l); } return false; }",
	"frame":        "u => new Promise(ok => { const f = document.createElement('iframe'); f.src = 'https://' + u + '/x'; f.onload = () => { let inside = true; try { inside = !!f.contentDocument && f.contentDocument.URL !== 'about:blank'; } catch { inside = 'other'; } f.remove(); ok(false); }; document.body.append(f); })",
	"style":        "u => new Promise(ok => { const l = document.createElement('link'); l.rel = 'stylesheet'; l.onload = () => ok(true); l.onerror = () => ok(false); l.href = 'https://' + u + '/x.css'; document.head.append(l); })",
	"font":         "u => new FontFace('x', 'url(https://' + u + '/x.woff)').load().then(() => true)",
	"webtransport": "u => 'WebTransport' in self ? new WebTransport('https://' + u + '/x').ready.then(() => true) : false",
}

// slow are ways in which Chromium takes its time, so that only every so many hosts are
// tried in them.
var slow = map[string]int{"websocket": 12, "frame": 4, "worker": 4, "webtransport": 12}

// TestT19_everyWay tries to reach every address of the table in every way that a page has
// (T19). The public site is reached in the same ways, to show that they work.
func TestT19_everyWay(t *testing.T) {
	t.Parallel()
	n := egresstest.New(t)
	serveGood(n)
	c := internet(t, n)
	all := hosts(n)
	c.Must(t, "puppeteer_navigate", `{"url":"https://`+good+`/"}`, nil)
	for name, try := range reaching {
		t.Run(name, func(t *testing.T) {
			some := all
			if step := slow[name]; step > 0 { // all are tried in other ways
				some = nil
				for i := 0; i < len(all); i += step {
					some = append(some, all[i])
				}
			}
			for part := range slices.Chunk(some, 75) {
				list, err := json.Marshal(part)
				if err != nil {
					t.Fatal(err)
				}
				script := fmt.Sprintf(`(async () => { const try_ = %s; const reached = [];
					const one = u => Promise.race([Promise.resolve().then(() => try_(u)), new Promise(r => setTimeout(r, 4000, false))]).catch(() => false);
					await Promise.all(%s.map(async u => { const r = await one(u); if (r) reached.push(u + ' ' + r); }));
					return reached.join(', '); })()`, try, list)
				if reached := evaluate(t, c, script); reached != "" {
					t.Errorf("reached: %s", reached)
				}
			}
			if strings.Contains("beacon hints frame font http downgrade webtransport", name) {
				return // they give no sign, or have no counterpart
			}
			control := fmt.Sprintf("Promise.resolve((%s)('%s')).then(String, String)", try, good)
			if got := evaluate(t, c, control); got != "true" {
				t.Errorf("the public site by the same way: %s", got)
			}
		})
	}
	t.Run("navigate", func(t *testing.T) {
		for _, host := range all {
			for _, scheme := range []string{"http", "https"} {
				text := c.Refused(t, "puppeteer_navigate", fmt.Sprintf(`{"url":"%s://%s/x"}`, scheme, host))
				if !strings.Contains(text, "may not open") && !strings.Contains(text, "could not be found") {
					t.Errorf("%s: %s", host, text)
				}
			}
		}
	})
	t.Run("redirected", func(t *testing.T) {
		for i, host := range all {
			if i%4 != 0 && i < len(all)-8 {
				continue // all are tried by fetch above
			}
			for _, scheme := range []string{"http", "https"} {
				if text := c.Refused(t, "puppeteer_navigate", fmt.Sprintf(`{"url":"https://%s/to?u=%s://%s/x"}`, good, scheme, host)); strings.Contains(text, "in time") {
					t.Errorf("%s: %s", host, text)
				}
			}
		}
	})
	t.Run("elsewhere", func(t *testing.T) { elsewhere(t, c) })
	if n.Dials() == 0 {
		t.Error("nothing was reached at all")
	}
}

// serveGood serves the public site.
func serveGood(n *egresstest.Net) {
	png := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82"
	n.ServeFunc(good, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<title>Good</title><body>good")
		case "/to":
			http.Redirect(w, r, r.URL.Query().Get("u"), http.StatusFound)
		case "/x.png":
			w.Header().Set("Content-Type", "image/png")
			io.WriteString(w, png)
		case "/x.woff":
			http.Error(w, "no font", http.StatusNotFound)
		case "/plain": // mixed content never leaves a page of https: asked for in other tests
			http.Error(w, "not here", http.StatusNotFound)
		case "/x.js", "/sw.js":
			w.Header().Set("Content-Type", "text/javascript")
			io.WriteString(w, `self.onmessage = e => fetch("https://" + e.data + "/x", {mode: "no-cors"}).then(() => e.ports[0].postMessage(true), () => e.ports[0].postMessage(false))`)
		case "/x.css":
			w.Header().Set("Content-Type", "text/css")
		case "/x":
			if r.Header.Get("Accept") == "text/event-stream" {
				w.Header().Set("Content-Type", "text/event-stream")
				io.WriteString(w, "data: x\n\n")
			}
			upgrade(w, r)
		}
	})
}

// elsewhere tries what is no host: files, the browser's own pages, other programs.
func elsewhere(t *testing.T, c *kittest.Client) {
	for _, u := range []string{"file:///etc/hostname", "chrome://version/", "view-source:https://good.example.org/", "data:text/html,x", "chrome-extension://x/y", "devtools://devtools/bundled/inspector.html", "filesystem:https://good.example.org/x", "ftp://good.example.org/x"} {
		c.Refused(t, "puppeteer_navigate", `{"url":"`+u+`"}`)
		for _, how := range []string{"location.href = %q", "window.open(%q)", "(() => { const f = document.createElement('iframe'); f.src = %q; document.body.append(f); })()", "(() => { const a = document.createElement('a'); a.href = %q; document.body.append(a); a.click(); })()"} {
			c.Must(t, "puppeteer_navigate", `{"url":"https://`+good+`/"}`, nil)
			raw, _ := json.Marshal(map[string]string{"script": fmt.Sprintf(how+"; 'tried'", u)})
			c.Call(t, "puppeteer_evaluate", string(raw))
			var list struct{ Tabs []struct{ URL string } }
			c.Must(t, "browser_tabs", `{"action":"list"}`, &list)
			for _, tab := range list.Tabs {
				if !strings.HasPrefix(tab.URL, "https://"+good) && !strings.HasPrefix(tab.URL, "about:blank") && !strings.HasPrefix(tab.URL, "chrome-error:") && tab.URL != "" {
					t.Errorf("%s by %s: a tab shows %s", u, how, tab.URL)
				}
			}
		}
		c.Must(t, "browser_close", "", nil)
	}
	if got := evaluate(t, c, "fetch('file:///etc/hostname').then(r => r.text(), e => 'refused')"); got != "refused" {
		t.Errorf("a script read a file: %s", got)
	}
}

// TestNothingGoesPastTheProxy counts what arrives on this machine's own sockets while
// a page of this machine, which the operator has opened, tries to reach others.
func TestNothingGoesPastTheProxy(t *testing.T) {
	t.Parallel()
	url := site(t)
	var arrived atomic.Int32
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ends with the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			arrived.Add(1)
			conn.Close()
		}
	}()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	go func() { // ends with the socket
		buf := make([]byte, 1500)
		for {
			if _, _, err := udp.ReadFrom(buf); err != nil {
				return
			}
			arrived.Add(1)
		}
	}()
	cfg := config()
	cfg.Allow = []string{strings.TrimPrefix(url, "http://")} // this port alone
	srv, _ := open(t, cfg)
	c := kittest.NewClient(srv, "admin")
	c.Must(t, "puppeteer_navigate", `{"url":"`+url+`/next"}`, nil)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_, udpPort, _ := net.SplitHostPort(udp.LocalAddr().String())
	script := fmt.Sprintf(`(async () => {
		const port = %s, udp = %s, out = [];
		for (const host of ['127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '127.1', '[::ffff:127.0.0.1]'])
			for (const go of [u => fetch('http://' + u, {mode: 'no-cors'}), u => fetch('https://' + u, {mode: 'no-cors'}), u => new Promise((ok, no) => { const w = new WebSocket('ws://' + u); w.onopen = ok; w.onerror = no; }),
				u => new Promise((ok, no) => { const i = new Image(); i.onload = ok; i.onerror = no; i.src = 'http://' + u; })])
				await go(host + ':' + port).then(() => out.push(host), () => {});
		const pc = new RTCPeerConnection({ iceServers: [{ urls: ['stun:127.0.0.1:' + udp, 'stun:localhost:' + udp] }, { urls: ['turn:127.0.0.1:' + udp, 'turn:127.0.0.1:' + port + '?transport=tcp'], username: 'x', credential: 'x' }] });
		pc.createDataChannel('x');
		await pc.setLocalDescription(await pc.createOffer());
		await Promise.race([new Promise(r => pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && r()), new Promise(r => setTimeout(r, 3000))]);
		pc.close();
		return out.join();
	})()`, port, udpPort)
	if got := evaluate(t, c, script); got != "" {
		t.Errorf("reached: %s", got)
	}
	if n := arrived.Load(); n != 0 {
		t.Errorf("%d connections or packets arrived", n)
	}
	if got := evaluate(t, c, "fetch('/next').then(r => String(r.status), String)"); got != "200" {
		t.Errorf("the page's own site: %s", got)
	}
}

// A name that leads into the LAN the second time is not reached there.
func TestRebinding(t *testing.T) {
	t.Parallel()
	n := egresstest.New(t)
	n.ServeFunc("rebind.example.org", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<title>Rebind</title>")
	})
	n.Answer("rebind.example.org", n.Address("rebind.example.org")) // Check looks first
	n.Answer("rebind.example.org", n.Address("rebind.example.org"))
	n.Answer("rebind.example.org", "192.168.1.1")
	c := internet(t, n)
	c.Must(t, "puppeteer_navigate", `{"url":"https://rebind.example.org/"}`, nil)
	got := ""
	for range 4 { // connections that were opened ahead come first
		got = evaluate(t, c, "fetch('/again', {cache: 'no-store'}).then(r => 'reached', () => 'refused')")
	}
	if got != "refused" {
		t.Errorf("%s", got)
	}
}

// upgrade opens a WebSocket where that is asked for.
func upgrade(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if key == "" {
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", acceptKey(key))
	time.AfterFunc(time.Second, func() { conn.Close() })
}
