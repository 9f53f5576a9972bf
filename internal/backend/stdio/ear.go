package stdio

import (
	"context"
	"sync"

	"drawbridge/internal/mcpwire"
)

// ear is a sink that can be taken away: of a call until it ends, of a watch until
// it returns. The reading goroutine tells and asks it.
type ear struct {
	// life ends the questions that are asked through this ear. It is kept because
	// they begin on the reading goroutine, far from whoever brought the sink.
	life context.Context
	asks sync.WaitGroup

	mu      sync.Mutex // held while the sink is told, so that it is not after the end
	sink    mcpwire.Sink
	cancels []context.CancelFunc // of questions
}

// notify tells the sink, unless it was taken away.
func (e *ear) notify(n mcpwire.Notification) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sink != nil {
		e.sink.Notify(n)
	}
}

// ask asks the sink in a goroutine of its own and hands the answer to then. It
// returns how to withdraw the question, or nil when nobody is there to ask.
func (e *ear) ask(q mcpwire.Question, then func(mcpwire.Answer, error)) context.CancelFunc {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sink == nil {
		return nil
	}
	sink := e.sink
	ctx, cancel := context.WithCancel(e.life)
	e.cancels = append(e.cancels, cancel)
	e.asks.Go(func() {
		defer cancel()
		then(sink.Ask(ctx, q))
	})
	return cancel
}

// closed tells whether the sink was taken away.
func (e *ear) closed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sink == nil
}

// close takes the sink away. Questions are withdrawn; asks.Wait tells when the
// last of them has let go.
func (e *ear) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sink = nil
	for _, cancel := range e.cancels {
		cancel()
	}
}
