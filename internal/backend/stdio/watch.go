package stdio

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"drawbridge/internal/mcpwire"
)

// watch is one Watch that runs. A legacy process tells everything to each; a
// modern one names the listen request that something is for.
type watch struct {
	id    int64 // of the listen request; 0 for a legacy process
	ready func(mcpwire.Filter)
	once  sync.Once
	ear
}

func (w *watch) honours(f mcpwire.Filter) { w.once.Do(func() { w.ready(f) }) }

// Watch delivers what belongs to no call.
func (p *peer) Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error {
	w := &watch{ready: ready, ear: ear{life: ctx, sink: sink}}
	defer w.asks.Wait()
	defer w.close()
	if p.info.Revision.Modern() {
		return p.listen(ctx, f, w)
	}
	p.addWatch(w)
	defer p.removeWatch(w)
	w.honours(f)
	select {
	case <-ctx.Done():
		return nil
	case <-p.lost:
		return errors.New("process ended")
	}
}

// listen is the Watch of a modern process: a request that stays open.
func (p *peer) listen(ctx context.Context, f mcpwire.Filter, w *watch) error {
	c := &call{answer: make(chan mcpwire.Outcome, 1), ear: ear{life: ctx}}
	if why := p.addListen(c, w); why != "" {
		return errors.New(why)
	}
	defer p.removeWatch(w)
	if why := p.own(c.id, mcpwire.MethodListen, append(f.Append([]byte(`{"notifications":`)), '}')); why != "" {
		return errors.New(why)
	}
	select {
	case out := <-c.answer:
		if out.Kind == mcpwire.Failed {
			return out.Err
		}
		return errors.New("the process ended its subscription")
	case <-ctx.Done():
		p.cancelled(c.id)
	}
	// Not every server answers what was cancelled. From one that does, the answer
	// says that it has let go.
	timer := time.NewTimer(letGo)
	defer timer.Stop()
	select {
	case <-c.answer:
	case <-timer.C:
	}
	return nil
}

// letGo is how long a cancelled listen is waited for.
const letGo = 300 * time.Millisecond

// addListen registers a listen request. It does not count as a call in flight:
// it lasts, and the rule for questions and logs is about calls.
func (p *peer) addListen(c *call, w *watch) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead != "" {
		return p.dead
	}
	p.lastID++
	c.id, w.id = p.lastID, p.lastID
	p.quiet[c.id] = c
	p.watches = append(p.watches, w)
	return ""
}

func (p *peer) addWatch(w *watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watches = append(p.watches, w)
}

func (p *peer) removeWatch(w *watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.quiet, w.id)
	for i, other := range p.watches {
		if other == w {
			p.watches = append(p.watches[:i:i], p.watches[i+1:]...)
			return
		}
	}
}

// acknowledged tells a listen what the process honours of its filter.
func (p *peer) acknowledged(n mcpwire.Notification) {
	w := p.addressee(n.Params)
	if w == nil {
		return
	}
	f, _, _ := mcpwire.FilterOf(n.Params)
	w.honours(f)
}

// addressee finds the listen that a notification's subscription id names.
func (p *peer) addressee(params []byte) *watch {
	raw := mcpwire.Member(mcpwire.Member(params, "_meta"), mcpwire.MetaSubscriptionID)
	id, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.watches {
		if w.id == id {
			return w
		}
	}
	return nil
}

// outside hands on what belongs to no call: to the listen it names, which is
// the process's own business and taken out, or to the latest watch.
func (p *peer) outside(n mcpwire.Notification) {
	w := p.addressee(n.Params)
	if w != nil {
		n.Params = mcpwire.WithoutMeta(n.Params, mcpwire.MetaSubscriptionID)
	} else {
		w = p.latest()
	}
	if w != nil {
		w.notify(n)
	}
}

// latest is the watch opened last: an older one is about to be replaced by it.
func (p *peer) latest() *watch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.watches) == 0 {
		return nil
	}
	return p.watches[len(p.watches)-1]
}
