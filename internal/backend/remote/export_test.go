package remote

// RefuseMetadata is the look at an address before the connection to it is made.
func RefuseMetadata(address string) error { return refuseMetadata("tcp", address, nil) }
