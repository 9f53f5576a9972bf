// Package fulfil answers the questions of modern backends through legacy clients.
//
// A backend of 2026-07-28 asks by ending a call with "input required". A legacy
// client knows no such thing, but it can be asked while its request is open. So
// each input request is put to it as a request of its own, and the call is sent
// again with the answers, until it ends otherwise (protocol reference 2.5, "LM").
// That is no repetition of a call that may have run: the backend itself asked for
// the retry. The package gateway is its caller.
package fulfil

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

// Bounds of one call's questions, those of the official SDKs (protocol reference
// 1.1: 10 rounds, 3 empty ones).
const (
	maxRounds = 10
	maxEmpty  = 3
	maxAsked  = 32 // questions of one round
	firstWait = 100 * time.Millisecond
)

// Fulfiller fulfils the input requests of one backend's calls.
type Fulfiller struct {
	Backend string // its name, for errors
	Handler mcpwire.Handler
	Think   time.Duration // how long a person may think about a question
}

// Serve runs a call to its end. out is what the first sending has brought.
func (f Fulfiller) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink, out mcpwire.Outcome) mcpwire.Outcome {
	if !mcpwire.MayAsk(req.Method) {
		out.Close()
		return f.fail("it asked a question where the protocol allows none", "Look at the backend's own log.")
	}
	var opened []string // ids of elicitations by URL
	empty := 0
	for round := 1; out.Kind == mcpwire.InputRequired; round++ {
		asked, failure := f.read(&out, round)
		if failure != nil {
			return *failure
		}
		if len(asked.questions) == 0 {
			if empty++; empty > maxEmpty {
				return f.fail("it asks for a retry again and again", "Try again later, or look at the backend's own log.")
			}
			pause(ctx, firstWait<<empty)
		}
		answers, urls, failure := f.ask(ctx, req.Caller, sink, asked.questions)
		if failure != nil {
			return *failure
		}
		if ctx.Err() != nil { // nobody waits for it any more, whatever was answered
			return f.fail("the call was cancelled", "Its outcome is unknown: look whether it has done what it should before calling again.")
		}
		opened = append(opened, urls...)
		req.RetryState, req.HasRetryState, req.Answers = asked.state, asked.hasState, answers
		out = f.Handler.Serve(ctx, req, sink)
	}
	if out.Kind == mcpwire.Complete {
		f.tellDone(sink, opened)
	}
	return out
}

// round is what one input required result asks for.
type round struct {
	questions []mcpwire.Asked
	state     string
	hasState  bool
}

func (f Fulfiller) read(out *mcpwire.Outcome, n int) (r round, failure *mcpwire.Outcome) {
	defer out.Close()
	fail := func(reason, advice string) (round, *mcpwire.Outcome) {
		o := f.fail(reason, advice)
		return round{}, &o
	}
	if n > maxRounds {
		return fail("it asks more and more questions", "Look at the backend's own log.")
	}
	if out.Result.Rest != nil {
		return fail("its question is too large to be passed on", "Look at the backend's own log.")
	}
	var err error
	r.questions, r.state, r.hasState, err = mcpwire.ParseInputRequired(out.Result.Bytes)
	switch {
	case err != nil:
		return fail(err.Error(), "Look at the backend's own log.")
	case len(r.questions) > maxAsked:
		return fail("it asks too many questions at once", "Look at the backend's own log.")
	}
	return r, nil
}

