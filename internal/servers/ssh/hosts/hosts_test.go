package hosts_test

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/ssh/hosts"
)

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, config, policy string) *hosts.Book {
	t.Helper()
	dir, files := t.TempDir(), hosts.Files{}
	if config != "" {
		files.Config = write(t, dir, "config", config)
	}
	if policy != "" {
		files.Policy = write(t, dir, "policy.yaml", policy)
	}
	b, err := hosts.Read(files)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What a configuration means is what OpenSSH makes of it.
func TestRead_likeOpenSSH(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("ssh")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ssh is missing: install openssh-client")
		}
		t.Skip("ssh is missing: install openssh-client")
	}
	r := rand.New(rand.NewPCG(22, 5))
	for range 60 {
		dir := t.TempDir()
		included := write(t, dir, "more", settings(r, 3))
		text := strings.ReplaceAll(settings(r, 6), "INCLUDE", included)
		b, err := hosts.Read(hosts.Files{Config: write(t, dir, "config", text)})
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		for _, name := range []string{"web1", "web2", "db.lan"} {
			out, err := exec.CommandContext(t.Context(), program, "-G", "-F", filepath.Join(dir, "config"), name).CombinedOutput()
			if err != nil {
				t.Fatalf("ssh -G: %v %s in\n%s", err, out, text)
			}
			h, _, err := b.Find("anna", name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fromOpenSSH(string(out)), fromHost(h)); diff != "" {
				t.Fatalf("%s (-OpenSSH +ours):\n%s\n%s\n-- more\n%s", name, diff, text, must(os.ReadFile(included)))
			}
		}
	}
}

func must(b []byte, err error) string {
	if err != nil {
		panic(err) // a file that the test has just written
	}
	return string(b)
}

// settings is a random configuration that names three hosts.
func settings(r *rand.Rand, blocks int) string {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	var b strings.Builder
	setting := func() string {
		return one("HostName 10.0.0."+strconv.Itoa(r.IntN(4)), "HostName %h.lan", "Port "+strconv.Itoa(2200+r.IntN(5)), "User u"+strconv.Itoa(r.IntN(3)), "port=2300",
			"User = \"u9\" # words", "IdentityFile /k/"+strconv.Itoa(r.IntN(5)), "IdentityFile \"/k/%h %r\"", "ProxyJump hop", "ProxyJump a@hop:2222,hop2", "ConnectTimeout 7", "ServerAliveInterval 9",
			"ServerAliveCountMax 2", "UserKnownHostsFile /kh/a \"/kh/b c\"", "HostKeyAlias alias", "Compression yes", "ForwardAgent yes")
	}
	for range r.IntN(2) {
		fmt.Fprintln(&b, setting())
	}
	for range blocks {
		fmt.Fprintln(&b, one("Host web*", "Host web1 db.lan", "Host * !web2", "Host *", "hOST ?eb1", "Match all", "Match host 10.0.0.*,web1", "Match originalhost web1", "Match user u1", "Match host *.lan user u*", "Match !host web1", "Match localuser nobodyelse"))
		for range r.IntN(4) {
			fmt.Fprintln(&b, "  "+setting())
		}
		if r.IntN(4) == 0 {
			fmt.Fprintln(&b, "  Include INCLUDE")
			fmt.Fprintln(&b, "  "+setting())
		}
	}
	b.WriteString("Host web1 web2 db.lan\n")
	return strings.ReplaceAll(b.String(), "Include INCLUDE", map[bool]string{true: "Include INCLUDE", false: ""}[blocks > 3])
}

type shown struct {
	HostName, Port, User, Jump, Timeout, Alive, AliveMax, KeyName string
	KnownHosts                                                    []string
}

func fromOpenSSH(out string) (s shown) {
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "hostname":
			s.HostName = value
		case "port":
			s.Port = value
		case "user":
			s.User = value
		case "proxyjump":
			s.Jump = value
		case "connecttimeout":
			s.Timeout = strings.Replace(value, "none", "15", 1) // ours, where none is set
		case "serveraliveinterval":
			s.Alive = map[bool]string{true: "20"}[value == "0"] + strings.TrimPrefix(value, "0")
		case "serveralivecountmax":
			s.AliveMax = value
		case "hostkeyalias":
			s.KeyName = value
		case "userknownhostsfile":
			if !strings.Contains(value, "/.ssh/") {
				s.KnownHosts = []string{"/kh/a", "/kh/b c"}
			}
		}
	}
	return s
}

