package clientdoc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/egress"
	"drawbridge/internal/egress/egresstest"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/clientdoc"
	"drawbridge/internal/route"
)

func documents(t testing.TB, n *egresstest.Net, cfg clientdoc.Config) *clientdoc.Documents {
	t.Helper()
	if cfg.Trust == "" {
		cfg.Trust = clientdoc.TrustAny
	}
	web, err := egress.New(egress.Config{MaxBytes: clientdoc.MaxBytes}, n.Deps())
	if err != nil {
		t.Fatal(err)
	}
	d, err := clientdoc.New(slog.New(slog.DiscardHandler), web, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// from is a request's context from a network.
func from(t testing.TB, addr string) context.Context {
	return route.WithPeer(t.Context(), route.Peer{Addr: netip.MustParseAddr(addr)})
}

// serve publishes a document and counts how often it is read.
func serve(n *egresstest.Net, host, body string) *atomic.Int64 {
	var count atomic.Int64
	n.ServeFunc(host, func(w http.ResponseWriter, _ *http.Request) {
		count.Add(1)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, body)
	})
	return &count
}

// minimal is the least that a document at id can say.
func minimal(id string) string {
	return fmt.Sprintf(`{"client_id":%q,"client_name":"Test","redirect_uris":["https://app.example.org/cb"]}`, id)
}

// TestClients has the documents of the clients in the security reference, table 2.1.
func TestClients(t *testing.T) {
	t.Parallel()
	both := []string{oauth.GrantCode, oauth.GrantRefresh}
	code := []string{"code"}
	for _, tt := range []struct {
		name, id, body string
		want           oauth.Metadata
	}{
		{"C1 claude.ai", "https://claude.ai/oauth/mcp-oauth-client-metadata", `{"client_id":"https://claude.ai/oauth/mcp-oauth-client-metadata","client_name":"Claude","client_uri":"https://claude.ai",
			"redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:jwt-bearer"],
			"response_types":["code"],"token_endpoint_auth_method":"none"}`,
			oauth.Metadata{RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"}, AuthMethod: "none", GrantTypes: both, ResponseTypes: code, Name: "Claude", URI: "https://claude.ai"}},
		{"C2 Claude Code", "https://claude.ai/oauth/claude-code-client-metadata", `{"client_id":"https://claude.ai/oauth/claude-code-client-metadata","client_name":"Claude Code",
			"redirect_uris":["http://localhost/callback","http://127.0.0.1/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`,
			oauth.Metadata{RedirectURIs: []string{"http://localhost/callback", "http://127.0.0.1/callback"}, AuthMethod: "none", GrantTypes: both, ResponseTypes: code, Name: "Claude Code"}},
		{"C3 ChatGPT", "https://chatgpt.com/oauth/Abc123/client.json", `{"client_id":"https://chatgpt.com/oauth/Abc123/client.json","client_uri":"https://chatgpt.com/",
			"redirect_uris":["https://chatgpt.com/connector/oauth/Abc123"],"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["none","private_key_jwt"],
			"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_name":"ChatGPT","token_endpoint_auth_signing_alg":"RS256","jwks_uri":"https://chatgpt.com/oauth/jwks.json"}`,
			oauth.Metadata{RedirectURIs: []string{"https://chatgpt.com/connector/oauth/Abc123"}, AuthMethod: "private_key_jwt", GrantTypes: both, ResponseTypes: code, Name: "ChatGPT", URI: "https://chatgpt.com/",
				SigningAlg: "RS256", JWKSURI: "https://chatgpt.com/oauth/jwks.json"}},
		{"C5 VS Code", "https://vscode.dev/oauth/client-metadata.json", `{"client_name":"Visual Studio Code","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],
			"response_types":["code"],"token_endpoint_auth_method":"none","application_type":"native","client_id":"https://vscode.dev/oauth/client-metadata.json","client_uri":"https://vscode.dev/product",
			"redirect_uris":["http://127.0.0.1:33418/","https://vscode.dev/redirect"]}`,
			oauth.Metadata{RedirectURIs: []string{"http://127.0.0.1:33418/", "https://vscode.dev/redirect"}, AuthMethod: "none", GrantTypes: both, ResponseTypes: code, Name: "Visual Studio Code",
				URI: "https://vscode.dev/product", ApplicationType: "native"}},
		{"C11 Goose", "https://goose-docs.ai/oauth/client-metadata.json", `{"client_id":"https://goose-docs.ai/oauth/client-metadata.json","client_name":"goose",
			"redirect_uris":["http://localhost/oauth_callback","http://127.0.0.1/oauth_callback"]}`,
			oauth.Metadata{RedirectURIs: []string{"http://localhost/oauth_callback", "http://127.0.0.1/oauth_callback"}, AuthMethod: "none", GrantTypes: []string{oauth.GrantCode}, ResponseTypes: code, Name: "goose"}},
		{"keys inside", "https://app.example.org/client", `{"client_id":"https://app.example.org/client","redirect_uris":["com.example.app:/cb"],"token_endpoint_auth_method":"private_key_jwt",
			"jwks":{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","x5c":["a"]}]},"client_uri":null}`,
			oauth.Metadata{RedirectURIs: []string{"com.example.app:/cb"}, AuthMethod: "private_key_jwt", GrantTypes: []string{oauth.GrantCode}, ResponseTypes: code,
				JWKS: []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","x5c":["a"]}]}`)}},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := egresstest.New(t)
			host, _, _ := strings.Cut(strings.TrimPrefix(tt.id, "https://"), "/")
			serve(n, host, tt.body)
			got, err := documents(t, n, clientdoc.Config{}).Client(from(t, "192.0.2.1"), tt.id)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			want := oauth.Client{ID: tt.id, Kind: oauth.Document, Metadata: tt.want, Created: time.Now()}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
			if got.Host() != host {
				t.Errorf("%s: host %q", tt.name, got.Host())
			}
		})
	}
}

// TestA16_table names every forbidden address, form and server as a client's id.
func TestA16_table(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		cases := n.Cases()
		d := documents(t, n, clientdoc.Config{})
		egresstest.Sweep(t, cases, func(url string) error {
			_, err := d.Client(from(t, "192.0.2.1"), url)
			if err != nil && fault.CodeOf(err) != fault.Invalid {
				t.Errorf("%q: %v", url, err)
			}
			return err
		})
	})
}

// TestA16_oracle shows that nobody learns from the answer what is at an address.
func TestA16_oracle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.Cases()
		n.Answer("closed.example.org", "93.184.255.255")
		n.Serve("missing.example.org", http.NotFoundHandler())
		n.ServeFunc("status.example.org", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, minimal("https://status.example.org/x"))
		})
		serve(n, "text.example.org", "hello")
		serve(n, "other.example.org", minimal("https://elsewhere.example.org/x"))
		n.ServeFunc("html.example.org", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, minimal("https://html.example.org/x"))
		})
		serve(n, "long.example.org", minimal("https://long.example.org/x")+strings.Repeat(" ", clientdoc.MaxBytes))
		n.ServeFunc("slow.example.org", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(4 * time.Second):
			case <-r.Context().Done():
			}
		})
		d := documents(t, n, clientdoc.Config{})
		var first error
		for _, host := range []string{"closed", "missing", "status", "text", "other", "html", "long", "slow", "inside", "nowhere", "foreign", "hostile"} {
			start := time.Now()
			_, err := d.Client(from(t, "192.0.2.1"), "https://"+host+".example.org/x")
			if first == nil {
				first = err
			}
			if took := time.Since(start); err == nil || err.Error() != first.Error() || fault.PublicOf(err) != fault.PublicOf(first) || took != 5*time.Second {
				t.Errorf("%s: %v after %v", host, err, took)
			}
		}
	})
}

