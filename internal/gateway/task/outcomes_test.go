package task_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/gateway/task"
	"drawbridge/internal/mcpwire"
)

// TestRun_outcomes is the table of Run's comment.
func TestRun_outcomes(t *testing.T) {
	t.Parallel()
	hang := handler(func(ctx context.Context, _ *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		<-ctx.Done()
		return lost("the call was cancelled")
	})
	always := func(o mcpwire.Outcome) mcpwire.Handler {
		return handler(func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome { return o })
	}
	done := func(result string) mcpwire.Handler { return always(mcpwire.Done(mcpwire.Rev20251125, []byte(result))) }
	const isUnknown = " It is unknown whether the call took effect: look before you repeat it."
	for name, c := range map[string]struct {
		work func(*job)
		on   map[string]mcpwire.Handler
		want string        // the text of the tool error; "" where one of the next two is wanted
		res  string        // the result
		err  string        // the error, raw
		took time.Duration // 0: whatever
	}{
		"the task is refused": {
			on:  map[string]mcpwire.Handler{mcpwire.MethodToolsCall: always(mcpwire.Fail(theirs(-32601, "no tasks here")))},
			err: string(theirs(-32601, "no tasks here").Raw),
		},
		"a result, not a task": {
			on:  map[string]mcpwire.Handler{mcpwire.MethodToolsCall: done(`{"content":[],"task":{"taskId":"x","status":"working"}}`)},
			res: `{"content":[],"task":{"taskId":"x","status":"working"}}`,
		},
		"a handle without an id": {
			on:   map[string]mcpwire.Handler{mcpwire.MethodToolsCall: done(`{"task":{"status":"working"}}`)},
			want: "The tool's backend made a task of this call, but gave it an id that cannot be used." + isUnknown,
		},
		"an endless id": {
			on:   map[string]mcpwire.Handler{mcpwire.MethodToolsCall: done(`{"task":{"taskId":"` + strings.Repeat("x", 1025) + `"}}`)},
			want: "The tool's backend made a task of this call, but gave it an id that cannot be used." + isUnknown,
		},
		"an id with a NUL": {
			on:   map[string]mcpwire.Handler{mcpwire.MethodToolsCall: done(`{"task":{"taskId":"a\u0000b"}}`)},
			want: "The tool's backend made a task of this call, but gave it an id that cannot be used." + isUnknown,
		},
		"a failed tool": {
			work: after(func(j *job) { j.end("failed", "no such file", `{"content":[],"isError":true,"n":1.0}`, nil) }),
			res:  `{"content":[],"isError":true,"n":1.0}`,
		},
		"an error of a task that completed": {
			work: after(func(j *job) { j.end("completed", "done", "", theirs(-32603, "it broke")) }),
			err:  string(theirs(-32603, "it broke").Raw),
		},
		"an error of a failed task": {
			work: after(func(j *job) { j.end("failed", "rate limit", "", theirs(-32603, "Task has no result")) }),
			err:  `{"code":-32603,"message":"Task has no result (rate limit)","data":{"kept":1.0}}`,
		},
		"an error of a failed task that says it all": {
			work: after(func(j *job) { j.end("failed", "rate limit", "", theirs(-32603, "hit a rate limit")) }),
			err:  string(theirs(-32603, "hit a rate limit").Raw),
		},
		"a task that the backend cancels": {
			work: after(func(j *job) { j.end("cancelled", "by an operator", "", theirs(-32000, "cancelled")) }),
			want: `The tool's backend cancelled the task of this call and said "by an operator".` + isUnknown,
			took: time.Second,
		},
		"a task that the backend cancels without a word": {
			work: after(func(j *job) { j.end("cancelled", "", "", theirs(-32000, "cancelled")) }),
			want: "The tool's backend cancelled the task of this call." + isUnknown,
		},
		"a task that the backend cancels with a result": {
			work: after(func(j *job) { j.end("cancelled", "", `{"content":[]}`, nil) }),
			res:  `{"content":[]}`,
		},
		"a task that is forgotten": {
			work: after((*job).forget),
			want: "The tool's backend no longer knows the task of this call." + isUnknown,
			took: time.Second,
		},
		"a task that is forgotten while its result hangs": {
			work: after((*job).forget),
			on:   map[string]mcpwire.Handler{task.MethodResult: hang},
			want: "The tool's backend no longer knows the task of this call." + isUnknown,
			took: 31400 * time.Millisecond,
		},
		"a task that is forgotten with its answer": {
			work: after((*job).forget),
			on: map[string]mcpwire.Handler{task.MethodResult: handler(func(ctx context.Context, _ *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
				<-time.After(2 * time.Second)
				return mcpwire.Fail(theirs(-32603, "it broke"))
			})},
			err: string(theirs(-32603, "it broke").Raw),
		},
		"a result that is not handed out": {
			work: after(completing),
			on:   map[string]mcpwire.Handler{task.MethodResult: hang},
			want: "The tool's backend has completed the task of this call but does not hand out its result. The call has run: look at what it did before you repeat it.",
			took: 31400 * time.Millisecond,
		},
		"a failure that is not handed out": {
			work: after(func(j *job) { j.end("failed", "rate limit", "", nil) }),
			on:   map[string]mcpwire.Handler{task.MethodResult: hang},
			want: `The task of this call failed at the tool's backend and said "rate limit".` + isUnknown,
		},
		"a result that breaks off each time": {
			work: after(completing),
			on:   map[string]mcpwire.Handler{task.MethodResult: always(lost("the answer broke off"))},
			want: "The tool's backend has completed the task of this call but does not hand out its result. The call has run: look at what it did before you repeat it.",
		},
		"a backend that is gone": {
			on:   map[string]mcpwire.Handler{task.MethodResult: always(lost("connection refused")), task.MethodGet: always(lost("connection refused"))},
			want: "The tool's backend took this call as a task and then stopped answering." + isUnknown,
			took: 2800 * time.Millisecond,
		},
		"a backend that knows its tasks by result alone": {
			work: after(completing),
			on:   map[string]mcpwire.Handler{task.MethodGet: always(mcpwire.Fail(theirs(-32601, "Method not found")))},
			res:  finalResult,
		},
		"a backend that answers nonsense when asked": {
			work: after(completing),
			on:   map[string]mcpwire.Handler{task.MethodGet: done(`{"status":7}`)},
			res:  finalResult,
		},
		"a task in place of a result": {
			on:   map[string]mcpwire.Handler{task.MethodResult: done(`{"task":{"taskId":"task-1","status":"working"}}`)},
			want: "The tool's backend handed out something else than the result of this call's task." + isUnknown,
		},
		"a question in place of a result": {
			on:   map[string]mcpwire.Handler{task.MethodResult: always(mcpwire.Outcome{Kind: mcpwire.InputRequired, Result: mcpwire.Result{Bytes: []byte(`{}`)}})},
			want: "The tool's backend handed out something else than the result of this call's task." + isUnknown,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, c.work)
				s.on, s.poll = c.on, "700" // never when a step is
				start := time.Now()
				out := run(t.Context(), t, s, &client{})
				defer out.Close()
				switch {
				case c.err != "" && (out.Kind != mcpwire.Failed || string(out.Err.Append(nil)) != c.err):
					t.Errorf("%s, want the error %s", told(out), c.err)
				case c.res != "" && (out.Kind != mcpwire.Complete || string(out.Result.Bytes) != c.res):
					t.Errorf("%s, want the result %s", told(out), c.res)
				case c.want != "" && told(out) != c.want:
					t.Errorf("%s, want %s", told(out), c.want)
				}
				if took := time.Since(start); c.took != 0 && took != c.took {
					t.Errorf("it took %s, not %s", took, c.took)
				}
			})
		})
	}
}

