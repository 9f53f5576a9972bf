package gatewaytest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// outcome is one way in which a parked call goes on. Those without limits of their
// own share a gateway, one after the other.
type outcome struct {
	name   string
	limits string
	run    func(l *lot)
}

var outcomes = []outcome{
	{"answered", "", answeredWell},
	{"rounds", "", rounds},
	{"questions at once", "", atOnce},
	{"progress", "", progressOfRetries},
	{"tampered state", "", tampered},
	{"foreign principal", "", foreign},
	{"changed request", "", changed},
	{"double retry", "", doubleRetry},
	{"state of an earlier round", "", earlierRound},
	{"missing answers", "", missing},
	{"answers of a wrong shape", "", misshapen},
	{"client gone during a retry", "", goneDuringRetry},
	{"question taken back", "", takenBack},
	{"cancelled by hand", "", cancelledByHand},
	{"client without the capability", "", incapable},
	{"backend gone", "", backendGone},
	{"restart", "", restarted}, // after which it is another gateway
	{"expired", `"park_ttl":"500ms"`, expired},
	{"client gone", `"park_ttl":"500ms"`, clientGone},
	{"too many of one user", `"parked_per_user":1`, tooMany},
	{"too many", `"parked":1`, tooMany},
}

// The outcome table of parked calls (protocol reference 2.5). In no row does the
// backend see a call twice.
func TestBridge_outcomes(t *testing.T) {
	t.Parallel()
	for _, way := range lanes() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			shared := openLot(t, way, "", "")
			for _, o := range outcomes {
				t.Run(o.name, func(t *testing.T) {
					l := shared
					if o.limits != "" {
						t.Parallel()
						l = openLot(t, way, o.limits, "")
					}
					row := *l
					row.t = t
					o.run(&row)
				})
			}
		})
	}
}

func answeredWell(l *lot) {
	for i, method := range []string{elicit, invent, roots} {
		mark := fmt.Sprintf("answered%d", i)
		s := l.spec(mark, method)
		in := l.park(s, 1)
		request := string(in.InputRequests[in.keys()[0]])
		if want := paramsOr(string(s.Rounds[0][0].Params)); part(request, "method") != jsonString(method) || part(request, "params") != want {
			l.t.Errorf("the client was asked %s, want %s of %s", request, want, method)
		}
		l.untouched("parked", mark)
		l.completes(mark, l.retry(s, in), reply(jsonString(method), "me "+in.keys()[0]))
	}
	l.empty()
}

// paramsOr is the params of a question as a modern client gets them, which the Go SDK
// cannot read an entry without.
func paramsOr(params string) string {
	if params == "" {
		return "{}"
	}
	return params
}

func rounds(l *lot) {
	const mark = "rounds"
	s := l.spec(mark, elicit, invent, roots, elicit)
	in := l.park(s, 1)
	states := []string{in.RequestState}
	for range 3 {
		in = l.asks(l.retry(s, in), 1)
		if slices.Contains(states, in.RequestState) {
			l.t.Error("two rounds have one state")
		}
		states = append(states, in.RequestState)
	}
	l.completes(mark, l.retry(s, in))
	if got := l.c.of(mark, "answer"); len(got) != 4 {
		l.t.Errorf("the backend got %d answers: %s", len(got), got)
	}
}

