package fake

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/kittest/upstreamtest"
	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/wire"
)

// Start serves with TLS on a port of the loopback until Close. The certificate is signed
// by itself: see Fingerprint and CertificatePEM.
func (s *Server) Start() error { return s.Listen(context.Background(), upstreamtest.Loopback) }

// StartPlain serves without TLS, as the real one does on port 80: a good key that comes
// this way is revoked.
func (s *Server) StartPlain() error {
	return s.front.Open(context.Background(), upstreamtest.Loopback, s, nil)
}

// Listen serves with TLS on an address until Close.
func (s *Server) Listen(ctx context.Context, addr string) error {
	cert, err := certificate()
	if err != nil {
		return err
	}
	s.cert = cert.Certificate[0]
	sum := sha256.Sum256(s.cert)
	s.mu.Lock()
	s.book.Binding = func() []byte { return sum[:] }
	s.mu.Unlock()
	// Like nginx in front of the real one: HTTP/2 if the client offers it, and then no
	// WebSocket (ref 2.1).
	return s.front.Open(ctx, addr, s, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
}

// URL of the server, https or http.
func (s *Server) URL() string { return s.front.URL() }

// Close ends all connections and timers, and waits for what they started.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.jobs.Stop()
	for _, c := range s.sessions {
		c.end()
		c.conn.Cut()
	}
	s.mu.Unlock()
	if s.options.Clock == nil {
		s.clock.Close()
	}
	err := s.front.Close()
	s.done.Wait()
	return err
}

// ServeHTTP is what nginx and the program behind it answer.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	f, down := s.faults.Request(r.URL.Path), s.down
	s.mu.Unlock()
	answer := func(w http.ResponseWriter) {
		if down {
			nginx := upstreamtest.BadGateway(0)
			nginx.Write(w)
			return
		}
		s.route(w, r)
	}
	if f == nil {
		answer(w)
		return
	}
	f.HTTP().Act(w, r, s.clock, answer)
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
