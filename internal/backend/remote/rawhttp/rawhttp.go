// Package rawhttp is a small synchronous HTTP/1.1 client for backends on plain
// http, where net/http's Transport alone costs a third of a call.
//
// Client writes each request with one write and reads the answer on the caller's
// goroutine; connections are pooled, dropped before the backend's keep-alive
// ends, and looked at before use. A request is sent again only if not one byte of
// it was written: whoever gets an Error with Sent set cannot know whether the
// backend ran the call. Std is the same interface over net/http, for https (and
// HTTP/2) and for proxies.
//
// It refuses what a peer of one origin has no need of: redirects are handed to
// the caller, compressed answers, heads over 64 KiB and every ambiguous framing
// (RFC 9112, section 6.3) are errors.
package rawhttp

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Limits and times.
const (
	MaxHead     = 64 << 10
	dialTimeout = 5 * time.Second
	// idleTime is how long a connection may rest when the backend does not say.
	// Node and uvicorn, which most MCP servers run on, close after 5 s.
	idleTime = 4 * time.Second
	// idleMargin is how much earlier than the backend we give a connection up.
	idleMargin = time.Second
	maxIdle    = 256
)

// Options are what requests of one client have in common.
type Options struct {
	URL    *url.URL // scheme, host and default target
	Header []byte   // header lines of every request, made by AppendField
	Proxy  *url.URL // only for Std
	TLS    *tls.Config
	// Control looks at every address before a connection to it is made.
	Control func(network, address string, c syscall.RawConn) error
}

// Doer sends one request and gives its answer. Cancelling ctx ends the exchange,
// the reading of the body included.
type Doer interface {
	Do(ctx context.Context, r *Request) (*Response, error)
	// Close drops idle connections; those in use end with their exchange.
	Close()
}

// New returns the client that fits the options: Client, or Std for https and
// proxies.
func New(o Options) Doer {
	if o.URL.Scheme == "http" && o.Proxy == nil {
		return NewClient(o)
	}
	return NewStd(o)
}

// Request is one request. Header holds further lines; Content-Length, Host and
// the framing are the client's.
type Request struct {
	Method string
	Target string // path and query; "" is that of Options.URL
	Header []byte
	Body   []byte
	// Wait is how long the head of the answer may take; 0 is for ever. Total is
	// the same for the whole exchange.
	Wait, Total time.Duration
}

// Response is the head of an answer and its body. Close it after use.
type Response struct {
	Status   int
	Type     string // media type, lower case, without parameters
	Session  string // Mcp-Session-Id
	Location string
	Length   int64 // of the body; -1 when it is not known
	body     io.ReadCloser
}

// Len is Length, for those who only see a body.
func (r *Response) Len() int64 { return r.Length }

// Read reads the body.
func (r *Response) Read(p []byte) (int, error) { return r.body.Read(p) }

// Keep says that all of use has been read: the end of the context no longer ends
// the exchange, so that Close can save the connection.
func (r *Response) Keep() {
	if b, ok := r.body.(*body); ok {
		b.keep()
	}
}

// Close ends the exchange. What little may be left of the body is read, so that
// the connection can be used again.
func (r *Response) Close() error { return r.body.Close() }

// Kind says how an exchange failed.
type Kind int

// The kinds of failure.
const (
	_           Kind = iota
	Unreachable      // no connection came about
	Broken           // the connection ended in the middle
	TimedOut         // Wait or Total were over
	Cancelled        // ctx ended
	Malformed        // the answer is not acceptable HTTP
)

// Error is why an exchange failed.
type Error struct {
	Kind Kind
	// Sent tells that at least one byte of the request may have gone out: the
	// backend may have acted on it.
	Sent bool
	Err  error
}

// Error is the text for logs.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %v", [...]string{"", "connect", "connection lost", "timed out", "cancelled", "malformed answer"}[e.Kind], e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// AppendField writes one header line. It writes nothing and reports false where
// name or value could break out of the line.
func AppendField(dst []byte, name, value string) ([]byte, bool) {
	if !validName(name) || !validValue(value) {
		return dst, false
	}
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...), true
}

// validName accepts a token (RFC 9110, section 5.6.2).
func validName(s string) bool {
	for i := range len(s) {
		if !isToken(s[i]) {
			return false
		}
	}
	return s != ""
}

func isToken(c byte) bool {
	return 'a' <= c && c <= 'z' || c == '-' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0
}

// validValue accepts a field value (RFC 9110, section 5.5): no control
// characters but the tab.
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
