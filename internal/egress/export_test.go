package egress

// Control is what the socket asks before it connects for host.
func (c *Client) Control(host, address string) error { return c.control(host)("tcp", address, nil) }

// Neighbours are the machine's own networks.
var Neighbours = neighbours
