// Package upstream is the one way in which built-in servers speak HTTP: to the
// one system that the operator named, bounded, with errors that a model can act
// on.
//
// A Client is made for a Target and reaches nothing else: a redirect to another
// host, scheme or port is an error, and so is any redirect of a request that
// changes something. It bounds time and size, keeps no cookies, uses no proxy and
// never repeats a request that changes something. Its errors are faults whose public
// text names the system, what it said, and what to do; bodies and URLs, which may
// hold secrets, are in none of them.
//
// Package kit makes clients for servers, with what the program allows. The guard
// for addresses that strangers name is package egress, not this one.
package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"drawbridge/internal/fault"
)

// Limits of a Target that sets none.
const (
	DefaultTimeout  = 20 * time.Second
	DefaultMaxBytes = 8 << 20
)

const (
	maxHeaderBytes = 64 << 10
	maxRedirects   = 3
	maxIdle        = 8
	idleTime       = 30 * time.Second
	userAgent      = "drawbridge"
)

// Target is the system that a Client may reach.
type Target struct {
	Name string // as people call it: "Forgejo"
	URL  string // http or https; its path is a prefix of every request's
	// Renew says how to correct a credential that is refused, as a sentence:
	// "Set FORGEJO_TOKEN to a token with the scope write:issue."
	Renew string

	CAFile      string // PEM file with the authorities to trust in place of the system's
	Fingerprint string // SHA-256 of the one certificate to accept, hex, colons allowed; "" checks by authorities
	SecureOnly  bool   // refuse http, because a credential would be lost by it

	Timeout  time.Duration // of a request with its body; 0 is DefaultTimeout
	MaxBytes int64         // of an answer; 0 is DefaultMaxBytes
}

// Forbidden tells addresses that no target may have, whatever its name.
type Forbidden func(netip.Addr) bool

// Client speaks to one Target. Safe for concurrent use.
type Client struct {
	target Target
	base   *url.URL
	http   *http.Client
	pool   *http.Transport
}

// New makes a client. It connects to nothing.
func New(t Target, forbidden Forbidden) (*Client, error) {
	base, err := url.Parse(t.URL)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" ||
		base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("the url is not one of http or https with a host, and without user, query and fragment")
	}
	if t.SecureOnly && base.Scheme != "https" {
		return nil, errors.New("the url is http, which would show the credential to the network; use https")
	}
	tlsConfig, err := TLS(t)
	if err != nil {
		return nil, err
	}
	t.Timeout, t.MaxBytes = cmp.Or(t.Timeout, DefaultTimeout), cmp.Or(t.MaxBytes, DefaultMaxBytes)
	dialer := net.Dialer{Timeout: t.Timeout, Control: control(forbidden)}
	pool := &http.Transport{
		Proxy:                  nil, // the operator named this system, not one in front of it
		DialContext:            dialer.DialContext,
		TLSClientConfig:        tlsConfig,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	c := &Client{target: t, base: base, pool: pool}
	c.http = &http.Client{Transport: pool, CheckRedirect: c.redirect}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.pool.CloseIdleConnections() }

// control looks at the address that a socket is about to connect to.
func control(forbidden Forbidden) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address %s: %w", address, err)
		}
		if forbidden != nil && forbidden(to.Addr().Unmap()) {
			return errForbidden
		}
		return nil
	}
}

var (
	errForbidden = errors.New("the address is one that hands out credentials")
	errElsewhere = errors.New("redirected to another host")
	errMoved     = errors.New("a request that changes something was redirected")
	errLoop      = errors.New("too many redirects")
	errTooLarge  = errors.New("answer larger than allowed")
)

// redirect follows only a request that changes nothing, to the same place.
func (c *Client) redirect(next *http.Request, via []*http.Request) error {
	switch first := via[0]; {
	case next.URL.Scheme != c.base.Scheme || next.URL.Host != c.base.Host:
		return errElsewhere
	case first.Method != http.MethodGet && first.Method != http.MethodHead:
		return errMoved
	case len(via) > maxRedirects:
		return errLoop
	}
	return nil
}

// Do sends a request to the target, whatever host its URL names, and gives the
// answer with its body bounded. The caller closes the body. Every status is an
// answer here; see Call.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), c.target.Timeout)
	out := req.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host = c.base.Scheme, c.base.Host, ""
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", userAgent)
	}
	resp, err := c.http.Do(out)
	if err != nil {
		cancel()
		return nil, c.failed(req.Context(), err)
	}
	if resp.ContentLength > c.target.MaxBytes {
		resp.Body.Close()
		cancel()
		return nil, c.failed(req.Context(), errTooLarge)
	}
	resp.Body = &body{ReadCloser: resp.Body, left: c.target.MaxBytes, cancel: cancel}
	return resp, nil
}

// body ends a body that goes on beyond the limit, and the request with it.
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
		return 0, errTooLarge
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// failed gives an error of the transport its public words. A client that went
// away is not the target's failure.
func (c *Client) failed(caller context.Context, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the URL may hold a secret
	}
	name := c.target.Name
	if caller.Err() != nil && !errors.Is(caller.Err(), context.DeadlineExceeded) {
		return fault.Wrap(caller.Err(), fault.Timeout, "The call was cancelled before %s answered. Call again if it is still wanted.", name)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Timeout, "%s did not answer in time. If the call changes something, look whether it has happened before you repeat it.", name)
	}
	switch {
	case errors.Is(err, errTooLarge):
		return fault.Wrap(err, fault.Limited, "%s sent more than the %d bytes allowed. Ask for less: a smaller limit, or a narrower question.", name, c.target.MaxBytes)
	case errors.Is(err, errElsewhere):
		return fault.Wrap(err, fault.Upstream, "%s redirected the call to another host, which is not followed. The operator can set the URL to where it really is.", name)
	case errors.Is(err, errMoved), errors.Is(err, errLoop):
		return fault.Wrap(err, fault.Upstream, "%s redirected the call, which is not followed for this one. The operator can set the URL to where it really is.", name)
	case errors.Is(err, errForbidden):
		return fault.Wrap(err, fault.Forbidden, "The address of %s is a cloud's metadata service, which is never called. The operator has to set another URL.", name)
	case isTLS(err):
		return fault.Wrap(err, fault.Upstream, "The certificate of %s was not accepted, so nothing was sent. The operator can set the CA file or the certificate's SHA-256 fingerprint.", name)
	}
	if unsent(err) {
		return fault.Wrap(err, fault.Unavailable, "%s could not be reached. Check that it runs, and that its URL is right.", name)
	}
	return fault.Wrap(err, fault.Upstream, "%s broke the connection off before its answer was whole. If the call changes something, look whether it has happened before you repeat it.", name)
}

// unsent tells an error that came before a byte was sent.
func unsent(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	return errors.Is(err, errFingerprint)
}
