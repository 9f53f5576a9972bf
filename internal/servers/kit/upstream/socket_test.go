package upstream_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/upstream"
)

// echo answers each message of a WebSocket at /api/ws with itself, and what else is
// asked as told.
func echo(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/ws":
	case "/api/moved":
		http.Redirect(w, r, "/api/ws", http.StatusFound)
		return
	case "/api/busy":
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	default:
		http.NotFound(w, r)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, data, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, append(data, r.Header.Get("Authorization")...)) != nil {
			return
		}
	}
}

// A WebSocket obeys the rules of every request: certificate, path, no redirect,
// bounded messages, refusals as of Call.
func TestSocket(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.EnableHTTP2 = true // which the client must not choose
	srv.StartTLS()
	t.Cleanup(srv.Close)
	sum := sha256.Sum256(srv.Certificate().Raw)
	pinned := func(target *upstream.Target) {
		target.URL, target.SecureOnly, target.MaxBytes = srv.URL+"/api", true, 1000
		target.Fingerprint = hex.EncodeToString(sum[:])
	}
	c := clientOf(t, srv.URL, pinned)
	conn, err := c.Socket(t.Context(), "/ws", http.Header{"Authorization": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(t.Context()); err != nil || string(got) != "hello"+token {
		t.Errorf("%q, %v", got, err)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat("x", 1001))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != -1 || err == nil {
		t.Errorf("a message beyond the limit: %v", err)
	}
	for path, want := range map[string]struct {
		code   fault.Code
		status int
	}{"/moved": {fault.Upstream, 302}, "/busy": {fault.Unavailable, 503}, "/none": {fault.NotFound, 404}} {
		_, err := c.Socket(t.Context(), path, nil)
		if fault.CodeOf(err) != want.code || upstream.StatusOf(err) != want.status {
			t.Errorf("%s: %v", path, err)
		}
	}
	stranger := clientOf(t, srv.URL, func(target *upstream.Target) {
		pinned(target)
		target.Fingerprint = strings.Repeat("00", sha256.Size)
	})
	if _, err := stranger.Socket(t.Context(), "/ws", nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("another certificate: %v", err)
	}
}

// What nobody listens for was not sent, and says so.
func TestSocket_unreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	c := clientOf(t, "http://"+l.Addr().String(), nil)
	if _, err := c.Socket(t.Context(), "/ws", nil); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}
