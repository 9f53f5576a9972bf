package gatewaytest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/store"
)

// lot is a gateway of modern clients before one legacy backend, q.
type lot struct {
	t      *testing.T
	g      *gatewaytest.Gateway
	c      *chronicle
	client *gatewaytest.Client // that can answer everything
	via    string              // how the backend asks
}

// lane is a way on which a legacy backend asks.
type lane struct {
	name  string
	entry func(t *testing.T, c *chronicle, more string) string
	via   string
}

func lanes() []lane {
	withMore := func(serve func(*testing.T, *chronicle, string) string) func(*testing.T, *chronicle, string) string {
		return func(t *testing.T, c *chronicle, more string) string {
			return strings.TrimSuffix(serve(t, c, gatewaytest.R1125), "}") + more + "}"
		}
	}
	return []lane{
		{"HTTP", withMore(serveQuiz), ""},
		{"HTTP, on the session's stream", withMore(serveQuiz), "get"},
		{"HTTP+SSE", withMore(serveQuizSSE), ""},
		{"stdio", func(t *testing.T, c *chronicle, more string) string {
			return quizCommand(t, c, gatewaytest.R1125, `,"interactive":true`+more)
		}, ""},
	}
}

// openLot starts a gateway with limits, and a backend with more settings of its own.
func openLot(t *testing.T, way lane, limits, more string) *lot {
	t.Helper()
	return openLotOf(t, way, newChronicle(), limits, more)
}

// openLotOf is openLot with a chronicle of one's own.
func openLotOf(t *testing.T, way lane, c *chronicle, limits, more string) *lot {
	t.Helper()
	g := gatewaytest.Run(t, fmt.Sprintf(`{"limits":{%s},"mcpServers":{"q":%s}}`, limits, way.entry(t, c, more)))
	g.WaitTools("q_quiz")
	return &lot{t, g, c, gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Able("me")), way.via}
}

// spec is a quiz with a round of one question for each method.
func (l *lot) spec(mark string, methods ...string) quizSpec {
	s := quizSpec{Mark: mark, Via: l.via}
	for _, m := range methods {
		s.Rounds = append(s.Rounds, []quizQuestion{questionFor(m, mark)})
	}
	return s
}

const (
	elicit = "elicitation/create"
	invent = "sampling/createMessage"
	roots  = "roots/list"
)

// questionFor is a question that carries a mark.
func questionFor(method, mark string) quizQuestion {
	switch method {
	case elicit:
		return quizQuestion{method, json.RawMessage(strings.Replace(elicitForm, "who", mark, 1))}
	case invent:
		return quizQuestion{method, json.RawMessage(strings.Replace(sample, `"hi"`, `"`+mark+`"`, 1))}
	}
	return quizQuestion{method, nil}
}

// waitFor polls until f is true: what it waits for happens elsewhere.
func (l *lot) waitFor(what string, f func() bool) {
	l.t.Helper()
	if !gatewaytest.Poll(awhile, f) {
		l.t.Fatalf("waited too long for %s", what)
	}
}

// await waits until something of a kind happened n times to the call of a mark.
func (l *lot) await(mark, what string, n int) []string {
	l.t.Helper()
	if !gatewaytest.Poll(awhile, func() bool { return len(l.c.of(mark, what)) >= n }) {
		l.t.Fatalf("%s: %q happened %d times, want %d; all that happened: %+v", mark, what, len(l.c.of(mark, what)), n, l.c.happened(mark))
	}
	return l.c.of(mark, what)
}

// call sends a call from the start.
func (l *lot) call(s quizSpec) gatewaytest.Answer {
	l.t.Helper()
	return l.client.Call("tools/call", s.head("q"))
}

// stopped is an answer that asks.
type stopped struct {
	ResultType    string                     `json:"resultType"`
	RequestState  string                     `json:"requestState"`
	InputRequests map[string]json.RawMessage `json:"inputRequests"`
}

