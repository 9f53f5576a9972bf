package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/config"
	"drawbridge/internal/store"
)

// A backend survives the way through the store, and its secrets travel apart.
func TestBackend_store(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, config.Source{File: filepath.Join(dir, "full.yaml"), Environ: []string{"GH=canary7f3a", "FILES_TOKEN=canary7f3a"}})
	for _, b := range c.Backends {
		stored, err := b.ToStore()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(stored.Spec), "canary7f3a") {
			t.Errorf("a secret is in the open: %s", stored.Spec)
		}
		got, err := config.FromStore(stored)
		if err != nil {
			t.Fatal(err)
		}
		b.Origin = config.LayerStore
		if diff := cmp.Diff(b, got, cmp.Comparer(sameSecret)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", b.Name, diff)
		}
	}
}

func TestNewBackend(t *testing.T) {
	t.Parallel()
	b, _, err := config.NewBackend("x", []byte(`{"command": "./run", "args": ["${A}"], "env_file": ""}`), "/work")
	if err != nil || b.Command != "/work/run" || b.Cwd != "/work" || b.Args[0] != "${A}" || b.Origin != config.LayerStore {
		t.Errorf("got %+v, %v", b, err)
	}
	for name, entry := range map[string]string{
		"memory": `{"url": "http://x"}`, "a b": `{"url": "http://x"}`, "n": `{}`, "u": `{"url": "nothing"}`, "j": `{`,
	} {
		if _, _, err := config.NewBackend(name, []byte(entry), "/"); err == nil {
			t.Errorf("%s %s is taken", name, entry)
		}
	}
}

func TestConfig_WithStored(t *testing.T) {
	t.Parallel()
	c := load(t, config.Source{Environ: []string{"MCP_BACKEND_A=http://a"}})
	all, err := c.WithStored([]store.Backend{
		{Name: "A", Spec: []byte(`{"url":"http://other/mcp"}`), Enabled: true},
		{Name: "b", Spec: []byte(`{"url":"http://b/mcp"}`)},
	})
	if err != nil || len(all) != 2 || all[0].Origin != config.LayerEnv || all[1].Name != "b" || all[1].Enabled || all[1].URL != "http://b/mcp" {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := c.WithStored([]store.Backend{{Name: "c", Spec: []byte(`{}`), Enabled: true}}); err == nil {
		t.Error("a backend without command and url is taken")
	}
}

func TestReadImport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "claude_desktop_config.json"), `{
		"globalShortcut": "x",
		"mcpServers": {
			"@scope/files": {"command": "npx", "args": ["-y", "files", "${userHome}"], "env": {"T": "${TOKEN}"}},
			"memory": {"command": "npx"},
			"日": {"url": "http://h/sse"},
			"note": "no server"
		}}`)
	im, err := config.ReadImport("claude_desktop_config.json", []string{"HOME=/home/someone"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := im.YAML()
	if err != nil {
		t.Fatal(err)
	}
	want := `backends:
  scope_files:
    command: npx
    args:
    - -y
    - files
    - ${userHome}
    env:
      T: ${TOKEN}
  memory_2:
    command: npx
  backend:
    url: http://h/sse
`
	if diff := cmp.Diff(want, string(yaml)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, _, err := im.Backends(); err == nil || !strings.Contains(err.Error(), "TOKEN") {
		t.Errorf("a variable that is not set: %v", err)
	}

	im, err = config.ReadImport("claude_desktop_config.json", []string{"HOME=/home/someone", "TOKEN=t"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	backends, notices, err := im.Backends()
	if err != nil || len(backends) != 3 || len(notices) != 3 {
		t.Fatalf("got %d backends, notices %v, %v", len(backends), notices, err)
	}
	if b := backends[0]; b.Name != "scope_files" || b.Args[2] != "/home/someone" || b.Env["T"].Reveal() != "t" || b.Cwd != dir {
		t.Errorf("got %+v", b)
	}
	for file, content := range map[string]string{"none.json": "", "empty.json": "{}", "bad.json": "{"} {
		if content != "" {
			write(t, filepath.Join(dir, file), content)
		}
		if _, err := config.ReadImport(file, nil, dir); err == nil {
			t.Errorf("%s is taken", file)
		}
	}
}

func TestConfig_Only(t *testing.T) {
	t.Parallel()
	c := load(t, config.Source{Environ: []string{"MCP_BACKEND_MEMORY=http://a", "MEMORY_TOOLSETS=graph", "MEMORY_FILE_PATH=/m"}})
	only := c.Only("memory")
	all, err := only.WithStored([]store.Backend{{Name: "b", Spec: []byte(`{"url":"http://b"}`), Enabled: true}})
	if err != nil || len(all) != 0 {
		t.Errorf("backends %v, %v", all, err)
	}
	for name, s := range only.Servers {
		if s.On(true) != (name == "memory") {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := only.Servers["memory"]; *s.Prefix != "" || s.Settings["toolsets"].Reveal() != "graph" || s.Settings["file_path"].Reveal() != "/m" {
		t.Errorf("memory: %+v", s)
	}
	if len(c.Backends) != 1 || !c.Servers["memory"].Replaced {
		t.Error("the configuration itself has changed")
	}
}

func TestConfig_NeedsRestart(t *testing.T) {
	t.Parallel()
	a := load(t, config.Source{Environ: []string{"MCP_BACKEND_A=http://a"}})
	b := load(t, config.Source{Environ: []string{"DRAWBRIDGE_LISTEN=:1", "OAUTH_PASSWORD=a long password", "MEMORY_MODE=read"}})
	if got := strings.Join(a.NeedsRestart(b), " "); got != "listen oauth" {
		t.Errorf("needs a restart for %q", got)
	}
}
