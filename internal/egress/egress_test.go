package egress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/egress"
	"drawbridge/internal/egress/egresstest"
	"drawbridge/internal/fault"
)

func client(t *testing.T, cfg egress.Config, deps egress.Deps) *egress.Client {
	t.Helper()
	c, err := egress.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ok turns everything but a 200 into an error.
func ok(r egress.Response, err error) error {
	if err == nil && r.Status != http.StatusOK {
		return fmt.Errorf("status %d", r.Status)
	}
	return err
}

// TestTable fetches the whole table of what must not be fetched, with and without
// following redirects.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, redirects := range []int{0, 5} {
		synctest.Test(t, func(t *testing.T) {
			n := egresstest.New(t)
			c := client(t, egress.Config{Redirects: redirects}, n.Deps())
			egresstest.Sweep(t, n.Cases(), func(url string) error {
				start := time.Now()
				r, err := c.Get(t.Context(), url, "application/json")
				if took := time.Since(start); took > egress.DefaultTimeout {
					t.Errorf("%q took %v", url, took)
				}
				return ok(r, err)
			})
		})
	}
}

// TestTable_refused shows that refusals by address and form come before any
// connection, by their error.
func TestTable_refused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		c := client(t, egress.Config{}, n.Deps())
		for _, one := range n.Cases() {
			if !strings.HasPrefix(one.Name, "resolves") && one.Name != "literal" && one.Name != "form" {
				continue
			}
			if _, err := c.Get(t.Context(), one.URL, "*/*"); !errors.Is(err, egress.ErrRefused) || fault.CodeOf(err) != fault.Forbidden {
				t.Errorf("%s: %q: %v", one.Name, one.URL, err)
			}
		}
		if n.Dials() != 0 {
			t.Errorf("%d connections", n.Dials())
		}
	})
}

// TestControl shows that the socket itself refuses every address of the table, even
// if what comes before it did not.
func TestControl(t *testing.T) {
	t.Parallel()
	c := client(t, egress.Config{}, egresstest.New(t).Deps())
	for _, a := range egresstest.Addresses() {
		if err := c.Control("good.example.org", netip.AddrPortFrom(a, 443).String()); err == nil {
			t.Errorf("%s: connected", a)
		}
		if a.Zone() == "" && !strings.HasPrefix(a.String(), "2a02:") && egress.Public(a) {
			t.Errorf("%s is public", a)
		}
	}
	if egress.Public(netip.Addr{}) || egress.Public(netip.MustParseAddr("2606:4700::1111%eth0")) {
		t.Error("no address, or one of an interface, is public")
	}
	for _, a := range []string{"93.184.216.34:443", "1.1.1.1:443", "172.15.255.255:443", "172.32.0.0:443", "100.63.255.255:443", "100.128.0.0:443", "[2606:4700::1111]:443", "[::ffff:1.1.1.1]:443"} {
		if err := c.Control("good.example.org", a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	if err := c.Control("good.example.org", "93.184.216.34:80"); err == nil {
		t.Error("port 80: connected")
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.ServeFunc("one.example.org", func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/moved":
				http.Redirect(w, r, "https://two.example.org/there?a=b", http.StatusMovedPermanently)
			case "/gone":
				http.Error(w, "gone", http.StatusGone)
			default:
				fmt.Fprintf(w, "%s %s ua=%s accept=%s enc=%s cookie=%s referer=%s", r.Proto, r.Host, r.UserAgent(), r.Header.Get("Accept"),
					r.Header.Get("Accept-Encoding"), r.Header.Get("Cookie"), r.Referer())
			}
		})
		n.ServeFunc("two.example.org", func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
			fmt.Fprintf(w, "two %s referer=%s", r.URL, r.Referer())
		})
		c := client(t, egress.Config{Redirects: 1}, n.Deps())
		for url, want := range map[string]string{
			"https://one.example.org/x":     "HTTP/1.1 one.example.org ua=drawbridge accept=text/a enc=identity cookie= referer=",
			"https://ONE.example.org:443/x": "HTTP/1.1 ONE.example.org:443 ua=drawbridge accept=text/a enc=identity cookie= referer=",
			"https://one.example.org/moved": "two /there?a=b referer=",
			"https://one.example.org/gone":  "gone\n",
		} {
			r, err := c.Get(t.Context(), url, "text/a")
			if err != nil || string(r.Body) != want {
				t.Errorf("%s: %q, %v", url, r.Body, err)
			}
		}
		r, err := client(t, egress.Config{}, n.Deps()).Get(t.Context(), "https://one.example.org/moved", "*/*")
		if err != nil || r.Status != http.StatusMovedPermanently {
			t.Errorf("a redirect that is not followed: %d, %v", r.Status, err)
		}
	})
}

