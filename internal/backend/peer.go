// Package backend keeps the gateway's side of every backend: what it is, how it
// is, and the upstream sessions to it.
//
// A Dialer (remote, stdio or a built-in server) opens Peers: one Peer is one
// upstream session of a known revision. Backend owns the Peers of one configured
// backend, pools them by caller, restarts what dies, limits what runs at once,
// and reads the backend's lists. The gateway is its caller; it knows neither
// URLs nor processes.
package backend

import (
	"context"

	"drawbridge/internal/mcpwire"
)

// Transport says how a backend is reached.
type Transport string

// The transports.
const (
	StreamableHTTP Transport = "http"
	HTTPSSE        Transport = "sse"
	Stdio          Transport = "stdio"
	BuiltIn        Transport = "builtin"
)

// Info is what a handshake told.
type Info struct {
	Transport    Transport
	Revision     mcpwire.Revision
	Capabilities []byte // server capabilities, raw object
	ServerInfo   []byte // raw object
	Instructions string
}

// Can tells a flag of the backend's capabilities, as in tools.listChanged.
func (i Info) Can(area, flag string) bool {
	return string(mcpwire.Member(i.area(area), flag)) == "true"
}

// area is one member of the backend's capabilities, nil where it is not declared.
func (i Info) area(name string) []byte { return mcpwire.ObjectMember(i.Capabilities, name) }

// Hello is what an upstream session declares of its client. A modern or shared
// peer declares per request instead, from Request.Caller.
type Hello struct {
	Info         []byte               // clientInfo, raw object; nil: the gateway's own
	Capabilities mcpwire.Capabilities // the questions this session may be asked
}

// Dialer opens upstream sessions to one backend.
type Dialer interface {
	// Dial does the handshake and returns a live peer. An error it returns is a
	// *fault.Error: Unavailable or Timeout may pass with time, Upstream and
	// Forbidden (the backend refused our credential) will not pass by themselves.
	Dial(ctx context.Context, hello Hello) (Peer, error)
	// Shared tells a backend whose one peer serves all callers (stdio, built-in)
	// before any dial. A remote modern peer also serves all: see Backend.
	Shared() bool
}

// Peer is one live upstream session. Serve may be called concurrently. Ids and
// progress tokens are the peer's own on the wire; it restores the caller's.
//
// Requests arrive in the caller's revision; the peer writes them in the
// backend's, and gives outcomes in the backend's (Outcome.Revision says which).
type Peer interface {
	mcpwire.Handler

	Info() Info

	// Watch delivers what the backend says outside of calls until ctx ends (nil)
	// or the session is lost (an error): list changes, resource updates, logs and
	// unsolicited questions. ready is called once with what the backend honours.
	// A legacy session has one Watch at a time and takes f.Resources as given:
	// its subscriptions are ordinary resources/subscribe requests.
	Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error

	// Lost is closed when the session is of no more use: process gone, session
	// expired. Calls in flight have failed by then.
	Lost() <-chan struct{}

	// Close ends the session: DELETE, or end of input then signals. It returns
	// when nothing of the session is left, or ctx ends.
	Close(ctx context.Context) error
}

// Status is what /status shows of a backend.
type Status struct {
	Name      string           `json:"name"`
	State     State            `json:"state"`
	Era       string           `json:"era,omitempty"` // "legacy" or "modern"
	Revision  mcpwire.Revision `json:"revision,omitempty"`
	Transport Transport        `json:"transport"`
	Tools     int              `json:"tools"`
	Prompts   int              `json:"prompts"`
	Resources int              `json:"resources"`
	LatencyMS float64          `json:"latency_ms"` // moving average of calls
	InFlight  int64            `json:"in_flight"`
	Sessions  int              `json:"sessions"`
	Restarts  int64            `json:"restarts"`
	LastError string           `json:"last_error,omitempty"` // public text
	Stderr    []string         `json:"stderr,omitempty"`     // last lines of a child; admins only
}

// State is how a backend is.
type State string

// The states.
const (
	Connecting State = "connecting"
	Ready      State = "ready"
	Degraded   State = "degraded" // its last known tools are still offered
	Failed     State = "failed"
	Disabled   State = "disabled"
)