// Questions that a backend asks in one go are one map, each answer finds its own.
func atOnce(l *lot) {
	const mark = "atOnce"
	s := quizSpec{Mark: mark, Via: l.via, Rounds: [][]quizQuestion{
		{questionFor(elicit, mark), questionFor(invent, mark), questionFor(roots, mark)},
		{questionFor(elicit, mark+" once more"), questionFor(elicit, mark+" and again")},
	}}
	in := l.park(s, 3)
	next := l.asks(l.retry(s, in), 2)
	l.completes(mark, l.retry(s, next))
	for _, each := range []stopped{in, next} {
		for key, request := range each.InputRequests {
			method, asked := part(string(request), "method"), l.c.of(mark, "asked")
			// The id under which the backend asked exactly this.
			at := slices.IndexFunc(asked, func(q string) bool {
				return part(q, "method") == method && paramsOr(part(q, "params")) == part(string(request), "params")
			})
			if at < 0 {
				l.t.Fatalf("the client was asked %s, the backend asked %s", request, asked)
			}
			want := `"id":` + part(asked[at], "id") + `,"result":` + reply(method, "me "+key)
			if got := strings.Join(l.c.of(mark, "answer"), "\n"); !strings.Contains(got, want) {
				l.t.Errorf("the backend got\n%s\nnot %s", got, want)
			}
		}
	}
}

// Progress comes on the stream of the request that is open, under its token.
func progressOfRetries(l *lot) {
	s := l.spec("progress", elicit)
	head := func(token string) string {
		return strings.TrimSuffix(s.head("q"), "}") + `,"_meta":{"progressToken":` + token + `}}`
	}
	first := l.client.Call("tools/call", head(`"one"`))
	if got := progressOf(first.Events); len(got) != 1 || !strings.Contains(got[0], `"progressToken":"one"`) || !strings.Contains(got[0], "before 0") {
		l.t.Errorf("progress of the first request: %s", got)
	}
	in := l.asks(first, 1)
	second := l.client.Call("tools/call", onceMore(head(`2`), in.responses("me"), in.RequestState))
	if got := progressOf(second.Events); len(got) != 1 || !strings.Contains(got[0], `"progressToken":2`) || !strings.Contains(got[0], "after") {
		l.t.Errorf("progress of the retry: %s", got)
	}
	l.completes("progress", second)
	s = l.spec("progress without", elicit)
	in = l.asks(l.client.Call("tools/call", head(`"one"`)), 1)
	last := l.retry(s, in)
	if len(last.Events) > 0 {
		l.t.Errorf("a retry without a token got %s", last.Events)
	}
	l.completes("progress without", last)
}

func tampered(l *lot) {
	const mark = "tampered"
	s := l.spec(mark, elicit)
	in := l.park(s, 1)
	for name, state := range map[string]string{
		"flipped": flipped(in.RequestState), "cut": in.RequestState[:len(in.RequestState)-4], "empty": "", "made up": "state",
	} {
		a := l.client.Call("tools/call", onceMore(s.head("q"), in.responses("me"), state))
		l.refused(name, a, fromTheStart)
		l.untouched(name, mark)
	}
	l.completes(mark, l.retry(s, in))
}

func foreign(l *lot) {
	const mark = "foreign"
	s := l.spec(mark, elicit)
	in := l.park(s, 1)
	key := keys(l.t, l.g, 1)[0]
	stranger := gatewaytest.DialAs(l.t, l.g.Base, key, gatewaytest.R2026, gatewaytest.Able("stranger"))
	a := stranger.Call("tools/call", onceMore(s.head("q"), in.responses("stranger"), in.RequestState))
	l.refused("a stranger's retry", a)
	l.untouched("a stranger's retry", mark)
	l.completes(mark, l.retry(s, in))
}

func changed(l *lot) {
	const mark = "changed"
	s := l.spec(mark, elicit)
	in := l.park(s, 1)
	other := s
	other.Hold = true
	for name, request := range map[string][2]string{
		"arguments": {"tools/call", other.head("q")},
		"name":      {"tools/call", strings.Replace(s.head("q"), "q_quiz", "q_other", 1)},
		"method":    {"prompts/get", s.head("q")},
	} {
		a := l.client.Call(request[0], onceMore(request[1], in.responses("me"), in.RequestState))
		l.refused(name, a)
		l.untouched(name, mark)
	}
	// The same arguments in another spelling are the same.
	spelt := strings.Replace(s.head("q"), `"mark":"c`, ` "mark" : "\u0063`, 1)
	l.completes(mark, l.client.Call("tools/call", onceMore(spelt, in.responses("me"), in.RequestState)))
}

