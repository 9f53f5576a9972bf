// Package sshdtest starts real OpenSSH servers for tests, each with accounts of its
// own.
//
// A server sees its own passwd, shadow and sudoers: they are mounted over the
// machine's in a mount namespace, so that the machine stays as it is. It listens on
// loopback and is gone when the test ends. It needs root, openssh-server, sudo and
// util-linux; where one is missing the test skips, and fails when CI=true.
// Puppet is a made-up host for what no real one says.
package sshdtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/ssh/hosts"
)

// The account of every server, and what it may do.
const (
	Account  = "tester"
	Password = "made-up-login-password"
	uid      = 4321
)

// Server is a running sshd.
type Server struct {
	Port int
	Home string        // of the account, as the server sees it
	Key  secret.String // logs in as the account
	Host ssh.PublicKey // the server's own key

	log *output
}

// Options differ between servers.
type Options struct {
	NoPassword bool   // only keys log in
	Sudoers    string // "" lets the account run everything with its password
	Lines      string // more of sshd_config, as a block of lines
}

// Log is what the server has said, at the level DEBUG1.
func (s *Server) Log() string { return s.log.String() }

// Addr is where it listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// KnownHost is the server's line for known_hosts.
func (s *Server) KnownHost() string { return knownhosts.Line([]string{s.Addr()}, s.Host) + "\n" }

// Describe is the server as the operator's files would describe it.
func (s *Server) Describe(tb testing.TB, alias string) hosts.Host {
	tb.Helper()
	known := filepath.Join(tb.TempDir(), "known_hosts")
	if err := os.WriteFile(known, []byte(s.KnownHost()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return hosts.Host{Alias: alias, Address: "127.0.0.1", Port: s.Port, User: Account, KnownHosts: []string{known},
		ConnectTimeout: 10 * time.Second, AliveInterval: 10 * time.Second, AliveMax: 3}
}

// Missing skips a test, or fails it where nothing may be missing.
func Missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format, args...)
}

// Start runs a server until the test ends.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	if os.Getuid() != 0 {
		Missing(tb, "an sshd with accounts of its own needs root")
	}
	for program, from := range map[string]string{"/usr/sbin/sshd": "openssh-server", "/usr/bin/sudo": "sudo", "/usr/bin/unshare": "util-linux"} {
		if _, err := os.Stat(program); err != nil {
			Missing(tb, "%s is not installed: run make deps (apt-get install %s)", program, from)
		}
	}
	// Not below the test's folder, which only root may enter.
	dir, err := os.MkdirTemp("", "drawbridge-sshd-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) }) // a leftover in the temporary folder hurts nobody
	s := &Server{Home: filepath.Join(dir, "home"), log: &output{}, Port: FreePort(tb)}
	s.write(tb, dir, o)
	s.run(tb, dir)
	return s
}

// FreePort is a port on loopback on which nobody listens at the moment.
func FreePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// NewKey is a private key that no server knows.
func NewKey(tb testing.TB) secret.String {
	tb.Helper()
	private, _ := newKey(tb)
	return secret.New(string(private))
}

// newKey is a private key in PEM and its public half.
func newKey(tb testing.TB) ([]byte, ssh.PublicKey) {
	tb.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(block), signer.PublicKey()
}

// write makes the files of a server below dir.
func (s *Server) write(tb testing.TB, dir string, o Options) {
	tb.Helper()
	hostKey, hostPublic := newKey(tb)
	clientKey, clientPublic := newKey(tb)
	s.Host, s.Key = hostPublic, secret.New(string(clientKey))
	put := func(name string, mode os.FileMode, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			tb.Fatal(err)
		}
	}
	machine := func(file string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		return string(b)
	}
	// Not as an argument: tests look for the password in everybody's.
	openssl := exec.CommandContext(tb.Context(), "openssl", "passwd", "-6", "-stdin")
	openssl.Stdin = strings.NewReader(Password)
	hash, err := openssl.Output()
	if err != nil {
		Missing(tb, "openssl makes no password hash: %v", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.Mkdir(s.Home, 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chown(s.Home, uid, uid); err != nil {
		tb.Fatal(err)
	}
	sudoers := o.Sudoers
	if sudoers == "" {
		sudoers = Account + " ALL=(ALL) ALL\n"
	}
	put("hostkey", 0o600, string(hostKey))
	put("authorized", 0o644, string(ssh.MarshalAuthorizedKey(clientPublic)))
	put("passwd", 0o644, machine("/etc/passwd")+fmt.Sprintf("%s:x:%d:%d::%s:/bin/bash\n", Account, uid, uid, s.Home))
	put("group", 0o644, machine("/etc/group")+fmt.Sprintf("%s:x:%d:\n", Account, uid))
	put("shadow", 0o600, machine("/etc/shadow")+fmt.Sprintf("%s:%s:19000:0:99999:7:::\n", Account, strings.TrimSpace(string(hash))))
	put("sudoers", 0o440, "Defaults lecture=never\nroot ALL=(ALL) ALL\n"+sudoers)
	put("config", 0o644, fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/hostkey\nAuthorizedKeysFile %s/authorized\nStrictModes no\nUsePAM no\nPidFile none\n"+
		"LogLevel DEBUG1\nSubsystem sftp internal-sftp\nMaxStartups 100\nPasswordAuthentication %s\nKbdInteractiveAuthentication no\n%s",
		s.Port, dir, dir, map[bool]string{true: "no", false: "yes"}[o.NoPassword], o.Lines))
	put("start", 0o644, fmt.Sprintf("set -e\nfor f in passwd group shadow sudoers; do mount --bind %s/$f /etc/$f; done\nmkdir -p /run/sshd\nexec /usr/sbin/sshd -D -e -f %s/config\n", dir, dir))
}

// run starts sshd and waits until it listens.
func (s *Server) run(tb testing.TB, dir string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "/usr/bin/unshare", "--mount", "--propagation", "private", "sh", filepath.Join(dir, "start"))
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Wait() // the end of the test's context interrupts it
		if tb.Failed() {
			log := s.Log()
			tb.Logf("the end of sshd's log at port %d:\n%s", s.Port, log[max(0, len(log)-1500):])
		}
	})
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var d net.Dialer
		if c, err := d.DialContext(ctx, "tcp", s.Addr()); err == nil {
			_ = c.Close() // it was only a question
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("sshd does not listen: %s", s.Log())
		}
	}
}

// output collects what a server says.
type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
