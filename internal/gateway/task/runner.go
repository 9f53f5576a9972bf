package task

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"drawbridge/internal/mcpwire"
)

// taskParams is what a task of ours asks for: that its backend keep it an hour,
// so that results nobody fetches do not stay there for ever.
const taskParams = `{"ttl":3600000}`

const (
	// resultTime is how long a task that has ended may take to hand out its result.
	resultTime = 30 * time.Second
	// cancelTime bounds the cancelling of a task whose caller is gone.
	cancelTime = 5 * time.Second
	// maxSilent is how often in a row a backend may fail to answer at all.
	maxSilent = 5
)

// Runner runs tools that can only be called as tasks of 2025-11-25 for callers
// that asked for none, of whatever revision.
type Runner struct{ log *slog.Logger }

// NewRunner makes a runner.
func NewRunner(log *slog.Logger) (*Runner, error) {
	if log == nil {
		return nil, errors.New("task: a dependency is missing")
	}
	return &Runner{log}, nil
}

// Run makes one tools/call a task of backend h, whose tools Augments allows to be
// called so, and ends with the task's result:
//
//	the backend                           the outcome
//	refuses the task                      its error
//	answers with a result, not a task     that result
//	hands out the task's result           that result, which may stream
//	hands out an error, of a task that    that error; of a failed task with its status message;
//	  has ended                             of a cancelled one a tool error
//	no longer knows the task              a tool error
//	says that the task has ended, and     a tool error after half a minute
//	  hands out nothing
//	stops answering                       a tool error after five tries
//	never ends the task                   none before ctx ends: ctx bounds the call
//	has to be told that ctx ended         a tool error, after tasks/cancel
//
// tasks/result stays open all the while, since questions come on it, and is opened
// again where it broke: unlike the call, it can be. A tool error is a result with
// isError that says whether the call may have run. sink is not used after Run.
func (r *Runner) Run(ctx context.Context, h mcpwire.Handler, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	call, bad := augmented(req)
	if bad != nil {
		return mcpwire.Fail(bad)
	}
	ears := newEars(sink, req.ProgressToken())
	made := h.Serve(ctx, call, ears)
	switch kindOfOutcome(&made) {
	case plain:
		return made
	case extension:
		made.Close()
		return mcpwire.Fail(unwanted(req, extension))
	}
	t, ok := newRun(made.Result.Bytes)
	made.Close()
	if !ok {
		return unusable()
	}
	t.log, t.h, t.caller, t.ears = r.log, h, req.Caller, ears
	if !t.state.ended() {
		ears.tell(t.state)
	}
	return t.toEnd(ctx)
}

// augmented is a tools/call with params.task of our own.
func augmented(req *mcpwire.Request) (*mcpwire.Request, *mcpwire.Error) {
	call, bad := mcpwire.NewRequest(req.Method, req.Revision, withMember(req.Params, "task", []byte(taskParams)))
	if bad != nil {
		return nil, bad
	}
	call.Target, call.Caller, call.ParamHeaders = req.Target, req.Caller, req.ParamHeaders
	call.RetryState, call.HasRetryState, call.Answers = req.RetryState, req.HasRetryState, req.Answers
	return call, nil
}

// run is one task under way. Its goroutine is Run's; the one that waits for the
// result has a fetch of its own.
type run struct {
	log    *slog.Logger
	h      mcpwire.Handler
	caller *mcpwire.Caller
	ears   *ears

	params []byte // of every request about the task
	state  state  // as last seen
	silent int    // times in a row that the backend gave neither a result nor a sign of life
}

// newRun reads a handle of 2025-11-25. It is not ok for one of no use.
func newRun(handle []byte) (*run, bool) {
	task := mcpwire.ObjectMember(handle, "task")
	id, ok := mcpwire.TextMember(task, "taskId")
	if !ok || id == "" || len(id) > maxID {
		return nil, false
	}
	t := &run{params: append(mcpwire.AppendString([]byte(`{"taskId":`), id), '}')}
	if t.state, ok = stateOf(task); !ok {
		t.state = state{status: statusWorking, poll: defaultPoll}
	}
	_, bad := t.request(MethodGet)
	return t, bad == nil
}

// request is one about the task. It is on behalf of the call's own client, so that
// questions find it.
func (t *run) request(method string) (*mcpwire.Request, *mcpwire.Error) {
	req, bad := mcpwire.NewRequest(method, mcpwire.LatestLegacy, t.params)
	if bad != nil {
		return nil, bad
	}
	req.Caller = t.caller
	return req, nil
}