func fromHost(h hosts.Host) shown {
	s := shown{HostName: h.Address, Port: strconv.Itoa(h.Port), User: h.User, Jump: strings.Join(h.Jump, ","), Timeout: strconv.Itoa(int(h.ConnectTimeout.Seconds())),
		Alive: strconv.Itoa(int(h.AliveInterval.Seconds())), AliveMax: strconv.Itoa(h.AliveMax), KeyName: h.KeyName}
	if !strings.HasSuffix(h.KnownHosts[0], "/known_hosts") {
		s.KnownHosts = h.KnownHosts
	}
	return s
}

// OpenSSH shows identities unexpanded, so they have a test of their own.
func TestRead_tokens(t *testing.T) {
	t.Parallel()
	b := read(t, "Host web1\n HostName %h.lan\n User deploy\n Port 2222\n IdentityFile /k/%n-%h-%r-%p-%%\n IdentityFile /k/two\n", "")
	h, _, err := b.Find("anna", "web1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/k/web1-web1.lan-deploy-2222-%", "/k/two"}, h.Identities); diff != "" {
		t.Error(diff)
	}
}

func TestRead_refuses(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][2]string{
		"match exec":          {"Match exec \"touch /tmp/x\"\n User a\nHost a\n", ""},
		"proxy command":       {"Host a\n ProxyCommand nc %h %p\n", ""},
		"keys taken on trust": {"Host a\n StrictHostKeyChecking accept-new\n", ""},
		"keys not checked":    {"Host a\n StrictHostKeyChecking no\n", ""},
		"port":                {"Host a\n Port 0\n", ""},
		"address is a flag":   {"Host a\n HostName -oProxyCommand=x\n", ""},
		"user with a space":   {"Host a\n User \"a b\"\n", ""},
		"user is a flag":      {"Host a\n User -l\n", ""},
		"token":               {"Host a\n HostName %Z\n", ""},
		"quote":               {"Host \"a\n", ""},
		"policy typing error": {"", "host: {}\n"},
		"policy right":        {"", "rules: [{may: [walk]}]\n"},
		"policy confirm":      {"", "rules: [{confirm: maybe}]\n"},
		"policy fingerprint":  {"", "hosts: {a: {fingerprints: [MD5:aa]}}\n"},
		"policy host":         {"", "hosts: {\"-oProxyCommand=x\": {}}\n"},
		"policy path":         {"", "rules: [{write: [srv]}]\n"},
		"policy read path":    {"", "rules: [{read: [\"~/x\"]}]\n"},
		"policy read glob":    {"", "rules: [{read: [\"/srv/[\"]}]\n"},
		"policy reads none":   {"", "rules: [{read: []}]\n"},
		"policy allows none":  {"", "rules: [{allow: []}]\n"},
		"policy writes none":  {"", "rules: [{write: []}]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, f := t.TempDir(), hosts.Files{}
			if files[0] != "" {
				f.Config = write(t, dir, "config", files[0])
			}
			if files[1] != "" {
				f.Policy = write(t, dir, "policy.yaml", files[1])
			}
			if _, err := hosts.Read(f); err == nil {
				t.Error("it is taken")
			}
		})
	}
}

