package register_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/oauth"
)

// Each client's registration, as captured or reported (C1 to C16; security reference,
// 2.1 and 2.5), ends in a client that can start to authorize.
func TestClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path, addr, body string
		redirect               string // that the client then asks for
		method, kind           string // "": none, and no application type
	}{
		{name: "C1 claude.ai", addr: "160.79.106.35", body: `{"client_name":"Claude","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"mcp:read mcp:write","redirect_uris":["https://claude.ai/api/mcp/auth_callback"]}`, redirect: "https://claude.ai/api/mcp/auth_callback"},
		{name: "C2 Claude Code", body: `{"client_name":"Claude Code (gate)","redirect_uris":["http://localhost:3118/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","application_type":"native"}`, redirect: "http://localhost:54545/callback", kind: "native"},
		{name: "C3 ChatGPT", body: `{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/abc"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"mcp:read offline_access"}`, redirect: "https://chatgpt.com/connector/oauth/abc"},
		{name: "C5 VS Code", body: `{"client_name":"Visual Studio Code","client_uri":"https://code.visualstudio.com","grant_types":["authorization_code","refresh_token","urn:ietf:params:oauth:grant-type:device_code"],"response_types":["code"],"redirect_uris":["https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1/","http://127.0.0.1:33418/"],"token_endpoint_auth_method":"none","application_type":"native"}`, redirect: "http://127.0.0.1:50123/", kind: "native"},
		{name: "C6 Cursor", body: `{"client_name":"Cursor","redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`, redirect: "cursor://anysphere.cursor-mcp/oauth/callback"},
		{name: "C6 Cursor, older", body: `{"redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","http://localhost:8787/callback"],"token_endpoint_auth_method":"none","application_type":"web"}`, redirect: "http://localhost:8787/callback", kind: "web"},
		{name: "C7 Inspector", body: `{"client_name":"MCP Inspector","client_uri":"https://github.com/modelcontextprotocol/inspector","redirect_uris":["http://localhost:6274/oauth/callback"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"scope":"mcp:read"}`, redirect: "http://localhost:6274/oauth/callback"},
		{name: "C7 Inspector CLI", body: `{"client_name":"MCP Inspector","redirect_uris":["http://127.0.0.1:0/oauth/callback"],"token_endpoint_auth_method":"none"}`, redirect: "http://127.0.0.1:6276/oauth/callback"},
		{name: "C8 Open WebUI", body: `{"client_name":"Open WebUI","redirect_uris":["https://webui.example.com/oauth/clients/mcp:files/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_post"}`, redirect: "https://webui.example.com/oauth/clients/mcp:files/callback", method: "client_secret_post"},
		{name: "C8 Open WebUI, with the first method of the list, in the LAN", path: "/register", body: `{"client_name":"Open WebUI","redirect_uris":["http://webui.lan/oauth/clients/mcp:files/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`, redirect: "http://webui.lan/oauth/clients/mcp:files/callback"},
		{name: "C9 LibreChat", body: `{"client_name":"LibreChat MCP Client","redirect_uris":["https://chat.example.com/api/mcp/gate/oauth/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"mcp:read mcp:write mcp:destructive"}`, redirect: "https://chat.example.com/api/mcp/gate/oauth/callback"},
		{name: "C10 n8n", body: `{"redirect_uris":["https://n8n.example.com/rest/oauth2-credential/callback"],"token_endpoint_auth_method":"client_secret_basic","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_name":"n8n","client_uri":"https://n8n.io/"}`, redirect: "https://n8n.example.com/rest/oauth2-credential/callback", method: "client_secret_basic"},
		{name: "C11 Goose", body: `{"client_name":"goose","redirect_uris":["http://localhost:50999/oauth_callback"],"grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"none","response_types":["code"]}`, redirect: "http://localhost:51000/oauth_callback"},
		{name: "C12 Codex", body: `{"client_name":"Codex","redirect_uris":["http://127.0.0.1:61234/callback/abc"],"grant_types":["authorization_code","refresh_token"],"token_endpoint_auth_method":"none","response_types":["code"],"scope":"mcp:read offline_access","application_type":"native"}`, redirect: "http://127.0.0.1:41234/callback/abc", kind: "native"},
		{name: "C13 mcp-remote", body: `{"redirect_uris":["http://localhost:3334/oauth/callback"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_name":"MCP CLI Proxy","client_uri":"https://github.com/modelcontextprotocol/mcp-cli","software_id":"2e6dc280-f3c3-4e01-99a7-8181dbd1d23d","software_version":"0.15.1","scope":"mcp:read offline_access","application_type":"native"}`, redirect: "http://localhost:3335/oauth/callback", kind: "native"},
		{name: "C14 OpenCode", body: `{"redirect_uris":["http://127.0.0.1:19876/mcp/oauth/callback"],"client_name":"OpenCode","client_uri":"https://opencode.ai","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}`, redirect: "http://127.0.0.1:19876/mcp/oauth/callback"},
		{name: "C15 mcporter", body: `{"client_name":"mcporter (gate)","redirect_uris":["http://127.0.0.1:45454/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none","scope":"mcp:read"}`, redirect: "http://127.0.0.1:45454/callback"},
		{name: "C16 a client of 2025-03-26", path: "/register", body: `{"redirect_uris":["https://old.example.com/cb"]}`, redirect: "https://old.example.com/cb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			path, addr, method := c.path, c.addr, c.method
			if path == "" {
				path = "/oauth/register"
			}
			if addr == "" {
				addr = home
			}
			if method == "" {
				method = "none"
			}
			ids := map[string]bool{}
			for range 2 { // claude.ai registers twice within a second, others with each login
				a := d.send(path, addr, http.Header{"Content-Type": {"application/json"}}, c.body)
				if a.status != http.StatusCreated || a.text("token_endpoint_auth_method") != method || a.text("scope") == "" || a.text("application_type") != c.kind || (a.text("client_secret") != "") != (method != "none") {
					t.Fatalf("status %d: %s", a.status, a.body)
				}
				if strings.Contains(a.body, "null") || strings.Contains(a.body, `""`) {
					t.Errorf("empty values: %s", a.body)
				}
				ids[a.text("client_id")] = true
			}
			if len(ids) != 2 {
				t.Errorf("ids %v", ids)
			}
			kept := d.kept.clients[1].Metadata
			if !oauth.MatchRedirect(kept.RedirectURIs, c.redirect) || !slices.Contains(kept.GrantTypes, oauth.GrantCode) {
				t.Errorf("%s does not match %v of %v", c.redirect, kept.RedirectURIs, kept.GrantTypes)
			}
		})
	}
}
