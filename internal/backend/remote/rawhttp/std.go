package rawhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Std is a Doer over net/http's Transport.
type Std struct {
	transport *http.Transport
	base      *url.URL
	header    http.Header
}

// NewStd returns a client for o.URL over net/http.
func NewStd(o Options) *Std {
	d := &net.Dialer{
		Timeout:         dialTimeout,
		Control:         socketOptions(o.Control),
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3},
	}
	t := &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        o.TLS,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: MaxHead,
	}
	if o.Proxy != nil {
		t.Proxy = http.ProxyURL(o.Proxy)
	}
	return &Std{transport: t, base: o.URL, header: fields(nil, o.Header)}
}

// fields adds header lines made by AppendField to h.
func fields(h http.Header, lines []byte) http.Header {
	if h == nil {
		h = http.Header{}
	}
	for line := range bytes.SplitSeq(lines, []byte("\r\n")) {
		if name, value, ok := strings.Cut(string(line), ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}

// Do sends r. Transport itself sends a request again only where nothing of it was
// written, because a POST is not replayable to it.
func (s *Std) Do(ctx context.Context, r *Request) (*Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &stdBody{ctx: ctx, cancel: cancel}
	u := *s.base
	if r.Target != "" {
		target, err := s.base.Parse(r.Target)
		if err != nil {
			cancel(nil)
			return nil, &Error{Kind: Malformed, Err: err}
		}
		u = *target
	}
	req := (&http.Request{
		Method: r.Method, URL: &u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: fields(s.header.Clone(), r.Header),
	}).WithContext(ctx)
	if r.Body != nil {
		// Transport may still read the body when the answer is there already,
		// while the caller may use its bytes again.
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(bytes.Clone(r.Body))), int64(len(r.Body))
	}
	if r.Total > 0 {
		b.total = time.AfterFunc(r.Total, func() { cancel(context.DeadlineExceeded) })
	}
	var wait *time.Timer
	if r.Wait > 0 {
		wait = time.AfterFunc(r.Wait, func() { cancel(context.DeadlineExceeded) })
	}
	hr, err := s.transport.RoundTrip(req) //nolint:bodyclose // the response that is made of it does
	if wait != nil {
		wait.Stop()
	}
	if err != nil {
		return nil, b.fail(err, !neverSent(err))
	}
	b.body = hr.Body
	if e := hr.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		_ = b.Close() // its error would hide the reason
		return nil, malformed("the answer is compressed although we asked for none")
	}
	return response(hr, b), nil
}

func response(hr *http.Response, b *stdBody) *Response {
	t, _, err := mime.ParseMediaType(hr.Header.Get("Content-Type"))
	if err != nil {
		t = ""
	}
	return &Response{
		Status: hr.StatusCode, Type: t, Length: hr.ContentLength, body: b,
		Session:  hr.Header.Get("Mcp-Session-Id"),
		Location: hr.Header.Get("Location"),
	}
}

// neverSent tells the failures before the first byte of the request.
func neverSent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return true
	}
	return strings.HasPrefix(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: ")
}

// Close drops idle connections.
func (s *Std) Close() { s.transport.CloseIdleConnections() }

// stdBody ends the exchange's timers and context with its body.
type stdBody struct {
	ctx    context.Context // of the exchange, to tell a timeout from a lost connection
	cancel context.CancelCauseFunc
	total  *time.Timer
	body   io.ReadCloser
}

// Read reads the body.
func (b *stdBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.fail(err, true)
	}
	return n, err
}

// Close ends the exchange.
func (b *stdBody) Close() error {
	if b.total != nil {
		b.total.Stop()
	}
	err := b.body.Close()
	b.cancel(nil)
	return err
}

func (b *stdBody) fail(err error, sent bool) error {
	kind := Broken
	switch cause := context.Cause(b.ctx); {
	case errors.Is(cause, context.DeadlineExceeded):
		kind = TimedOut
	case cause != nil:
		kind = Cancelled
	case !sent:
		kind = Unreachable
	case strings.Contains(err.Error(), "malformed") || strings.Contains(err.Error(), "exceeded"):
		kind = Malformed
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		kind = TimedOut
	}
	if b.total != nil {
		b.total.Stop()
	}
	b.cancel(nil)
	return &Error{Kind: kind, Sent: sent, Err: err}
}
