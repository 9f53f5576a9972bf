package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"drawbridge/internal/config"
	"drawbridge/internal/secret"
)

// Each archive holds files, environ with one variable a line, flags with one
// name=value a line, and what Load says: faults, notices, dump.
func TestLoad_says(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("testdata/says/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			src := config.Source{Dir: t.TempDir(), Flags: map[string]string{}}
			for _, f := range archive.Files {
				lines := strings.FieldsFunc(string(f.Data), func(r rune) bool { return r == '\n' })
				switch f.Name {
				case "faults", "notices", "dump":
				case "environ":
					src.Environ = lines
				case "flags":
					for _, l := range lines {
						name, value, _ := strings.Cut(l, "=")
						src.Flags[name] = value
					}
				default:
					write(t, filepath.Join(src.Dir, f.Name), string(f.Data))
					if strings.HasPrefix(f.Name, "config.") {
						src.File = f.Name
					}
				}
			}
			said := says(src)
			for i, f := range archive.Files {
				got, ok := said[f.Name]
				if !ok {
					continue
				}
				got = strings.ReplaceAll(got, src.Dir, "$DIR")
				if *update {
					archive.Files[i].Data = []byte(got)
					continue
				}
				if diff := cmp.Diff(string(f.Data), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", f.Name, diff)
				}
			}
			if *update {
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func says(src config.Source) map[string]string {
	c, notices, err := config.Load(src)
	said := map[string]string{"faults": "", "notices": "", "dump": ""}
	for _, n := range notices {
		said["notices"] += n.String() + "\n"
	}
	if err != nil {
		said["faults"] = err.Error() + "\n"
		return said
	}
	var b bytes.Buffer
	if err := c.Dump(&b); err != nil {
		said["dump"] = err.Error()
	}
	said["dump"] += b.String()
	return said
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load loads with a home folder, which every real environment has.
func load(t *testing.T, src config.Source) *config.Config {
	t.Helper()
	if src.Dir == "" {
		src.Dir = t.TempDir()
	}
	src.Environ = append(src.Environ, "HOME=/home/someone")
	c, _, err := config.Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad_nothing(t *testing.T) {
	t.Parallel()
	c := load(t, config.Source{})
	want := config.Config{
		Listen: "127.0.0.1:4444", StateDir: "/home/someone/.local/state/drawbridge",
		OAuth: config.OAuth{AccessTokenTTL: time.Hour, RefreshTokenTTL: 30 * 24 * time.Hour, Registration: true, ClientDocuments: "any"},
		Limits: config.Limits{RequestBody: 8 << 20, AnswerEvent: 64 << 20, Sessions: 10000, RingBytes: 1 << 20,
			Concurrency: 500, UserConcurrency: 250, ParkTTL: 10 * time.Minute, Parked: 2000, ParkedPerUser: 100, ClientRate: 60, CallTimeout: 2 * time.Minute},
		Log:   config.Log{Level: "info", Format: "auto"},
		Admin: config.Admin{Exposure: "private"},
		Audit: config.Audit{Retention: 90 * 24 * time.Hour},
	}
	if diff := cmp.Diff(want, *c, cmpopts.IgnoreUnexported(config.Config{}), cmpopts.IgnoreFields(config.Config{}, "Servers"),
		cmp.Comparer(sameSecret)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, name := range config.BuiltInNames() {
		s, ok := c.Servers[name]
		if !ok || s.On(false) || !s.On(true) || s.Mode == "" {
			t.Errorf("server %s: %+v", name, s)
		}
	}
	for name, mode := range map[string]string{"ssh": "read", "wave": "read", "linkedin": "read", "erpnext": "write"} {
		if c.Servers[name].Mode != mode {
			t.Errorf("server %s has mode %s, want %s", name, c.Servers[name].Mode, mode)
		}
	}
	if c.File() != "" || len(c.Files()) != 1 { // .env may come

		t.Errorf("read %q %q", c.File(), c.Files())
	}
}

func sameSecret(a, b secret.String) bool { return a.Reveal() == b.Reveal() }

func secrets(kv ...string) map[string]secret.String {
	m := map[string]secret.String{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = secret.New(kv[i+1])
	}
	return m
}

func TestLoad_full(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, config.Source{File: filepath.Join(dir, "full.yaml"), Environ: []string{"GH="}})
	none, sh, off := "", "sh", false
	files := config.Backend{
		Name: "files", Command: filepath.Join(dir, "work/server.js"), Args: []string{"-y", "1.10", "true"},
		Env: secrets("TOKEN", "none", "PORT", "8080"), Cwd: filepath.Join(dir, "work"), Type: "stdio", Prefix: &none,
		Enabled: true, Interactive: true, Timeout: 90 * time.Second, Concurrency: 4, Origin: config.LayerFile,
	}
	more := files
	more.Name, more.Cwd, more.Command = "more", filepath.Join(dir, "other"), filepath.Join(dir, "other/server.js")
	want := []config.Backend{
		files, more,
		{
			Name: "github", URL: "https://api.example.com/mcp", Type: "http", Enabled: true, Shared: true, Origin: config.LayerFile,
			Headers: secrets("X-Team", "$home", "Authorization", "Bearer x"), DisabledTools: []string{"delete_repo"},
		},
		{Name: "off", Type: "stdio", Origin: config.LayerFile},
		{Name: "old", URL: "http://127.0.0.1:9/events", Type: "sse", Enabled: true, Origin: config.LayerFile},
	}
	if diff := cmp.Diff(want, c.Backends, cmp.Comparer(sameSecret)); diff != "" {
		t.Errorf("backends (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]config.BuiltIn{
		"erpnext": {Mode: "write", Settings: secrets("url", "https://erp.example.com", "api_key", "k", "api_secret", "s", "toolsets", "sales,stock")},
		"ssh":     {Mode: "all", Prefix: &sh, Settings: secrets()},
		"memory":  {Mode: "write", Enabled: &off, Settings: secrets()},
	}, map[string]config.BuiltIn{"erpnext": c.Servers["erpnext"], "ssh": c.Servers["ssh"], "memory": c.Servers["memory"]},
		cmp.Comparer(sameSecret)); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	if c.IssuerURL != "https://mcp.example.com" || c.OAuth.Password.Reveal() != "correct horse" || c.OAuth.RefreshTokenTTL != 60*24*time.Hour {
		t.Errorf("issuer %q, password %q, refresh %s", c.IssuerURL, c.OAuth.Password.Reveal(), c.OAuth.RefreshTokenTTL)
	}
	if c.TrustedProxies[0].String() != "172.16.0.0/12" || c.TrustedProxies[1].String() != "10.0.0.1/32" {
		t.Errorf("proxies %v", c.TrustedProxies)
	}
	if c.AllowedHosts[0] != "gate.local" || c.AllowedOrigins[0] != "https://chat.example.com" || c.Limits.RequestBody != 4<<20 {
		t.Errorf("hosts %v, origins %v, body %d", c.AllowedHosts, c.AllowedOrigins, c.Limits.RequestBody)
	}
}

// Each layer wins over the one before it, and .env never over the environment.
func TestLoad_layers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src := config.Source{Dir: dir}
	steps := []struct {
		want string
		add  func()
	}{
		{"127.0.0.1:4444", func() {}},
		{":1", func() { write(t, filepath.Join(dir, "c.json"), `{"listen": ":1" /* JSONC */,}`); src.File = "c.json" }},
		{":2", func() { write(t, filepath.Join(dir, ".env"), "DRAWBRIDGE_LISTEN=:2\n") }},
		{":3", func() { src.Environ = []string{"DRAWBRIDGE_LISTEN=:3"} }},
		{":4", func() { src.Flags = map[string]string{"listen": ":4"} }},
	}
	for _, s := range steps {
		s.add()
		if c := load(t, src); c.Listen != s.want {
			t.Errorf("listen is %s, want %s", c.Listen, s.want)
		}
	}
}

func TestLoad_finds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "xdg/drawbridge/config.yaml"), "listen: :5")
	write(t, filepath.Join(dir, "named.yaml"), "listen: :6")
	usual := "XDG_CONFIG_HOME=" + filepath.Join(dir, "xdg")
	if c := load(t, config.Source{Dir: dir, Environ: []string{usual}}); c.Listen != ":5" || c.File() == "" {
		t.Errorf("usual file not read: %s", c.Listen)
	}
	if c := load(t, config.Source{Dir: dir, Environ: []string{usual, "DRAWBRIDGE_CONFIG=named.yaml"}}); c.Listen != ":6" {
		t.Errorf("file of the variable not read: %s", c.Listen)
	}
	for _, tt := range []struct {
		environ []string
		want    string
	}{
		{[]string{"STATE_DIRECTORY=/var/lib/a:/var/lib/b", "XDG_STATE_HOME=/x"}, "/var/lib/a"},
		{[]string{"XDG_STATE_HOME=/x"}, "/x/drawbridge"},
		{[]string{"XDG_STATE_HOME=relative"}, "/home/someone/.local/state/drawbridge"},
		{[]string{"DRAWBRIDGE_STATE_DIR=st"}, filepath.Join(dir, "st")},
	} {
		if c := load(t, config.Source{Dir: dir, Environ: tt.environ}); c.StateDir != tt.want {
			t.Errorf("%v: state is %s, want %s", tt.environ, c.StateDir, tt.want)
		}
	}
}

// A value goes through ${...} once: a secret that holds ${...} stays as it is.
func TestLoad_expandsOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "key"), "from file\r\n")
	write(t, filepath.Join(dir, "c.yaml"), `
backends:
  a:
    command: run
    args: ["${A}", "${env:A}", "${NONE:-d:-e}", "${EMPTY:-d}", "x${EMPTY}y", "$$A", "$A", "a$", "${file:key}", "$${A}",
      "${workspaceFolder}", "${userHome}/x"]`)
	c := load(t, config.Source{Dir: dir, File: "c.yaml", Environ: []string{"A=${B}$$", "EMPTY=", "B=no"}})
	want := []string{"${B}$$", "${B}$$", "d:-e", "d", "xy", "$A", "$A", "a$", "from file", "${A}", dir, "/home/someone/x"}
	if diff := cmp.Diff(want, c.Backends[0].Args); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{filepath.Join(dir, ".env"), filepath.Join(dir, "c.yaml"), filepath.Join(dir, "key")}, c.Files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestLoad_variables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "token"), "tok\n")
	write(t, filepath.Join(dir, "c.yaml"), "backends: {Search: {url: 'http://old', prefix: s}}")
	write(t, filepath.Join(dir, ".env"), strings.Join([]string{
		"export HASS_URL = http://ha.local:8123 # mine", "HASS_TOKEN='a#b\\n$c'", `SAM_API_KEY="one\ntwo"`,
		"MCP_BACKEND_SEARCH=http://search:8000/x", "MCP_BACKEND_SEARCH__TOKEN_FILE=token", "MCP_BACKEND_EMPTY=",
	}, "\n"))
	c := load(t, config.Source{Dir: dir, File: "c.yaml", Environ: []string{
		"MCP_BACKEND_MY_TOOLS=https://tools", "MCP_BACKEND_MY_TOOLS__PREFIX=", "MCP_BACKEND_MY_TOOLS__TRANSPORT=sse",
		`MCP_BACKEND_MY_TOOLS__HEADERS={"X-A": "1=2"}`, "MCP_BACKEND_LINES=http://l", "MCP_BACKEND_LINES__HEADERS=A=b=\nC: d:e",
		"HASS_MODE=read", "MEMORY_ENABLED=false", "MCP_BACKEND_PUPPETEER=http://p",
	}})
	none, s := "", "s"
	want := []config.Backend{
		{Name: "Search", URL: "http://search:8000/x", Type: "http", Token: secret.New("tok"), Prefix: &s, Enabled: true, Origin: config.LayerFile},
		{Name: "lines", URL: "http://l/mcp", Type: "http", Headers: secrets("A", "b=", "C", "d:e"), Enabled: true, Origin: config.LayerEnv},
		{Name: "my_tools", URL: "https://tools/mcp", Type: "sse", Headers: secrets("X-A", "1=2"), Prefix: &none, Enabled: true, Origin: config.LayerEnv},
		{Name: "puppeteer", URL: "http://p/mcp", Type: "http", Enabled: true, Origin: config.LayerEnv},
	}
	if diff := cmp.Diff(want, c.Backends, cmp.Comparer(sameSecret)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	hass := c.Servers["homeassistant"]
	if diff := cmp.Diff(secrets("url", "http://ha.local:8123", "token", `a#b\n$c`), hass.Settings, cmp.Comparer(sameSecret)); diff != "" {
		t.Errorf("homeassistant (-want +got):\n%s", diff)
	}
	if hass.Mode != "read" || !hass.On(false) || c.Servers["memory"].On(true) || c.Servers["puppeteer"].On(true) {
		t.Errorf("homeassistant %+v, memory %+v, puppeteer %+v", hass, c.Servers["memory"], c.Servers["puppeteer"])
	}
	if got := c.Servers["rfp"].Settings["sam_api_key"].Reveal(); got != "one\ntwo" {
		t.Errorf("quoted value is %q", got)
	}
}

