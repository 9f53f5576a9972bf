package oauth_test

import (
	"strings"
	"testing"

	"drawbridge/internal/oauth"
)

// What a client may register, and what not (A3; redirect URIs of C1 to C16).
func TestA3_CheckRedirect(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{
		"https://claude.ai/api/mcp/auth_callback",
		"https://claude.com/api/mcp/auth_callback",
		"http://localhost/callback",
		"http://127.0.0.1/callback",
		"http://[::1]/callback",
		"http://[::1]:8080/callback",
		"http://localhost",
		"http://localhost:0/oauth/callback", // Inspector with a port to be chosen
		"http://localhost:65535/callback",
		"https://chatgpt.com/connector/oauth/abc123",
		"https://vscode.dev/redirect",
		"http://127.0.0.1/",
		"http://127.0.0.1:33418/",
		"cursor://anysphere.cursor-mcp/oauth/callback",
		"https://webui.example.com/oauth/clients/mcp:files/callback", // a colon in the path
		"https://n8n.example.com/rest/oauth2-credential/callback",
		"https://example.com:8443/cb?tenant=a&x=%2F",
		"https://10.0.0.7/cb",
		"https://[2001:db8::7]/cb",
		"https://my_host.example/cb",
		"https://EXAMPLE.com/cb",
		"https://3com/cb",
		"com.example.app:/oauth2redirect",
		"com.example.app://oauth2redirect",
		"claude://claude.ai/mcp/callback",
		"vscode://vscode.github-authentication/did-authenticate",
		"vscode-insiders://x/cb",
		"researcher://x/cb",
		"searchlight://x/cb",
		"msauth.com.example.app://auth",
	} {
		if e := oauth.CheckRedirect(uri, nil); e != nil {
			t.Errorf("%s is refused: %v", uri, e)
		}
	}
	long := "https://example.com/" + strings.Repeat("a", 2048)
	for _, uri := range []string{
		"", " ", "callback", "/callback", "//example.com/cb", "://x", long,
		"javascript:alert(1)", "javascript://example.com/%0aalert(1)", "JavaScript://x/", "data:text/html,x", "data://text/html", "file:///etc/passwd",
		"vbscript:x", "vbscript://x/", "blob:https://example.com/1", "blob://x/", "about:blank", "about://blank", "filesystem:https://x/", "view-source:https://x/",
		"mailto:a@example.com", "ws://example.com/", "wss://example.com/", "ftp://example.com/cb", "intent://x/", "jar://x/", "chrome://settings/", "resource://x/",
		"ms-msdt:/id", "ms-msdt://x/", "ms-settings://x/", "ms-officecmd:/x", "ms-word://x/", "MS-MSDT:/id", "search-ms:/query=x", "search-ms://query=x", "search:/query=x", "search://query=x/", "shell://x/",
		"http://example.com/cb", "http://10.0.0.7/cb", "http://localhost.evil.com/cb", "http://127.0.0.1.nip.io/cb", "http://0.0.0.0/cb",
		"http://127.0.0.2/cb", "http://127.1/cb", "http://2130706433/cb", "http://0x7f000001/cb", "http://[::ffff:127.0.0.1]/cb", "http://[0:0:0:0:0:0:0:1]/cb",
		"http://LOCALHOST/cb", "http://localhost./cb", "http:///cb", "http:localhost/cb", "http:/localhost/cb",
		"https:///cb", "https:/example.com/cb", "https:example.com/cb", "https://", "https://:443/cb", "https://?x", "HTTPS://example.com/cb", "Http://localhost/cb",
		"https://*.example.com/cb", "https://example.com/*", "https://exam*ple.com/cb",
		"https://user@example.com/cb", "https://user:pass@example.com/cb", "https://@example.com/cb", "http://localhost:80@evil.com/cb", "http://localhost@evil.com/cb",
		"https://example.com/cb#", "https://example.com/cb#f", "cursor://x/cb#f",
		"https://example.com/../cb", "https://example.com/a/./cb", "https://example.com/%2e%2e/cb", "https://example.com/.%2E", "https://example.com/a/%2e", "https://example.com/..",
		"https://example.com\\@evil.com/cb", "https:\\\\example.com/cb", "https://example.com\t/cb", "https://exa\nmple.com/cb", "https://example.com/c b", "https://example.com/\x00",
		"https://exämple.com/cb", "https://example.com/é", "https://ex%61mple.com/cb", "https://%C3%A9.com/cb", "https://example%2ecom/cb", "https://example.com%2f@evil.com/",
		"https://example.com:/cb", "https://example.com:65536/cb", "https://example.com:99999999999999999999/cb", "https://example.com:8o/cb", "https://example.com:-1/cb", "https://example.com: 80/cb",
		"https://127.1/cb", "https://2130706433/cb", "https://0x7f.1/cb", "https://0x7f000001/cb", "https://1.2.3.4./cb", "https://017700000001/cb", "https://1.2.3/cb", "https://a.b.256/cb",
		"https://[::1/cb", "https://[fe80::1%25eth0]/cb", "https://[::1]x/cb", "https://[1.2.3.4]/cb", "https://a;b.com/cb", "https://a,b.com/cb", "https://a$b/cb", "https://a(b)/cb",
		"myapp:", "myapp://", "myapp:opaque", "1app://x/", "my app://x/", "cursor://user@x/cb", "cursor://x/../cb",
	} {
		if e := oauth.CheckRedirect(uri, nil); e == nil {
			t.Errorf("%q is taken", uri)
		} else if e.Word != "invalid_redirect_uri" {
			t.Errorf("%q: %s", uri, e.Word)
		}
	}
}

