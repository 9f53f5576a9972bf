package rawhttp

import (
	"context"
	"net"
	"time"
)

// SetDial replaces how c connects, so that a test can use pipes.
func (c *Client) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.dial = dial
}

// SetNow replaces c's clock.
func (c *Client) SetNow(now func() time.Time) { c.now = now }

// Idle is how many connections rest in the pool.
func (c *Client) Idle() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}
