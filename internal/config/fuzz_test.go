package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/internal/config"
)

// Whatever a file and .env hold, Load ends, says each fault with a text, gives
// backends that can be used, and never both a configuration and an error.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/says/*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, []byte("A=b\nMCP_BACKEND_X=http://x\n"))
		}
	}
	f.Add([]byte(`{"mcpServers": {"a": {"command": "x", "env": {"A": "${A:-b}"}}, // c`+"\n}}"), []byte(`A="x\n`))
	f.Add([]byte("a: &a {b: *a}\nbackends: {<<: *a}"), []byte("export A='b'\nA"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, file, env []byte) {
		path := filepath.Join(dir, "config")
		write(t, path, string(file))
		write(t, filepath.Join(dir, ".env"), string(env))
		c, notices, err := config.Load(config.Source{File: path, Dir: dir, Environ: []string{"HOME=/"}})
		for _, n := range notices {
			if n.Text == "" {
				t.Error("empty notice")
			}
		}
		if err != nil {
			if c != nil || strings.TrimSpace(err.Error()) == "" {
				t.Errorf("configuration %v beside error %q", c, err)
			}
			return
		}
		for _, b := range c.Backends {
			if b.Enabled && (config.CheckName(b.Name) != nil || b.Type == "" || (b.Command == "") == (b.URL == "")) {
				t.Errorf("backend %+v cannot be used", b)
			}
		}
		if err := c.Dump(&bytes.Buffer{}); err != nil {
			t.Error(err)
		}
	})
}