// Plain http beyond this machine needs an operator's word, host by host.
func TestA3_CheckRedirect_httpHosts(t *testing.T) {
	t.Parallel()
	hosts := []string{"webui.lan", "192.168.1.20"}
	for uri, want := range map[string]bool{
		"http://webui.lan/oauth/clients/mcp:x/callback": true,
		"http://WEBUI.lan:8080/cb":                      true,
		"http://192.168.1.20:3000/cb":                   true,
		"http://other.lan/cb":                           false,
		"http://evil-webui.lan/cb":                      false,
		"http://webui.lan.evil.com/cb":                  false,
		"http://webui.lan@evil.com/cb":                  false,
		"http://192.168.1.2/cb":                         false,
		"http://192.168.276/cb":                         false,
		"ftp://webui.lan/cb":                            false,
	} {
		if got := oauth.CheckRedirect(uri, hosts) == nil; got != want {
			t.Errorf("%s: taken %v", uri, got)
		}
	}
	// Such a host is not loopback: its port is part of what was registered.
	if oauth.MatchRedirect([]string{"http://webui.lan/cb"}, "http://webui.lan:81/cb") {
		t.Error("another port of a host in the LAN matches")
	}
}

// Beyond loopback a redirect is the registered string, byte for byte (A1).
func TestA1_MatchRedirect(t *testing.T) {
	t.Parallel()
	registered := []string{"https://app.example.com/cb", "https://app.example.com:8443/cb?x=1", "cursor://anysphere.cursor-mcp/oauth/callback"}
	for _, uri := range registered {
		if !oauth.MatchRedirect(registered, uri) {
			t.Errorf("%s does not match itself", uri)
		}
	}
	for _, uri := range []string{
		"", "https://evil.com/cb", "https://app.example.com", "https://app.example.com/", "https://app.example.com/c", "https://app.example.com/cb/", "https://app.example.com/cb2",
		"https://app.example.com/CB", "https://APP.example.com/cb", "HTTPS://app.example.com/cb", "https://app.example.com:443/cb", "https://app.example.com:8443/cb",
		"https://app.example.com:8444/cb?x=1", "https://app.example.com/cb?x=1", "https://app.example.com/cb?", "https://app.example.com/cb#", "https://app.example.com/cb#x",
		"http://app.example.com/cb", "https://app.example.com/%63b", "https://app.example.com/x/../cb", "https://app.example.com/x/%2e%2e/cb", "https://app.example.com/./cb",
		"https://user@app.example.com/cb", "https://app.example.com@evil.com/cb", "https://app.example.com\\@evil.com/cb", "https://app.example.com.evil.com/cb", "https://app.example.com./cb",
		"https://app.example.com /cb", " https://app.example.com/cb", "https://app.example.com/cb ", "https://app.example.com/cb\n", "https://app.example.com/cb\x00",
		"//app.example.com/cb", "https:app.example.com/cb", "https:///app.example.com/cb", "app.example.com/cb",
		"cursor://anysphere.cursor-mcp/oauth/callback/", "cursor://evil/oauth/callback", "cursor:/anysphere.cursor-mcp/oauth/callback", "CURSOR://anysphere.cursor-mcp/oauth/callback",
		"https://app.example.com/cb,https://evil.com", "https://evil.com/?https://app.example.com/cb",
	} {
		if oauth.MatchRedirect(registered, uri) {
			t.Errorf("%q matches", uri)
		}
	}
	if oauth.MatchRedirect(nil, "") || oauth.MatchRedirect(nil, "http://localhost/") {
		t.Error("something matches where nothing is registered")
	}
}

