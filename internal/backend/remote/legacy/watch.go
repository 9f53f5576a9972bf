package legacy

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/mcpwire"
)

// Watch holds the session's GET stream open until ctx ends, and opens it again
// when it breaks. A backend without one honours nothing, but what it says on the
// streams of calls arrives all the same. When the session was made anew, whatever
// is watched may have changed unheard.
func (p *HTTP) Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error {
	c, err := p.beginWatch(ctx, sink)
	if err != nil {
		return err
	}
	defer p.endWatch(c)
	ctx, cancel := p.Follow(ctx)
	defer cancel()
	told := false
	tell := func(f mcpwire.Filter) {
		if !told {
			told = true
			ready(f)
		}
	}
	var at position
	wait := resumePause
	for had, s := (*state)(nil), p.now.Load(); ; {
		if now := p.now.Load(); now != s {
			s, at = now, position{} // ids of the old session mean nothing in the new one
			p.missed(sink)
		}
		opened := false
		err := p.listen(ctx, s, had == s, &at, func() {
			opened, had = true, s
			tell(honoured(p.info, f))
		})
		switch {
		case p.IsLost():
			return line.ErrLost
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errNoStream):
			tell(mcpwire.Filter{})
			select {
			case <-s.replaced:
			case <-ctx.Done():
			}
			continue
		case isFinal(err):
			return err
		}
		if opened {
			wait = max(cmp.Or(at.retry, resumePause), shortestPause)
		}
		pause(ctx, wait) // where it ends early, the switch above says why
		wait = longer(wait)
	}
}

var errNoStream = errors.New("the backend has no stream of its own")

// isFinal tells the refusals that waiting does not change.
func isFinal(err error) bool {
	s, ok := errors.AsType[line.StatusError](err)
	return ok && line.IsCredential(int(s))
}

// missed tells of everything that is watched, as if it had changed.
func (p *HTTP) missed(sink mcpwire.Sink) {
	say := func(method string, params []byte) {
		sink.Notify(mcpwire.Notification{Revision: p.info.Revision, Method: method, Params: params})
	}
	say(mcpwire.MethodToolsChanged, nil)
	say(mcpwire.MethodPromptsChanged, nil)
	say(mcpwire.MethodResourcesChanged, nil)
	for _, uri := range p.prefs.subscriptions() {
		say(mcpwire.MethodResourceUpdated, append(mcpwire.AppendString([]byte(`{"uri":`), uri), '}'))
	}
}

// listen reads the stream once, from where it broke the last time. had says that
// the session has had one: a backend that then refuses it has forgotten the
// session.
func (p *HTTP) listen(ctx context.Context, s *state, had bool, at *position, opened func()) error {
	resp, err := p.l.Get(ctx, s.get(at.id), 0)
	if err != nil {
		return err
	}
	defer resp.Close()
	switch {
	case resp.Status == http.StatusOK && resp.Type == line.Events:
	case resp.Status == http.StatusOK, resp.Status >= 400 && resp.Status < 500 && !line.IsCredential(resp.Status) && resp.Status != http.StatusTooManyRequests:
		if had && s.id != "" {
			return p.restart(ctx, s)
		}
		return errNoStream // 405 by the book; others answer 400, 404 or a page
	default:
		return line.StatusError(resp.Status)
	}
	opened()
	events := eventstream.NewReader(resp, int(p.l.MaxMessage))
	for {
		m, err := at.next(events)
		if errors.Is(err, mcpwire.ErrBadFrame) {
			p.l.Log.DebugContext(ctx, "unusable message on the session's stream", "error", err)
			continue
		}
		if err != nil {
			return err
		}
		if m.IsResponse() {
			p.l.Log.DebugContext(ctx, "an answer nobody waits for, on the session's stream")
			continue
		}
		p.take(ctx, &m, nil)
	}
}
