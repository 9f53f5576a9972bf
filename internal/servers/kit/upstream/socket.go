package upstream

import (
	"cmp"
	"context"
	"net/http"

	"github.com/coder/websocket"
)

// Socket opens a WebSocket (RFC 6455) to a path below the target's URL, under the
// rules of every request to it: address, certificate, no redirect. ctx bounds the
// opening, not the connection, which the caller closes. A message larger than the
// target's MaxBytes ends it.
//
// An answer that is no WebSocket is a fault as of Call: see StatusOf.
func (c *Client) Socket(ctx context.Context, path string, header http.Header) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.target.Timeout)
	defer cancel()
	pool := c.pool.Clone()
	// RFC 8441, WebSockets over HTTP/2, is offered by none of these systems.
	pool.ForceAttemptHTTP2, pool.TLSClientConfig.NextProtos = false, []string{"http/1.1"}
	pool.DisableKeepAlives = true
	sent := header.Clone()
	if sent == nil {
		sent = http.Header{}
	}
	sent.Set("User-Agent", cmp.Or(sent.Get("User-Agent"), userAgent))
	conn, resp, err := websocket.Dial(ctx, c.base.Scheme+"://"+c.base.Host+c.base.EscapedPath()+path, &websocket.DialOptions{ //nolint:bodyclose // the library closes it
		HTTPClient: &http.Client{Transport: pool, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		HTTPHeader: sent,
	})
	switch {
	case err == nil:
		conn.SetReadLimit(c.target.MaxBytes)
		return conn, nil
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, c.Refusal(Answer{Status: resp.StatusCode, Header: resp.Header}, "a WebSocket at "+path)
	}
	return nil, c.failed(ctx, err)
}