// TestRun_cancelled shows that a call that its client gives up takes its task along,
// and that what it sends for this does not end with the call.
func TestRun_cancelled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		on   mcpwire.Handler
		want string
		took time.Duration
	}{
		"confirmed": {nil, "and its task at the tool's backend was cancelled", 10 * time.Second},
		"refused": {handler(func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
			return mcpwire.Fail(theirs(-32601, "Method not found"))
		}), "may go on", 10 * time.Second},
		"hanging": {handler(func(ctx context.Context, _ *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			<-ctx.Done()
			return lost("timeout")
		}), "may go on", 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, nil) // it never ends
				if c.on != nil {
					s.on[task.MethodCancel] = c.on
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				out := run(ctx, t, s, &client{})
				if got := told(out); !strings.Contains(got, c.want) || !strings.Contains(got, "look before you repeat it") {
					t.Error(got)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("it took %s, not %s", took, c.took)
				}
				if want := "task-1 cancelled"; c.on == nil && s.states() != want {
					t.Errorf("left behind: %s", s.states())
				}
				if n := s.count(task.MethodCancel); n != 1 {
					t.Errorf("cancelled %d times", n)
				}
			})
		})
	}
}

// TestRun_cancelledWhileAsking shows that a question does not hold a call that has ended.
func TestRun_cancelledWhileAsking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newServer(t, func(j *job) { j.ask(mcpwire.MethodElicit, `{}`) })
		c := &client{answer: func(mcpwire.Question) (mcpwire.Answer, error) {
			cancel()
			return mcpwire.Answer{}, errors.New("the client went away")
		}}
		if got := told(run(ctx, t, s, c)); !strings.Contains(got, "was cancelled") {
			t.Error(got)
		}
	})
}

