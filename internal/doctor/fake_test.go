package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"drawbridge/internal/doctor"
)

// now is when every examination takes place.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func sign(t *testing.T, template *x509.Certificate, by *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	parent, with := template, key
	if by != nil {
		parent, with = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, with)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func newAuthority(t *testing.T, name string, by *authority) *authority {
	t.Helper()
	return sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, by)
}

// site is the door of a gateway as the internet sees it, with what stands in front.
type site struct {
	issuer string // what the gateway says of itself
	broken map[string]http.HandlerFunc
	date   time.Time
	down   bool  // nothing listens
	dial   error // instead of a connection
	local  bool  // the gateway also answers on this machine

	names      []string // of the certificate
	from, to   time.Time
	selfSigned bool
	between    bool // an intermediate authority signs
	incomplete bool // and its certificate is not sent
	unknown    bool // nobody trusts the authority
	plain      bool // no TLS at all
	refuse     bool // the TLS server knows no such name
}

func healthy() *site {
	return &site{
		issuer: "https://mcp.example.com", broken: map[string]http.HandlerFunc{}, date: now,
		names: []string{"mcp.example.com"}, from: now.AddDate(0, -1, 0), to: now.AddDate(0, 2, 0),
	}
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.date.Format(http.TimeFormat))
	if f := s.broken[r.URL.Path]; f != nil {
		f(w, r)
		return
	}
	switch open := strings.HasPrefix(r.URL.Path, "/.well-known/"); {
	case open:
		w.Header().Set("Access-Control-Allow-Origin", "*")
	case r.Header.Get("Origin") != "":
		http.Error(w, "Not for pages.", http.StatusForbidden)
		return
	}
	path, isResource := strings.CutPrefix(r.URL.Path, "/.well-known/oauth-protected-resource")
	switch {
	case r.URL.Path == "/livez":
		reply(w, map[string]any{"status": "ok"})
	case isResource:
		if path == "" {
			path = "/mcp"
		}
		reply(w, map[string]any{"resource": s.issuer + path, "authorization_servers": []string{s.issuer}})
	case r.URL.Path == "/.well-known/oauth-authorization-server":
		reply(w, map[string]any{
			"issuer": s.issuer, "authorization_endpoint": s.issuer + "/oauth/authorize", "token_endpoint": s.issuer + "/oauth/token",
			"code_challenge_methods_supported": []string{"S256"},
		})
	case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/mcp"):
		if r.Header.Get("Authorization") != "" {
			http.Error(w, "the doctor has no credential", http.StatusTeapot)
			return
		}
		challenge(w, s.issuer+"/.well-known/oauth-protected-resource"+strings.TrimSuffix(r.URL.Path, "/"))
	default:
		http.NotFound(w, r)
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func challenge(w http.ResponseWriter, url string) {
	w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+url+`", scope="mcp:read"`)
	http.Error(w, "Who are you?", http.StatusUnauthorized)
}

// The kinds of answer that proxies give in the server's stead.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "from the proxy", code) }
}

func redirect(code int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, code) }
}

func text(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = io.WriteString(w, body)
	}
}

func without(s *site, header string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		(&site{issuer: s.issuer, date: s.date}).ServeHTTP(rec, r)
		rec.Header().Del(header)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}
}

// listen starts the site and gives the client that reaches it under every name.
func (s *site) listen(t *testing.T) *http.Client {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	root := newAuthority(t, "Test Root", nil)
	front := httptest.NewUnstartedServer(s)
	front.Config.ErrorLog = quiet
	if s.plain {
		front.Start()
	} else {
		front.TLS = &tls.Config{Certificates: []tls.Certificate{s.certificate(t, root)}}
		if s.refuse {
			front.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return nil, net.UnknownNetworkError("no such name")
			}
		}
		front.StartTLS()
	}
	t.Cleanup(front.Close)
	inside := httptest.NewServer(s)
	t.Cleanup(inside.Close)

	trusted := x509.NewCertPool()
	if !s.unknown {
		trusted.AddCert(root.cert)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted, Time: func() time.Time { return now }},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := front.Listener.Addr().String()
			switch {
			case addr == "127.0.0.1:4444" && !s.local:
				return nil, syscall.ECONNREFUSED
			case addr == "127.0.0.1:4444":
				to = inside.Listener.Addr().String()
			case s.dial != nil:
				return nil, s.dial
			case s.down:
				return nil, syscall.ECONNREFUSED
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (s *site) certificate(t *testing.T, root *authority) tls.Certificate {
	t.Helper()
	by := root
	if s.between {
		by = newAuthority(t, "Test Intermediate", root)
	}
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, DNSNames: s.names, NotBefore: s.from, NotAfter: s.to}
	if s.selfSigned {
		by = nil
	}
	made := sign(t, leaf, by)
	chain := [][]byte{made.cert.Raw}
	if s.between && !s.incomplete {
		chain = append(chain, by.cert.Raw)
	}
	return tls.Certificate{Certificate: chain, PrivateKey: made.key}
}

// zone is a name server.
type zone struct {
	cname map[string]string
	addrs map[string]string
	err   error
}

func (z zone) LookupCNAME(_ context.Context, host string) (string, error) {
	if target, ok := z.cname[host]; ok {
		return target, z.err
	}
	return host + ".", z.err
}

func (z zone) LookupNetIP(_ context.Context, _, host string) (list []netip.Addr, err error) {
	if z.err != nil {
		return nil, z.err
	}
	text, ok := z.addrs[host]
	if !ok {
		text = "8.8.4.4"
	}
	for one := range strings.FieldsSeq(text) {
		list = append(list, netip.MustParseAddr(one))
	}
	return list, nil
}

// base is a store that can fail.
type base struct {
	ping, write error
	closed      *bool
}

func (b base) Engine() string             { return "sqlite" }
func (b base) Ping(context.Context) error { return b.ping }
func (b base) Close() error {
	if b.closed != nil {
		*b.closed = true
	}
	return nil
}

func (b base) UseOnce(context.Context, string, [32]byte, time.Time) (bool, error) {
	return true, b.write
}

// examine lets a doctor look at a site.
func examine(t *testing.T, s *site, names zone, cfg doctor.Config) []doctor.Finding {
	t.Helper()
	if cfg.Local == "" {
		cfg.Local = "http://127.0.0.1:4444"
	}
	d, err := doctor.New(doctor.Deps{HTTP: s.listen(t), Resolver: names, Now: func() time.Time { return now }}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d.Examine(t.Context())
}

// has wants a finding; found and cure are parts of its texts.
func has(t *testing.T, all []doctor.Finding, level doctor.Level, what, found, cure string) {
	t.Helper()
	for _, f := range all {
		if f.Level == level && f.What == what && strings.Contains(f.Found, found) && strings.Contains(f.Cure, cure) {
			return
		}
	}
	t.Errorf("no %s of %s with %q and %q among:", level, what, found, cure)
	for _, f := range all {
		t.Logf("  %+v", f)
	}
}