// The same tree comes out of both formats, surrogate pairs and tabs included.
func TestLoad_jsonc(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "c.jsonc"), "{\n\t// comment\n\t\"mcpServers\": {\n\t\t\"a\": {\"command\": \"\\ud83d\\ude00\\/\", \"disabled\": false, \"args\": [],},\n\t},\n}\n")
	c := load(t, config.Source{Dir: dir, File: "c.jsonc"})
	if got := c.Backends[0].Command; got != filepath.Join(dir, "😀") {
		t.Errorf("command is %q", got)
	}
}

// Files of other programs load as they are.
func TestLoad_otherPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".vscode/mcp.json"), `{
		"inputs": [{"type": "promptString", "id": "key"}],
		"servers": {
			"play": {"type": "stdio", "command": "npx", "args": ["-y", "@playwright/mcp"], "envFile": "${workspaceFolder}/x.env"},
			"remote": {"type": "http", "url": "https://r.example.com/x/", "gallery": true},
			"memory": {"type": "stdio", "command": "mcp-memory"}
		}}`)
	write(t, filepath.Join(dir, "x.env"), "K=v\n")
	write(t, filepath.Join(dir, "mcpo.json"), `{"mcpServers": {
		"time": {"command": "uvx", "args": ["mcp-server-time"], "disabledTools": ["convert"]},
		"http": {"type": "streamable-http", "url": "http://h:1/mcp", "headers": {"Authorization": "Bearer t"}},
		"sse": {"url": "http://h:2/sse"},
		"gone": {"command": "x", "disabled": true}}}`)
	code := load(t, config.Source{Dir: dir, File: ".vscode/mcp.json"})
	mcpo := load(t, config.Source{Dir: dir, File: "mcpo.json"})
	got := append(code.Backends, mcpo.Backends...)
	stdio := func(name, command string, args ...string) config.Backend {
		return config.Backend{Name: name, Command: command, Args: args, Type: "stdio", Cwd: dir, Enabled: true, Origin: config.LayerFile}
	}
	play := stdio("play", "npx", "-y", "@playwright/mcp")
	play.EnvFile, play.Env = filepath.Join(dir, "x.env"), secrets("K", "v")
	clock := stdio("time", "uvx", "mcp-server-time")
	clock.DisabledTools = []string{"convert"}
	want := []config.Backend{
		play,
		{Name: "remote", URL: "https://r.example.com/x/", Type: "http", Enabled: true, Origin: config.LayerFile},
		stdio("memory", "mcp-memory"),
		clock,
		{Name: "http", URL: "http://h:1/mcp", Type: "http", Headers: secrets("Authorization", "Bearer t"), Enabled: true, Origin: config.LayerFile},
		{Name: "sse", URL: "http://h:2/sse", Type: "sse", Enabled: true, Origin: config.LayerFile},
		{Name: "gone", Command: "x", Type: "stdio", Origin: config.LayerFile},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(sameSecret), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !code.Servers["memory"].Replaced || mcpo.Servers["memory"].Replaced {
		t.Error("a backend called memory does not replace the built-in server, or another does")
	}
}