// asks reads an answer that has to ask n things.
func (l *lot) asks(a gatewaytest.Answer, n int) stopped {
	l.t.Helper()
	s := readStopped(a)
	if len(s.InputRequests) != n {
		l.t.Fatalf("status %d, not %d questions: %s", a.Status, n, a.Message)
	}
	return s
}

// readStopped is what an answer asks, nothing if it is not one that asks.
func readStopped(a gatewaytest.Answer) (s stopped) {
	if json.Unmarshal([]byte(a.Result()), &s) != nil || s.ResultType != "input_required" || s.RequestState == "" {
		return stopped{}
	}
	return s
}

// park sends a call from the start that has to ask n things.
func (l *lot) park(s quizSpec, n int) stopped {
	l.t.Helper()
	return l.asks(l.call(s), n)
}

func (s stopped) keys() (all []string) {
	for k := range s.InputRequests {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// responses answers each question with who and its key.
func (s stopped) responses(who string) string {
	var all []string
	for _, k := range s.keys() {
		result := reply(part(string(s.InputRequests[k]), "method"), who+" "+k)
		all = append(all, jsonString(k)+`:`+result)
	}
	return `{` + strings.Join(all, ",") + `}`
}

// reply is a client's result of a question, raw.
func reply(method, name string) string {
	switch method {
	case jsonString(elicit):
		return `{"action":"accept","content":{"name":` + jsonString(name) + `,"n":9007199254740993}}`
	case jsonString(invent):
		return `{"role":"assistant","model":"m","content":{"type":"text","text":` + jsonString(name) + `}}`
	}
	return `{"roots":[{"uri":` + jsonString("file:///"+name) + `,"x":1.0}]}`
}

func part(msg, name string) string {
	var m map[string]json.RawMessage
	_ = json.Unmarshal([]byte(msg), &m) // "" then
	return string(m[name])
}

// onceMore is the params of a retry.
func onceMore(head, responses, state string) string {
	return strings.TrimSuffix(head, "}") + `,"inputResponses":` + responses + `,"requestState":` + jsonString(state) + `}`
}

// retry sends a call again with the answers to all that it asked.
func (l *lot) retry(s quizSpec, asked stopped) gatewaytest.Answer {
	l.t.Helper()
	return l.client.Call("tools/call", onceMore(s.head("q"), asked.responses("me"), asked.RequestState))
}

// completes checks that a call ended well, once, and that its backend got what me
// answered, as it was written.
func (l *lot) completes(mark string, a gatewaytest.Answer, answers ...string) {
	l.t.Helper()
	result := a.Result()
	if !strings.Contains(result, `"mark":"`+mark+`","how":"complete"`) || part(result, "resultType") != `"complete"` {
		l.t.Fatalf("%s: %d %s", mark, a.Status, a.Message)
	}
	for _, want := range answers {
		if !strings.Contains(result, `"result":`+want) {
			l.t.Errorf("%s: the backend got %s, not %s", mark, result, want)
		}
	}
	l.once(mark)
	if c := l.c.of(mark, "cancelled"); len(c) > 0 {
		l.t.Errorf("%s was cancelled: %s", mark, c)
	}
}

// once checks that the backend saw a call one time.
func (l *lot) once(mark string) {
	l.t.Helper()
	if n := len(l.c.of(mark, "run")); n != 1 {
		l.t.Errorf("%s: the backend saw the call %d times", mark, n)
	}
}

// refused checks that a retry is refused in words that say what to do.
func (l *lot) refused(name string, a gatewaytest.Answer, words ...string) {
	l.t.Helper()
	e := a.Error()
	if a.Status != http.StatusBadRequest || part(e, "code") != "-32602" {
		l.t.Errorf("%s: %d %s", name, a.Status, a.Message)
		return
	}
	for _, w := range words {
		if !strings.Contains(e, w) {
			l.t.Errorf("%s: %s lacks %q", name, e, w)
		}
	}
}

const fromTheStart = "Send the call again from the start"

// untouched checks that nothing has reached a call that is parked.
func (l *lot) untouched(name, mark string) {
	l.t.Helper()
	for _, what := range []string{"answer", "cancelled", "end"} {
		if got := l.c.of(mark, what); len(got) > 0 {
			l.t.Errorf("%s: %s: %s", name, what, got)
		}
	}
	l.once(mark)
}

// parkedCall is an entry of /status.
type parkedCall struct{ ID, Backend, Method, Target, Since, Expires string }

// parked lists the parked calls that /status shows to a key.
func (l *lot) parked(key string) []parkedCall {
	l.t.Helper()
	body := l.http(http.MethodGet, "/status", key, http.StatusOK)
	var all struct{ Parked []parkedCall }
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		l.t.Fatalf("/status: %v: %s", err, body)
	}
	return all.Parked
}

// http makes a request that has to be answered with a status.
func (l *lot) http(method, path, key string, want int) string {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.g.Base+path, http.NoBody)
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	body := readAll(l.t, res)
	if res.StatusCode != want {
		l.t.Fatalf("%s %s: %d, want %d: %s", method, path, res.StatusCode, want, body)
	}
	return body
}

// empty waits until no call is parked any more and none runs at a backend.
func (l *lot) empty() {
	l.t.Helper()
	l.waitFor("no call to be left", func() bool {
		return len(l.parked(gatewaytest.Key)) == 0 && callsAt(l.t, l.g.Base) == 0
	})
}

// released checks that the backend was told that nobody answers, and that its call
// was cancelled if it held on to it.
func (l *lot) released(s quizSpec, want string) {
	l.t.Helper()
	if got := l.await(s.Mark, "answer", 1); len(got) != 1 || !strings.Contains(got[0], want) {
		l.t.Errorf("%s: the backend got %s, want %s", s.Mark, got, want)
	}
	l.await(s.Mark, "end", 1)
	l.empty()
	if got := len(l.c.of(s.Mark, "cancelled")); (got == 1) != s.Hold {
		l.t.Errorf("%s: cancelled %d times; the backend held on to it: %v", s.Mark, got, s.Hold)
	}
	l.once(s.Mark)
}

// start sends a request on its way, to be left by cancel.
func (l *lot) start(params string) (answer chan gatewaytest.Answer, cancel context.CancelFunc) {
	ctx, cancel := context.WithCancel(l.t.Context())
	answer = make(chan gatewaytest.Answer, 1)
	go func() { answer <- l.client.CallContext(ctx, "tools/call", params) }() // ends with its answer or ctx
	return answer, cancel
}

// keyOf makes a user and a key of theirs beside the running gateway.
func keyOf(t *testing.T, g *gatewaytest.Gateway, user string) string {
	t.Helper()
	return keysOf(t, g, user)[0]
}

// keysOf makes users and a member key of each.
func keysOf(t *testing.T, g *gatewaytest.Gateway, users ...string) []string {
	t.Helper()
	s, err := store.Open(t.Context(), slog.New(slog.DiscardHandler), store.Config{StateDir: g.Dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([]string, len(users))
	for i, user := range users {
		if err := s.CreateUser(t.Context(), account.User{ID: user, Name: user, Role: account.RoleMember}); err != nil {
			t.Fatal(err)
		}
		_, key, err := s.CreateKey(t.Context(), account.KeyRequest{Rights: account.FullRights(), Name: "key", User: user, Role: account.RoleMember})
		if err != nil {
			t.Fatal(err)
		}
		out[i] = key.Reveal()
	}
	// Another process made them, as it were: they count within a second.
	counts := gatewaytest.Poll(awhile, func() bool {
		return gatewaytest.Dial(t, g.Base, out[len(out)-1], gatewaytest.R2026).Call("tools/list", "").Status == http.StatusOK
	})
	if !counts {
		t.Fatal("the keys do not count")
	}
	return out
}
