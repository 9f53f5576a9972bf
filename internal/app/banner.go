package app

import (
	"fmt"
	"path/filepath"
	"strings"

	"drawbridge/internal/secret"
)

// greet says once what the first start made, and how to connect.
func (a *App) greet() error {
	if a.opts.Terminal != nil {
		_, err := fmt.Fprint(a.opts.Terminal, a.connectText())
		return err
	}
	a.log.Info("serving", "url", a.URL())
	path, err := a.KeepFirst()
	if path != "" {
		a.log.Info("the first key and password are in a file; read it, then delete it", "file", path)
	}
	return err
}

// KeepFirst saves what the first start made, and how to connect with it, to a
// private file in the state directory, where nobody sees a terminal. The path is
// "" where nothing was made.
func (a *App) KeepFirst() (path string, err error) {
	if a.first.Key.Empty() && a.first.Password.Empty() {
		return "", nil
	}
	path = filepath.Join(a.cfg.StateDir, "first-secrets")
	if err := secret.WriteFile(path, []byte(a.connectText())); err != nil {
		return "", fmt.Errorf("write first secrets: %w", err)
	}
	return path, nil
}

// connectText is the block that says how to connect.
func (a *App) connectText() string {
	key := "<key>"
	if !a.first.Key.Empty() {
		key = a.first.Key.Reveal()
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	url := a.URL()
	line("")
	line("Drawbridge %s is ready.", a.opts.Version)
	line("")
	line("  URL       %s", url)
	switch {
	case !a.first.Key.Empty():
		line("  Key       %s   (admin; shown this once)", key)
	default:
		line("  Key       one you have, or: drawbridge key create --name NAME")
	}
	if !a.first.Password.Empty() {
		line("  Password  %s   (user admin; shown this once)", a.first.Password.Reveal())
	}
	line("")
	line("Claude Code:")
	line("  claude mcp add --transport http drawbridge %s --header \"Authorization: Bearer %s\"", url, key)
	line("MCP Inspector:")
	line("  npx @modelcontextprotocol/inspector --cli %s --transport http --header \"Authorization: Bearer %s\" --method tools/list", url, key)
	line("curl:")
	line("  curl -sS %s -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: sequentialthinking' -d '%s'", url, key, curlBody)
	line("")
	return b.String()
}

// curlBody is a whole tools/call of revision 2026-07-28 in one line.
const curlBody = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"sequentialthinking","arguments":{"thought":"It works.","thoughtNumber":1,"totalThoughts":1,"nextThoughtNeeded":false},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
