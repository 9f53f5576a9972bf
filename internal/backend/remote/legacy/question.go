package legacy

import (
	"bytes"
	"context"
	"errors"
	"maps"

	"drawbridge/internal/backend"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// asking is one question of the backend that runs.
type asking struct {
	id     []byte // the backend's, raw
	q      mcpwire.Question
	shared bool // it came on a stream that belongs to no call

	end       context.CancelFunc // of the present try; nil before the first
	withdrawn bool               // the backend has taken it back
}

// maxAsking is how many questions of one session may be open. A parked
// call keeps its own open for minutes.
const maxAsking = 256

// question asks and answers the backend, in a goroutine that ends with the call
// (end and endWatch wait for it): the stream has to be read on, because it may
// bring more questions or take this one back.
func (r *router) question(ctx context.Context, m *mcpwire.Message, on *call) {
	switch m.Method {
	case mcpwire.MethodElicit, mcpwire.MethodSample, mcpwire.MethodRootsList:
	default:
		r.reply(ctx, mcpwire.AppendErrorResponse(nil, m.ID, mcpwire.Errorf(mcpwire.CodeMethodNotFound, "The method is not known.")))
		return
	}
	a := &asking{id: bytes.Clone(m.ID), shared: on == nil}
	if on == nil && r.hold(a, m) {
		return
	}
	c := on
	if c != nil {
		c.used.Add(1) // the call is running: it is reading this very stream
	} else {
		c = r.owner(m)
	}
	if c == nil || !r.open(a) {
		if c != nil {
			c.used.Done()
		}
		r.reply(ctx, appendAnswer(a.id, backend.Decline(m.Method)))
		return
	}
	a.q = mcpwire.Question{Revision: r.revision(), Method: m.Method, Params: bytes.Clone(m.Params)}
	go r.put(a, c)
}

// hold keeps a question back that came before the first call.
func (r *router) hold(a *asking, m *mcpwire.Message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.q = mcpwire.Question{Revision: r.rev, Method: m.Method, Params: bytes.Clone(m.Params)}
	if len(r.asked) >= maxAsking || !r.early.Hold(m.Method, a, r.late) {
		return false
	}
	r.asked[string(a.id)] = a
	return true
}

// late puts what was held for a call that has not come.
func (r *router) late() {
	r.mu.Lock()
	held, watch := r.early.End(), r.watch
	for _, a := range held {
		if watch != nil {
			watch.used.Add(1)
			go r.put(a, watch) // ends with the watch
		}
	}
	r.mu.Unlock()
	if watch != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), noteTime)
	defer cancel()
	for _, a := range held {
		r.mu.Lock()
		wanted := !a.withdrawn
		delete(r.asked, string(a.id))
		r.mu.Unlock()
		if wanted {
			r.reply(ctx, appendAnswer(a.id, backend.Decline(a.q.Method)))
		}
	}
}

// open notes that a question runs, if there are not too many.
func (r *router) open(a *asking) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.asked) >= maxAsking {
		return false
	}
	r.asked[string(a.id)] = a
	return true
}

// put asks through a call until there is an answer, and gives it to the backend.
// A call that a question was only attributed to may end before it; then it is
// another call's.
func (r *router) put(a *asking, c *call) {
	for c != nil {
		ctx, watch := r.try(a, c)
		answer := ask(ctx, c.Sink, a.q, watch)
		inTime := ctx.Err() == nil
		next, send := r.tried(a, c, inTime, watch)
		switch {
		case send && inTime:
			r.reply(c.ctx, appendAnswer(a.id, answer))
			c.used.Done()
		case send: // the call has ended and must not wait
			c.used.Done()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
			r.reply(ctx, appendAnswer(a.id, backend.Decline(a.q.Method)))
			cancel()
		default:
			c.used.Done()
		}
		c = next
	}
}

// tried ends one try of a question, in time or because its call ended. It tells
// the call to try next, or whether the backend has to be answered.
func (r *router) tried(a *asking, c *call, inTime, watch bool) (next *call, send bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.end()
	if !inTime && !a.withdrawn && a.shared && !watch {
		others := maps.Clone(r.calls)
		delete(others, c.ID)
		next, n, ok := backend.Cause(maps.All(others), callerOf)
		if ok {
			next.used.Add(1)
			return next, false
		}
		send = n > 1 // whoever asks may still wait
	}
	delete(r.asked, string(a.id))
	return nil, send || inTime && !a.withdrawn // what was taken back needs no answer
}

func callerOf(c *call) *mcpwire.Caller { return c.caller }

// try makes the context of a question that is put through a call; watch tells
// that it is the Watch, not a call.
func (r *router) try(a *asking, c *call) (ctx context.Context, watch bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.endAsks == nil {
		c.askCtx, c.endAsks = context.WithCancel(c.ctx)
	}
	ctx, a.end = context.WithCancel(c.askCtx)
	if a.withdrawn {
		a.end()
	}
	return ctx, c == r.watch
}

// ask puts the question. Where there is no answer to be had, the backend gets the
// one that lets it go on (protocol reference 2.5).
func ask(ctx context.Context, sink mcpwire.Sink, q mcpwire.Question, unasked bool) mcpwire.Answer {
	a, err := sink.Ask(ctx, q)
	switch {
	case err == nil && (a.Result != nil || a.Err != nil):
		return a
	case errors.Is(err, mcpwire.ErrCannotAsk) && !unasked:
		return mcpwire.Answer{Err: mcpwire.Errorf(mcpwire.CodeMethodNotFound, "The client cannot answer this.")}
	}
	return backend.Decline(q.Method)
}

func appendAnswer(id []byte, a mcpwire.Answer) []byte {
	if a.Err != nil {
		return mcpwire.AppendErrorResponse(nil, id, a.Err)
	}
	return append(append(mcpwire.AppendResultHead(nil, id), a.Result...), '}')
}

func (r *router) reply(ctx context.Context, msg []byte) {
	if err := r.send(ctx, msg); err != nil && ctx.Err() == nil {
		r.l.Log.DebugContext(ctx, "the backend did not take an answer", "error", err)
	}
}

// takeBack ends a question that the backend cancels.
func (r *router) takeBack(params []byte) {
	if params == nil {
		return
	}
	m, ok := jsonscan.Find(params, "requestId")
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.asked[string(m.Value.Of(params))]; a != nil {
		a.withdrawn = true
		if a.end != nil {
			a.end()
		}
	}
}
