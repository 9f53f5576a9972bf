package api

import "time"

// Within shortens the times of single calls.
func (s Session) Within(d time.Duration) Session {
	s.most = times{d, d}
	return s
}
