// Package egresstest is an internet in memory and the table of what must not be
// fetched from it.
//
// Everything that fetches URLs of strangers is held against the same table: its
// test builds an egress.Client on a Net and hands Sweep a function that fetches. A
// connection to an address that is not public fails the test, whoever makes it. It
// works inside a synctest bubble, where slow servers cost no time.
package egresstest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/egress"
)

// Net is an internet: names, addresses, servers with certificates of its own
// authority. Safe for concurrent use.
type Net struct {
	t     testing.TB
	root  *x509.Certificate
	key   *ecdsa.PrivateKey
	roots *x509.CertPool

	mu      sync.Mutex // guards the rest
	names   map[string][][]netip.Addr
	lookups map[string]int
	hosts   map[netip.AddrPort]*listener
	dials   int
}

// New makes an empty internet that ends with the test.
func New(t testing.TB) *Net {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := &Net{t: t, key: key, roots: x509.NewCertPool(),
		names: map[string][][]netip.Addr{}, lookups: map[string]int{}, hosts: map[netip.AddrPort]*listener{}}
	n.root = n.certificate(&x509.Certificate{
		Subject: pkix.Name{CommonName: "egresstest"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	n.roots.AddCert(n.root)
	return n
}

// Deps is what an egress.Client needs to live in this internet.
func (n *Net) Deps() egress.Deps {
	return egress.Deps{Resolver: n, Roots: n.roots, Dial: n.Dial,
		Own:  func() []string { return []string{Own} },
		Near: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("2a02:8071:5::/64")} }}
}

// Own is the name under which the client itself is known; it leads to a server.
const Own = "own.drawbridge.dev"

// Serve starts a server for name on port 443 of a public address of its own.
func (n *Net) Serve(name string, h http.Handler) { n.serve(name, name, h) }

// ServeFunc is Serve with a function.
func (n *Net) ServeFunc(name string, h func(http.ResponseWriter, *http.Request)) {
	n.serve(name, name, http.HandlerFunc(h))
}

func (n *Net) serve(name, certified string, h http.Handler) {
	n.t.Helper()
	leaf := n.certificate(&x509.Certificate{Subject: pkix.Name{CommonName: certified}, DNSNames: []string{certified}})
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: n.key}}}}
	n.mu.Lock()
	addr := netip.AddrFrom4([4]byte{93, 184, byte(len(n.hosts) >> 8), byte(len(n.hosts))})
	n.hosts[netip.AddrPortFrom(addr, 443)] = l
	n.mu.Unlock()
	n.Answer(name, addr.String())
	var done sync.WaitGroup
	done.Go(func() { _ = srv.ServeTLS(l, "", "") })
	n.t.Cleanup(func() { srv.Close(); done.Wait() })
}

// certificate signs a certificate with the authority's key, which serves for all.
func (n *Net) certificate(template *x509.Certificate) *x509.Certificate {
	n.t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour)
	parent := n.root
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, n.key.Public(), n.key)
	if err != nil {
		n.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		n.t.Fatal(err)
	}
	return cert
}

// Answer adds what the next look-up of name finds: addresses separated by spaces.
// The last answer stays.
func (n *Net) Answer(name, addrs string) {
	var set []netip.Addr
	for a := range strings.FieldsSeq(addrs) {
		set = append(set, netip.MustParseAddr(a))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = append(n.names[name], set)
}

// Address is the public address of a server.
func (n *Net) Address(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[name][0][0].String()
}

// LookupNetIP makes a Net an egress.Resolver.
func (n *Net) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host = strings.TrimSuffix(host, ".")
	sets := n.names[host]
	if len(sets) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	i := min(n.lookups[host], len(sets)-1)
	n.lookups[host]++
	return append([]netip.Addr(nil), sets[i]...), nil
}

// Dial connects to a server of this internet. A connection to an address that is
// not public fails the test.
func (n *Net) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil || forbidden(to.Addr()) {
		n.t.Errorf("a connection to %s was made", address)
		return nil, errors.New("forbidden")
	}
	n.mu.Lock()
	n.dials++
	l := n.hosts[to]
	n.mu.Unlock()
	if l == nil {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	select {
	case l.conns <- hasty{far}:
		return hasty{near}, nil
	case <-l.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Dials counts the connections that were tried.
func (n *Net) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// hasty is a pipe that takes leave without waiting: TLS gives its last record five
// seconds to be read, in which both ends of a pipe would wait for each other.
type hasty struct{ net.Conn }

func (c hasty) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() {
		t = time.Now()
	}
	return c.Conn.SetWriteDeadline(t)
}

// listener hands over the far ends of pipes.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }
