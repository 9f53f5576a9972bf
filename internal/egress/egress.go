// Package egress fetches URLs that came from outside: client documents, keys of
// clients, pages that somebody named.
//
// Whoever names a URL must not reach through Drawbridge what he cannot reach
// himself: this machine, its network, a cloud's metadata service. So a URL is
// checked as text, its host is looked up here and nowhere else, all the answers
// have to be addresses of the public internet, the connection goes to an address
// that was checked and is checked once more by the socket itself, and every
// redirect goes through all of it again. An operator can open single hosts and
// networks; metadata addresses stay closed.
//
// It speaks https on HTTP/1.1 with one connection for each request, through no
// proxy, keeps no cookies, takes no compressed answers, and bounds headers, body
// and time. It refuses; it does not repair.
//
// The parts of the authorization server use it, and built-in servers for pages of
// strangers. Backends do not: an operator may put them anywhere (see Metadata).
package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"drawbridge/internal/fault"
)

// Limits of a Config that sets none.
const (
	DefaultTimeout  = 5 * time.Second
	DefaultMaxBytes = 1 << 20
)

const (
	maxHeaderBytes = 32 << 10
	maxHeaders     = 200
	userAgent      = "drawbridge"
)

var (
	// ErrRefused is in the errors for URLs and addresses that the rules forbid.
	ErrRefused = errors.New("address refused")
	// ErrTooLarge is in the errors for answers that do not fit the limits.
	ErrTooLarge = errors.New("answer too large")
)

// Config is what an operator may set. Zero values stand for the defaults.
type Config struct {
	Allow     []string      // hosts, addresses and networks opened beyond the rules, each with or without a port
	Ports     []uint16      // besides those in Allow; default 443
	Timeout   time.Duration // for one fetch with all its redirects and the body
	MaxBytes  int64         // of a body
	Redirects int           // followed by Get; 0: none
}

// Resolver looks up names. net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Deps is what a Client stands on. The zero value is the real network.
type Deps struct {
	Own      func() []string // host names of this installation: it fetches nothing from itself
	Resolver Resolver
	Roots    *x509.CertPool // nil: the system's
	// Dial connects to an address that has been checked. nil: a socket that checks
	// it once more.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Near are the machine's own networks: public addresses in them are neighbours.
	// nil: asks the machine.
	Near func() []netip.Prefix
}

// Client is the guarded client. Safe for concurrent use.
type Client struct {
	open      []opening
	ports     []uint16
	timeout   time.Duration
	maxBytes  int64
	redirects int

	own      func() []string
	near     func() []netip.Prefix
	resolver Resolver
	connect  func(ctx context.Context, network, address string) (net.Conn, error) // nil: a socket
	http     *http.Transport
}

var _ http.RoundTripper = (*Client)(nil)

// New makes a client. It connects to nothing.
func New(cfg Config, deps Deps) (*Client, error) {
	c := &Client{
		ports: cfg.Ports, timeout: cmp.Or(cfg.Timeout, DefaultTimeout), maxBytes: cmp.Or(cfg.MaxBytes, DefaultMaxBytes), redirects: cfg.Redirects,
		own: deps.Own, near: deps.Near, resolver: deps.Resolver, connect: deps.Dial,
	}
	if c.timeout < 0 || c.maxBytes < 0 || c.redirects < 0 {
		return nil, fault.New(fault.Invalid, "A limit for outbound requests is negative. Set a positive one, or leave it out.")
	}
	for _, entry := range cfg.Allow {
		o, err := parseOpening(entry)
		if err != nil {
			return nil, err
		}
		c.open = append(c.open, o)
	}
	if len(c.ports) == 0 {
		c.ports = []uint16{443}
	}
	if c.own == nil {
		c.own = func() []string { return nil }
	}
	if c.near == nil {
		c.near = neighbours
	}
	if c.resolver == nil {
		c.resolver = net.DefaultResolver
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // HTTP/2 would carry one host's requests on another's connection
	c.http = &http.Transport{
		Proxy:                  nil, // a proxy would look up and connect in our place
		DialContext:            c.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: deps.Roots},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaderBytes,
		Protocols:              protocols,
	}
	return c, nil
}