// Whatever is wrong or right, nothing that Load says holds a secret.
func TestLoad_keepsSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const canary = "canary7f3a"
	write(t, filepath.Join(dir, "c.yaml"), strings.ReplaceAll(`
store: mysql://root:CANARY@db/x
static_key: CANARY
oauth: {password: [CANARY]}
backends:
  a: {url: "https://CANARY:x@h/?key=CANARY", token: "CANARY b", headers: {A: "CANARY\nb"}}
  b: {url: "http://x:${PORT}/?k=${SECRET}", timeout: "${SECRET}"}
  c: {command: x, env: {"a=": CANARY}}
servers: {erpnext: {url: "https://x?CANARY", api_key: CANARY}}
`, "CANARY", canary))
	src := config.Source{Dir: dir, File: "c.yaml", Environ: []string{"HOME=/", "SECRET=" + canary, "PORT=" + canary,
		"MCP_BACKEND_D=ftp://u:" + canary + "@h", "DRAWBRIDGE_LIMITS_SESSIONS=x"}}
	said := says(src)
	for name, text := range said {
		if strings.Contains(text, canary) {
			t.Errorf("%s tells a secret:\n%s", name, text)
		}
	}
	if strings.Count(said["faults"], "\n") < 8 {
		t.Errorf("too few faults for this to prove anything:\n%s", said["faults"])
	}
	write(t, filepath.Join(dir, "c.yaml"), "backends: {a: {url: 'http://h/?key="+canary+"', token: "+canary+"}}")
	said = says(config.Source{Dir: dir, File: "c.yaml", Environ: []string{"HOME=/", "DATABASE_URL=postgres://u:" + canary + "@h/d"}})
	if said["dump"] == "" || strings.Contains(said["dump"], canary) {
		t.Errorf("dump:\n%s%s", said["dump"], said["faults"])
	}
}

