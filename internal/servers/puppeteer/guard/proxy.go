package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// proxy is the browser's way out. Plain http comes as requests with a whole URL
// (RFC 9112, section 3.2.2); everything else, WebSockets too, as CONNECT.
type proxy struct {
	guard   *Guard
	server  *http.Server
	forward *httputil.ReverseProxy
	work    sync.WaitGroup
	listens atomic.Uint32 // the port, 0 before the start

	mu      sync.Mutex // guards tunnels and closed
	tunnels map[net.Conn]bool
	closed  bool
}

func newProxy(g *Guard) *proxy {
	p := &proxy{guard: g, tunnels: map[net.Conn]bool{}}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug) // what a page sends and breaks off is no fault of ours
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 30 * time.Second, MaxHeaderBytes: 256 << 10, ErrorLog: quiet}
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.RawQuery = r.In.URL.RawQuery // as it came, whatever it is
		},
		Transport: &http.Transport{
			Proxy: nil,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				host, port, err := split(address)
				if err != nil {
					return nil, err
				}
				return g.dial(ctx, host, port)
			},
			DisableCompression: true, MaxResponseHeaderBytes: 256 << 10, IdleConnTimeout: 10 * time.Second,
			// A host that is looked up anew for every connection is checked anew.
			MaxIdleConnsPerHost: 2,
		},
		FlushInterval: -1,
		ErrorLog:      quiet,
		// No answer of ours may look like one of the page's host: the connection ends.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	return p
}

// Start opens the proxy and gives its address. Close ends it.
func (g *Guard) Start() (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nothing to wait for
	if err != nil {
		return "", fmt.Errorf("listen for the browser: %w", err)
	}
	g.proxy.listens.Store(uint32(l.Addr().(*net.TCPAddr).Port))
	g.proxy.work.Go(func() { // ends with Close
		if err := g.proxy.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			g.log.Error("proxy of the browser ended", "error", err)
		}
	})
	return l.Addr().String(), nil
}

// Close ends the proxy and all that goes through it.
func (g *Guard) Close() {
	p := g.proxy
	_ = p.server.Close() // only tells of listeners that were closed before
	p.mu.Lock()
	p.closed = true
	for c := range p.tunnels {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
	p.forward.Transport.(*http.Transport).CloseIdleConnections()
}

func (p *proxy) port() uint16 { return uint16(p.listens.Load()) }

// ServeHTTP serves one request of the browser.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	case r.URL.Scheme == "http" && r.URL.Host != "":
		p.forward.ServeHTTP(w, r)
	default:
		http.Error(w, "This is the browser's proxy, and nothing else.", http.StatusBadRequest)
	}
}

// tunnel connects and copies both ways until both ends have ended.
func (p *proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	host, port, err := split(r.Host)
	if err != nil {
		http.Error(w, "There is no such host.", http.StatusBadRequest)
		return
	}
	far, err := p.guard.dial(r.Context(), host, port)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway) // the browser shows none of it
		return
	}
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	if !p.add(near, far) {
		return
	}
	defer p.remove(near, far)
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { // ends when the far end does, or is closed
		copyHalf(near, far)
	})
	both.Go(func() { // the same for the near end
		copyHalf(far, io.MultiReader(rest(buffered.Reader), near))
	})
	both.Wait()
}

// rest is what was read from the browser beyond the request.
func rest(r *bufio.Reader) io.Reader { return io.LimitReader(r, int64(r.Buffered())) }

// copyHalf copies one direction and tells the other side that it has ended.
func copyHalf(to net.Conn, from io.Reader) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close() // a broken end breaks both
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // a connection that is gone needs no end
		return
	}
	_ = to.Close()
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
			continue
		}
		p.tunnels[c] = true
	}
	if !p.closed {
		p.work.Add(1)
	}
	return !p.closed
}

func (p *proxy) remove(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.tunnels, c)
		_ = c.Close()
	}
	p.work.Done()
}

// split takes host:port apart.
func split(address string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("read address: %w", err)
	}
	n, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("read port: %w", err)
	}
	return host, uint16(n), nil
}
