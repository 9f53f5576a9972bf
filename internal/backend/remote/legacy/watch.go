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
// streams of calls arrives all the same.
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
	for {
		opened := false
		err := p.listen(ctx, &at, func() {
			opened = true
			tell(honoured(p.info, f))
		})
		switch {
		case p.IsLost():
			return line.ErrLost
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errNoStream):
			tell(mcpwire.Filter{})
			return p.Wait(ctx)
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

// listen reads the stream once, from where it broke the last time.
func (p *HTTP) listen(ctx context.Context, at *position, opened func()) error {
	s := p.now.Load()
	resp, err := p.l.Get(ctx, s.get(at.id), 0)
	if err != nil {
		return err
	}
	defer resp.Close()
	switch {
	case resp.Status == http.StatusNotFound && s.id != "":
		*at = position{} // ids of the old session mean nothing in the new one
		return p.restart(ctx, s)
	case resp.Status == http.StatusOK && resp.Type == line.Events:
	case resp.Status == http.StatusOK, resp.Status >= 400 && resp.Status < 500 && !line.IsCredential(resp.Status) && resp.Status != http.StatusTooManyRequests:
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
