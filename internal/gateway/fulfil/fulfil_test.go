package fulfil_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/gateway/fulfil"
	"drawbridge/internal/mcpwire"
)

const think = 10 * time.Minute

// backend is a modern backend: it ends each sending with the next of its outcomes.
type backend struct {
	mu   sync.Mutex // guards what follows
	outs []mcpwire.Outcome
	got  []string // the params of each sending
	at   []time.Time
}

func (b *backend) Serve(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, string(req.AppendParams(nil, mcpwire.Edit{})))
	b.at = append(b.at, time.Now())
	if len(b.outs) == 0 {
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "No such round."))
	}
	out := b.outs[0]
	b.outs = b.outs[1:]
	return out
}

// client is the sink of a legacy client: what it is asked, and what it says to that.
type client struct {
	answer func(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error)

	mu    sync.Mutex // guards what follows
	asked []mcpwire.Question
	heard []string
}

func (c *client) Notify(n mcpwire.Notification) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, string(n.Revision)+" "+n.Method+" "+string(n.Params))
}

func (c *client) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	c.mu.Lock()
	c.asked = append(c.asked, q)
	c.mu.Unlock()
	return c.answer(ctx, q)
}

// says is a client that always gives one result.
func says(result string) *client {
	return &client{answer: func(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
		return mcpwire.Answer{Result: []byte(result)}, nil
	}}
}

const accept = `{"action":"accept","content":{"a":1}}`

// asks is an input required result; requests and state are raw, "" for none.
func asks(requests, state string) mcpwire.Outcome {
	text := `{"resultType":"input_required"`
	if requests != "" {
		text += `,"inputRequests":` + requests
	}
	if state != "" {
		text += `,"requestState":` + state
	}
	return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: mcpwire.LatestModern, Result: mcpwire.Result{Bytes: []byte(text + "}")}}
}

func form(key string) string {
	return fmt.Sprintf(`{%q:{"method":"elicitation/create","params":{"mode":"form","message":%q,"requestedSchema":{}}}}`, key, key)
}

func done() mcpwire.Outcome {
	return mcpwire.Done(mcpwire.LatestModern, []byte(`{"resultType":"complete","content":[]}`))
}

var every = mcpwire.Capabilities{Elicitation: true, ElicitationURL: true, Sampling: true, SamplingTools: true, Roots: true}

