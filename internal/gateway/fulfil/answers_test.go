package fulfil_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/mcpwire"
)

const (
	sample = `{"q":{"method":"sampling/createMessage","params":{"messages":[]}}}`
	roots  = `{"q":{"method":"roots/list"}}`
	url    = `{"q":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://example.com","elicitationId":"theirs"}}}`
)

// TestServe_clientAnswersWithAnError: an elicitation has a form for that, the
// others have none (protocol reference 2.5).
func TestServe_clientAnswersWithAnError(t *testing.T) {
	t.Parallel()
	refuses := func() *client {
		return &client{answer: func(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
			return mcpwire.Answer{Err: mcpwire.Errorf(-1, "made-up-secret")}, nil
		}}
	}
	b := &backend{outs: []mcpwire.Outcome{done()}}
	if out := serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, refuses(), asks(form("q"), "")); out.Kind != mcpwire.Complete ||
		!strings.HasSuffix(b.got[0], `"inputResponses":{"q":{"action":"cancel"}}}`) {
		t.Errorf("elicitation: kind %v, sent %q", out.Kind, b.got)
	}
	for requests, word := range map[string]string{sample: "completion by the client's model", roots: "the client's roots"} {
		b := &backend{}
		out := serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, refuses(), asks(requests, ""))
		wantFail(t, out, b, 0, word, "the client refused")
		if strings.Contains(out.Err.Message, "secret") {
			t.Errorf("the client's text is in the error: %s", out.Err.Message)
		}
	}
}

func TestServe_answerThatDoesNotFit(t *testing.T) {
	t.Parallel()
	tests := []struct{ requests, answer, says string }{
		{form("q"), `{}`, "its action is not"},
		{form("q"), `{"action":"accept","content":"x"}`, "its content is not an object"},
		{sample, `{"role":"assistant","model":"m"}`, "it has no content"},
		{sample, `{"model":"m","content":{}}`, "it has no role"},
		{sample, `{"role":"assistant","content":{}}`, "it names no model"},
		{roots, `{}`, "it has no list of roots"},
	}
	for _, tt := range tests {
		b := &backend{}
		wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, says(tt.answer), asks(tt.requests, "")), b, 0, tt.says)
	}
}

// TestServe_clientThatCannot is told so, whatever its revision's reason, and is not
// asked.
func TestServe_clientThatCannot(t *testing.T) {
	t.Parallel()
	tools := `{"q":{"method":"sampling/createMessage","params":{"messages":[],"tools":[]}}}`
	tests := []struct {
		name     string
		rev      mcpwire.Revision
		can      mcpwire.Capabilities
		requests string
	}{
		{"declared nothing", mcpwire.Rev20251125, mcpwire.Capabilities{}, form("q")},
		{"form before its time", mcpwire.Rev20250326, every, form("q")},
		{"URL before its time", mcpwire.Rev20250618, every, url},
		{"URL not declared", mcpwire.Rev20251125, mcpwire.Capabilities{Elicitation: true}, url},
		{"form not declared", mcpwire.Rev20251125, mcpwire.Capabilities{ElicitationURL: true}, form("q")},
		{"sampling not declared", mcpwire.Rev20241105, mcpwire.Capabilities{Roots: true}, sample},
		{"sampling with tools before its time", mcpwire.Rev20250618, every, tools},
		{"roots not declared", mcpwire.Rev20241105, mcpwire.Capabilities{Sampling: true}, roots},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, c := &backend{}, says(accept)
			wantFail(t, serve(t.Context(), request(t, tt.rev, tt.can), b, c, asks(tt.requests, "")), b, 0, "did not declare")
			if len(c.asked) != 0 {
				t.Errorf("it was asked %s", c.asked[0].Params)
			}
		})
	}
}

