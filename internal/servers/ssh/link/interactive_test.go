package link_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/ssh/hosts"
	"drawbridge/internal/servers/ssh/link"
	"drawbridge/internal/servers/ssh/remote"
	"drawbridge/internal/servers/ssh/sshdtest"
)

// appliance is a host that asks questions, as many devices do; Debian's sshd would
// need PAM for it. It has no shell.
func appliance(t *testing.T, questions []string, echo []bool) hosts.Host {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssh.ServerConfig{KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "", questions, echo)
		if err != nil || len(answers) != 1 || answers[0] != "made-up-word" {
			return nil, os.ErrPermission
		}
		return nil, nil
	}}
	cfg.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { // ends with the listener
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conn, channels, requests, err := ssh.NewServerConn(c, cfg)
			if err != nil {
				continue
			}
			go ssh.DiscardRequests(requests) // ends with the connection
			for ch := range channels {
				_ = ch.Reject(ssh.Prohibited, "no shell here") // the client sees it
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-served })
	known := filepath.Join(t.TempDir(), "known")
	if err := os.WriteFile(known, []byte(knownhosts.Line([]string{l.Addr().String()}, signer.PublicKey())+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return hosts.Host{Alias: "switch1", Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "admin", KnownHosts: []string{known},
		ConnectTimeout: 10 * time.Second, AliveInterval: 10 * time.Second, AliveMax: 3}
}

func TestConnect_keyboardInteractive(t *testing.T) {
	t.Parallel()
	word := link.Login{Password: secret.New("made-up-word")}
	h := appliance(t, []string{"Password: "}, []bool{false}) // before the pool, which ends first then
	c, err := newPool(t).Connect(t.Context(), targetOf(h, word))
	if err != nil {
		t.Fatal(err)
	}
	// It has no shell, and says so.
	if _, err := (remote.Conn{Conn: c}).Run(t.Context(), remote.Command{Text: "id", Timeout: 5 * time.Second, Keep: 100}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	// The password is not typed where it would show, nor as the answer to several questions.
	for _, h := range []hosts.Host{appliance(t, []string{"Name: "}, []bool{true}), appliance(t, []string{"Password: ", "Code: "}, []bool{false, false})} {
		if _, err := newPool(t).Connect(t.Context(), targetOf(h, word)); !strings.Contains(fault.PublicOf(err), "more than a password") {
			t.Errorf("%v", err)
		}
	}
}

// A host that accepts and then says nothing is given up in time.
func TestConnect_silentHost(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := hosts.Host{Alias: "silent", Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "a", ConnectTimeout: 200 * time.Millisecond, AliveInterval: time.Second, AliveMax: 1}
	if _, err := newPool(t).Connect(t.Context(), targetOf(h, link.Login{Password: secret.New("made-up-word")})); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("%v", err)
	}
}

func TestConnect_lockedKey(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("made-up-phrase"))
	if err != nil {
		t.Fatal(err)
	}
	h := hosts.Host{Alias: "web1", Address: "127.0.0.1", Port: sshdtest.FreePort(t), User: "a", ConnectTimeout: time.Second, AliveInterval: time.Second, AliveMax: 1}
	key := secret.New(string(pem.EncodeToMemory(block)))
	for name, c := range map[string]struct {
		phrase string
		says   string
	}{"right": {"made-up-phrase", "Check that it is on"}, "none": {"", "passphrase"}, "wrong": {"made-up-other", "passphrase"}} {
		_, err := newPool(t).Connect(t.Context(), targetOf(h, link.Login{Key: key, Passphrase: secret.New(c.phrase)}))
		if !strings.Contains(fault.PublicOf(err), c.says) || strings.Contains(err.Error(), "made-up") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