func request(t *testing.T, rev mcpwire.Revision, can mcpwire.Capabilities) *mcpwire.Request {
	t.Helper()
	req, err := mcpwire.NewRequest(mcpwire.MethodToolsCall, rev, []byte(`{"name":"book","arguments":{"n": 1}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Caller = &mcpwire.Caller{Revision: rev, Can: can}
	return req
}

// serve runs a call whose first sending has ended with first.
func serve(ctx context.Context, req *mcpwire.Request, b *backend, c *client, first mcpwire.Outcome) mcpwire.Outcome {
	return fulfil.Fulfiller{Backend: "files", Handler: b, Think: think}.Serve(ctx, req, c, first)
}

// wantFail checks that a call ended with an error that says why, and was sent n
// times again.
func wantFail(t *testing.T, out mcpwire.Outcome, b *backend, n int, words ...string) {
	t.Helper()
	if out.Kind != mcpwire.Failed {
		t.Fatalf("kind %v, want a failure; result %s", out.Kind, out.Result.Bytes)
	}
	for _, w := range append(words, "files") {
		if !strings.Contains(out.Err.Message, w) {
			t.Errorf("the error %q does not say %q", out.Err.Message, w)
		}
	}
	if len(b.got) != n {
		t.Errorf("sent %d times again, want %d", len(b.got), n)
	}
}

func TestServe_rounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		req := request(t, mcpwire.Rev20251125, every)
		b := &backend{outs: []mcpwire.Outcome{asks(form(`second "q"`), ""), asks("", `""`), done()}}
		c := says(accept)
		out := serve(t.Context(), req, b, c, asks(form("first"), `"s\u00e9\n\"1"`))
		if out.Kind != mcpwire.Complete {
			t.Fatalf("ended with %v", out.Err)
		}
		want := []string{
			`{"name":"book","arguments":{"n": 1},"requestState":"sé\n\"1","inputResponses":{"first":` + accept + `}}`,
			`{"name":"book","arguments":{"n": 1},"inputResponses":{"second \"q\"":` + accept + `}}`,
			`{"name":"book","arguments":{"n": 1},"requestState":""}`,
		}
		if diff := cmp.Diff(want, b.got); diff != "" {
			t.Errorf("what the backend was sent (-want +got):\n%s", diff)
		}
		for _, q := range c.asked {
			if q.Revision != mcpwire.Rev20251125 || q.Method != mcpwire.MethodElicit {
				t.Errorf("asked in the shape of %s: %s", q.Revision, q.Method)
			}
		}
	})
}

func TestServe_severalAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		results := map[string]string{
			mcpwire.MethodElicit:    accept,
			mcpwire.MethodSample:    `{"role":"assistant","model":"m","content":{"type":"text","text":"t"}}`,
			mcpwire.MethodRootsList: `{"roots":[]}`,
		}
		begun := time.Now()
		c := &client{answer: func(_ context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
			time.Sleep(time.Second)
			return mcpwire.Answer{Result: []byte(results[q.Method])}, nil
		}}
		b := &backend{outs: []mcpwire.Outcome{done()}}
		first := asks(`{"r":{"method":"roots/list"},"e":{"method":"elicitation/create","params":{"message":"m"}},"s":{"method":"sampling/createMessage","params":{"messages":[]}}}`, `"x"`)
		if out := serve(t.Context(), request(t, mcpwire.Rev20250618, every), b, c, first); out.Kind != mcpwire.Complete {
			t.Fatalf("ended with %v", out.Err)
		}
		want := []string{`{"name":"book","arguments":{"n": 1},"requestState":"x","inputResponses":{"r":` + results[mcpwire.MethodRootsList] +
			`,"e":` + results[mcpwire.MethodElicit] + `,"s":` + results[mcpwire.MethodSample] + `}}`}
		if diff := cmp.Diff(want, b.got); diff != "" {
			t.Errorf("what the backend was sent (-want +got):\n%s", diff)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("three questions took %s: they are put one after the other", took)
		}
	})
}

func TestServe_limits(t *testing.T) {
	t.Parallel()
	ever := func(n int, out func() mcpwire.Outcome) *backend {
		b := &backend{}
		for range n {
			b.outs = append(b.outs, out())
		}
		return b
	}
	again := func() mcpwire.Outcome { return asks(form("q"), `"s"`) }
	t.Run("the tenth round is answered", func(t *testing.T) {
		t.Parallel()
		b := ever(9, again)
		b.outs = append(b.outs, done())
		if out := serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, says(accept), again()); out.Kind != mcpwire.Complete || len(b.got) != 10 {
			t.Errorf("kind %v after %d sendings", out.Kind, len(b.got))
		}
	})
	t.Run("the eleventh is not", func(t *testing.T) {
		t.Parallel()
		b := ever(20, again)
		c := says(accept)
		wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, again()), b, 10, "more and more questions")
		if len(c.asked) != 10 {
			t.Errorf("the client was asked %d times", len(c.asked))
		}
	})
	t.Run("empty rounds", func(t *testing.T) {
		t.Parallel()
		for _, requests := range []string{"", "{}"} {
			synctest.Test(t, func(t *testing.T) {
				empty := func() mcpwire.Outcome { return asks(requests, `"wait"`) }
				b, begun := ever(20, empty), time.Now()
				wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, says(accept), empty()), b, 3, "again and again")
				var waits []time.Duration
				for _, at := range b.at {
					waits, begun = append(waits, at.Sub(begun)), at
				}
				if diff := cmp.Diff([]time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond}, waits); diff != "" {
					t.Errorf("the pauses (-want +got):\n%s", diff)
				}
			})
		}
	})
	t.Run("questions of one round", func(t *testing.T) {
		t.Parallel()
		for n, ok := range map[int]bool{32: true, 33: false} {
			var list []string
			for i := range n {
				list = append(list, inner(form(fmt.Sprint(i))))
			}
			b, c := &backend{outs: []mcpwire.Outcome{done()}}, says(accept)
			out := serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, asks("{"+strings.Join(list, ",")+"}", ""))
			if got := out.Kind == mcpwire.Complete; got != ok || (len(c.asked) == n) != ok {
				t.Errorf("%d questions: %v, %d were put, %v", n, got, len(c.asked), out.Err)
			}
		}
	})
}

// TestServe_badQuestions come from a backend that breaks the protocol. The client is
// not bothered, and what the result holds is given back.
func TestServe_badQuestions(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, requests, state, says string }{
		{"state is no string", form("q"), `{}`, "requestState is not a string"},
		{"requests are a list", `[]`, ``, "inputRequests is not an object"},
		{"another method", `{"q":{"method":"tools/call"}}`, ``, `method "tools/call"`},
		{"a request that is none", `{"q":1}`, ``, `method ""`},
		{"one good, one bad", `{"a":{"method":"roots/list"},"b":{"method":"ping"}}`, ``, `method "ping"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, c, freed := &backend{}, says(accept), 0
			first := asks(tt.requests, tt.state)
			first.Result.Free = func() { freed++ }
			wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, first), b, 0, tt.says)
			if len(c.asked) != 0 || freed != 1 {
				t.Errorf("the client was asked %d times; freed %d times", len(c.asked), freed)
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		b, c, rest := &backend{}, says(accept), &stream{}
		first := asks(form("q"), "")
		first.Result.Rest = rest
		wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, first), b, 0, "too large")
		if len(c.asked) != 0 || rest.closed != 1 {
			t.Errorf("the client was asked %d times; closed %d times", len(c.asked), rest.closed)
		}
	})
	t.Run("a method that may not ask", func(t *testing.T) {
		t.Parallel()
		req, err := mcpwire.NewRequest(mcpwire.MethodToolsList, mcpwire.Rev20251125, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		b, rest := &backend{}, &stream{}
		first := asks(form("q"), "")
		first.Result.Rest = rest
		wantFail(t, serve(t.Context(), req, b, says(accept), first), b, 0, "protocol allows none")
		if rest.closed != 1 {
			t.Errorf("closed %d times", rest.closed)
		}
	})
}

// stream is the unread part of a large result.
type stream struct{ closed int }

func (s *stream) Read([]byte) (int, error) { panic("nobody reads it") }
func (s *stream) Close() error             { s.closed++; return nil }

// inner is an object's text without its braces.
func inner(obj string) string { return obj[1 : len(obj)-1] }