// Response is what Get brings.
type Response struct {
	URL    string // where it came from in the end
	Status int
	Header http.Header
	Body   []byte
}

// Get fetches a URL. An answer with any status is an answer; redirects are followed
// only as far as Config says, else they are answers too. The error is a
// *fault.Error for operators: what a stranger reads, and how soon, must not depend
// on what went wrong (see Cache).
func (c *Client) Get(ctx context.Context, raw, accept string) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for hops := 0; ; hops++ {
		u, err := c.Check(raw)
		if err != nil {
			return Response{}, err
		}
		resp, err := c.get(ctx, u, accept)
		if err != nil {
			return Response{}, failed(err)
		}
		next := resp.Header.Get("Location")
		if c.redirects == 0 || !isRedirect(resp.Status) || next == "" {
			return resp, nil
		}
		if hops == c.redirects {
			return Response{}, failed(fmt.Errorf("more than %d redirects", c.redirects))
		}
		to, err := u.Parse(next)
		if err != nil {
			return Response{}, refuse("a redirect cannot be read")
		}
		raw = to.String()
	}
}

func (c *Client) get(ctx context.Context, u *url.URL, accept string) (Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Response{}, err
	}
	req.Header.Set("Accept", accept)
	resp, err := c.RoundTrip(req)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Response{}, fmt.Errorf("read body: %w", err)
	}
	return Response{u.String(), resp.StatusCode, resp.Header, body}, nil
}

// RoundTrip makes the client an http.RoundTripper, for those who need more than
// Get: every request and every redirect of an http.Client that uses it is checked
// and bounded. Its time limit runs until the body is closed.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := c.checkURL(req.URL); err != nil {
		if req.Body != nil {
			req.Body.Close() // the contract of RoundTripper
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), c.timeout)
	out := req.Clone(ctx)
	out.Host = "" // that of the URL: what was checked is what is asked
	out.Header.Set("Accept-Encoding", "identity")
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", userAgent)
	}
	resp, err := c.http.RoundTrip(out)
	if err != nil {
		cancel()
		return nil, err
	}
	if err := c.checkHead(resp); err != nil {
		resp.Body.Close()
		cancel()
		return nil, err
	}
	resp.Body = &body{resp.Body, c.maxBytes, cancel}
	return resp, nil
}

func (c *Client) checkHead(resp *http.Response) error {
	n := 0
	for _, values := range resp.Header {
		n += len(values)
	}
	if n > maxHeaders {
		return fmt.Errorf("%w: %d header fields", ErrTooLarge, n)
	}
	// Small bytes must not become many: what we did not ask for is not unpacked.
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return fmt.Errorf("body is encoded as %q", e)
	}
	if resp.ContentLength > c.maxBytes {
		return fmt.Errorf("%w: %d bytes announced", ErrTooLarge, resp.ContentLength)
	}
	return nil
}

// body ends a body that goes on beyond the limit.
type body struct {
	io.ReadCloser
	left   int64
	cancel context.CancelFunc
}

func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}

// Close ends the request with its body.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

const publicRefused = "This address is not one that Drawbridge fetches from. Use a public https address, or let an operator allow this host."

// refuse makes the error of the rules; the reason is for the log.
func refuse(reason string, args ...any) error {
	return fault.Wrap(fmt.Errorf("%w: "+reason, append([]any{ErrRefused}, args...)...), fault.Forbidden, publicRefused)
}

// failed gives an error of the network its code.
func failed(err error) error {
	switch {
	case errors.Is(err, ErrRefused):
		return fault.Wrap(err, fault.Forbidden, publicRefused)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Timeout, "The address did not answer in time. Try again later.")
	}
	return fault.Wrap(err, fault.Upstream, "The address could not be fetched. Check that it is reachable from this machine.")
}
