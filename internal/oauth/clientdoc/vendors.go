package clientdoc

import (
	"fmt"
	"net/http"

	"drawbridge/internal/egress"
	"drawbridge/internal/oauth"
)

// Known are the hosts of vendors whose clients are known to connect: Claude and
// Claude Code, ChatGPT and Codex, VS Code, Goose, Cursor.
func Known() []string {
	return []string{"chatgpt.com", "claude.ai", "claude.com", "cursor.com", "goose-docs.ai", "insiders.vscode.dev", "vscode.dev", "www.cursor.com"}
}

// shipped are documents that come with Drawbridge and stand in when theirs cannot be
// fetched: claude.ai has been seen to answer fetches from data centres with a
// browser challenge. They say no more than the published ones do.
var shipped = map[string]string{
	"https://claude.ai/oauth/mcp-oauth-client-metadata": `{
		"client_id": "https://claude.ai/oauth/mcp-oauth-client-metadata",
		"client_name": "Claude",
		"client_uri": "https://claude.ai",
		"redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
		"grant_types": ["authorization_code", "refresh_token"],
		"response_types": ["code"],
		"token_endpoint_auth_method": "none"
	}`,
	"https://claude.ai/oauth/claude-code-client-metadata": `{
		"client_id": "https://claude.ai/oauth/claude-code-client-metadata",
		"client_name": "Claude Code",
		"client_uri": "https://claude.ai",
		"redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
		"grant_types": ["authorization_code", "refresh_token"],
		"response_types": ["code"],
		"token_endpoint_auth_method": "none"
	}`,
}

func (d *Documents) readShipped() (map[string]oauth.Client, error) {
	clients := map[string]oauth.Client{}
	for id, body := range shipped {
		c, err := d.read(id, egress.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {accept}}, Body: []byte(body)})
		if err != nil {
			return nil, fmt.Errorf("read the shipped document of %s: %w", id, err)
		}
		clients[id] = c
	}
	return clients, nil
}
