package gatewaytest

// CloseIdle closes the connections on which no request of the client waits.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }
