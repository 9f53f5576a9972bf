package backend

import (
	"cmp"
	"time"
)

// Config is what the supervisor of one backend needs to know. Zero values stand
// for the defaults; nothing is ever unlimited.
type Config struct {
	Name      string    // the configured name, also in errors and events
	Transport Transport // how Status names it before the first connection
	Shared    bool      // one session for all callers even where the backend keeps sessions

	Concurrency int // calls that run at once; default 16, 8 for stdio
	Queue       int // calls that may wait for their turn; default 512

	Timeout        time.Duration // life of a call, without the time that people think; default 120 s
	AskTimeout     time.Duration // how long a person may think about a question in the middle of a call; default 10 min
	ConnectTimeout time.Duration // how long a call waits for a connection; default 5 s, 10 s for stdio
	DialTimeout    time.Duration // one handshake; default 30 s

	SessionIdle time.Duration // an unused upstream session is closed after it; default 10 min
	MaxSessions int           // upstream sessions of one backend; default 256
}

func (c Config) withDefaults() Config {
	calls, connect := 16, 5*time.Second
	if c.Transport == Stdio {
		calls, connect = 8, 10*time.Second
	}
	c.Concurrency = cmp.Or(c.Concurrency, calls)
	c.Queue = cmp.Or(c.Queue, 512)
	c.Timeout = cmp.Or(c.Timeout, 120*time.Second)
	c.AskTimeout = cmp.Or(c.AskTimeout, 10*time.Minute)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, connect)
	c.DialTimeout = cmp.Or(c.DialTimeout, 30*time.Second)
	c.SessionIdle = cmp.Or(c.SessionIdle, 10*time.Minute)
	c.MaxSessions = cmp.Or(c.MaxSessions, 256)
	return c
}