// Of two retries with one state one goes on, and the other disturbs nothing.
func doubleRetry(l *lot) {
	const mark = "double"
	s := l.spec(mark, elicit)
	s.Hold = true
	in := l.park(s, 1)
	const twins = 4
	answers := make(chan gatewaytest.Answer, twins)
	for i := range twins {
		go func() { // ends with its answer
			answers <- l.client.Call("tools/call", onceMore(s.head("q"), in.responses(fmt.Sprint("twin", i)), in.RequestState))
		}()
	}
	l.await(mark, "answer", 1)
	for range twins - 1 { // the one that goes on waits for its order
		l.refused("the second of two retries", <-answers, "answered already")
	}
	l.refused("one more", l.retry(s, in), "answered already")
	l.c.order(mark, "go")
	a := <-answers
	l.completes(mark, a)
	if got := l.c.of(mark, "answer"); len(got) != 1 {
		l.t.Errorf("the backend got %s", got)
	}
	l.refused("one after the end", l.retry(s, in), "answered already")
	l.once(mark)
}

func earlierRound(l *lot) {
	const mark = "earlier"
	s := l.spec(mark, elicit, invent)
	first := l.park(s, 1)
	second := l.asks(l.retry(s, first), 1)
	l.refused("the state of round one", l.retry(s, first), "answered already")
	l.completes(mark, l.retry(s, second), reply(jsonString(invent), "me "+second.keys()[0]))
	if got := l.c.of(mark, "answer"); len(got) != 2 {
		l.t.Errorf("the backend got %s", got)
	}
}

func missing(l *lot) {
	const mark = "missing"
	s := quizSpec{Mark: mark, Via: l.via, Rounds: [][]quizQuestion{{questionFor(elicit, mark), questionFor(roots, mark)}}}
	in := l.park(s, 2)
	one := in.keys()[0]
	half := `{` + jsonString(one) + `:` + reply(part(string(in.InputRequests[one]), "method"), "half") + `}`
	for _, responses := range []string{`{}`, `{"nothing that was asked":{"action":"accept","content":{}}}`, half} {
		same := l.asks(l.client.Call("tools/call", onceMore(s.head("q"), responses, in.RequestState)), 2)
		if !slices.Equal(same.keys(), in.keys()) {
			l.t.Errorf("asked under %v, and then under %v", in.keys(), same.keys())
		}
		for k, request := range in.InputRequests {
			if string(same.InputRequests[k]) != string(request) {
				l.t.Errorf("%s was %s and is %s", k, request, same.InputRequests[k])
			}
		}
		l.untouched(responses, mark)
		in = same
	}
	// A retry without any answers is one that misses them all.
	bare := strings.TrimSuffix(s.head("q"), "}") + `,"requestState":` + jsonString(in.RequestState) + `}`
	in = l.asks(l.client.Call("tools/call", bare), 2)
	l.untouched("no answers", mark)
	l.completes(mark, l.retry(s, in))
}

func misshapen(l *lot) {
	for i, tt := range []struct{ method, result string }{
		{elicit, `{"content":{}}`}, {elicit, `{"action":"perhaps"}`}, {elicit, `"accept"`}, {elicit, `{"action":"accept","content":[]}`},
		{invent, `{"role":"assistant"}`}, {invent, `null`}, {roots, `{}`}, {roots, `[]`},
	} {
		mark := fmt.Sprintf("misshapen%d", i)
		s := l.spec(mark, tt.method)
		in := l.park(s, 1)
		key := in.keys()[0]
		a := l.client.Call("tools/call", onceMore(s.head("q"), `{`+jsonString(key)+`:`+tt.result+`}`, in.RequestState))
		l.refused(tt.method+" "+tt.result, a)
		l.untouched(tt.method+" "+tt.result, mark)
		l.completes(mark, l.retry(s, in))
	}
}
