package task_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/gateway/task"
	"drawbridge/internal/mcpwire"
)

// server is a strict backend with tasks of 2025-11-25. What a task does, a test
// says; a method may be served otherwise with on.
type server struct {
	t    *testing.T
	work func(*job)                 // a task's own goroutine; nil: it goes on for ever
	on   map[string]mcpwire.Handler // in place of the server's own
	poll string                     // pollInterval, raw; "" is none

	mu     sync.Mutex // guards what follows, and the jobs
	jobs   map[string]*job
	seen   []string // methods, in order
	called []byte   // params of the tools/call
	caller *mcpwire.Caller
	over   bool // nothing may come any more
}

// job is one task.
type job struct {
	s       *server
	id      string
	status  string
	message string
	result  string         // of tasks/result
	err     *mcpwire.Error // in its place
	asks    []mcpwire.Question
	answers chan mcpwire.Answer
	news    chan struct{} // closed at each change, and replaced
	stopped chan struct{} // closed when it is cancelled
}

func newServer(t *testing.T, work func(*job)) *server {
	return &server{t: t, work: work, on: map[string]mcpwire.Handler{}, jobs: map[string]*job{}}
}

// handler is a function as a Handler.
type handler func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome

func (h handler) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	return h(ctx, req, sink)
}

// theirs is an error as a backend sends it.
func theirs(code int, message string) *mcpwire.Error {
	raw := fmt.Sprintf(`{"code":%d,"message":%q,"data":{"kept":1.0}}`, code, message)
	return &mcpwire.Error{Code: code, Message: message, Data: []byte(`{"kept":1.0}`), Raw: []byte(raw)}
}

// lost is what the supervisor says of a request without an answer.
func lost(reason string) mcpwire.Outcome {
	return mcpwire.Fail(&mcpwire.Error{Code: mcpwire.CodeInternal, Message: "Backend gave no answer: " + reason, Data: []byte(`{"backend":"b"}`)})
}

func (s *server) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	s.mu.Lock()
	s.seen = append(s.seen, req.Method)
	switch {
	case s.over:
		s.t.Errorf("%s comes after the end", req.Method)
	case s.caller == nil:
		s.caller = req.Caller
	case s.caller != req.Caller:
		s.t.Errorf("%s is on behalf of another client", req.Method)
	}
	s.mu.Unlock()
	if h := s.on[req.Method]; h != nil {
		return h.Serve(ctx, req, sink)
	}
	return s.own(ctx, req, sink)
}

// own serves a method by the specification.
func (s *server) own(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	if req.Method == mcpwire.MethodToolsCall {
		return s.create(req)
	}
	if err := ctx.Err(); err != nil {
		return lost(err.Error())
	}
	want := fmt.Sprintf(`{"taskId":%q}`, req.Target)
	if got := string(req.AppendParams(nil, mcpwire.Edit{})); got != want {
		s.t.Errorf("%s: params %s, want %s", req.Method, got, want)
	}
	s.mu.Lock()
	j := s.jobs[req.Target]
	s.mu.Unlock()
	if j == nil {
		return mcpwire.Fail(theirs(mcpwire.CodeInvalidParams, "Task not found"))
	}
	switch req.Method {
	case task.MethodGet:
		return mcpwire.Done(mcpwire.Rev20251125, []byte(j.object()))
	case task.MethodResult:
		return j.serveResult(ctx, sink)
	case task.MethodCancel:
		return j.serveCancel()
	}
	return mcpwire.Fail(theirs(mcpwire.CodeMethodNotFound, "Method not found"))
}

// create starts a task. A call that asks for none is refused, as the
// specification has it for tools that require one.
func (s *server) create(req *mcpwire.Request) mcpwire.Outcome {
	params := req.AppendParams(nil, mcpwire.Edit{ProgressToken: []byte(`"mine"`)})
	if mcpwire.ObjectMember(params, "task") == nil {
		return mcpwire.Fail(theirs(mcpwire.CodeMethodNotFound, "This tool runs as a task only"))
	}
	s.mu.Lock()
	s.called = params
	id := "task-" + strconv.Itoa(len(s.jobs)+1)
	j := &job{s: s, id: id, status: "working", message: "started", answers: make(chan mcpwire.Answer), news: make(chan struct{}), stopped: make(chan struct{})}
	s.jobs[id] = j
	s.mu.Unlock()
	if s.work != nil {
		go s.work(j)
	}
	return mcpwire.Done(mcpwire.Rev20251125, []byte(`{"task":`+j.object()+`}`))
}

func (j *job) object() string {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	poll := ""
	if j.s.poll != "" {
		poll = `,"pollInterval":` + j.s.poll
	}
	return fmt.Sprintf(`{"taskId":%q,"status":%q,"statusMessage":%q,"createdAt":"2025-11-25T10:30:00Z","lastUpdatedAt":"2025-11-25T10:30:00Z","ttl":null%s}`,
		j.id, j.status, j.message, poll)
}

// change edits a job and wakes who waits for it. What has ended stays as it is.
func (j *job) change(edit func()) {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	if j.hasEnded() {
		return
	}
	edit()
	close(j.news)
	j.news = make(chan struct{})
}

func (j *job) hasEnded() bool { return j.status != "working" && j.status != "input_required" }

