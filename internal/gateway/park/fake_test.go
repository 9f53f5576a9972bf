package park_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/gateway/park"
	"drawbridge/internal/mcpwire"
)

const ttl = 10 * time.Minute

// client is the sink of a client's request. It remembers what it hears.
type client struct {
	mu    sync.Mutex // guards what follows
	heard []string   // method and params
}

func (c *client) Notify(n mcpwire.Notification) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, n.Method+" "+string(n.Params))
}

// Ask is what no client of 2026-07-28 can be put.
func (c *client) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, errors.New("a question was put on the request's own stream")
}

func (c *client) has() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.heard...)
}

// script is what a backend does with a call.
type script func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome

// stage is a lot and the calls that came to the backend behind it.
type stage struct {
	t    *testing.T
	lot  *park.Lot
	log  *journal
	runs atomic.Int64
}

// journal is what was logged.
type journal struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// pass lets time go by and everybody do what they then do.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// newStage must run in a synctest bubble, which fails where a goroutine is left.
func newStage(t *testing.T, cfg park.Config) *stage {
	t.Helper()
	s := &stage{t: t, log: &journal{}}
	s.lot = park.New(slog.New(slog.NewTextHandler(s.log, nil)), cfg, time.Now)
	t.Cleanup(s.lot.Close)
	return s
}

// roomy are bounds that no test reaches by chance.
var roomy = park.Config{TTL: ttl, PerUser: 100, Total: 1000}

// reply is how a client's request ends.
type reply struct {
	out    mcpwire.Outcome
	asked  []mcpwire.Asked
	ticket park.Ticket
}

// text is the result of a call that ended, or its error's.
func (r reply) text() string {
	if r.out.Err != nil {
		return r.out.Err.Message
	}
	return string(r.out.Result.Bytes)
}

// every is what a client of 2026-07-28 can declare.
var every = mcpwire.Capabilities{Elicitation: true, ElicitationURL: true, Sampling: true, SamplingTools: true, Roots: true}

func request(t *testing.T, method, params string, can mcpwire.Capabilities) *mcpwire.Request {
	t.Helper()
	req, err := mcpwire.NewRequest(method, mcpwire.LatestModern, []byte(params))
	if err != nil {
		t.Fatal(err)
	}
	req.Caller = &mcpwire.Caller{Revision: mcpwire.LatestModern, Can: can}
	return req
}

// call is a tools/call of ann.
func (s *stage) call(do script) park.Call {
	s.t.Helper()
	return s.callOf("ann", request(s.t, mcpwire.MethodToolsCall, `{"name":"book","_meta":{"progressToken":"first"}}`, every), do)
}

func (s *stage) callOf(user string, req *mcpwire.Request, do script) park.Call {
	return park.Call{
		Info:    park.Info{Backend: "files", User: user, Method: req.Method, Target: req.Target},
		Request: req,
		Run: func(ctx context.Context, _ *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			s.runs.Add(1)
			return do(ctx, sink)
		},
	}
}

func (s *stage) serve(ctx context.Context, c park.Call, sink mcpwire.Sink) reply {
	out, asked, ticket := s.lot.Serve(ctx, c, sink)
	return reply{out, asked, ticket}
}

// resume retries a call with the inputs and a progress token of its own.
func (s *stage) resume(ctx context.Context, at park.Ticket, inputs string, sink mcpwire.Sink) reply {
	return s.retry(ctx, at, inputs, `"_meta":{"progressToken":"second"}`, every, sink)
}

// retry is resume with another _meta and other capabilities.
func (s *stage) retry(ctx context.Context, at park.Ticket, inputs, meta string, can mcpwire.Capabilities, sink mcpwire.Sink) reply {
	if inputs != "" {
		inputs = `,"inputResponses":` + inputs
	}
	req := request(s.t, mcpwire.MethodToolsCall, `{"name":"book",`+meta+inputs+`}`, can)
	out, asked, ticket := s.lot.Resume(ctx, at, req, sink)
	clear(req.Params) // they are only valid during the request
	return reply{out, asked, ticket}
}

// parked runs a call that has to ask.
func (s *stage) parked(do script) reply {
	s.t.Helper()
	r := s.serve(s.t.Context(), s.call(do), &client{})
	if r.out.Kind != mcpwire.InputRequired || len(r.asked) == 0 {
		s.t.Fatalf("the call did not ask: %s", r.text())
	}
	return r
}

// goes runs f beside the test and gives its end.
func goes(f func() reply) <-chan reply {
	end := make(chan reply, 1)
	go func() { end <- f() }()
	synctest.Wait()
	return end
}

// still fails where a request has ended that has to wait.
func still(t *testing.T, end <-chan reply, why string) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-end:
		t.Fatalf("%s: the request ended with %s", why, r.text())
	default:
	}
}

func elicit(text string) mcpwire.Question {
	return mcpwire.Question{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodElicit, Params: []byte(`{"message":"` + text + `","requestedSchema":{}}`)}
}

func done(text string) mcpwire.Outcome {
	return mcpwire.Done(mcpwire.Rev20251125, []byte(`{"content":"`+text+`"}`))
}

// asks is a backend that puts its questions one after the other, and ends with the
// answers that it got.
func asks(questions ...mcpwire.Question) script {
	return func(ctx context.Context, sink mcpwire.Sink) mcpwire.Outcome {
		var got []byte
		for _, q := range questions {
			a, err := sink.Ask(ctx, q)
			switch {
			case err != nil:
				got = append(got, err.Error()...)
			case a.Err != nil:
				got = append(got, a.Err.Message...)
			default:
				got = append(got, a.Result...)
			}
		}
		return mcpwire.Done(mcpwire.Rev20251125, got)
	}
}

const accept = `{"question-1":{"action":"accept"}}`

// wantErr checks a refusal of a retry.
func wantErr(t *testing.T, what string, r reply, want *mcpwire.Error) {
	t.Helper()
	if r.out.Kind != mcpwire.Failed || r.out.Err != want || r.asked != nil {
		t.Errorf("%s: %q and %d questions, want %q", what, r.text(), len(r.asked), want.Message)
	}
}

func wantText(t *testing.T, what string, r reply, want string) {
	t.Helper()
	if got := r.text(); got != want || r.asked != nil {
		t.Errorf("%s: %q and %d questions, want %q", what, got, len(r.asked), want)
	}
}

// stream is the unread part of a large result.
type stream struct{ closed atomic.Int64 }

func (s *stream) Read([]byte) (int, error) { return 0, io.EOF }
func (s *stream) Close() error             { s.closed.Add(1); return nil }
