package guard

// Control is the check of the socket, for tests.
func (g *Guard) Control(host, address string) error { return g.control(host)("tcp", address, nil) }
