package task_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/gateway/task"
	"drawbridge/internal/mcpwire"
)

// finalResult is a tool's result with what a decoder would lose.
const finalResult = `{ "content":[{"type":"text","text":"done"}],"structuredContent":{"n":9007199254740993,"x":1.0},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"task-1"}},"unknown":[] }`

// after runs steps, a second apart.
func after(steps ...func(*job)) func(*job) {
	return func(j *job) {
		for _, step := range steps {
			select {
			case <-time.After(time.Second):
			case <-j.stopped:
				return
			}
			step(j)
		}
	}
}

func saying(status, message string) func(*job) {
	return func(j *job) { j.say(status, message) }
}

func completing(j *job) { j.end("completed", "all done", finalResult, nil) }

func TestRun(t *testing.T) {
	t.Parallel()
	for _, rev := range mcpwire.Revisions() {
		t.Run(string(rev), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, after(saying("working", "half way"), completing))
				s.poll = "300"
				c := &client{}
				out := newRunner(t).Run(t.Context(), s, newCall(t, rev, params), c)
				s.finish()
				if out.Kind != mcpwire.Complete || out.Revision != mcpwire.Rev20251125 || string(out.Result.Bytes) != finalResult {
					t.Errorf("outcome %d %s %s", out.Kind, out.Revision, out.Result.Bytes)
				}
				want := `{"task":{"ttl":3600000},"name" : "slow","arguments":{"n":9007199254740993, "x":1.0},"_meta":{"traceparent":"00-ab","progressToken":"mine"}}`
				if string(s.called) != want {
					t.Errorf("the call was sent as %s, want %s", s.called, want)
				}
				if diff := cmp.Diff([]string{
					`progress {"progressToken":7,"progress":0.000001,"message":"started"}`,
					`progress {"progressToken":7,"progress":0.000002,"message":"half way"}`,
				}, c.notes()); diff != "" {
					t.Error(diff)
				}
				if calls, results := s.count(mcpwire.MethodToolsCall), s.count(task.MethodResult); calls != 1 || results != 1 {
					t.Errorf("%d calls, %d results", calls, results)
				}
				if n := s.count(task.MethodCancel); n != 0 {
					t.Error("a task that has ended was cancelled")
				}
			})
		})
	}
}

func TestRun_withoutTokenIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newServer(t, after(saying("working", "half way"), completing)), &client{}
		s.poll = "250"
		out := newRunner(t).Run(t.Context(), s, newCall(t, mcpwire.Rev20260728, `{"name":"slow"}`), c)
		if got := string(out.Result.Bytes); got != finalResult || len(c.notes()) > 0 {
			t.Errorf("%s, %v", got, c.notes())
		}
	})
}

// TestRun_questions shows that what a task asks reaches the caller, who hears
// nothing of the task, and that the answer says which task it is for.
func TestRun_questions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answered mcpwire.Answer
		s := newServer(t, after(func(j *job) {
			answered = j.ask(mcpwire.MethodElicit, `{"message":"which?","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"task-1"},"k":1}}`)
		}, completing))
		c := &client{answer: func(mcpwire.Question) (mcpwire.Answer, error) {
			time.Sleep(10 * time.Minute) // of the test's clock: a person thinks
			return mcpwire.Answer{Result: []byte(`{"action":"accept","content":{"n":1.0}}`)}, nil
		}}
		out := run(t.Context(), t, s, c)
		if got := string(out.Result.Bytes); got != finalResult {
			t.Errorf("outcome %s", got)
		}
		if len(c.ask) != 1 || c.ask[0].Method != mcpwire.MethodElicit || string(c.ask[0].Params) != `{"message":"which?","_meta":{"k":1}}` {
			t.Errorf("asked %s", c.ask)
		}
		want := `{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"task-1"}},"action":"accept","content":{"n":1.0}}`
		if string(answered.Result) != want {
			t.Errorf("answered %s, want %s", answered.Result, want)
		}
		if n := s.count(task.MethodGet); n > 5 {
			t.Errorf("looked %d times while a person was thinking", n)
		}
		if s.count(task.MethodResult) != 1 {
			t.Error("the stream of the question was given up")
		}
	})
}

func TestRun_nobodyToAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answered mcpwire.Answer
		s := newServer(t, after(func(j *job) { answered = j.ask(mcpwire.MethodElicit, `{"message":"which?"}`) }, completing))
		out := run(t.Context(), t, s, &client{})
		if got := string(out.Result.Bytes); got != finalResult || answered.Err == nil {
			t.Errorf("outcome %s, answer %s", got, answered.Result)
		}
	})
}

// TestRun_polls shows the bounds of how often a task is looked at.
func TestRun_polls(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int{
		"": 60, "1": 240, "-5": 240, "0": 240, "2000": 30, "30000": 2, "1e9": 2, "1e300": 2, `"soon"`: 60,
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Millisecond)
				defer cancel()
				s := newServer(t, nil)
				s.poll = raw
				run(ctx, t, s, &client{})
				if n := s.count(task.MethodGet); n != want {
					t.Errorf("%d looks a minute, want %d", n, want)
				}
			})
		})
	}
}

