package rpc

import "time"

// Within shortens the time that a pool has to connect and log in.
func (p *Pool) Within(d time.Duration) { p.within = d }

// Exchange is the client's side of SCRAM, for a test that plays the server.
type Exchange = scram

// NewExchange starts one.
func NewExchange(user, keyID, key string) *Exchange { return newScram(user, keyID, key) }

// First, Final and Verify are its steps.
func (s *scram) First() string                      { return s.clientFirst() }
func (s *scram) Final(first string) (string, error) { return s.clientFinal(first) }
func (s *scram) Verify(final string) error          { return s.verify(final) }
