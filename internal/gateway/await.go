package gateway

import (
	"context"
	"time"

	"drawbridge/internal/backend"
)

// awaitPause is how often Await looks.
const awaitPause = 5 * time.Millisecond

// Await returns when every backend is in the catalogue or is known not to answer,
// or when ctx ends. A client that asks once, right after the start, gets a whole
// list that way.
func (g *Gateway) Await(ctx context.Context) { g.await(ctx, false) }

// AwaitBuiltIn is Await for the built-in servers alone, which take no time worth
// speaking of and hang on nobody.
func (g *Gateway) AwaitBuiltIn(ctx context.Context) { g.await(ctx, true) }

func (g *Gateway) await(ctx context.Context, builtIn bool) {
	tick := time.NewTicker(awaitPause)
	defer tick.Stop()
	for g.coming(builtIn) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// coming tells whether a backend may still bring its lists.
func (g *Gateway) coming(builtIn bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.members {
		s := m.Backend.Status()
		if builtIn && s.Transport != backend.BuiltIn {
			continue
		}
		switch s.State {
		case backend.Connecting, backend.Ready:
			if g.parts[m.Backend.Name()] == nil {
				return true
			}
		}
	}
	return false
}
