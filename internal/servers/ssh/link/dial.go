package link

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/ssh/hosts"
)

// maxKeys bounds the keys that are tried; OpenSSH hangs up after six attempts.
const maxKeys = 4

// dialWay connects through every host on the way.
func dialWay(ctx context.Context, t Target, now func() time.Time) (*Conn, error) {
	c := &Conn{Host: t.Host(), Login: t.Logins[len(t.Way)-1], sessions: make(chan struct{}, maxSessions), reserve: make(chan struct{}, maxReserve),
		Now: now, ended: make(chan struct{}), used: now()}
	for i, h := range t.Way {
		client, fingerprint, err := dialHop(ctx, c.client, h, t.Logins[i])
		if err != nil {
			if c.client != nil {
				c.Close()
			}
			return nil, err
		}
		if c.client != nil {
			c.hops = append(c.hops, c.client)
		}
		c.client, c.Fingerprint = client, fingerprint
	}
	c.Version = string(c.client.ServerVersion())
	return c, nil
}

// dialHop connects to one host, through another or directly. The host proves its
// key in the key exchange, which comes before any authentication, RFC 4253 7.
func dialHop(ctx context.Context, through *ssh.Client, h hosts.Host, login Login) (*ssh.Client, string, error) {
	ctx, cancel := context.WithTimeout(ctx, h.ConnectTimeout)
	defer cancel()
	check, algorithms, err := h.Verifier()
	if err != nil {
		return nil, "", err
	}
	methods, err := login.methods(h)
	if err != nil {
		return nil, "", err
	}
	conn, err := open(ctx, through, h)
	if err != nil {
		return nil, "", unreachable(ctx, h, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var fingerprint string
	var refused error
	cc, channels, requests, err := ssh.NewClientConn(conn, h.Addr(), &ssh.ClientConfig{
		User: h.User, Auth: methods, HostKeyAlgorithms: algorithms,
		HostKeyCallback: func(name string, remote net.Addr, key ssh.PublicKey) error {
			fingerprint = ssh.FingerprintSHA256(key)
			refused = check(name, remote, key)
			return refused
		},
	})
	switch {
	case refused != nil:
		_ = conn.Close()
		return nil, "", refused
	case err != nil:
		_ = conn.Close()
		return nil, "", unwelcome(ctx, h, len(methods), err)
	}
	return ssh.NewClient(cc, channels, requests), fingerprint, nil
}

func open(ctx context.Context, through *ssh.Client, h hosts.Host) (net.Conn, error) {
	if through != nil {
		return through.DialContext(ctx, "tcp", h.Addr())
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", h.Addr())
}

func unreachable(ctx context.Context, h hosts.Host, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil:
		return fault.Wrap(err, fault.Timeout, "%s did not answer within %s. Check that it is on and that its address is right.", h.Alias, h.ConnectTimeout)
	}
	return fault.Wrap(err, fault.Unavailable, "%s cannot be reached. Check that it is on, that its address is right and that its SSH server listens.", h.Alias)
}

// unwelcome explains a handshake that failed.
func unwelcome(ctx context.Context, h hosts.Host, methods int, err error) error {
	switch {
	case ctx.Err() != nil:
		return unreachable(ctx, h, err)
	case methods == 0:
		return fault.Wrap(err, fault.Forbidden, "There is no key and no password for %s. Store one for the ssh server: private_key or password.", h.Alias)
	case errors.Is(err, errOtherQuestions):
		return fault.Wrap(err, fault.Forbidden, "%s asks for more than a password, such as a second factor, and nobody is here to answer. Use a key for it.", h.Alias)
	case strings.Contains(err.Error(), "unable to authenticate"): // x/crypto/ssh has no type for it
		return fault.Wrap(err, fault.Forbidden, "%s refused the login as %s. Check that the account takes the stored key or password.", h.Alias, h.User)
	}
	return fault.Wrap(err, fault.Upstream, "%s answered, but no SSH connection came about. Check that its SSH server is a current one; the log has more.", h.Alias)
}

// methods are the ways to log in: keys first, as OpenSSH does.
func (l Login) methods(h hosts.Host) ([]ssh.AuthMethod, error) {
	signers, err := l.signers(h)
	if err != nil {
		return nil, err
	}
	var methods []ssh.AuthMethod
	if len(signers) > 0 {
		methods = append(methods, ssh.PublicKeys(signers...))
	}
	if !l.Password.Empty() {
		methods = append(methods, ssh.Password(l.Password.Reveal()), ssh.KeyboardInteractive(l.answer))
	}
	return methods, nil
}

var errOtherQuestions = errors.New("the host asks for more than a password")

// answer gives the password where it is the one thing asked for, RFC 4256.
func (l Login) answer(_, _ string, questions []string, echo []bool) ([]string, error) {
	switch {
	case len(questions) == 0:
		return nil, nil
	case len(questions) == 1 && !echo[0]:
		return []string{l.Password.Reveal()}, nil
	}
	return nil, errOtherQuestions
}

// signers are the stored key, or those of the configuration.
func (l Login) signers(h hosts.Host) ([]ssh.Signer, error) {
	if !l.Key.Empty() {
		s, err := parseKey([]byte(l.Key.Reveal()), l.Passphrase.Reveal())
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "The private key stored for %s cannot be used. Store it in PEM, with its passphrase if it has one.", h.Alias)
		}
		return []ssh.Signer{s}, nil
	}
	var all []ssh.Signer
	for _, file := range h.Identities {
		pem, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read identity: %w", err)
		}
		s, err := parseKey(pem, l.Passphrase.Reveal())
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "A key file that the configuration names for %s cannot be used. It may need its passphrase: store it for the ssh server.", h.Alias)
		}
		all = append(all, withCertificate(h, s)...)
	}
	return all[:min(len(all), maxKeys)], nil
}

func parseKey(pem []byte, passphrase string) (ssh.Signer, error) {
	s, err := ssh.ParsePrivateKey(pem)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked && passphrase != "" {
		s, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(passphrase))
	}
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	return s, err
}

// withCertificate adds the certificates of a key, which are tried first.
func withCertificate(h hosts.Host, s ssh.Signer) []ssh.Signer {
	var all []ssh.Signer
	for _, file := range h.Certificates {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // the key alone may do
		}
		public, _, _, _, err := ssh.ParseAuthorizedKey(line)
		cert, ok := public.(*ssh.Certificate)
		if err != nil || !ok {
			continue
		}
		if signer, err := ssh.NewCertSigner(cert, s); err == nil {
			all = append(all, signer)
		}
	}
	return append(all, s)
}
