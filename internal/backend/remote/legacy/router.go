package legacy

import (
	"context"
	"errors"
	"maps"
	"sync"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/backend/talk"
	"drawbridge/internal/mcpwire"
)

// call is one request on its way, or the session's Watch.
type call struct {
	line.Call
	caller *mcpwire.Caller // nil where nothing that the backend asks can be the call's
	awaits string          // the task whose result it is for; "" for none

	// ctx is the call's own: questions that come in on another stream than the
	// call's have to end with it.
	ctx     context.Context
	askCtx  context.Context    // of its questions; made with the first
	endAsks context.CancelFunc // of askCtx
	used    sync.WaitGroup     // uses of Sink by others than the call's goroutine
}

func newCall(ctx context.Context, l *line.Line, req *mcpwire.Request, sink mcpwire.Sink) *call {
	c := &call{Call: l.NewCall(req, sink), ctx: ctx, awaits: talk.Awaits(req)}
	if backend.MayAsk(req.Method) {
		c.caller = req.Caller
	}
	return c
}

// router knows the calls that run in a session and brings what the backend says to
// the one it belongs to: progress by its token, questions by the stream they came
// on or, where a stream is nobody's, to the call that must have caused it. What belongs to
// no call goes to the session's Watch.
type router struct {
	l    *line.Line
	send func(ctx context.Context, msg []byte) error // posts a message that has no answer

	mu    sync.Mutex // guards what follows
	rev   mcpwire.Revision
	calls map[int64]*call
	watch *call              // of the Watch, nil without one
	asked map[string]*asking // questions that run, by the backend's raw id

	early   talk.Early[*asking]
	lasting talk.Lasting
}

func newRouter(l *line.Line) router {
	return router{l: l, calls: map[int64]*call{}, asked: map[string]*asking{}}
}

// speak sets the revision of what the backend says.
func (r *router) speak(rev mcpwire.Revision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rev = rev
}

func (r *router) revision() mcpwire.Revision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rev
}

// begin makes a call known.
func (r *router) begin(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[c.ID] = c
	for _, a := range r.early.Call(c.caller) {
		c.used.Add(1)
		go r.put(a, c) // ends with the call, as in question
	}
}

// end makes a call unknown, ends its questions, and waits until nobody uses its
// sink.
func (r *router) end(c *call) {
	r.mu.Lock()
	delete(r.calls, c.ID)
	r.mu.Unlock()
	r.settle(c)
}

func (r *router) settle(c *call) {
	r.mu.Lock()
	stop := c.endAsks
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	c.used.Wait()
}

// beginWatch makes sink the place for what belongs to no call.
func (r *router) beginWatch(ctx context.Context, sink mcpwire.Sink) (*call, error) {
	c := &call{Call: line.Call{Sink: sink}, ctx: ctx}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watch != nil {
		return nil, errors.New("the session is already being watched")
	}
	r.watch = c
	return c, nil
}

func (r *router) endWatch(c *call) {
	r.mu.Lock()
	r.watch = nil
	r.mu.Unlock()
	r.settle(c)
}

// owner is the call that a message of another stream belongs to, or nil. It must
// be released.
func (r *router) owner(m *mcpwire.Message) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	var c *call
	switch {
	case isChange(m.Method):
		c = r.watch
	default:
		c = r.cause(m.IsRequest())
	}
	if c != nil {
		c.used.Add(1)
	}
	return c
}

// cause is the call that a message without a mark of its own belongs to. Without
// any it is the Watch's. With those of several clients nobody can tell: a question
// must not be put to the wrong one; a log message is for all who use the session.
// The caller holds mu.
func (r *router) cause(question bool) *call {
	c, n, ok := backend.Cause(maps.All(r.calls), callerOf)
	switch {
	case ok:
		return c
	case n > 1 && question:
		return nil
	}
	return r.watch
}

// isChange tells the notifications that never belong to a call.
func isChange(method string) bool {
	switch method {
	case mcpwire.MethodToolsChanged, mcpwire.MethodPromptsChanged, mcpwire.MethodResourcesChanged, mcpwire.MethodResourceUpdated:
		return true
	}
	return false
}

// take brings a message to where it belongs. on is the call whose own stream it
// came on, nil for a stream of nobody. m is only valid during the call.
func (r *router) take(ctx context.Context, m *mcpwire.Message, on *call) {
	switch {
	case m.Method == mcpwire.MethodPing && m.IsRequest():
		r.reply(ctx, append(mcpwire.AppendResultHead(nil, m.ID), "{}}"...))
	case m.IsRequest():
		r.question(ctx, m, on)
	case m.Method == mcpwire.MethodCancelled:
		r.takeBack(m.Params)
	default:
		r.notification(m, on)
	}
}

func (r *router) notification(m *mcpwire.Message, on *call) {
	if m.Method == mcpwire.MethodProgress {
		r.progress(m)
		return
	}
	c := on
	if on == nil || isChange(m.Method) {
		if c = r.owner(m); c != nil {
			defer c.used.Done()
		} else if isChange(m.Method) {
			c = on // nobody watches; the call's client may still want to know
		}
	}
	if c == nil {
		return
	}
	c.Sink.Notify(mcpwire.Notification{Revision: r.revision(), Method: m.Method, Params: m.Params})
}

// progress finds its call by the token, which is the call's id, and that of a call
// which became a task, the request for the task's result.
func (r *router) progress(m *mcpwire.Message) {
	id, _ := line.ProgressToken(m.Params)
	c, token := r.progressing(id)
	if c == nil {
		return
	}
	defer c.used.Done()
	if token != nil { // else nobody asked for it
		c.Sink.Notify(mcpwire.Notification{Revision: r.revision(), Method: m.Method, Params: mcpwire.ReplaceProgressToken(m.Params, token)})
	}
}

// progressing is the call that a progress token of ours is for, which must be
// released, and its caller's token.
func (r *router) progressing(id int64) (c *call, token []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c = r.calls[id]; c != nil {
		c.used.Add(1)
		return c, c.Token
	}
	task, token, ok := r.lasting.Of(id)
	if !ok {
		return nil, nil
	}
	for _, c := range r.calls {
		if c.awaits == task {
			c.used.Add(1)
			return c, token
		}
	}
	return nil, nil
}

// settled remembers what outlasts a call's answer.
func (r *router) settled(c *call, req *mcpwire.Request, result mcpwire.Result) {
	if result.Rest == nil {
		r.lasting.Made(c.ID, req, result.Bytes)
	}
	r.lasting.Done(req)
}
