package session

import (
	"context"
	"sync/atomic"

	"drawbridge/internal/mcpwire"
)

// call is the sink of one request: what the backend says before the outcome.
type call struct {
	s      *Session // nil for 2026-07-28
	caller *mcpwire.Caller
	out    Outlet
	token  []byte // the client's progress token; nil: it wants no progress
	pulse  *pulse // nil without a token
	over   atomic.Bool
}

// Notify passes on what the client asked to hear: progress with its token, logs
// from its level up.
func (c *call) Notify(n mcpwire.Notification) {
	switch {
	case c.over.Load():
		return
	case n.Method == mcpwire.MethodProgress && c.token == nil:
		return
	case n.Method == mcpwire.MethodMessage && !severe(n.Params, c.level()):
		return
	case n.Method == mcpwire.MethodElicitDone && !knowsElicitDone(c.caller):
		return
	}
	params := c.pulse.note(n)
	frame := make([]byte, 0, len(params)+len(n.Method)+48)
	c.out.Push(mcpwire.AppendRequest(frame, nil, n.Method, params))
}

// knowsElicitDone tells the one revision that has notifications/elicitation/complete.
func knowsElicitDone(c *mcpwire.Caller) bool { return c != nil && c.Revision == mcpwire.Rev20251125 }

// level is the caller with its present log level: a session may change it while
// the call runs.
func (c *call) level() *mcpwire.Caller {
	if c.s != nil {
		return c.s.caller.Load()
	}
	return c.caller
}

// Ask puts a question to a legacy client, on the stream of its own request.
func (c *call) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	if c.s == nil || c.over.Load() {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	return c.s.ask(ctx, c.out, q)
}

// levelOf reads the member level of an object.
func levelOf(obj []byte) (level string, ok bool) {
	level, _ = mcpwire.TextMember(obj, "level")
	return level, mcpwire.Severity(level) >= 0
}

// severe tells whether a log message is one the client wants. A 2026-07-28
// client that named no level wants none; a legacy one takes what comes.
func severe(params []byte, c *mcpwire.Caller) bool {
	if c == nil {
		return false
	}
	if c.LogLevel == "" {
		return c.Revision.Legacy()
	}
	level, ok := levelOf(params)
	if !ok {
		return true // not ours to judge
	}
	return mcpwire.Severity(level) >= mcpwire.Severity(c.LogLevel)
}