// TestRun_progressIncreases mixes progress of the backend's own with that of the
// statuses.
func TestRun_progressIncreases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newServer(t, after(saying("working", "two"), saying("working", "two"), saying("working", "x"+strings.Repeat("ä", 600)), completing)), &client{}
		s.poll = "300"
		own := func(sink mcpwire.Sink, values ...string) {
			for _, v := range values {
				sink.Notify(mcpwire.Notification{Method: mcpwire.MethodProgress, Params: []byte(`{"progressToken":7,"progress":` + v + `}`)})
			}
		}
		s.on[mcpwire.MethodToolsCall] = handler(func(_ context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			own(sink, "0", "0.5", "40.5", "7")
			return s.create(req)
		})
		s.on[task.MethodResult] = handler(func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			own(sink, "41")
			sink.Notify(mcpwire.Notification{Method: task.MethodStatus, Params: []byte(`{"taskId":"task-1","status":"working"}`)})
			sink.Notify(mcpwire.Notification{Method: mcpwire.MethodMessage, Params: []byte(`{"level":"info","data":1.0,"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"task-1"}}}`)})
			return s.own(ctx, req, sink)
		})
		run(t.Context(), t, s, c)
		last, list := 0.0, []string{}
		for i, n := range c.notes() {
			method, body, _ := strings.Cut(n, " ")
			if method != "progress" {
				list = append(list, n)
				continue
			}
			value, err := strconv.ParseFloat(string(mcpwire.Member([]byte(body), "progress")), 64)
			if err != nil || i > 0 && value <= last {
				t.Errorf("%s after %v", n, last)
			}
			last = value
			message, _ := mcpwire.TextMember([]byte(body), "message")
			list = append(list, string(mcpwire.Member([]byte(body), "progress"))+" "+message)
		}
		if diff := cmp.Diff([]string{
			"0 ", "0.5 ", "40.5 ", "40.500001 started", "41 ", `message {"level":"info","data":1.0}`, "41.000001 two", "41.000002 x" + strings.Repeat("ä", 511),
		}, list); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRun_ownProgress shows that statuses leave room for a backend that counts from 0
// to 1, and say how much there is in its terms.
func TestRun_ownProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newServer(t, after(saying("working", "two"), completing)), &client{}
		s.poll = "1500"
		s.on[task.MethodResult] = handler(func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			own := func(p string) {
				sink.Notify(mcpwire.Notification{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodProgress,
					Params: []byte(`{"progressToken":7,` + p + `,"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"task-1"}}}`)})
			}
			own(`"progress":0, "total":1.0,"message":"own"`)
			own(`"progress":0`)
			own(`"progress":0.25,"total":1.0`)
			own(`"progress":"x"`)
			go func() { time.Sleep(1900 * time.Millisecond); own(`"progress":1,"total":1.0`) }()
			return s.own(ctx, req, sink)
		})
		run(t.Context(), t, s, c)
		if diff := cmp.Diff([]string{
			`progress {"progressToken":7,"progress":0.000001,"message":"started"}`,
			`progress {"progressToken":7,"progress":0.000002,"total":1.0,"message":"own"}`,
			`progress {"progressToken":7,"progress":0.25,"total":1.0}`,
			`progress {"progressToken":7,"progress":"x"}`,
			`progress {"progressToken":7,"progress":0.250001,"total":1.0,"message":"two"}`,
			`progress {"progressToken":7,"progress":1,"total":1.0}`,
		}, c.notes()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRun_extension shows that a task of the other kind is not followed.
func TestRun_extension(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.on[mcpwire.MethodToolsCall] = handler(func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
		return mcpwire.Done(mcpwire.Rev20260728, []byte(`{"resultType":"task","taskId":"x","status":"working"}`))
	})
	out := run(t.Context(), t, s, &client{})
	if out.Kind != mcpwire.Failed || !strings.Contains(out.Err.Message, "use a client of that revision") {
		t.Error(told(out))
	}
}

// TestRun_replacesTheClients shows that what a client of another revision wrote
// under params.task does not count.
func TestRun_replacesTheClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, after(completing))
		req := newCall(t, mcpwire.Rev20260728, `{"task":{"ttl":1},"name":"slow","requestState":"sealed"}`)
		req.RetryState, req.Answers, req.ParamHeaders = "opened", []byte(`{"q":{}}`), map[string]string{"Mcp-Param-A": "1"}
		s.on[mcpwire.MethodToolsCall] = handler(func(_ context.Context, got *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
			if got.ParamHeader("mcp-param-a") == nil || got.Revision != req.Revision {
				t.Error("what belongs to the call is lost")
			}
			return s.create(got)
		})
		out := newRunner(t).Run(t.Context(), s, req, &client{})
		if want := `{"task":{"ttl":3600000},"name":"slow","requestState":"opened","_meta":{"progressToken":"mine"},"inputResponses":{"q":{}}}`; string(s.called) != want || told(out) != finalResult {
			t.Errorf("sent %s, got %s", s.called, told(out))
		}
	})
}

// TestRun_quick shows that a task may have ended when its handle comes.
func TestRun_quick(t *testing.T) {
	t.Parallel()
	s, c := newServer(t, nil), &client{}
	s.on[mcpwire.MethodToolsCall] = handler(func(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		s.create(req)
		completing(s.jobs["task-1"])
		return mcpwire.Done(mcpwire.Rev20251125, []byte(`{"task":`+s.jobs["task-1"].object()+`}`))
	})
	if got := told(run(t.Context(), t, s, c)); got != finalResult || len(c.notes()) > 0 {
		t.Errorf("%s, %v", got, c.notes())
	}
}

func TestRun_withoutParams(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	out := newRunner(t).Run(t.Context(), s, &mcpwire.Request{Method: mcpwire.MethodToolsCall}, &client{})
	if out.Kind != mcpwire.Failed || out.Err.Code != mcpwire.CodeInvalidParams || len(s.seen) > 0 {
		t.Errorf("%s, %v", told(out), s.seen)
	}
}

func TestNewRunner_needsALog(t *testing.T) {
	t.Parallel()
	if _, err := task.NewRunner(nil); err == nil {
		t.Error("it does without")
	}
}
