// Package session is what the client-facing MCP endpoints share: the sessions
// of the legacy revisions, the streams toward clients, and the dispatcher that
// answers or passes on what a client sends.
//
// A legacy session id is a sealed token (Sealer): it carries all that is needed
// to take the session up again, so a restart strands nobody and an idle session
// may leave memory. A Table holds the sessions that are awake. A Dispatcher
// serves requests of both eras through the Hub. Streams toward clients are in
// the package stream below.
//
// The package knows nothing of HTTP; endpoint/streamable, endpoint/sse and
// endpoint/stdio are its callers. It authenticates nobody: the principal comes
// in the context.
package session

import (
	"context"
	"errors"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
)

// Hub is what the endpoints need of the gateway.
type Hub interface {
	// Serve answers tools, prompts, resources, completion and extension methods.
	// Nothing of the request may be used after it has returned: the bytes it
	// points to go back to a pool.
	mcpwire.Handler
	// Hello is what the gateway says of itself to a client of a revision.
	Hello(ctx context.Context, rev mcpwire.Revision) mcpwire.Hello
	// Watch delivers what happens outside of calls until it is closed or ctx ends.
	Watch(ctx context.Context, caller *mcpwire.Caller, f mcpwire.Filter, sink mcpwire.Sink) (mcpwire.Watch, *mcpwire.Error)
	// Tell passes a client's notification on to the backends.
	Tell(ctx context.Context, caller *mcpwire.Caller, n mcpwire.Notification)
}

// Outlet takes whole JSON-RPC messages toward the client of a call. Push keeps
// the frame, never waits for the client, and may be called from several
// goroutines.
type Outlet interface {
	Push(frame []byte)
}

// Store keeps what a session id cannot carry. A key is a hash of the id.
type Store interface {
	// Revoke remembers that a session has ended, until its id expires by itself.
	Revoke(ctx context.Context, key string, until time.Time) error
	// Revoked tells whether a session was ended.
	Revoked(ctx context.Context, key string) (bool, error)
	// SaveSettings keeps a session's settings until its id expires. It is called
	// only by sessions that set a log level or subscribe.
	SaveSettings(ctx context.Context, key string, s Settings, until time.Time) error
	// LoadSettings returns what was kept, or the zero Settings.
	LoadSettings(ctx context.Context, key string) (Settings, error)
}

// Settings are what a client changed during its session.
type Settings struct {
	LogLevel      string
	Subscriptions []string // resource URIs
}

// Config are the settings of sessions and streams.
type Config struct {
	MaxBody      int64         // largest request body, in bytes
	TTL          time.Duration // how long a session id is good for
	IdleAfter    time.Duration // an unused session leaves memory; its id stays good
	MaxLive      int           // sessions in memory; beyond it unused ones leave at once
	RingBytes    int           // events kept per stream for Last-Event-ID
	ResumeFor    time.Duration // how long the stream of a finished call can be resumed
	Silence      time.Duration // an answer that takes longer becomes an event stream
	KeepAlive    time.Duration // between comments on a quiet stream
	WriteTimeout time.Duration // a client that takes nothing for so long is gone

	// Watch has end called once a principal's credential has ended or lost rights that
	// p has, unless leave is called before; nil: credentials never end.
	Watch func(p account.Principal, end func()) (leave func())
}

// DefaultConfig is what an installation starts with.
func DefaultConfig() Config {
	return Config{
		MaxBody:      8 << 20,
		TTL:          7 * 24 * time.Hour,
		IdleAfter:    10 * time.Minute,
		MaxLive:      20_000,
		RingBytes:    256 << 10,
		ResumeFor:    2 * time.Minute,
		Silence:      10 * time.Second,
		KeepAlive:    15 * time.Second,
		WriteTimeout: 30 * time.Second,
	}
}

// Validate refuses what would mean "never" or "unlimited" by accident.
func (c Config) Validate() error {
	switch {
	case c.MaxBody < 1<<10:
		return errors.New("the request body limit is under 1 KiB")
	case c.TTL <= 0, c.IdleAfter <= 0, c.ResumeFor <= 0, c.Silence <= 0, c.KeepAlive <= 0, c.WriteTimeout <= 0:
		return errors.New("a duration of the session settings is not positive")
	case c.MaxLive <= 0:
		return errors.New("the number of live sessions is not positive")
	case c.RingBytes < 0:
		return errors.New("the bytes kept for resumption are negative")
	}
	return nil
}

// maxSubscriptions bounds the resources one session may watch, maxURI the length
// of each: they are kept for days.
const (
	maxSubscriptions = 1000
	maxURI           = 4 << 10
)
