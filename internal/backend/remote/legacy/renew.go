package legacy

import (
	"context"
	"slices"
	"sync"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/mcpwire"
)

// prefs is what callers have made of a legacy session, so that a new one can be
// made the same.
type prefs struct {
	turn chan struct{} // held while the log level is being set

	mu        sync.Mutex // guards what follows
	level     string     // the least severe one asked for; "" is none
	resources []string
}

func newPrefs() prefs { return prefs{turn: make(chan struct{}, 1)} }

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

func (p *prefs) subscriptions() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.resources)
}

// lower makes the session log what a caller wants to hear of, where it does not
// yet. The least severe level of all callers counts; each caller's own end leaves
// out what it did not ask for. A legacy caller that set none is only heard where
// another has silenced the session. A call that needs a change waits for it, one
// that needs none does not.
func (p *prefs) lower(ctx context.Context, caller *mcpwire.Caller, capabilities []byte, set func(level string)) {
	if _, news := p.news(caller, capabilities); !news {
		return
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return
	}
	level, news := p.news(caller, capabilities)
	if !news {
		return // another was faster
	}
	set(level)
	if ctx.Err() == nil {
		p.mu.Lock()
		p.level = level
		p.mu.Unlock()
	}
}

// news is the level that a caller wants and the session does not have.
func (p *prefs) news(caller *mcpwire.Caller, capabilities []byte) (level string, ok bool) {
	if caller == nil || caller.LogLevel == "" && !caller.Revision.Legacy() {
		return "", false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	level = caller.LogLevel
	if level == "" && p.level != "" {
		level = mcpwire.DefaultLevel
	}
	is := mcpwire.Severity(level)
	if is < 0 || p.level != "" && mcpwire.Severity(p.level) <= is || mcpwire.Member(capabilities, "logging") == nil {
		return "", false
	}
	return level, true
}

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

// honoured is what a legacy session tells of a filter: what its capabilities say.
// The resources are subscribed to one by one by others.
func honoured(info backend.Info, f mcpwire.Filter) mcpwire.Filter {
	f.ToolsChanged = f.ToolsChanged && info.Can("tools", "listChanged")
	f.PromptsChanged = f.PromptsChanged && info.Can("prompts", "listChanged")
	f.ResourcesChanged = f.ResourcesChanged && info.Can("resources", "listChanged")
	if !info.Can("resources", "subscribe") {
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
	close(old.replaced)
	p.l.Log.InfoContext(ctx, "the backend had forgotten the session; a new one is open")
	p.restore(ctx)
	return nil
}

// restore gives the new session what the old one was set to. A refusal is no
// reason to end what needs the session.
func (p *HTTP) restore(ctx context.Context) {
	p.prefs.mu.Lock()
	level := p.prefs.level
	p.prefs.mu.Unlock()
	var wanted []*mcpwire.Request
	if level != "" {
		wanted = append(wanted, setting(mcpwire.MethodSetLevel, "level", level))
	}
	for _, uri := range p.prefs.subscriptions() {
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
