package link_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/ssh/hosts"
	"drawbridge/internal/servers/ssh/link"
	"drawbridge/internal/servers/ssh/remote"
	"drawbridge/internal/servers/ssh/sshdtest"
)

func targetOf(h hosts.Host, l link.Login) link.Target {
	return link.Target{User: "anna", Way: []hosts.Host{h}, Logins: []link.Login{l}}
}

func newPool(t *testing.T) *link.Pool {
	t.Helper()
	p := link.NewPool(slog.New(slog.DiscardHandler), time.Now)
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

func connect(t *testing.T, target link.Target) *link.Conn {
	t.Helper()
	c, err := newPool(t).Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says is what a command prints over a connection.
func says(t *testing.T, c *link.Conn, text string) string {
	t.Helper()
	res, err := (remote.Conn{Conn: c}).Run(t.Context(), remote.Command{Text: text, Timeout: 20 * time.Second, Keep: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return res.Stdout.Text
}

func TestConnect_logins(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t, sshdtest.Options{})
	h := s.Describe(t, "web1")
	for name, c := range map[string]struct {
		login link.Login
		says  string // "" is in
	}{
		"key":            {link.Login{Key: s.Key}, ""},
		"password":       {link.Login{Password: secret.New(sshdtest.Password)}, ""},
		"key, then word": {link.Login{Key: sshdtest.NewKey(t), Password: secret.New(sshdtest.Password)}, ""},
		"wrong password": {link.Login{Password: secret.New("made-up-wrong")}, "refused the login"},
		"wrong key":      {link.Login{Key: sshdtest.NewKey(t)}, "refused the login"},
		"nothing":        {link.Login{}, "no key and no password"},
		"no key at all":  {link.Login{Key: secret.New("made-up")}, "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := newPool(t).Connect(t.Context(), targetOf(h, c.login))
			if c.says != "" {
				if err == nil || !strings.Contains(fault.PublicOf(err), c.says) {
					t.Errorf("%v does not say %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := says(t, conn, "id -un"); got != sshdtest.Account+"\n" {
				t.Errorf("%q", got)
			}
			if conn.Fingerprint != ssh.FingerprintSHA256(s.Host) {
				t.Errorf("fingerprint %s", conn.Fingerprint)
			}
		})
	}
}

// T20: a host that shows another key is told nothing, not even who wants in.
func TestConnect_T20_wrongHostKey(t *testing.T) {
	t.Parallel()
	right, other := sshdtest.Start(t, sshdtest.Options{}), sshdtest.Start(t, sshdtest.Options{})
	changed := right.Describe(t, "web1")
	changed.Port = other.Port
	if err := os.WriteFile(changed.KnownHosts[0], []byte(strings.Replace(right.KnownHost(), right.Addr()[10:], other.Addr()[10:], 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	pinned, unknown := changed, changed
	pinned.Pins = []string{ssh.FingerprintSHA256(right.Host)}
	unknown.KnownHosts = nil
	for name, h := range map[string]hosts.Host{"changed": changed, "pinned": pinned, "unknown": unknown} {
		_, err := newPool(t).Connect(t.Context(), targetOf(h, link.Login{Key: right.Key, Password: secret.New(sshdtest.Password)}))
		public := fault.PublicOf(err)
		if fault.CodeOf(err) != fault.Forbidden || !strings.Contains(public, ssh.FingerprintSHA256(other.Host)) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "unknown" && !strings.Contains(public, ssh.FingerprintSHA256(right.Host)) {
			t.Errorf("%s: %q does not show the expected key", name, public)
		}
	}
	for _, sign := range []string{"userauth-request", sshdtest.Account, "Failed"} {
		if strings.Contains(other.Log(), sign) {
			t.Errorf("authentication was attempted: the log has %q", sign)
		}
	}
	// The same signs are there where authentication is attempted.
	connect(t, targetOf(other.Describe(t, "web2"), link.Login{Key: other.Key}))
	if !strings.Contains(other.Log(), "userauth-request") {
		t.Error("this server does not log authentication, so the test shows nothing")
	}
}

func TestConnect_throughTwoHosts(t *testing.T) {
	t.Parallel()
	a, b, c := sshdtest.Start(t, sshdtest.Options{}), sshdtest.Start(t, sshdtest.Options{NoPassword: true}), sshdtest.Start(t, sshdtest.Options{})
	way := []hosts.Host{a.Describe(t, "a"), b.Describe(t, "b"), c.Describe(t, "c")}
	target := link.Target{User: "anna", Way: way, Logins: []link.Login{{Password: secret.New(sshdtest.Password)}, {Key: b.Key}, {Key: c.Key}}}
	conn := connect(t, target)
	if got := says(t, conn, "echo $SSH_CONNECTION; echo ${SSH_AUTH_SOCK:-none}"); !strings.Contains(got, " "+c.Addr()[10:]+"\nnone\n") {
		t.Errorf("%q", got)
	}
	// A wrong key in the middle ends it there.
	target.Way = append([]hosts.Host{}, way...)
	target.Way[1].Pins = []string{ssh.FingerprintSHA256(a.Host)}
	if _, err := newPool(t).Connect(t.Context(), target); !strings.Contains(fault.PublicOf(err), "host key of b is WRONG") {
		t.Errorf("a wrong key on the way: %v", err)
	}
}
