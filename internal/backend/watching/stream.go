package watching

import (
	"context"
	"slices"
	"time"

	"drawbridge/internal/mcpwire"
)

// stream is one running call of Peer.Watch. A nil stream never ends.
type stream struct {
	cancel context.CancelFunc
	ready  chan mcpwire.Filter // one value, when the backend has told
	done   chan struct{}
}

func (w *Watcher) open(ctx context.Context, f mcpwire.Filter) *stream {
	ctx, cancel := context.WithCancel(ctx)
	st := &stream{cancel: cancel, ready: make(chan mcpwire.Filter, 1), done: make(chan struct{})}
	f.Resources = slices.Clone(f.Resources)
	go func() { // ends by cancel; stop waits for it
		defer close(st.done)
		err := w.cfg.Peer.Watch(ctx, f, w.cfg.Sink, func(got mcpwire.Filter) {
			select {
			case st.ready <- got:
			default: // told twice; the first word counts
			}
		})
		if err != nil && ctx.Err() == nil {
			w.cfg.Log.Debug("watch ended", "error", err)
		}
	}()
	return st
}

// wait returns what the backend honours, once it says so.
func (st *stream) wait(ctx context.Context) (mcpwire.Filter, bool) {
	timer := time.NewTimer(ackTime)
	defer timer.Stop()
	select {
	case got := <-st.ready:
		return got, true
	case <-st.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return mcpwire.Filter{}, false
}

func (st *stream) ended() <-chan struct{} {
	if st == nil {
		return nil
	}
	return st.done
}

func (st *stream) stop() {
	if st == nil {
		return
	}
	st.cancel()
	<-st.done
}
