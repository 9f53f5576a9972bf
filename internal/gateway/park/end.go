package park

import (
	"context"
	"time"

	"drawbridge/internal/mcpwire"
)

// take is the call's outcome, if it has ended. A result that is still streaming
// ends with its client's request.
func (p *call) take(ctx context.Context) (mcpwire.Outcome, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		return mcpwire.Outcome{}, false
	}
	p.over, p.at, p.gone = false, nil, true
	out := p.out
	if out.Result.Rest == nil {
		p.end(nil)
		p.done()
		return out, true
	}
	detach := context.AfterFunc(ctx, func() { p.end(context.Cause(ctx)) })
	out.Result.Rest = mcpwire.OnClose(out.Result.Rest, func() { detach(); p.end(nil); p.done() })
	return out, true
}

// abandon cancels a call whose client has gone.
func (p *call) abandon(ctx context.Context) mcpwire.Outcome {
	p.mu.Lock()
	p.at, p.gone = nil, true
	if p.over {
		p.out.Close()
		p.over = false
		p.done()
	}
	var ended chan struct{}
	if !p.left {
		ended = make(chan struct{})
		p.ended = ended
	}
	p.mu.Unlock()
	p.end(context.Cause(ctx))
	if ended != nil {
		<-ended // as for a call that is not parked: its end belongs to its request
	}
	return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "The call was cancelled by its client."))
}

// release ends a parked call: its questions are declined, and then it has a moment
// to end by itself. ok is false where it is not parked, or not in this round any
// more; 0 is any.
func (p *call) release(why string, round int) (ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at != nil || p.gone || p.timer == nil || round != 0 && round != p.round {
		return false
	}
	p.gone = true
	p.timer.Stop()
	p.lot.leave(p)
	p.lot.log.Info("parked call released", "backend", p.info.Backend, "method", p.info.Method, "reason", why)
	p.heard = nil
	if p.over {
		p.out.Close()
		p.over = false
		p.end(nil)
		p.done()
		return true
	}
	p.decline()
	switch {
	case p.lot.isClosed():
		p.end(errStopped)
		return true
	case p.cut != nil:
		p.end(p.cut)
		return true
	}
	p.timer = time.AfterFunc(lastWord, func() { p.end(errReleased) })
	return true
}

func (l *Lot) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// finish takes the outcome of the backend's call.
func (p *call) finish(out mcpwire.Outcome) {
	p.lot.forget(p)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = true
	if p.ended != nil {
		close(p.ended)
	}
	if p.gone {
		out.Close()
		p.end(nil)
		p.done()
		return
	}
	if p.cut != nil {
		out.Close()
		out = mcpwire.Fail(p.cut)
	}
	p.out, p.over = out, true
	p.signal()
}

// done says that nothing of the call is left: it has left its backend, and its
// outcome was taken or thrown away. More than once is as good as once.
func (p *call) done() {
	if p.leave != nil {
		p.leave()
	}
}

// cutOff ends the call at once: whoever waits for it gets why, and where nobody does,
// nothing is kept for a retry.
func (p *call) cutOff(why *mcpwire.Error) {
	p.mu.Lock()
	p.cut = why
	p.mu.Unlock()
	if !p.release("its credential has ended", 0) {
		p.end(why)
	}
}
