package upstream_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/upstream"
)

const token = "s3cr3t-token"

// client makes a client of a server that answers with h.
func client(t *testing.T, h http.HandlerFunc, change func(*upstream.Target)) *upstream.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return clientOf(t, srv.URL, change)
}

func clientOf(t *testing.T, address string, change func(*upstream.Target)) *upstream.Client {
	t.Helper()
	target := upstream.Target{Name: "Forge", URL: address, Renew: "Set FORGE_TOKEN to a good one."}
	if change != nil {
		change(&target)
	}
	c, err := upstream.New(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func call(ctx context.Context, c *upstream.Client, r upstream.Request) (upstream.Answer, error) {
	r.Header = http.Header{"authorization": {"token " + token}}
	return c.Call(ctx, r)
}

func TestCall(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Total", "7")
		fmt.Fprintf(w, `{"got":%q}`, strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)}, " "))
	}, func(t *upstream.Target) { t.URL += "/api/" })
	var out struct{ Got string }
	a, err := call(t.Context(), c, upstream.Request{Method: "PUT", Path: upstream.Path("repos", "a/b", "..", "ü"), Query: url.Values{"q": {"x y"}}, JSON: map[string]int{"n": 1}, Into: &out})
	if err != nil {
		t.Fatal(err)
	}
	const want = `PUT /api/repos/a%2Fb/%2E%2E/%C3%BC?q=x+y token s3cr3t-token application/json {"n":1}`
	if out.Got != want || a.Header.Get("X-Total") != "7" || a.Status != 200 {
		t.Errorf("got  %s\nwant %s", out.Got, want)
	}
}

// Every way in which a system can fail has words that say what to do, and none of
// them repeats what the system said.
func TestCall_failures(t *testing.T) {
	t.Parallel()
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			fmt.Fprint(w, `{"message":"token `+token+` is bad"}`)
		}
	}
	for name, tc := range map[string]struct {
		h    http.HandlerFunc
		code fault.Code
		says string
	}{
		"400":                    {status(400), fault.Invalid, "Check the arguments"},
		"401":                    {status(401), fault.Forbidden, "Set FORGE_TOKEN to a good one."},
		"403":                    {status(403), fault.Forbidden, "more rights"},
		"404":                    {status(404), fault.NotFound, "does not have issue 5"},
		"409":                    {status(409), fault.Conflict, "Read it again"},
		"412":                    {status(412), fault.Conflict, "has changed since"},
		"413":                    {status(413), fault.Limited, "Send less"},
		"418":                    {status(418), fault.Upstream, "(418)"},
		"422":                    {status(422), fault.Invalid, "(422)"},
		"429":                    {status(429), fault.Limited, "in a minute"},
		"429 with seconds":       {status(429, "Retry-After", "17"), fault.Limited, "after 17 seconds"},
		"429 with a date":        {status(429, "Retry-After", "Tue, 28 Jul 2026 12:00:00 GMT"), fault.Limited, "after 2026-07-28T12:00:00Z"},
		"429 with " + token:      {status(429, "Retry-After", token), fault.Limited, "in a minute"},
		"500":                    {status(500), fault.Upstream, "whether it has happened"},
		"503":                    {status(503, "Retry-After", "5"), fault.Unavailable, "after 5 seconds"},
		"garbage":                {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>"+token) }, fault.Upstream, "not the JSON"},
		"redirect elsewhere":     {status(302, "Location", "https://elsewhere.invalid/"+token), fault.Upstream, "another host"},
		"redirect to other port": {status(307, "Location", "http://127.0.0.1:1/"+token), fault.Upstream, "another host"},
		"redirect loop":          {status(302, "Location", "/"), fault.Upstream, "redirected"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, token)
			panic(http.ErrAbortHandler)
		}, fault.Upstream, "broke the connection off"},
		"oversize, announced": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2000")
			fmt.Fprint(w, strings.Repeat(" ", 2000))
		}, fault.Limited, "1000 bytes"},
		"oversize, streamed": {func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				fmt.Fprint(w, strings.Repeat(" ", 900))
				w.(http.Flusher).Flush()
			}
		}, fault.Limited, "1000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, tc.h, func(t *upstream.Target) { t.MaxBytes = 1000 })
			var out struct{ X int }
			_, err := call(t.Context(), c, upstream.Request{Path: "/x", Query: url.Values{"key": {token}}, Into: &out, What: "issue 5"})
			checkFault(t, err, tc.code, tc.says)
		})
	}
}

func checkFault(t *testing.T, err error, code fault.Code, says string) {
	t.Helper()
	if err == nil || fault.CodeOf(err) != code || !strings.Contains(fault.PublicOf(err), says) {
		t.Errorf("got %s: %v\nwant %s with %q", fault.CodeOf(err), err, code, says)
	}
	if err != nil && strings.Contains(err.Error(), token) {
		t.Errorf("the error has the secret: %v", err)
	}
}

