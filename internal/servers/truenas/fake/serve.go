package fake

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/wire"
)

// serving is a server on a listener.
type serving struct {
	http  *http.Server
	url   string
	cert  []byte // DER; nil without TLS
	ended chan error
}

// Start serves with TLS on a port of the loopback until Close. The certificate is signed
// by itself: see Fingerprint and CertificatePEM.
func (s *Server) Start() error { return s.listen(true) }

// StartPlain serves without TLS, as the real one does on port 80: a good key that comes
// this way is revoked.
func (s *Server) StartPlain() error { return s.listen(false) }

func (s *Server) listen(secure bool) error {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return s.Serve(l, secure)
}

// Serve serves on a listener, in a goroutine that Close ends and awaits.
func (s *Server) Serve(l net.Listener, secure bool) error {
	v := &serving{ended: make(chan error, 1), url: "http://" + l.Addr().String()}
	v.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)} // strangers without TLS are to be expected
	serve := func() error { return v.http.Serve(l) }
	if secure {
		cert, err := certificate()
		if err != nil {
			return err
		}
		v.url, v.cert = "https://"+l.Addr().String(), cert.Certificate[0]
		// Like nginx in front of the real one: HTTP/2 if the client offers it, and then no
		// WebSocket (ref 2.1).
		v.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
		serve = func() error { return v.http.ServeTLS(l, "", "") }
	}
	s.mu.Lock()
	s.serving = v
	if v.cert != nil {
		s.book.Binding = func() []byte { sum := sha256.Sum256(v.cert); return sum[:] }
	}
	s.mu.Unlock()
	go func() { v.ended <- serve() }() // ended and awaited by Close
	return nil
}

// certificate is what a fresh TrueNAS has: for no name that anybody calls it by.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make key: %w", err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost", Organization: []string{"iXsystems"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// URL of the server, https or http.
func (s *Server) URL() string { return s.served().url }

// Fingerprint is the SHA-256 of the certificate in lower-case hexadecimal.
func (s *Server) Fingerprint() string {
	sum := sha256.Sum256(s.served().cert)
	return hex.EncodeToString(sum[:])
}

// CertificatePEM is the certificate, which also is its own authority.
func (s *Server) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.served().cert})
}

func (s *Server) served() *serving {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serving
}

// Close ends all connections and timers, and waits for what they started.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.jobs.Stop()
	v := s.serving
	for _, c := range s.sessions {
		c.end()
		c.conn.Cut()
	}
	s.mu.Unlock()
	var err error
	if v != nil {
		err = v.http.Close()
		if ended := <-v.ended; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
	}
	s.done.Wait()
	return err
}

// Run serves alone on addr, with TLS, until ctx ends, and calls ready with the URL.
func Run(ctx context.Context, addr string, o Options, ready func(url string)) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	s := New(o)
	if err := s.Serve(l, true); err != nil {
		return errors.Join(err, l.Close())
	}
	ready(s.URL())
	v := s.served()
	select {
	case err := <-v.ended:
		v.ended <- err // for Close
	case <-ctx.Done():
	}
	return s.Close()
}

// ServeHTTP is what nginx and the program behind it answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.done.Add(1)
	defer s.done.Done()
	f, down := s.faults.Request(r.URL.Path), s.down
	s.mu.Unlock()
	if f != nil && f.Delay > 0 {
		waited := make(chan struct{})
		stop := s.clock.After(f.Delay, func() { close(waited) })
		defer stop()
		select {
		case <-waited:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case f != nil && f.Drop:
		panic(http.ErrAbortHandler)
	case f != nil && f.Status != 0:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body) // a client that hung up is no fault of ours
		return
	case down:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
		return
	}
	s.route(w, r)
}

// route serves the paths of the API (ref 2.2 "Endpoints").
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	version := strings.TrimPrefix(r.URL.Path, "/api/")
	api, known := s.api(version)
	switch {
	case r.URL.Path == "/api/versions" && r.Method == http.MethodGet:
		s.json(w, s.versions())
	case r.URL.Path == "/api/boot_id" && r.Method == http.MethodGet:
		s.mu.Lock()
		id := s.nas.BootID
		s.mu.Unlock()
		s.json(w, id)
	case known && version != r.URL.Path:
		s.socket(w, r, api, version)
	case strings.HasPrefix(r.URL.Path, "/_download/") && r.Method == http.MethodGet:
		s.download(w, r)
	default:
		http.Error(w, "404: Not Found", http.StatusNotFound)
	}
}

// versions are those that this release serves (ref 2.2: it keeps adapters for old ones).
func (s *Server) versions() (out []string) {
	for _, n := range call.Names {
		if n.As <= s.options.Version {
			out = append(out, n.Path)
		}
	}
	return out
}

func (s *Server) api(version string) (Version, bool) {
	if version == "current" {
		return s.options.Version, true
	}
	if s.options.Version >= V2510 && slices.Contains([]string{"v25.10.3", "v25.10.4"}, version) {
		return V2510, true // aliases of v25.10.2
	}
	for _, n := range call.Names {
		if n.Path == version && n.As <= s.options.Version {
			return n.As, true
		}
	}
	return 0, false
}

func (s *Server) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // a client that hung up is no fault of ours
}

func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	at := r.URL.RequestURI()
	s.mu.Lock()
	text, there := s.files[at]
	delete(s.files, at)
	s.mu.Unlock()
	if !there {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(text) // a client that hung up is no fault of ours
}

// socket opens a connection and serves it to its end.
func (s *Server) socket(w http.ResponseWriter, r *http.Request, api Version, version string) {
	if r.ProtoMajor != 1 || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "No WebSocket UPGRADE hdr: "+r.Header.Get("Upgrade")+"\n Can \"Upgrade\" only to \"WebSocket\".", http.StatusBadRequest)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // as the real one: any origin
	if err != nil {
		return // Accept has answered
	}
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	c := &session{srv: s, conn: wire.New(ws, &s.mu), api: api, path: version, ip: ip, subs: map[string]*subscription{}, legacy: true}
	c.talk.Secure = r.TLS != nil
	s.mu.Lock()
	if s.closed || s.down {
		s.mu.Unlock()
		_ = ws.CloseNow()
		return
	}
	s.sessions = append(s.sessions, c)
	s.mu.Unlock()
	c.conn.Serve(r.Context(), c)
	c.conn.Cut()
	s.mu.Lock()
	defer s.mu.Unlock()
	c.end()
	s.sessions = slices.DeleteFunc(s.sessions, func(o *session) bool { return o == c })
}

// end stops what a connection listens to.
func (c *session) end() {
	for id := range c.subs {
		c.Unsubscribe(id)
	}
}

// restart is called with the lock held.
func (s *Server) restart(r Restart) {
	for _, c := range s.sessions {
		c.who = nil
		c.end()
		c.conn.Close(websocket.StatusGoingAway, "")
	}
	if r.Lose {
		s.jobs.Lose(r.Done)
	}
	s.rates = map[string]*rate{}
	if r.Stay || r.Down > 0 {
		s.down = true
	}
	if r.Down > 0 && !r.Stay {
		s.later(r.Down, func() { s.down = false })
	}
}

// power is what system.reboot and system.shutdown end in, shortly after their job has said
// so. What only a restart makes true is true then.
func (s *Server) power(again bool) {
	s.later(0, func() {
		s.nas.BootID, s.nas.Booted, s.nas.Reboot = newID(), s.clock.Now(), nil
		for _, e := range s.nas.Environments {
			e.Active = e.Next
		}
		s.restart(Restart{Lose: true, Done: true, Down: time.Minute, Stay: !again})
	})
}
