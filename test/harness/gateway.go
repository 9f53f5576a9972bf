package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Key is the static admin key of every gateway started here.
const Key = "test-key-0123456789abcdef0123456789abcdef"

// Servers are the entries of a configuration's mcpServers block, by name.
type Servers map[string]map[string]any

// Gateway is a running drawbridge serve.
type Gateway struct {
	*Process
	Addr string // host:port
	URL  string // of /mcp
}

// Configure writes a configuration with the given backends and gives the flags
// that make a drawbridge command use it, and a state directory of its own. It
// names a free port, so that no command finds a gateway that happens to run.
func Configure(tb testing.TB, backends Servers) []string {
	tb.Helper()
	return ConfigureWith(tb, nil, backends)
}

// ConfigureWith is Configure with further settings, by their names in the file.
func ConfigureWith(tb testing.TB, settings map[string]any, backends Servers) []string {
	tb.Helper()
	dir := tb.TempDir()
	file := map[string]any{"listen": FreeAddr(tb), "mcpServers": backends}
	maps.Copy(file, settings)
	return write(tb, dir, file)
}

// write puts a configuration into a folder and gives the flags that name it.
func write(tb testing.TB, dir string, settings map[string]any) []string {
	tb.Helper()
	raw, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(dir, "drawbridge.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		tb.Fatal(err)
	}
	return []string{"--config", file, "--state-dir", filepath.Join(dir, "state")}
}

// Serve starts drawbridge with the given backends and waits until each of them
// has told what it offers. env are further environment variables.
func Serve(tb testing.TB, backends Servers, env ...string) *Gateway {
	tb.Helper()
	return ServeWith(tb, nil, backends, env...)
}

// ServeWith is Serve with further settings, by their names in the file.
func ServeWith(tb testing.TB, settings map[string]any, backends Servers, env ...string) *Gateway {
	tb.Helper()
	addr := FreeAddr(tb)
	args := append([]string{"serve", "--listen", addr}, ConfigureWith(tb, settings, backends)...)
	cmd := Command(tb, Binary(tb), args, append(env, "GATEWAY_STATIC_API_KEY="+Key)...)
	g := &Gateway{Process: Start(tb, cmd), Addr: addr, URL: "http://" + addr + "/mcp"}
	g.Await(tb, addr)
	g.AwaitReady(tb, "reach every backend", func(ctx context.Context) bool { return g.ready(ctx, backends) })
	return g
}

// ready asks /status whether every backend named is in use, and whether
// everything that the backends offer is listed.
func (g *Gateway) ready(ctx context.Context, backends Servers) bool {
	var status struct {
		Backends []struct {
			Name      string `json:"name"`
			State     string `json:"state"`
			Tools     int    `json:"tools"`
			Prompts   int    `json:"prompts"`
			Resources int    `json:"resources"`
		} `json:"backends"`
		Refused []string `json:"refused"`
	}
	if !g.ask(ctx, http.MethodGet, "/status", "", &status) {
		return false
	}
	up, tools := map[string]bool{}, -len(status.Refused)
	for _, b := range status.Backends {
		up[b.Name] = b.State == "ready" && b.Tools+b.Prompts+b.Resources > 0
		tools += b.Tools
	}
	for name := range backends {
		if !up[name] {
			return false
		}
	}
	var list struct {
		Result struct {
			Tools []struct{} `json:"tools"`
		} `json:"result"`
	}
	return g.ask(ctx, http.MethodPost, "/mcp", listTools, &list) && len(list.Result.Tools) >= tools
}

// listTools is tools/list in the revision that needs no session.
const listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`

// ask makes one request with the key and reads the JSON of its answer.
func (g *Gateway) ask(ctx context.Context, method, path, body string, into any) bool {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+g.Addr+path, strings.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+Key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2026-07-28")
	req.Header.Set("Mcp-Method", "tools/list")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
}

// KeyProxy listens on loopback and passes everything on to target with the key
// added, for programs that cannot send one. Host stays as the client sent it, so
// that the target's own check of it is tested too.
//
// A request's body is read whole first: once an answer starts, the server closes
// the body, and a transport that has not seen its end drops the connection.
func KeyProxy(tb testing.TB, target string) string {
	tb.Helper()
	to, err := url.Parse(target)
	if err != nil {
		tb.Fatal(err)
	}
	to.Path = ""
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("Authorization", "Bearer "+Key)
		},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	}))
	tb.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
}

// EverythingServer starts the Go SDK's conformance server and gives its /mcp
// URL. Stateful it speaks the legacy revisions with sessions, stateless also
// 2026-07-28.
func EverythingServer(tb testing.TB, stateless bool) string {
	tb.Helper()
	addr := FreeAddr(tb)
	mode := "-stateless=false"
	if stateless {
		mode = "-stateless=true"
	}
	Start(tb, Command(tb, Tool(tb, "everything-server"), []string{"-http", addr, mode})).Await(tb, addr)
	return "http://" + strings.Replace(addr, "127.0.0.1", "localhost", 1) + "/mcp"
}