// ask puts the questions of one round, all at once, and gathers the answers as
// inputResponses; nil for no questions.
func (f Fulfiller) ask(ctx context.Context, caller *mcpwire.Caller, sink mcpwire.Sink, asked []mcpwire.Asked) (answers []byte, urls []string, failure *mcpwire.Outcome) {
	if len(asked) == 0 {
		return nil, nil, nil
	}
	questions, ids := make([]mcpwire.Question, len(asked)), make([]string, len(asked))
	for i, a := range asked {
		q, id := legacyQuestion(caller.Revision, a.Question)
		if !caller.CanAnswer(q) { // then nobody is asked the others, in vain
			o := f.fail(unanswerable(q.Method), advice)
			return nil, nil, &o
		}
		questions[i], ids[i] = q, id
	}
	results := make([]result, len(asked))
	ctx, cancel := context.WithTimeout(ctx, f.Think)
	defer cancel()
	var all sync.WaitGroup
	for i, q := range questions {
		all.Go(func() { results[i] = put(ctx, sink, q) })
	}
	all.Wait()
	for i := range results {
		if why := results[i].why(asked[i].Method); why != "" {
			o := f.fail(why, advice)
			return nil, nil, &o
		}
	}
	answers = []byte{'{'}
	for i, a := range asked {
		if i > 0 {
			answers = append(answers, ',')
		}
		answers = append(append(mcpwire.AppendString(answers, a.Key), ':'), results[i].raw...)
		if action, _ := mcpwire.TextMember(results[i].raw, "action"); ids[i] != "" && action == "accept" {
			urls = append(urls, ids[i])
		}
	}
	return append(answers, '}'), urls, nil
}

// legacyQuestion is a question in the shape of a client's revision. One by URL gets
// the id that 2025-11-25 wants of it.
func legacyQuestion(rev mcpwire.Revision, q mcpwire.Question) (_ mcpwire.Question, id string) {
	q = mcpwire.QuestionFor(rev, q)
	if mode, _ := mcpwire.TextMember(q.Params, "mode"); q.Method != mcpwire.MethodElicit || mode != "url" {
		return q, ""
	}
	id = "url-" + strings.ToLower(rand.Text()[:16])
	params := mcpwire.Without(q.Params, "elicitationId")
	out := mcpwire.AppendString([]byte(`{"elicitationId":`), id)
	q.Params = append(append(out, ','), params[slices.Index(params, '{')+1:]...) // never empty: mode is in it
	return q, id
}

// result is what became of one question.
type result struct {
	raw     []byte // the client's result
	err     error
	refused *mcpwire.Error // the client answered with an error
}

func put(ctx context.Context, sink mcpwire.Sink, q mcpwire.Question) result {
	a, err := sink.Ask(ctx, q)
	switch {
	case err == nil && a.Err == nil:
		return result{raw: mcpwire.AnswerFor(mcpwire.LatestModern, q.Method, a.Result)}
	case q.Method == mcpwire.MethodElicit && !errors.Is(err, mcpwire.ErrCannotAsk) && !errors.Is(err, context.Canceled):
		return result{raw: []byte(`{"action":"cancel"}`)} // an error, or no answer in time
	}
	return result{err: err, refused: a.Err}
}

const advice = "Call it from a client that can answer such questions, or answer it next time."

// what a method asks for.
func what(method string) string {
	switch method {
	case mcpwire.MethodElicit:
		return "a question to the person"
	case mcpwire.MethodSample:
		return "for a completion by the client's model"
	}
	return "for the client's roots"
}

func unanswerable(method string) string {
	return "it asked " + what(method) + ", which this client did not declare that it can answer or has no open stream for"
}

// why says what is wrong with a result, "" where nothing is. An error to anything
// but an elicitation has no form that the backend could be told it in.
func (r *result) why(method string) string {
	what := what(method)
	switch {
	case errors.Is(r.err, mcpwire.ErrCannotAsk):
		return unanswerable(method)
	case r.err != nil:
		return "it asked " + what + ", and the client went away or did not answer in time"
	case r.refused != nil:
		return "it asked " + what + ", and the client refused"
	case r.raw == nil:
		return "it asked " + what + ", and the client did not answer"
	}
	if bad := mcpwire.CheckAnswer(method, r.raw); bad != "" {
		return "it asked " + what + ", and the client's answer does not fit: " + bad
	}
	return ""
}

// tellDone says that elicitations by URL are over (2025-11-25, client/elicitation).
func (f Fulfiller) tellDone(sink mcpwire.Sink, ids []string) {
	for _, id := range ids {
		params := append(mcpwire.AppendString([]byte(`{"elicitationId":`), id), '}')
		sink.Notify(mcpwire.Notification{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodElicitDone, Params: params})
	}
}

func (f Fulfiller) fail(reason, advice string) mcpwire.Outcome {
	return mcpwire.Fail(backend.Failure(f.Backend, reason, "The call of backend "+f.Backend+" did not end: "+reason+". "+advice))
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