// TestRebinding has a name that is public when it is looked up first and inside
// the next time.
func TestRebinding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.ServeFunc("rebind.example.org", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/again", http.StatusFound)
		})
		n.Answer("rebind.example.org", "127.0.0.1")
		c := client(t, egress.Config{Redirects: 3}, n.Deps())
		_, err := c.Get(t.Context(), "https://rebind.example.org/x", "*/*")
		if !errors.Is(err, egress.ErrRefused) || n.Dials() != 1 {
			t.Errorf("%v after %d connections", err, n.Dials())
		}
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.ServeFunc("size.example.org", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, strings.Repeat("x", len(r.URL.Path)-1))
		})
		c := client(t, egress.Config{MaxBytes: 10}, n.Deps())
		if r, err := c.Get(t.Context(), "https://size.example.org/0123456789", "*/*"); err != nil || len(r.Body) != 10 {
			t.Errorf("at the limit: %d bytes, %v", len(r.Body), err)
		}
		if _, err := c.Get(t.Context(), "https://size.example.org/01234567890", "*/*"); !errors.Is(err, egress.ErrTooLarge) {
			t.Errorf("beyond the limit: %v", err)
		}
		n.Cases()
		c = client(t, egress.Config{Timeout: 3 * time.Second}, n.Deps())
		for path, want := range map[string]error{"hang": context.DeadlineExceeded, "drip": context.DeadlineExceeded, "headers": egress.ErrTooLarge,
			"endless": egress.ErrTooLarge, "announced": egress.ErrTooLarge} {
			start := time.Now()
			_, err := c.Get(t.Context(), "https://hostile.example.org/"+path, "*/*")
			if !errors.Is(err, want) || time.Since(start) > 3*time.Second {
				t.Errorf("%s: %v after %v", path, err, time.Since(start))
			}
			if timeout := want == context.DeadlineExceeded; timeout != (fault.CodeOf(err) == fault.Timeout) {
				t.Errorf("%s: %v", path, fault.CodeOf(err))
			}
		}
	})
}

// TestLimits_hops has slow redirects that together take longer than one may.
func TestLimits_hops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.ServeFunc("slow.example.org", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(2 * time.Second):
				http.Redirect(w, r, "/again", http.StatusFound)
			case <-r.Context().Done():
			}
		})
		start := time.Now()
		_, err := client(t, egress.Config{Redirects: 10}, n.Deps()).Get(t.Context(), "https://slow.example.org/", "*/*")
		if fault.CodeOf(err) != fault.Timeout || time.Since(start) != egress.DefaultTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestRoundTrip_host shows that a request cannot name another host than the one it
// goes to.
func TestRoundTrip_host(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.ServeFunc("one.example.org", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://one.example.org/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "two.example.org"
		resp, err := client(t, egress.Config{}, n.Deps()).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "one.example.org" {
			t.Errorf("it was asked as %q, %v", body, err)
		}
	})
}

// TestSockets uses real ones: loopback stands for the internet where it is allowed,
// and is the trap where it is not.
func TestSockets(t *testing.T) {
	t.Parallel()
	trap := listen(t)
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	t.Cleanup(web.Close)
	_, webPort, _ := net.SplitHostPort(web.Listener.Addr().String())
	_, trapPort, _ := net.SplitHostPort(trap)
	names := fixed{"example.com": {"127.0.0.1"}, "mixed.example.com": {"127.0.0.1", "127.0.0.2"}}
	pool := web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs // for example.com and 127.0.0.1
	c := client(t, egress.Config{Allow: []string{"127.0.0.1:" + webPort}, Redirects: 3}, egress.Deps{Resolver: names, Roots: pool})

	for _, url := range []string{web.URL, "https://example.com:" + webPort + "/"} {
		if r, err := c.Get(t.Context(), url, "*/*"); err != nil || string(r.Body) != "hello" {
			t.Errorf("%s: %q, %v", url, r.Body, err)
		}
	}
	for _, url := range []string{
		"https://127.0.0.1:" + trapPort + "/", "https://127.0.0.2:" + webPort + "/", "https://mixed.example.com:" + webPort + "/",
		"https://example.com:" + trapPort + "/", "https://localhost:" + webPort + "/", "https://[::ffff:127.0.0.1]:" + trapPort + "/",
	} {
		if _, err := c.Get(t.Context(), url, "*/*"); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestProxy shows that the environment cannot put somebody in between.
func TestProxy(t *testing.T) {
	trap := listen(t)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://"+trap)
	}
	n := egresstest.New(t)
	n.Serve("one.example.org", http.NotFoundHandler())
	if r, err := client(t, egress.Config{}, n.Deps()).Get(t.Context(), "https://one.example.org/", "*/*"); err != nil || r.Status != http.StatusNotFound {
		t.Errorf("%d, %v", r.Status, err)
	}
}

// listen opens a port on loopback that nobody may connect to.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ended by closing the listener
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			conn.Close()
			t.Error("the trap was reached")
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// fixed is a resolver with names that do not change.
type fixed map[string][]string

func (f fixed) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, a := range f[strings.TrimSuffix(host, ".")] {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

// TestRoundTrip shows that an http.Client on top of it cannot leave the rules.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		cases := n.Cases()
		hc := &http.Client{Transport: client(t, egress.Config{}, n.Deps())}
		egresstest.Sweep(t, cases, func(url string) error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			if req.URL.String() != url {
				return errors.New("net/http made something else of it")
			}
			req.Host = "10.1.2.3"
			resp, err := hc.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.ReadAll(resp.Body)
			if err == nil && resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
			return err
		})
	})
}
