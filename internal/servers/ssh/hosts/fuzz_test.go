package hosts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/internal/servers/ssh/hosts"
)

// Whatever stands in the files, a host that comes out of them holds nothing that a
// program could take for an option or for more than one word.
func FuzzRead(f *testing.F) {
	f.Add("Host a b*\n HostName %h.lan\n Port 2\nMatch host a user x,!y\n User \"z\"\n ProxyJump a@b:2,c\nInclude /none\n", "hosts: {a: {port: 3, jump: [b]}}\nrules: [{users: [x], may: [read], allow: [ls *]}]\n")
	f.Add("host=a\nMatch all\nUserKnownHostsFile ~/x %d/y", "rules:\n")
	f.Fuzz(func(t *testing.T, config, policy string) {
		if strings.Contains(strings.ToLower(config), "include") {
			t.Skip("it would read other files")
		}
		dir := t.TempDir()
		files := hosts.Files{Config: filepath.Join(dir, "config"), Policy: filepath.Join(dir, "policy")}
		for name, content := range map[string]string{files.Config: config, files.Policy: policy} {
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b, err := hosts.Read(files)
		if err != nil {
			return
		}
		for _, name := range b.Names() {
			h, _, err := b.Find("x", name)
			if err != nil {
				continue
			}
			way, err := b.Way(h)
			if err != nil {
				continue
			}
			for _, hop := range way {
				for _, s := range []string{hop.Address, hop.User} {
					if s == "" || s[0] == '-' || strings.ContainsAny(s, " \t\r\n\x00;'\"$`|&<>") {
						t.Errorf("%q goes out as %q", name, s)
					}
				}
				if hop.Port < 1 || hop.Port > 65535 || hop.AliveInterval <= 0 || hop.ConnectTimeout <= 0 {
					t.Errorf("%q: %+v", name, hop)
				}
			}
		}
	})
}