// On loopback the port may be any; nothing else may (A2, RFC 8252, 7.3).
func TestA2_MatchRedirect_loopback(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		registered, asked string
		want              bool
	}{
		{"http://localhost/callback", "http://localhost/callback", true},
		{"http://localhost/callback", "http://localhost:3118/callback", true},
		{"http://localhost/callback", "http://localhost:1/callback", true},
		{"http://localhost/callback", "http://localhost:65535/callback", true},
		{"http://localhost:8787/callback", "http://localhost:9999/callback", true},
		{"http://localhost:8787/callback", "http://localhost/callback", true},
		{"http://127.0.0.1/callback", "http://127.0.0.1:40000/callback", true},
		{"http://127.0.0.1/", "http://127.0.0.1:33418/", true}, // VS Code, whose port may be taken
		{"http://[::1]/cb", "http://[::1]:40000/cb", true},
		{"http://localhost/cb?x=1", "http://localhost:7/cb?x=1", true},
		{"http://localhost", "http://localhost:7", true},
		{"http://localhost?x", "http://localhost:7?x", true},

		{"http://localhost/callback", "http://127.0.0.1:3118/callback", false},
		{"http://127.0.0.1/callback", "http://localhost:3118/callback", false},
		{"http://127.0.0.1/callback", "http://[::1]/callback", false},
		{"http://[::1]/cb", "http://[0:0:0:0:0:0:0:1]/cb", false},
		{"http://[::1]/cb", "http://[::ffff:127.0.0.1]/cb", false},
		{"http://127.0.0.1/cb", "http://127.1/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.2:5/cb", false},
		{"http://127.0.0.1/cb", "http://2130706433/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1.nip.io/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:80.evil.com/cb", false},
		{"http://localhost/cb", "http://localhost.evil.com/cb", false},
		{"http://localhost/cb", "http://localhost.evil.com:80/cb", false},
		{"http://localhost/cb", "http://localhost./cb", false},
		{"http://localhost/cb", "http://LOCALHOST:5/cb", false},
		{"http://localhost/cb", "http://localhost:80@evil.com/cb", false},
		{"http://localhost/cb", "http://localhost@evil.com/cb", false},
		{"http://localhost/cb", "http://evil@localhost/cb", false},
		{"http://localhost/cb", "http://localhost:8/cb#x", false},
		{"http://localhost/cb", "http://localhost:8\\@evil.com/cb", false},
		{"http://localhost/cb", "http://localhost\\.evil.com/cb", false},
		{"http://localhost/cb", "http://localhost:/cb", false},
		{"http://localhost/cb", "http://localhost:65536/cb", false},
		{"http://localhost/cb", "http://localhost:99999/cb", false},
		{"http://localhost/cb", "http://localhost:000080/cb", false},
		{"http://localhost/cb", "http://localhost:-1/cb", false},
		{"http://localhost/cb", "http://localhost:8a/cb", false},
		{"http://localhost/cb", "http://localhost: 8/cb", false},
		{"http://localhost/cb", "http://localhost:\t8/cb", false},
		{"http://localhost/cb", "https://localhost:8/cb", false},
		{"https://localhost/cb", "https://localhost:8/cb", false}, // the port is loose for http only
		{"https://localhost/cb", "http://localhost:8/cb", false},
		{"https://127.0.0.1/cb", "https://127.0.0.1:8/cb", false},
		{"http://localhost/cb", "http://localhost:8/cb/", false},
		{"http://localhost/cb", "http://localhost:8/CB", false},
		{"http://localhost/cb", "http://localhost:8/cb?x=1", false},
		{"http://localhost/cb", "http://localhost:8/x/../cb", false},
		{"http://localhost/cb", "http://localhost:8/%63b", false},
		{"http://localhost", "http://localhost:8/", false},
		{"http://localhost/", "http://localhost:8", false},
		{"http://127.0.0.1/", "http://127.0.0.1:8/callback", false},
		{"https://example.com/cb", "http://localhost/cb", false},
		{"http://webui.lan/cb", "http://webui.lan:8/cb", false},
		{"http://localhost/a/../cb", "http://localhost:8/a/../cb", false}, // never registered like that
	} {
		if got := oauth.MatchRedirect([]string{c.registered}, c.asked); got != c.want {
			t.Errorf("registered %s, asked %q: match %v", c.registered, c.asked, got)
		}
	}
}

// Consent warns of clients that only live on the user's machine.
func TestA10_OnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		registered []string
		want       bool
	}{
		{[]string{"http://localhost/callback", "http://127.0.0.1:5/callback"}, true},
		{[]string{"http://[::1]/"}, true},
		{[]string{"http://localhost/callback", "https://vscode.dev/redirect"}, false},
		{[]string{"cursor://x/cb"}, false},
		{[]string{"https://localhost/cb"}, false},
		{[]string{"http://localhost.evil.com/"}, false},
	} {
		if got := oauth.OnlyLoopback(c.registered); got != c.want {
			t.Errorf("%v: %v", c.registered, got)
		}
	}
}