func TestA16_flight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		const id = "https://app.example.org/client"
		count := serve(n, "app.example.org", minimal(id))
		d := documents(t, n, clientdoc.Config{})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := d.Client(from(t, "192.0.2.1"), id); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		time.Sleep(4 * time.Minute)
		if _, err := d.Client(from(t, "192.0.2.1"), id); err != nil || count.Load() != 1 {
			t.Errorf("%d fetches, %v", count.Load(), err)
		}
		time.Sleep(time.Minute)
		if _, err := d.Client(from(t, "192.0.2.1"), id); err != nil || count.Load() != 2 {
			t.Errorf("later: %d fetches, %v", count.Load(), err)
		}
	})
}

// TestA16_flood tries many ids from one network.
func TestA16_flood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.ServeFunc("app.example.org", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, minimal("https://app.example.org"+r.URL.Path))
		})
		d := documents(t, n, clientdoc.Config{})
		try := func(addr string, i int) error {
			_, err := d.Client(from(t, addr), fmt.Sprintf("https://app.example.org/client/%d", i))
			return err
		}
		for i := range 100 {
			for range 3 { // the same one costs nothing
				if err := try("2001:db8::1", i); err != nil {
					t.Fatalf("%d: %v", i, err)
				}
			}
		}
		if err := try("2001:db8::2", 100); fault.CodeOf(err) != fault.Limited { // the same /64
			t.Errorf("the 101st: %v", err)
		}
		if err := try("2001:db8::2", 7); err != nil {
			t.Errorf("one that is known: %v", err)
		}
		if err := try("192.0.2.1", 100); err != nil {
			t.Errorf("from another network: %v", err)
		}
		time.Sleep(time.Minute)
		if err := try("2001:db8::2", 101); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

func TestClient_failureIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		const id = "https://app.example.org/client"
		var up atomic.Bool
		n.ServeFunc("app.example.org", func(w http.ResponseWriter, _ *http.Request) {
			if !up.Load() {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			w.Header().Set("Content-Type", "application/vnd.client+json")
			io.WriteString(w, minimal(id))
		})
		d := documents(t, n, clientdoc.Config{})
		if _, err := d.Client(from(t, "192.0.2.1"), id); err == nil {
			t.Error("no error")
		}
		up.Store(true)
		time.Sleep(30 * time.Second)
		if _, err := d.Client(from(t, "192.0.2.1"), id); err != nil {
			t.Error(err)
		}
	})
}