// say is a status with its message.
func (j *job) say(status, message string) {
	j.change(func() { j.status, j.message = status, message })
}

// end gives the job its result, or its error.
func (j *job) end(status, message, result string, err *mcpwire.Error) {
	j.change(func() { j.status, j.message, j.result, j.err = status, message, result, err })
}

// forget is what a server does whose task has expired.
func (j *job) forget() {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	delete(j.s.jobs, j.id)
	close(j.news)
	j.news = make(chan struct{})
}

// ask puts a question by the stream of tasks/result and waits for the answer.
func (j *job) ask(method, params string) mcpwire.Answer {
	q := mcpwire.Question{Revision: mcpwire.Rev20251125, Method: method, Params: []byte(params)}
	j.change(func() { j.status, j.message, j.asks = "input_required", "a question", append(j.asks, q) })
	select {
	case a := <-j.answers:
		j.say("working", "answered")
		return a
	case <-j.stopped:
		return mcpwire.Answer{}
	}
}

// serveResult blocks until the task has ended, and brings its questions.
func (j *job) serveResult(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
	for {
		j.s.mu.Lock()
		ended, news, asks := j.hasEnded(), j.news, j.asks
		known := j.s.jobs[j.id] == j
		j.asks = nil
		result, err := j.result, j.err
		j.s.mu.Unlock()
		for _, q := range asks {
			a, askErr := sink.Ask(ctx, q)
			if askErr != nil {
				a = mcpwire.Answer{Err: theirs(-1, "nobody answers")}
			}
			j.answers <- a
		}
		switch {
		case !known:
			return mcpwire.Fail(theirs(mcpwire.CodeInvalidParams, "Task not found"))
		case len(asks) > 0:
			continue
		case ended && err != nil:
			return mcpwire.Fail(err)
		case ended:
			return mcpwire.Done(mcpwire.Rev20251125, []byte(result))
		}
		select {
		case <-news:
		case <-ctx.Done():
			return lost("the call was cancelled")
		}
	}
}

func (j *job) serveCancel() mcpwire.Outcome {
	j.s.mu.Lock()
	ended := j.hasEnded()
	j.s.mu.Unlock()
	if ended {
		return mcpwire.Fail(theirs(mcpwire.CodeInvalidParams, "Cannot cancel a task that has ended"))
	}
	close(j.stopped)
	j.end("cancelled", "cancelled by request", "", theirs(-32000, "Task cancelled"))
	return mcpwire.Done(mcpwire.Rev20251125, []byte(j.object()))
}

// finish says that nothing may come any more.
func (s *server) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

// count is how often a method was called.
func (s *server) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, m := range s.seen {
		if m == method {
			n++
		}
	}
	return n
}

// states are the statuses of the jobs, by id.
func (s *server) states() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(s.jobs)) {
		out = append(out, id+" "+s.jobs[id].status)
	}
	return strings.Join(out, ", ")
}

// client is the sink of a call.
type client struct {
	answer func(mcpwire.Question) (mcpwire.Answer, error)

	mu  sync.Mutex // guards what follows
	got []string   // notifications: method and params
	ask []mcpwire.Question
}

func (c *client) Notify(n mcpwire.Notification) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, strings.TrimPrefix(n.Method, "notifications/")+" "+string(n.Params))
}

func (c *client) Ask(_ context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	c.mu.Lock()
	c.ask = append(c.ask, q)
	c.mu.Unlock()
	if c.answer == nil {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	return c.answer(q)
}

func (c *client) notes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// params are those of a call with a progress token.
const params = `{ "name" : "shown_slow", "arguments":{"n":9007199254740993, "x":1.0},"_meta":{"progressToken":7,"traceparent":"00-ab"} }`

// newCall is a tools/call as the gateway hands it on: the name is the backend's.
func newCall(t *testing.T, rev mcpwire.Revision, raw string) *mcpwire.Request {
	t.Helper()
	req, bad := mcpwire.NewRequest(mcpwire.MethodToolsCall, rev, []byte(raw))
	if bad != nil {
		t.Fatal(bad)
	}
	req.Target = "slow"
	req.Caller = &mcpwire.Caller{Revision: rev}
	return req
}

func newRunner(t *testing.T) *task.Runner {
	t.Helper()
	r, err := task.NewRunner(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs a call of a 2025-11-25 client to its end, after which the backend must
// be left in peace.
func run(ctx context.Context, t *testing.T, s *server, c *client) mcpwire.Outcome {
	t.Helper()
	out := newRunner(t).Run(ctx, s, newCall(t, mcpwire.Rev20251125, params), c)
	s.finish()
	if n := s.count(mcpwire.MethodToolsCall); n != 1 {
		t.Errorf("the call was sent %d times", n)
	}
	return out
}

// told is the text of a result with isError, or what else came.
func told(o mcpwire.Outcome) string {
	if o.Kind != mcpwire.Complete {
		return fmt.Sprintf("kind %d, error %v", o.Kind, o.Err)
	}
	var r struct {
		Content []struct{ Type, Text string }
		IsError bool
	}
	if err := json.Unmarshal(o.Result.Bytes, &r); err != nil || !r.IsError || len(r.Content) != 1 || r.Content[0].Type != "text" {
		return string(o.Result.Bytes)
	}
	return r.Content[0].Text
}
