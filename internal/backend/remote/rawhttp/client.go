package rawhttp

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"time"
)

// Client speaks HTTP/1.1 over plain TCP.
type Client struct {
	addr   string
	target string
	common []byte // end of the request line, Host and the common header lines
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	now    func() time.Time

	mu     sync.Mutex // guards what follows
	idle   []*conn    // oldest first
	reaper *time.Timer
	closed bool
}

// NewClient returns a client for o.URL, which must be plain http.
func NewClient(o Options) *Client {
	d := &net.Dialer{
		Timeout:         dialTimeout,
		Control:         socketOptions(o.Control),
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3},
	}
	c := &Client{
		addr:   hostPort(o.URL),
		target: o.URL.RequestURI(),
		dial:   d.DialContext,
		now:    time.Now,
	}
	c.common = append(c.common, " HTTP/1.1\r\n"...)
	c.common, _ = AppendField(c.common, "Host", o.URL.Host)
	c.common = append(c.common, o.Header...)
	return c
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

// Do sends r. A connection that turns out dead before the first byte was written
// is replaced by a fresh one, once.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Kind: Cancelled, Err: err}
	}
	if cn := c.take(); cn != nil {
		resp, err := cn.exchange(ctx, c, r)
		if err == nil {
			return resp, nil
		}
		if e, ok := errors.AsType[*Error](err); !ok || e.Sent || e.Kind != Broken {
			return nil, err
		}
	}
	nc, err := c.dial(ctx, "tcp", c.addr)
	if err != nil {
		return nil, &Error{Kind: dialKind(ctx, err), Err: err}
	}
	return newConn(nc).exchange(ctx, c, r)
}

func dialKind(ctx context.Context, err error) Kind {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return Cancelled
	case ctx.Err() != nil:
		return TimedOut
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return TimedOut
	}
	return Unreachable
}

// take returns the connection that rested least, if one is alive.
func (c *Client) take() *conn {
	for {
		c.mu.Lock()
		n := len(c.idle)
		if n == 0 {
			c.mu.Unlock()
			return nil
		}
		cn := c.idle[n-1]
		c.idle[n-1] = nil
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		if c.now().Before(cn.until) && cn.alive() {
			return cn
		}
		cn.close()
	}
}

// put keeps a connection for later use.
func (c *Client) put(cn *conn) {
	cn.until = c.now().Add(cn.rest)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || cn.rest <= 0 || len(c.idle) >= maxIdle {
		cn.close()
		return
	}
	c.idle = append(c.idle, cn)
	if len(c.idle) == 1 {
		c.arm(cn.rest)
	}
}

// arm makes sure that the pool is looked at after d. Called with mu held.
func (c *Client) arm(d time.Duration) {
	if c.reaper == nil {
		c.reaper = time.AfterFunc(d, c.reap)
		return
	}
	c.reaper.Reset(d)
}

// reap closes the connections whose time is over.
func (c *Client) reap() {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.idle[:0]
	next := idleTime
	for _, cn := range c.idle {
		if !now.Before(cn.until) {
			cn.close()
			continue
		}
		kept = append(kept, cn)
		next = min(next, cn.until.Sub(now))
	}
	clear(c.idle[len(kept):])
	c.idle = kept
	if len(kept) > 0 && !c.closed {
		c.arm(next)
	}
}

// Close drops idle connections. Exchanges under way go on and drop theirs after.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.reaper != nil {
		c.reaper.Stop()
	}
	for _, cn := range c.idle {
		cn.close()
	}
	c.idle = nil
}
