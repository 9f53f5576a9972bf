package legacy

import (
	"context"
	"slices"
	"sync"

	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// prefs is what callers have made of a legacy session, so that a new one can be
// made the same.
type prefs struct {
	mu        sync.Mutex // guards what follows
	severity  int        // least one asked for, plus one; 0 is none asked for
	resources []string
}

// subscribed remembers subscriptions that the backend accepted.
func (p *prefs) subscribed(req *mcpwire.Request) {
	if req.Method != mcpwire.MethodSubscribe && req.Method != mcpwire.MethodUnsubscribe {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resources = slices.DeleteFunc(p.resources, func(uri string) bool { return uri == req.Target })
	if req.Method == mcpwire.MethodSubscribe {
		p.resources = append(p.resources, req.Target)
	}
}

// lower tells whether the session has to be set to the severity that a caller wants
// to hear of, and notes that. The least of all callers counts; each caller's own
// end leaves out what it did not ask for.
func (p *prefs) lower(caller *mcpwire.Caller, capabilities []byte) (level string, ok bool) {
	if caller == nil || caller.LogLevel == "" || !has(capabilities, "logging", "") {
		return "", false
	}
	n := 1 + slices.Index(severities, caller.LogLevel)
	p.mu.Lock()
	defer p.mu.Unlock()
	if n == 0 || p.severity != 0 && p.severity <= n {
		return "", false
	}
	p.severity = n
	return caller.LogLevel, true
}

var severities = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// set makes a request of the session's own. That it fails does not end what it is
// made for.
func (p *HTTP) set(ctx context.Context, req *mcpwire.Request) {
	o := p.call(ctx, req, nobody{})
	if o.Err != nil {
		p.l.Log.DebugContext(ctx, "the backend refused a setting", "method", req.Method, "code", o.Err.Code)
	}
	o.Close()
}

// setting is a request whose params are one string.
func setting(method, name, value string) *mcpwire.Request {
	params := mcpwire.AppendString([]byte(`{"`+name+`":`), value)
	return &mcpwire.Request{Method: method, Revision: mcpwire.LatestLegacy, Params: append(params, '}')}
}

// has tells whether capabilities has a member, and in it a flag that is true.
func has(capabilities []byte, area, flag string) bool {
	m, ok := jsonscan.Find(capabilities, area)
	if !ok || !line.IsObject(m.Value.Of(capabilities)) || flag == "" {
		return ok && flag == ""
	}
	obj := m.Value.Of(capabilities)
	m, ok = jsonscan.Find(obj, flag)
	return ok && string(m.Value.Of(obj)) == "true"
}

// honoured is what a legacy session tells of a filter: what its capabilities say.
// The resources are subscribed to one by one by others.
func honoured(capabilities []byte, f mcpwire.Filter) mcpwire.Filter {
	f.ToolsChanged = f.ToolsChanged && has(capabilities, "tools", "listChanged")
	f.PromptsChanged = f.PromptsChanged && has(capabilities, "prompts", "listChanged")
	f.ResourcesChanged = f.ResourcesChanged && has(capabilities, "resources", "listChanged")
	if !has(capabilities, "resources", "subscribe") {
		f.Resources = nil
	}
	return f
}

// restart makes a new session in place of one that the backend no longer knows.
// Of those who find out at the same time, one makes it and the others take it.
func (p *HTTP) restart(ctx context.Context, old *state) error {
	select {
	case <-p.renew:
		defer func() { p.renew <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.now.Load() != old {
		return nil
	}
	if p.IsLost() {
		return line.ErrLost
	}
	s, info, err := p.handshake(ctx)
	if err == nil && info.Revision != p.info.Revision {
		err = line.ErrChanged
	}
	if err != nil {
		if ctx.Err() == nil {
			p.l.Changed()
			p.Lose()
		}
		return err
	}
	p.now.Store(s)
	p.l.Log.InfoContext(ctx, "the backend had forgotten the session; a new one is open")
	p.restore(ctx)
	return nil
}

// restore gives the new session what the old one was set to. A refusal is no
// reason to end what needs the session.
func (p *HTTP) restore(ctx context.Context) {
	p.prefs.mu.Lock()
	severity, resources := p.prefs.severity, slices.Clone(p.prefs.resources)
	p.prefs.mu.Unlock()
	var wanted []*mcpwire.Request
	if severity > 0 {
		wanted = append(wanted, setting(mcpwire.MethodSetLevel, "level", severities[severity-1]))
	}
	for _, uri := range resources {
		wanted = append(wanted, setting(mcpwire.MethodSubscribe, "uri", uri))
	}
	for _, req := range wanted {
		c := p.l.NewCall(req, nobody{})
		if err := p.send(ctx, p.l.AppendCall(nil, p.info.Revision, &c, req)); err != nil {
			p.l.Log.DebugContext(ctx, "the new session did not take a setting", "method", req.Method, "error", err)
		}
	}
}

// nobody is the sink of the session's own requests.
type nobody struct{}

func (nobody) Notify(mcpwire.Notification) {}

func (nobody) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}
