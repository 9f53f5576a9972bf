package gateway

import (
	"context"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/gateway/catalogue"
)

// A reader reads one backend's lists, one reading at a time. A change that is
// reported during a reading causes exactly one more.
type reader struct {
	running, again bool
	said           backend.ListSet // what the backend said has changed, since the last reading began
	drop           *time.Timer     // ends a degraded backend's grace
}

// Refresh reads a backend's lists again, soon and in the background.
func (g *Gateway) Refresh(name string) { g.refresh(name, 0) }

// refresh is Refresh; watchers are told of the lists in said whatever is read.
func (g *Gateway) refresh(name string, said backend.ListSet) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.member(name)
	if g.closed || b == nil {
		return
	}
	r := g.reader(name)
	r.said |= said
	if r.running {
		r.again = true
		return
	}
	r.running = true
	g.work.Go(func() { g.read(b, r) })
}

// member finds a backend by name. The caller holds mu.
func (g *Gateway) member(name string) Backend {
	for _, m := range g.members {
		if m.Backend.Name() == name {
			return m.Backend
		}
	}
	return nil
}

func (g *Gateway) reader(name string) *reader {
	r := g.readers[name]
	if r == nil {
		r = &reader{}
		g.readers[name] = r
	}
	return r
}

// read reads until no change was reported during the last reading.
func (g *Gateway) read(b Backend, r *reader) {
	for {
		g.mu.Lock()
		said := r.said
		r.said = 0
		g.mu.Unlock()
		ctx, cancel := context.WithTimeout(g.ctx, g.cfg.ListTimeout)
		lists, err := b.Lists(ctx)
		cancel()
		if err != nil {
			g.deps.Log.Warn("lists not read; the last known ones stay", "backend", b.Name(), "error", err)
		} else {
			g.accept(b, lists, said)
		}
		g.mu.Lock()
		if !r.again || g.closed {
			r.running, r.again = false, false
			g.mu.Unlock()
			return
		}
		r.again = false
		g.mu.Unlock()
	}
}

// accept puts a backend's lists on the shelf and into the catalogue.
func (g *Gateway) accept(b Backend, lists backend.Lists, said backend.ListSet) {
	g.toShelf(b.Name(), lists)
	g.mu.Lock()
	defer g.mu.Unlock()
	for rank, m := range g.members {
		if m.Backend == b && !g.closed {
			g.parts[b.Name()] = catalogue.NewSection(m, rank, lists)
			g.stopGrace(b.Name())
			g.publish(said)
		}
	}
}

// startGrace drops a backend's entries after the grace period unless its lists
// are read before.
func (g *Gateway) startGrace(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.reader(name)
	if g.closed || r.drop != nil {
		return
	}
	r.drop = time.AfterFunc(g.cfg.DegradedGrace, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.parts[name] != nil && !g.closed {
			delete(g.parts, name)
			g.deps.Log.Warn("backend was away too long; its tools are no longer listed", "backend", name)
			g.publish(0)
		}
	})
}

// stopGrace ends the grace of a backend that is back. The caller holds mu.
func (g *Gateway) stopGrace(name string) {
	if r := g.readers[name]; r != nil && r.drop != nil {
		r.drop.Stop()
		r.drop = nil
	}
}
