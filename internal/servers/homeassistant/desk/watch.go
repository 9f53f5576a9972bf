package desk

import (
	"context"
	"maps"
	"sync"
	"time"

	"drawbridge/internal/servers/homeassistant/api"
)

// Watching follows the states of entities during a call.
type Watching struct {
	mu    sync.Mutex // guards what follows
	all   map[string]api.State
	first chan struct{} // closed when all was said once
	told  bool
	over  bool

	news chan struct{} // holds one: something has changed
	Stop func()
}

// Watch begins to follow entities, all of them without ids, and waits for what they
// are now. Stop ends it.
func Watch(ctx context.Context, s api.Session, ids []string) (*Watching, error) {
	w := &Watching{all: map[string]api.State{}, first: make(chan struct{}), news: make(chan struct{}, 1)}
	stop, err := s.Watch(ctx, ids, w.tell, w.lost)
	if err != nil {
		return nil, err
	}
	w.Stop = stop
	select {
	case <-w.first:
		return w, nil
	case <-ctx.Done():
		stop()
		return nil, ctx.Err()
	}
}

func (w *Watching) tell(changed map[string]api.State) {
	w.mu.Lock()
	maps.Copy(w.all, changed)
	w.begun()
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// lost ends waiting for a connection that is gone. What was seen stays seen.
func (w *Watching) lost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.begun()
}

// Over tells that the connection is gone, so that no more will be seen.
func (w *Watching) Over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

// begun is called with mu held.
func (w *Watching) begun() {
	if !w.told {
		w.told = true
		close(w.first)
	}
}

// States are what was heard last.
func (w *Watching) States() map[string]api.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.all)
}

// Until waits until done says so of the states, or the time is over, and gives the
// states.
func (w *Watching) Until(ctx context.Context, most time.Duration, done func(map[string]api.State) bool) map[string]api.State {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		now := w.States()
		if done(now) {
			return now
		}
		select {
		case <-w.news:
		case <-timer.C:
			return w.States()
		case <-ctx.Done():
			return w.States()
		}
	}
}