// serve makes a request about the task.
func (t *run) serve(ctx context.Context, method string, sink mcpwire.Sink) mcpwire.Outcome {
	req, bad := t.request(method)
	if bad != nil {
		return mcpwire.Fail(bad)
	}
	return t.h.Serve(ctx, req, sink)
}

// toEnd waits for the task's result.
func (t *run) toEnd(ctx context.Context) mcpwire.Outcome {
	for {
		f := t.fetch(ctx)
		last := t.follow(ctx, f)
		out, came := f.take()
		switch {
		case out.Kind == mcpwire.Complete:
			return result(out)
		case ctx.Err() != nil:
			out.Close()
			return t.cancel(ctx)
		case out.Kind != mcpwire.Failed:
			out.Close()
			return garbled()
		case !came:
			return t.verdict(last)
		}
		if end, over := t.judge(ctx, out.Err); over {
			return end
		}
		if !pause(ctx, t.state.poll) {
			return t.cancel(ctx)
		}
	}
}

// result is what tasks/result gave, if it is a result.
func result(out mcpwire.Outcome) mcpwire.Outcome {
	if kindOfOutcome(&out) == plain {
		return out
	}
	out.Close()
	return garbled()
}

// follow looks at the task now and then until its result is there, ctx has ended, or
// the task has ended and its result is overdue. It tells what it saw last.
func (t *run) follow(ctx context.Context, f *fetch) (last seen) {
	timer := time.NewTimer(t.state.poll)
	defer timer.Stop()
	for {
		select {
		case <-f.done:
			return last
		case <-ctx.Done():
			return last
		case <-timer.C:
		}
		switch {
		case last == ended || last == gone:
			return last
		case t.ears.asking.Load() > 0: // while a person thinks there is nothing to see
		default:
			last = t.look(f.waiting)
		}
		if last == ended || last == gone {
			timer.Reset(resultTime)
		} else {
			timer.Reset(t.state.poll)
		}
	}
}

// judge decides what an error in place of the result means, by how the task is now.
// Where it does not end the call, the result can be asked for again.
func (t *run) judge(ctx context.Context, e *mcpwire.Error) (end mcpwire.Outcome, over bool) {
	saw, theirs := t.look(ctx), e.Raw != nil
	switch {
	case ctx.Err() != nil:
		return t.cancel(ctx), true
	case saw == gone && theirs && e.Code != mcpwire.CodeInvalidParams:
		return mcpwire.Fail(e), true // it was the answer, and the last that was kept of the task
	case saw == ended && theirs && t.state.status != statusCancelled:
		return refused(e, t.state), true
	case saw == gone || saw == ended && theirs:
		return t.verdict(saw), true
	case saw == alive:
		return end, false
	}
	if t.silent++; t.silent < maxSilent {
		return end, false
	}
	return t.verdict(saw), true
}

// verdict is the end of a call whose result did not come.
func (t *run) verdict(last seen) mcpwire.Outcome {
	switch last {
	case gone:
		return forgotten()
	case ended:
		return withheld(t.state)
	}
	return unreachable()
}

// seen is what one look at a task has shown.
type seen int

const (
	nothing seen = iota // the backend gave no answer that says anything
	alive
	ended
	gone // the backend does not know the task
)

// look asks once how the task is, and tells the caller if that is news. How it
// ended is for the outcome to tell.
func (t *run) look(ctx context.Context) seen {
	out := t.serve(ctx, MethodGet, t.ears)
	defer out.Close()
	switch {
	case out.Kind == mcpwire.Failed && out.Err.Raw != nil && out.Err.Code == mcpwire.CodeInvalidParams:
		return gone
	case out.Kind != mcpwire.Complete || out.Result.Rest != nil:
		return nothing
	}
	s, ok := stateOf(out.Result.Bytes)
	if !ok {
		return nothing
	}
	t.state = s
	if s.ended() {
		return ended
	}
	t.ears.tell(s)
	t.silent = 0
	return alive
}

// cancel ends the task for a call that has ended before it. ctx's end does not
// count for it: it only carries who is behind the call.
func (t *run) cancel(ctx context.Context) mcpwire.Outcome {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	out := t.serve(ctx, MethodCancel, deaf{})
	defer out.Close()
	if out.Kind == mcpwire.Failed {
		t.log.InfoContext(ctx, "a task was left behind", "error", out.Err)
	}
	return cutShort(out.Kind == mcpwire.Complete)
}

// pause waits for d. It is false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