// TestServe_clientWithoutAStream says of each question that it can never be put.
func TestServe_clientWithoutAStream(t *testing.T) {
	t.Parallel()
	for _, requests := range []string{form("q"), sample, roots} {
		c := &client{answer: func(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
			return mcpwire.Answer{}, mcpwire.ErrCannotAsk
		}}
		b := &backend{}
		wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, asks(requests, "")), b, 0, "no open stream")
	}
}

// silent is a client that never answers.
func silent() *client {
	return &client{answer: func(ctx context.Context, _ mcpwire.Question) (mcpwire.Answer, error) {
		<-ctx.Done()
		return mcpwire.Answer{}, context.Cause(ctx)
	}}
}

func TestServe_clientThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	t.Run("an elicitation in time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b, begun := &backend{outs: []mcpwire.Outcome{done()}}, time.Now()
			out := serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, silent(), asks(form("q"), ""))
			if out.Kind != mcpwire.Complete || time.Since(begun) != think || !strings.Contains(b.got[0], `{"action":"cancel"}`) {
				t.Errorf("kind %v after %s, sent %q", out.Kind, time.Since(begun), b.got)
			}
		})
	})
	t.Run("anything else in time", func(t *testing.T) {
		t.Parallel()
		for _, requests := range []string{sample, roots} {
			synctest.Test(t, func(t *testing.T) {
				b, begun := &backend{}, time.Now()
				wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, silent(), asks(requests, "")), b, 0, "did not answer in time")
				if time.Since(begun) != think {
					t.Errorf("after %s", time.Since(begun))
				}
			})
		}
	})
	t.Run("each round has its time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := &client{answer: func(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
				time.Sleep(think - time.Second)
				return mcpwire.Answer{Result: []byte(accept)}, nil
			}}
			b := &backend{outs: []mcpwire.Outcome{asks(form("q"), ""), asks(form("q"), ""), done()}}
			if out := serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, asks(form("q"), "")); out.Kind != mcpwire.Complete {
				t.Errorf("ended with %v", out.Err)
			}
		})
	})
}

// TestServe_callCancelled ends the call at once: it is not sent again.
func TestServe_callCancelled(t *testing.T) {
	t.Parallel()
	for _, requests := range []string{form("q"), sample, roots, ""} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(100*time.Millisecond, cancel).Stop()
			b, begun := &backend{}, time.Now()
			out := serve(ctx, request(t, mcpwire.Rev20251125, every), b, silent(), asks(requests, `"s"`))
			wantFail(t, out, b, 0)
			if took := time.Since(begun); took != 100*time.Millisecond {
				t.Errorf("%q: ended after %s", requests, took)
			}
		})
	}
}

func TestServe_urls(t *testing.T) {
	t.Parallel()
	opened := func(c *client) (ids []string) {
		for _, q := range c.asked {
			id, _ := mcpwire.TextMember(q.Params, "elicitationId")
			ids = append(ids, id)
			if page, _ := mcpwire.TextMember(q.Params, "url"); page != "https://example.com" || strings.Contains(string(q.Params), "theirs") {
				t.Errorf("the client got %s", q.Params)
			}
		}
		return ids
	}
	t.Run("end with the call", func(t *testing.T) {
		t.Parallel()
		b, c := &backend{outs: []mcpwire.Outcome{asks(url, `"s"`), done()}}, says(`{"action":"accept"}`)
		if out := serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, asks(url, "")); out.Kind != mcpwire.Complete {
			t.Fatalf("ended with %v", out.Err)
		}
		ids := opened(c)
		if len(ids) != 2 || len(ids[0]) < 16 || ids[0] == ids[1] || len(c.heard) != 2 {
			t.Fatalf("ids %q, the client heard %q", ids, c.heard)
		}
		for i, id := range ids {
			if want := `2025-11-25 notifications/elicitation/complete {"elicitationId":"` + id + `"}`; c.heard[i] != want {
				t.Errorf("heard %q, want %q", c.heard[i], want)
			}
		}
		if strings.Contains(strings.Join(b.got, ""), "elicitationId") {
			t.Errorf("the backend got %q", b.got)
		}
	})
	t.Run("are not over where the call failed", func(t *testing.T) {
		t.Parallel()
		b, c := &backend{}, says(`{"action":"accept"}`)
		serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, asks(url, ""))
		if len(opened(c)) != 1 || len(c.heard) != 0 {
			t.Errorf("the client heard %q", c.heard)
		}
	})
	t.Run("are none in a form", func(t *testing.T) {
		t.Parallel()
		b, c := &backend{outs: []mcpwire.Outcome{done()}}, says(accept)
		serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, asks(form("q"), ""))
		if len(c.asked) != 1 || strings.Contains(string(c.asked[0].Params), "elicitationId") || len(c.heard) != 0 {
			t.Errorf("asked %v, heard %q", c.asked, c.heard)
		}
	})
}

// TestServe_ownStateOfTheClient is no part of the retry: a legacy client has none.
func TestServe_ownStateOfTheClient(t *testing.T) {
	t.Parallel()
	req, err := mcpwire.NewRequest(mcpwire.MethodToolsCall, mcpwire.Rev20251125, []byte(`{"requestState":"forged","inputResponses":{"q":{"forged":1}},"name":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Caller = &mcpwire.Caller{Revision: mcpwire.Rev20251125, Can: every}
	b := &backend{outs: []mcpwire.Outcome{done()}}
	serve(t.Context(), req, b, says(accept), asks(form("q"), ""))
	if want := `{"name":"a","inputResponses":{"q":` + accept + `}}`; len(b.got) != 1 || b.got[0] != want {
		t.Errorf("the backend got %q, want %s", b.got, want)
	}
}

var errGone = errors.New("the client has gone")

// TestServe_clientGone gives an elicitation up that its client does not read any
// more, while the call itself goes on.
func TestServe_clientGone(t *testing.T) {
	t.Parallel()
	c := &client{answer: func(context.Context, mcpwire.Question) (mcpwire.Answer, error) { return mcpwire.Answer{}, errGone }}
	b := &backend{outs: []mcpwire.Outcome{done()}}
	if out := serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, asks(form("q"), "")); out.Kind != mcpwire.Complete || !strings.Contains(b.got[0], `{"action":"cancel"}`) {
		t.Errorf("elicitation: kind %v, sent %q", out.Kind, b.got)
	}
	b = &backend{}
	wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, asks(roots, "")), b, 0, "client went away")
}

// TestServe_oneOfSeveralCannotBeAnswered says which, and puts none of the others.
func TestServe_oneOfSeveralCannotBeAnswered(t *testing.T) {
	t.Parallel()
	b, c := &backend{}, silent()
	two := "{" + inner(form("a")) + `,"b":{"method":"roots/list"}}`
	wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, mcpwire.Capabilities{Elicitation: true}), b, c, asks(two, "")), b, 0, "did not declare", "roots")
	if len(c.asked) != 0 {
		t.Errorf("%d questions were put in vain", len(c.asked))
	}
}

// TestServe_keysMustDiffer: the answers would be an object that has two meanings
// (basic/patterns/mrtr: keys are unique).
func TestServe_keysMustDiffer(t *testing.T) {
	t.Parallel()
	two := "{" + inner(form("a")) + `,"\u0061":{"method":"elicitation/create","params":{"message":"other"}}}`
	b, c := &backend{}, says(accept)
	wantFail(t, serve(t.Context(), request(t, mcpwire.Rev20251125, every), b, c, asks(two, "")), b, 0)
	if len(c.asked) != 0 {
		t.Errorf("%d questions were put; sent %q", len(c.asked), b.got)
	}
}

// TestServe_callCutOff ends by a cause of somebody's own: it is not sent again.
func TestServe_callCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the session was deleted"))
		defer cancel()
		b := &backend{}
		wantFail(t, serve(ctx, request(t, mcpwire.Rev20251125, every), b, silent(), asks(form("q"), "")), b, 0, "was cancelled")
	})
}