func TestTrust(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cfg  clientdoc.Config
		host string
		want bool
	}{
		{clientdoc.Config{Trust: clientdoc.TrustAny}, "app.example.org", true},
		{clientdoc.Config{Trust: clientdoc.TrustKnown}, "app.example.org", false},
		{clientdoc.Config{Trust: clientdoc.TrustKnown}, "claude.ai", true},
		{clientdoc.Config{Trust: clientdoc.TrustKnown}, "claude.ai.example.org", false},
		{clientdoc.Config{Trust: clientdoc.TrustKnown}, "evil.claude.ai", false},
		{clientdoc.Config{Trust: clientdoc.TrustKnown, Hosts: []string{"App.example.org"}}, "app.example.org", true},
		{clientdoc.Config{Trust: clientdoc.TrustAllowlist}, "claude.ai", false},
		{clientdoc.Config{Trust: clientdoc.TrustAllowlist, Hosts: []string{"app.example.org"}}, "app.example.org", true},
		{clientdoc.Config{Trust: clientdoc.TrustAllowlist, Hosts: []string{"app.example.org"}}, "claude.ai", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := egresstest.New(t)
			id := "https://" + tt.host + "/client"
			count := serve(n, tt.host, minimal(id))
			_, err := documents(t, n, tt.cfg).Client(from(t, "192.0.2.1"), id)
			if (err == nil) != tt.want || !tt.want && (fault.CodeOf(err) != fault.Forbidden || count.Load() != 0) {
				t.Errorf("%+v, %s: %v after %d fetches", tt.cfg, tt.host, err, count.Load())
			}
		})
	}
	for _, cfg := range []clientdoc.Config{{}, {Trust: "all"}, {Trust: clientdoc.TrustAllowlist, Hosts: []string{"*.example.org"}}, {Trust: clientdoc.TrustKnown, Hosts: []string{"https://example.org"}}} {
		if _, err := clientdoc.New(slog.New(slog.DiscardHandler), &egress.Client{}, cfg); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// TestShipped shows that Claude gets in although its document cannot be fetched, and
// that a document which can be fetched goes first.
func TestShipped(t *testing.T) {
	t.Parallel()
	const id = "https://claude.ai/oauth/mcp-oauth-client-metadata"
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.ServeFunc("claude.ai", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "challenge", http.StatusForbidden) })
		d := documents(t, n, clientdoc.Config{})
		c, err := d.Client(from(t, "192.0.2.1"), id)
		if err != nil || c.ID != id || c.Metadata.Name != "Claude" || !c.Created.Equal(time.Now()) {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := d.Client(from(t, "192.0.2.1"), "https://claude.ai/oauth/other"); err == nil {
			t.Error("another document of the host was made up")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		serve(n, "claude.ai", strings.Replace(minimal(id), "https://app.example.org", "http://app.example.org", 1))
		if c, err := documents(t, n, clientdoc.Config{}).Client(from(t, "192.0.2.1"), id); err == nil {
			t.Errorf("in place of a document that is there: %+v", c)
		}
	})
}

// TestShipped_busy shows that nobody keeps Claude out by having other documents
// fetched: too many from the same network, or too many at once.
func TestShipped_busy(t *testing.T) {
	t.Parallel()
	const id = "https://claude.ai/oauth/claude-code-client-metadata"
	hang := func(n *egresstest.Net) {
		n.ServeFunc("app.example.org", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	}
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		hang(n)
		d := documents(t, n, clientdoc.Config{})
		other := func(addr string, i int) error {
			_, err := d.Client(from(t, addr), fmt.Sprintf("https://app.example.org/client/%d", i))
			return err
		}
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() { _ = other("192.0.2.1", i) })
		}
		synctest.Wait()
		if err := other("192.0.2.2", 64); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("the 65th at once: %v", err)
		}
		if c, err := d.Client(from(t, "192.0.2.2"), id); err != nil || c.Metadata.Name != "Claude Code" {
			t.Errorf("without a slot: %+v, %v", c, err)
		}
		all.Wait()
		for i := range 50 {
			all.Go(func() { _ = other("192.0.2.1", 100+i) })
		}
		synctest.Wait()
		if err := other("192.0.2.1", 200); fault.CodeOf(err) != fault.Limited {
			t.Errorf("beyond the limit: %v", err)
		}
		if c, err := d.Client(from(t, "192.0.2.1"), id); err != nil || c.Metadata.Name != "Claude Code" {
			t.Errorf("beyond the limit: %+v, %v", c, err)
		}
		all.Wait()
	})
}

func TestClient_hangUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		n.Cases()
		d := documents(t, n, clientdoc.Config{})
		var all sync.WaitGroup
		all.Go(func() { _, _ = d.Client(from(t, "192.0.2.1"), "https://hostile.example.org/hang") })
		synctest.Wait()
		ctx, cancel := context.WithCancel(from(t, "192.0.2.1"))
		cancel()
		if _, err := d.Client(ctx, "https://hostile.example.org/hang"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		all.Wait()
	})
}