// Threat A22: what would leave the door ajar stops the start, in words that do not
// repeat the secret.
func TestA22_weakStart(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{
		"OAUTH_PASSWORD=short":                     "fewer than 12",
		"OAUTH_PASSWORD=eleven char":               "fewer than 12",
		"OAUTH_PASSWORD=changeme12345":             "tries first",
		"OAUTH_PASSWORD=Drawbridge-2026":           "tries first",
		"OAUTH_PASSWORD=aaaaaaaaaaaaaaaa":          "tries first",
		"OAUTH_PASSWORD=twelve chars":              "",
		"OAUTH_ISSUER_URL=http://gate.example":     "plain http",
		"OAUTH_ISSUER_URL=http://192.168.1.2:4444": "plain http",
		"OAUTH_ISSUER_URL=http://localhost:4444":   "",
		"OAUTH_ISSUER_URL=http://127.0.0.1":        "",
		"OAUTH_ISSUER_URL=https://gate.example":    "",
		"OAUTH_ISSUER_URL=https://gate.example/x":  "scheme and host alone",
		"OAUTH_CLIENT_DOCUMENTS=allowlist":         "names nobody",
		"OAUTH_ALLOW_HTTP_REDIRECT_HOSTS=a:1":      "no host name",
		"GATEWAY_STATIC_API_KEY=short":             "at least 32",
	} {
		_, _, err := config.Load(config.Source{Dir: t.TempDir(), Environ: []string{"HOME=/", env}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", env, err, want)
		}
		if name, value, _ := strings.Cut(env, "="); err != nil && strings.HasSuffix(name, "PASSWORD") && strings.Contains(err.Error(), value) {
			t.Errorf("%s: the fault tells the password", env)
		}
	}
}

func TestLoad_joinsFaults(t *testing.T) {
	t.Parallel()
	_, _, err := config.Load(config.Source{Dir: t.TempDir(), Environ: []string{"HOME=/", "DRAWBRIDGE_LISTEN=x", "DATABASE_URL=y"}})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Fatalf("want two faults, got %v", err)
	}
	for _, e := range joined.Unwrap() {
		if f, ok := errors.AsType[*config.Fault](e); !ok || f.At.Name == "" || f.Path == "" {
			t.Errorf("fault without a place: %#v", e)
		}
	}
}

