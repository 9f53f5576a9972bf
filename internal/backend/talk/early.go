package talk

import (
	"context"
	"slices"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
)

const (
	earlyTime = 2 * time.Second // how long the first call may keep a question waiting
	maxEarly  = 8
)

// Early holds a session's questions for the client's roots that come before its first
// call. Many servers ask as soon as the handshake is done. The session was opened for
// a call that is about to come, whose client can be asked on the call's own stream. A
// peer has one for its sessions of one principal; the peer's mutex guards it.
type Early[Q any] struct {
	on    bool
	held  []Q
	timer *time.Timer
}

// Begin makes a session hold questions, unless it is the gateway's own.
func (e *Early[Q]) Begin(ctx context.Context) {
	who, ok := account.PrincipalFrom(ctx)
	e.on = ok && who != account.Gateway()
}

// Hold keeps a question back. It is false for one that has to be put now. late is
// called, without the mutex, where no call comes.
func (e *Early[Q]) Hold(method string, q Q, late func()) bool {
	if !e.on || method != mcpwire.MethodRootsList || len(e.held) >= maxEarly {
		return false
	}
	e.held = append(e.held, q)
	if e.timer == nil {
		e.timer = time.AfterFunc(earlyTime, late)
	}
	return true
}

// Call ends the holding for a call of a client, and returns what was held.
func (e *Early[Q]) Call(caller *mcpwire.Caller) []Q {
	if !e.on || caller == nil || caller.Revision == "" {
		return nil
	}
	return e.End()
}

// End ends the holding and returns what was held.
func (e *Early[Q]) End() []Q {
	e.on = false
	if e.timer != nil {
		e.timer.Stop()
	}
	held := e.held
	e.held = nil
	return held
}

// Drop forgets what its backend takes back.
func (e *Early[Q]) Drop(is func(Q) bool) { e.held = slices.DeleteFunc(e.held, is) }
