package httpd

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/route"
)

// pipes is a listener for connections in memory, whose time is the bubble's.
type pipes struct {
	next   chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.next:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// dial opens a connection and sends what a client has to say.
func (p *pipes) dial(says string) net.Conn {
	client, server := net.Pipe()
	p.next <- server
	if says != "" {
		go func() { _, _ = io.WriteString(client, says) }() // ends when the server has read it or hangs up
	}
	return client
}

// nobody lets nobody in; the routes of these tests are public.
type nobody struct{}

func (nobody) Authenticate(*http.Request, string) (account.Principal, error) {
	return account.Principal{}, http.ErrNoCookie
}
func (nobody) AuthenticateAdmin(*http.Request) (account.Principal, error) {
	return account.Principal{}, http.ErrNoCookie
}

// Threat T10: clients that send their header or their body so slowly that they never
// end, or say nothing on a connection that they keep. Each kind is cut off after its
// time and not before, and meanwhile others are served.
func TestT10_slowClients(t *testing.T) {
	t.Parallel()
	const post = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
	const get = "GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n"
	const late = idleTimeout - time.Second
	for name, c := range map[string]struct {
		silent time.Duration // at first
		says   string
		drip   string        // sent every two seconds
		ends   time.Duration // after the first word, or where there is none after the connection was made
	}{
		"nothing":                 {0, "", "", idleTimeout},
		"a slow header":           {0, "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", "X-A: b\r\n", readHeaderTimeout},
		"half a body":             {0, post + "half", "", readTimeout},
		"a slow body":             {0, post, "x", readTimeout},
		"a slow chunk":            {0, strings.Replace(post, "Content-Length: 100", "Transfer-Encoding: chunked", 1), "1\r\nx\r\n", readTimeout},
		"an idle keepalive":       {0, get, "", idleTimeout},
		"a slow header, late":     {late, "POST /mcp HTTP/1.1\r\nHost: localhost\r\n", "X-A: b\r\n", readHeaderTimeout},
		"a slow body, late":       {late, post, "x", readTimeout},
		"an idle keepalive, late": {late, get + get, "", idleTimeout},
		"a slow second request":   {0, get + "POST /mcp HTTP/1.1\r\n", "X-A: b\r\n", readHeaderTimeout},
		"a slow second one, late": {late, get + "POST /mcp HTTP/1.1\r\n", "X-A: b\r\n", readHeaderTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				in := slowServer(t)
				const many = 100
				ended := make(chan time.Duration, many)
				begin := time.Now()
				var clients sync.WaitGroup
				var conns []net.Conn
				for range many {
					conns = append(conns, in.dial(""))
				}
				time.Sleep(c.silent) // in the bubble's time
				begin = time.Now()
				for _, conn := range conns {
					clients.Go(func() { _, _ = io.WriteString(conn, c.says) })
					clients.Go(func() {
						defer conn.Close()
						_ = conn.SetReadDeadline(begin.Add(c.ends + time.Minute))
						_, _ = io.Copy(io.Discard, conn) // until the server hangs up, or should have done
						ended <- time.Since(begin)
					})
					clients.Go(func() {
						for err := error(nil); c.drip != "" && err == nil; _, err = io.WriteString(conn, c.drip) {
							time.Sleep(2 * time.Second) // in the bubble's time
						}
					})
				}
				synctest.Wait()
				for range 10 {
					good := in.dial("POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
					res, err := http.ReadResponse(bufio.NewReader(good), nil)
					if err != nil || res.StatusCode != http.StatusOK || time.Since(begin) > time.Second {
						t.Errorf("somebody else: %v, %v, after %s", res, err, time.Since(begin))
					}
					_, _ = io.Copy(io.Discard, good)
				}
				for range many {
					if at := <-ended; at < c.ends || at > c.ends+3*time.Second {
						t.Errorf("cut off after %s, want %s", at, c.ends)
					}
				}
				clients.Wait()
			})
		})
	}
}

// slowServer is a server on connections in memory, with a route that reads bodies.
func slowServer(t *testing.T) *pipes {
	t.Helper()
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "too slow", http.StatusRequestTimeout)
		}
	})
	s, err := New(slog.New(slog.DiscardHandler), nobody{}, Config{}, []route.Route{
		{Pattern: "/mcp", Methods: []string{http.MethodGet, http.MethodPost}, Policy: route.Public, Handler: read},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &pipes{next: make(chan net.Conn), closed: make(chan struct{})}
	s.ln = newCrowd(in)
	done := make(chan error, 1)
	go func() { done <- s.Serve() }() // ends with Close
	t.Cleanup(func() {
		_ = s.http.Close()
		<-done
	})
	return in
}
