package signin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"drawbridge/test/harness"
)

// TestGoSDK: the official SDK's own OAuth handler signs in, calls a tool, and goes on
// after a restart of the gateway without signing in again.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	p := restartable(t)
	handler, logins := signsIn(t)
	call := func(when string) {
		t.Helper()
		s := enters(t, p.base(), handler)
		defer s.Close()
		tools, err := s.ListTools(t.Context(), nil)
		if err != nil || len(tools.Tools) == 0 {
			t.Fatalf("%s: list: %+v, %v", when, tools, err)
		}
		res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "memory_read_graph", Arguments: map[string]any{}})
		if err != nil || res.IsError {
			t.Fatalf("%s: call: %+v, %v", when, res, err)
		}
	}
	call("at first")
	p.restart()
	call("after a restart")
	if *logins != 1 {
		t.Errorf("signed in %d times, want once", *logins)
	}
}

// signsIn is the SDK's OAuth handler with a person at a browser who ticks what is named
// and approves, and how often they did.
func signsIn(t *testing.T, ticks ...string) (auth.OAuthHandler, *int) {
	t.Helper()
	browser := harness.Chromium(t)
	redirect, came := callback(t, "/callback")
	logins := new(int)
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName: "Go SDK", RedirectURIs: []string{redirect}, GrantTypes: []string{"authorization_code", "refresh_token"},
		}},
		RequestRefreshToken: true,
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			*logins++
			back, err := fetchCode(ctx, browser, args.URL, came, ticks...)
			if err != nil {
				return nil, err
			}
			return &auth.AuthorizationResult{Code: back.Get("code"), State: back.Get("state"), Iss: back.Get("iss")}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler, logins
}

// enters connects the SDK's client to a gateway.
func enters(t *testing.T, base string, handler auth.OAuthHandler) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "sdk", Version: "1"}, nil)
	s, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: base + "/mcp", OAuthHandler: handler}, nil)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return s
}

// TestInspector: MCP Inspector's command line signs in and calls a tool, and goes on
// after a restart of the gateway with what it has stored.
func TestInspector(t *testing.T) {
	t.Parallel()
	inspector := harness.Tool(t, "mcp-inspector")
	p := restartable(t)
	browser := harness.Chromium(t)
	home := t.TempDir()
	callbackAddr := harness.FreeAddr(t)
	args := []string{"--cli", p.base() + "/mcp", "--transport", "http", "--callback-url", "http://" + callbackAddr + "/oauth/callback"}

	first := harness.Command(t, inspector, append(args, "--method", "tools/list"), "HOME="+home, "BROWSER=true", "NO_COLOR=1", "MCP_AUTO_OPEN_ENABLED=true", "MCP_INSPECTOR_SECRET_STORE=file")
	run := harness.Start(t, first)
	var authorize string
	run.AwaitReady(t, "say where to sign in", func(context.Context) bool {
		authorize = authorizeURL.FindString(run.Output())
		return authorize != ""
	})
	approve(browser, authorize)
	run.AwaitEnd(t)
	if out := run.Output(); !strings.Contains(out, "memory_read_graph") {
		t.Fatalf("after signing in it printed:\n%s", out)
	}
	p.restart()
	again := harness.Command(t, inspector, append(args, "--stored-auth-only", "--method", "tools/call", "--tool-name", "memory_read_graph"), "HOME="+home, "BROWSER=true", "NO_COLOR=1", "MCP_AUTO_OPEN_ENABLED=true", "MCP_INSPECTOR_SECRET_STORE=file")
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "entities") {
		t.Errorf("after a restart: %v\n%s", err, out)
	}
}

var clientID = regexp.MustCompile(`client_[0-9a-z]{12}`)

var authorizeURL = regexp.MustCompile(`http://localhost:\d+/oauth/authorize\?[^\s"'\x1b]+`)

// TestConformance: the official suite's scenarios for authorization servers, with no
// failure and no warning. A code-grant scenario that did not run looks green, so the
// checks that passed are counted.
func TestConformance(t *testing.T) {
	t.Parallel()
	suite := harness.Tool(t, "conformance")
	p := restartable(t)
	browser := harness.Chromium(t)
	_, port, _ := strings.Cut(harness.FreeAddr(t), ":")
	client := p.drawbridge("client", "create", "--name", "conformance", "--public", "--redirect", "http://127.0.0.1:"+port+"/callback")
	id := clientID.FindString(client)

	out := filepath.Join(t.TempDir(), "results")
	cmd := harness.Command(t, suite, []string{"authorization", "--url", p.base(), "--client-id", id, "--resource", p.base() + "/mcp", "--port", port, "--output-dir", out}, "BROWSER=true")
	run := harness.Start(t, cmd)
	var authorize string
	run.AwaitReady(t, "say where to sign in", func(context.Context) bool {
		authorize = authorizeURL.FindString(run.Output())
		return authorize != ""
	})
	approve(browser, authorize)
	run.AwaitEnd(t)

	got := map[string]string{}
	for _, c := range checks(t, out) {
		got[c.ID] = c.Status
	}
	want := map[string]string{
		"authorization-server-metadata": "SUCCESS", "authorization-server-metadata-cimd": "SUCCESS", "authorization-code-grant": "SUCCESS",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, run.Output())
	}
}

// check is one line of the suite's report.
type check struct{ ID, Status, Description string }

func checks(t *testing.T, dir string) (all []check) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "checks.json" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var some []check
		if err := json.Unmarshal(raw, &some); err != nil {
			return err
		}
		all = append(all, some...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// server is a gateway that can be stopped and started again on the same state and
// address.
type server struct {
	t     *testing.T
	addr  string
	flags []string
	stop  func()
}

func restartable(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, addr: harness.FreeAddr(t), flags: harness.Configure(t, harness.Servers{})}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *server) base() string {
	return "http://localhost:" + s.addr[strings.LastIndexByte(s.addr, ':')+1:]
}

func (s *server) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	cmd := exec.CommandContext(ctx, harness.Binary(s.t), append([]string{"serve", "--listen", s.addr}, s.flags...)...)
	cmd.Env = append(os.Environ(), "OAUTH_PASSWORD="+password, "GATEWAY_STATIC_API_KEY="+harness.Key)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	run := harness.Start(s.t, cmd)
	run.Await(s.t, s.addr)
	s.stop = func() { cancel(); run.AwaitEnd(s.t) }
	run.AwaitReady(s.t, "be ready", func(context.Context) bool {
		res, err := http.Get(s.base() + "/readyz")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

func (s *server) restart() { s.t.Helper(); s.stop(); s.start() }

// drawbridge runs a command beside the running gateway and gives what it prints on
// standard output.
func (s *server) drawbridge(args ...string) string {
	s.t.Helper()
	cmd := harness.Command(s.t, harness.Binary(s.t), append(args, s.flags...))
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("drawbridge %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