func TestCall_timeoutAndCancel(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c := client(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}, func(t *upstream.Target) { t.Timeout = 30 * time.Millisecond })
	t.Cleanup(func() { close(release) })
	_, err := call(t.Context(), c, upstream.Request{})
	checkFault(t, err, fault.Timeout, "did not answer in time")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = call(ctx, c, upstream.Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCall_unreachable(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	_, err := call(t.Context(), clientOf(t, srv.URL, nil), upstream.Request{})
	checkFault(t, err, fault.Unavailable, "could not be reached")
}

// A redirect is followed only for what changes nothing, and only within the host.
func TestCall_redirects(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.URL.Path == "/there" {
			fmt.Fprintf(w, `{"got":%q}`, r.Header.Get("Authorization"))
			return
		}
		http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
	}, nil)
	var out struct{ Got string }
	if _, err := call(t.Context(), c, upstream.Request{Path: "/here", Into: &out}); err != nil || out.Got != "token "+token {
		t.Errorf("%v, %q", err, out.Got)
	}
	calls.Store(0)
	_, err := call(t.Context(), c, upstream.Request{Method: http.MethodPost, Path: "/here", JSON: 1})
	checkFault(t, err, fault.Upstream, "redirected the call")
	if calls.Load() != 1 {
		t.Errorf("a call that changes something arrived %d times", calls.Load())
	}
}

// Do sends to the target whatever host the request names.
func TestDo_host(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://elsewhere.invalid/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); string(text) != "/x" {
		t.Errorf("%q", text)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // what refused handshakes say
	srv.StartTLS()
	t.Cleanup(srv.Close)
	cert := srv.Certificate()
	sum := sha256.Sum256(cert.Raw)
	pin := hex.EncodeToString(sum[:])
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*upstream.Target)
		ok     bool
	}{
		"unknown authority": {func(*upstream.Target) {}, false},
		"CA file":           {func(t *upstream.Target) { t.CAFile = ca }, true},
		"pinned":            {func(t *upstream.Target) { t.Fingerprint = strings.ToUpper(pin) }, true},
		"pinned, colons":    {func(t *upstream.Target) { t.Fingerprint = pin[:2] + ":" + pin[2:] }, true},
		"other pin":         {func(t *upstream.Target) { t.Fingerprint = strings.Repeat("0", 64) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := call(t.Context(), clientOf(t, srv.URL, tc.change), upstream.Request{})
			if tc.ok != (err == nil) {
				t.Errorf("%v", err)
			}
			if !tc.ok {
				checkFault(t, err, fault.Upstream, "certificate of Forge was not accepted")
			}
		})
	}
	plain := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) // not in its certificate's names
	_, err := call(t.Context(), clientOf(t, plain, func(t *upstream.Target) { t.CAFile = ca }), upstream.Request{})
	checkFault(t, err, fault.Upstream, "certificate")
}

// TLS to a port that speaks none is a failure of TLS, not of the network.
func TestTLS_plainPort(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	c := clientOf(t, strings.Replace(srv.URL, "http:", "https:", 1), nil)
	_, err := call(t.Context(), c, upstream.Request{})
	if fault.CodeOf(err) == fault.Internal {
		t.Errorf("%v", err)
	}
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]upstream.Target{
		"no host":         {URL: "https://"},
		"another scheme":  {URL: "ftp://x/"},
		"user":            {URL: "https://u:p@x/"},
		"query":           {URL: "https://x/?key=1"},
		"plain http":      {URL: "http://x/", SecureOnly: true},
		"bad fingerprint": {URL: "https://x/", Fingerprint: "12"},
		"no CA file":      {URL: "https://x/", CAFile: filepath.Join(t.TempDir(), "none")},
	} {
		if _, err := upstream.New(target, nil); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestNew_forbiddenAddress(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	c, err := upstream.New(upstream.Target{Name: "Forge", URL: srv.URL}, func(a netip.Addr) bool { return a.IsLoopback() })
	if err != nil {
		t.Fatal(err)
	}
	_, err = call(t.Context(), c, upstream.Request{})
	checkFault(t, err, fault.Forbidden, "metadata service")
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "body", http.StatusNotFound) }, nil)
	_, err := call(t.Context(), c, upstream.Request{})
	e, ok := errors.AsType[*upstream.StatusError](err)
	if upstream.StatusOf(fmt.Errorf("get it: %w", err)) != 404 || !ok || string(e.Body) != "body\n" {
		t.Errorf("%v", err)
	}
	if upstream.StatusOf(errors.New("x")) != 0 {
		t.Error("a status without an answer")
	}
}