// T20: a host is a name in the files, and nothing that somebody sends is an address.
func TestFind_T20_hostileNames(t *testing.T) {
	t.Parallel()
	b := read(t, "Host web1\nHost *\n User a\n", "")
	for _, name := range []string{"", "-oProxyCommand=touch /tmp/x", "web1\n", "web1 ", "root@web1", "web1:22", "other", "*", "web?", "$(id)", "; rm", "web1\x00", "127.0.0.1", "ssh://web1"} {
		if _, _, err := b.Find("anna", name); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestGrant(t *testing.T) {
	t.Parallel()
	b := read(t, "Host web1 web2 db1\n", `
hosts:
  web1: {groups: [web], tier: production}
  web2: {groups: [web]}
rules:
  - {users: [anna], may: [read, run, write, sudo], confirm: all}
  - {users: [ben], hosts: ["@web"], may: [read, run], allow: ["systemctl status *"]}
  - {users: [ben], hosts: [db1], may: []}
  - {users: [carl], hosts: [web*], may: [read]}
`)
	type row struct{ Read, Run, Write, Sudo bool }
	for _, c := range []struct {
		user, host string
		want       *row
	}{
		{"anna", "db1", &row{true, true, true, true}},
		{"ben", "web2", &row{Read: true, Run: true}},
		{"ben", "db1", nil},
		{"carl", "web1", &row{Read: true}},
		{"carl", "db1", nil},
		{"dora", "web1", nil},
	} {
		_, g, err := b.Find(c.user, c.host)
		if c.want == nil {
			if fault.CodeOf(err) != fault.NotFound {
				t.Errorf("%s on %s: %+v, %v", c.user, c.host, g, err)
			}
			continue
		}
		if got := (row{g.Read, g.Run, g.Write, g.Sudo}); err != nil || got != *c.want {
			t.Errorf("%s on %s: %+v, %v", c.user, c.host, got, err)
		}
	}
	got, err := b.Select("ben", []string{"@web", "web1"})
	if diff := cmp.Diff([]string{"web1", "web2"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, none := range []string{"@db", "@none", "db1"} {
		if got, err := b.Select("ben", []string{none}); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%s: %v, %v", none, got, err)
		}
	}
}

func TestWay(t *testing.T) {
	t.Parallel()
	b := read(t, `
Host a
  HostName 10.0.0.1
Host b
  HostName 10.0.0.2
  ProxyJump a
Host c
  ProxyJump jump@b:2200
Host d
  ProxyJump a,b
Host loop
  ProxyJump loop
Host e
  ProxyJump unnamed.lan
`, "")
	for name, want := range map[string][]string{
		"a": {"10.0.0.1:22"}, "b": {"10.0.0.1:22", "10.0.0.2:22"}, "c": {"10.0.0.1:22", "10.0.0.2:2200", "c:22"}, "d": {"10.0.0.1:22", "10.0.0.2:22", "d:22"}, "e": {"unnamed.lan:22", "e:22"},
	} {
		h, _, err := b.Find("anna", name)
		if err != nil {
			t.Fatal(err)
		}
		way, err := b.Way(h)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, hop := range way {
			got = append(got, hop.Addr())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	h, _, err := b.Find("anna", "loop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Way(h); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a circle: %v", err)
	}
}

func newKey(t *testing.T, seed byte) ssh.PublicKey {
	t.Helper()
	s, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), 32))))
	if err != nil {
		t.Fatal(err)
	}
	return s.PublicKey()
}

func TestVerifier(t *testing.T) {
	t.Parallel()
	right, wrong := newKey(t, 1), newKey(t, 2)
	file := write(t, t.TempDir(), "known", knownhosts.Line([]string{"[10.0.0.1]:2222"}, right)+"\n"+knownhosts.Line([]string{"alias"}, right)+"\n@revoked * "+string(ssh.MarshalAuthorizedKey(newKey(t, 3))))
	base := hosts.Host{Alias: "web1", Address: "10.0.0.1", Port: 2222, KnownHosts: []string{file, file + ".none"}}
	pinned, aliased, unknown := base, base, base
	pinned.KnownHosts, pinned.Pins = nil, []string{ssh.FingerprintSHA256(right)}
	aliased.Address, aliased.KeyName = "10.9.9.9", "alias"
	unknown.Address = "10.0.0.2"
	for _, c := range []struct {
		name string
		h    hosts.Host
		key  ssh.PublicKey
		says []string // none: it is right
	}{
		{"known", base, right, nil},
		{"wrong", base, wrong, []string{"WRONG", ssh.FingerprintSHA256(right), ssh.FingerprintSHA256(wrong)}},
		{"revoked", base, newKey(t, 3), []string{"WRONG"}},
		{"pinned", pinned, right, nil},
		{"wrong pin", pinned, wrong, []string{"WRONG", ssh.FingerprintSHA256(right), ssh.FingerprintSHA256(wrong)}},
		{"by alias", aliased, right, nil},
		{"unknown", unknown, right, []string{"not known", ssh.FingerprintSHA256(right), "admin"}},
	} {
		check, _, err := c.h.Verifier()
		if err != nil {
			t.Fatal(err)
		}
		err = check("", tunnelled{}, c.key)
		if len(c.says) == 0 {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		public := fault.PublicOf(err)
		if fault.CodeOf(err) != fault.Forbidden {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, s := range c.says {
			if !strings.Contains(public, s) {
				t.Errorf("%s: %q does not say %q", c.name, public, s)
			}
		}
		if strings.Contains(public, file) {
			t.Errorf("%s: %q names a file of the gateway's", c.name, public)
		}
	}
}

// tunnelled is the address of a connection through another host.
type tunnelled struct{}

func (tunnelled) Network() string { return "tcp" }
func (tunnelled) String() string  { return "0.0.0.0:0" }
