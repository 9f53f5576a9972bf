package backend

import (
	"context"

	"drawbridge/internal/backend/pace"
	"drawbridge/internal/life"
	"drawbridge/internal/mcpwire"
)

// Events takes what a backend says outside of calls; the gateway implements it.
// Owner is the account.Principal.Owner whose upstream session spoke, or "" when
// the session serves everybody. The methods may be called from several
// goroutines, and must not wait for a call, a list or a subscription of the same
// backend: they may run on the goroutine that would answer.
type Events interface {
	// ListsChanged says that lists have to be read again.
	ListsChanged(backend string, which ListSet)
	// ResourceUpdated carries the params of the notification; they are only
	// valid during the call.
	ResourceUpdated(backend, owner, uri string, params []byte)
	// Log carries a log message, or the end of an elicitation by URL, that
	// belongs to no call.
	Log(backend, owner string, n mcpwire.Notification)
	// Ask is a question that belongs to no call. client is the one client session
	// (mcpwire.Caller.Session) that the upstream session is for, or "" where it is for
	// all of its owner's.
	Ask(ctx context.Context, backend, owner, client string, q mcpwire.Question) (mcpwire.Answer, error)
	// StateChanged says that Status shows another state.
	StateChanged(backend string)
}

// ListSet is a set of lists.
type ListSet uint8

// The lists.
const (
	ToolLists     ListSet = 1 << iota
	PromptLists           // prompts
	ResourceLists         // resources and resource templates
	AllLists      = ToolLists | PromptLists | ResourceLists
)

// Has tells whether all of other are in s.
func (s ListSet) Has(other ListSet) bool { return s&other == other }

// outside sorts what one upstream session says outside of calls. It is the Sink
// of the session's Watch.
type outside struct {
	b      *Backend
	owner  string // "" for the main session
	client string // the only one that the session is for; "" for all of its owner's
}

func (o *outside) Notify(n mcpwire.Notification) {
	if o.take(n, o.owner == "") {
		return
	}
	if n.Method == mcpwire.MethodMessage || n.Method == mcpwire.MethodElicitDone {
		o.b.events.Log(o.b.cfg.Name, o.owner, n)
	}
}

func (o *outside) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	return o.b.events.Ask(ctx, o.b.cfg.Name, o.owner, o.client, q)
}

// take handles the notifications that never belong to a call. The pooled
// sessions of one backend all repeat a list change that the main session tells
// too, so only some callers want lists.
func (o *outside) take(n mcpwire.Notification, lists bool) bool {
	var which ListSet
	switch n.Method {
	case mcpwire.MethodToolsChanged:
		which = ToolLists
	case mcpwire.MethodPromptsChanged:
		which = PromptLists
	case mcpwire.MethodResourcesChanged:
		which = ResourceLists
	case mcpwire.MethodResourceUpdated:
		if uri, ok := mcpwire.TextMember(n.Params, "uri"); ok {
			o.b.events.ResourceUpdated(o.b.cfg.Name, o.owner, uri, n.Params)
		}
		return true
	default:
		return false
	}
	if lists {
		o.b.events.ListsChanged(o.b.cfg.Name, which)
	}
	return true
}

// callSink is the sink of one call, and what the call occupies. A legacy backend
// may put on a call's stream what concerns everybody; that must not go to the one
// caller.
type callSink struct {
	mcpwire.Sink
	outside  outside
	clock    pace.Clock
	stopping life.Hook // on the backend's base
	turn     pace.Turn
	slot     *slot
}

// Ask waits for a person, but not for ever. Meanwhile the call neither ages nor
// counts among those that run.
func (s *callSink) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	s.clock.Stop()
	s.turn.StepOut()
	defer func() {
		s.clock.Start()
		s.turn.StepIn(ctx)
	}()
	asking, cancel := context.WithTimeout(ctx, s.outside.b.cfg.AskTimeout)
	defer cancel()
	return s.Sink.Ask(asking, q)
}

func (s *callSink) Notify(n mcpwire.Notification) {
	if !s.outside.take(n, true) {
		s.Sink.Notify(n)
	}
}