// TestRun_reopens shows that a tasks/result that breaks is opened again, and that the
// question of a backend that waits for that still arrives; the call is not repeated.
func TestRun_reopens(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]mcpwire.Outcome{
		"lost":    lost("no answer within 2s"),
		"not yet": mcpwire.Fail(theirs(-32603, "the task has not ended")),
		"unknown": mcpwire.Fail(theirs(-32602, "the task has no result")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var answered mcpwire.Answer
				s := newServer(t, func(j *job) {
					<-time.After(9 * time.Second)
					answered = j.ask(mcpwire.MethodElicit, `{}`)
					completing(j)
				})
				tries := 0
				s.on[task.MethodResult] = handler(func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
					if tries++; tries <= 3 {
						<-time.After(2 * time.Second)
						return why
					}
					return s.own(ctx, req, sink)
				})
				c := &client{answer: func(mcpwire.Question) (mcpwire.Answer, error) {
					return mcpwire.Answer{Result: []byte(`{"action":"decline"}`)}, nil
				}}
				out := run(t.Context(), t, s, c)
				if got := string(out.Result.Bytes); got != finalResult || string(answered.Result) != `{"action":"decline"}` {
					t.Errorf("outcome %s, answer %s", told(out), answered.Result)
				}
				if tries != 4 {
					t.Errorf("opened %d times", tries)
				}
			})
		})
	}
}

// TestRun_patience shows that a backend is not given up that answers now and then.
func TestRun_patience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		tries, looks := 0, 0
		s.on[task.MethodResult] = handler(func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
			if tries++; tries <= 20 {
				return lost("connection reset")
			}
			return mcpwire.Done(mcpwire.Rev20251125, []byte(finalResult))
		})
		s.on[task.MethodGet] = handler(func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			if looks++; looks%5 != 0 {
				return lost("connection reset")
			}
			return s.own(ctx, req, sink)
		})
		if got := told(run(t.Context(), t, s, &client{})); got != finalResult {
			t.Errorf("after %d tries: %s", tries, got)
		}
	})
}

// stream is a result that is still coming in.
type stream struct {
	io.Reader
	ctx    context.Context // of the request that it belongs to
	closed bool
}

func (s *stream) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.Reader.Read(p)
}

func (s *stream) Close() error {
	s.closed = true
	return nil
}

// TestRun_streams shows that a large result is handed on while it comes in: its
// request lives until it is closed, and no longer.
func TestRun_streams(t *testing.T) {
	t.Parallel()
	for _, method := range []string{mcpwire.MethodToolsCall, task.MethodResult} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var rest *stream
				s := newServer(t, nil)
				s.on[method] = handler(func(ctx context.Context, _ *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
					rest = &stream{Reader: strings.NewReader(` of it"}`), ctx: ctx}
					return mcpwire.Outcome{Kind: mcpwire.Complete, Revision: mcpwire.Rev20251125,
						Result: mcpwire.Result{Bytes: []byte(`{"task":{"taskId":"no handle"},"more":"the rest`), Rest: rest}}
				})
				out := run(t.Context(), t, s, &client{})
				got, err := io.ReadAll(out.Result.Rest)
				if err != nil || string(got) != ` of it"}` || rest.closed {
					t.Errorf("read %q, %v; closed %v", got, err, rest.closed)
				}
				out.Close()
				if !rest.closed || method == task.MethodResult && rest.ctx.Err() == nil {
					t.Errorf("closed %v, its request %v", rest.closed, rest.ctx.Err())
				}
			})
		})
	}
}

// TestRun_overdue shows that a result that comes only when nobody waits any more is
// not handed on without its stream.
func TestRun_overdue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var rest *stream
		s := newServer(t, after(completing))
		s.on[task.MethodResult] = handler(func(ctx context.Context, _ *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			<-ctx.Done()
			rest = &stream{Reader: bytes.NewReader(nil), ctx: ctx}
			return mcpwire.Outcome{Kind: mcpwire.Complete, Result: mcpwire.Result{Bytes: []byte(`{`), Rest: rest}}
		})
		c := &client{}
		if got := told(run(t.Context(), t, s, c)); !strings.Contains(got, "does not hand out its result") || !rest.closed {
			t.Errorf("%s; closed %v", got, rest.closed)
		}
		if notes := strings.Join(c.notes(), "\n"); strings.Contains(notes, "all done") {
			t.Errorf("the end was told as progress: %s", notes)
		}
	})
}