func TestLoad_store(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, want := range map[string]string{
		"postgres://u:p@h/d": "postgres://u:p@h/d", "postgresql:///d?host=/run": "postgresql:///d?host=/run",
		"sqlite:data/x.db": "sqlite:" + filepath.Join(dir, "data/x.db"), "sqlite:///var/x.db": "sqlite:/var/x.db",
		"postgres://": "", "sqlite:": "", "x.db": "", "mysql://h/d": "",
	} {
		c, _, err := config.Load(config.Source{Dir: dir, Environ: []string{"HOME=/", "DATABASE_URL=" + text}})
		if (err == nil) != (want != "") || err == nil && c.Store.Reveal() != want {
			t.Errorf("%s: got %v, %v", text, c, err)
		}
	}
}

func TestCleanName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"good-Name_1": "good-Name_1", "@scope/server.io": "scope_server_io", "1st": "st", "my  server!": "my_server", "日本": "", "é": "",
	} {
		got := config.CleanName(name)
		if got != want {
			t.Errorf("CleanName(%q) = %q, want %q", name, got, want)
		}
		if got != "" && config.CheckName(got) != nil {
			t.Errorf("CleanName(%q) = %q is not good", name, got)
		}
	}
	if config.CheckName(strings.Repeat("a", 33)) == nil || config.CheckName("") == nil || config.CheckName("a.b") == nil {
		t.Error("a bad name is taken")
	}
}
