package gatewaytest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"drawbridge/internal/gatewaytest"
)

// A quiz is a backend of one revision that asks what its caller tells it to: rounds
// of questions, all of one round at once, in the way of its era. What happens to its
// calls goes into a chronicle, wherever it runs.
type quiz struct {
	revision string
	tell     func(happening)
	eager    bool // asks for roots as soon as it can, and after each call

	mu     sync.Mutex // guards what follows
	serial int
	calls  []*quizCall
	open   map[string]asked // questions by their raw id
	ran    map[string]int   // calls by mark
	jobs   []*quizJob
}

// quizSpec is what a call tells the quiz: the arguments of the tool quiz, the
// argument spec of the prompt quiz as text, or the end of a resource's URI.
type quizSpec struct {
	Mark      string           `json:"mark"`             // nobody else has it
	Rounds    [][]quizQuestion `json:"rounds,omitempty"` // one that is empty asks nothing and makes the caller come again
	Via       string           `json:"via,omitempty"`    // "get": ask on the session's stream
	Hold      bool             `json:"hold,omitempty"`   // wait for an order before the result
	Stateless bool             `json:"stateless,omitempty"`
	Fail      json.RawMessage  `json:"fail,omitempty"` // the error that the first call of this mark gets
}

type quizQuestion struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
}

// head is the params of a call of the backend's tool quiz.
func (s quizSpec) head(backend string) string { return s.headOf(backend + "_quiz") }

func (s quizSpec) headOf(tool string) string {
	return `{"name":"` + tool + `","arguments":` + s.raw() + `}`
}

func (s quizSpec) raw() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // it is the test's
	}
	return string(b)
}

// uri is a resource that does what the spec says.
func (s quizSpec) uri() string {
	return "quiz://x/" + base64.RawURLEncoding.EncodeToString([]byte(s.raw()))
}

// quizCall is a call that runs.
type quizCall struct {
	mark, session, id string
	orders            chan string
	cancel            context.CancelCauseFunc
}

// asked is a question that waits for its answer.
type asked struct {
	mark    string
	answers chan<- string // the raw response
}

func newQuiz(revision string, tell func(happening)) *quiz {
	return &quiz{revision: revision, tell: tell, open: map[string]asked{}, ran: map[string]int{}}
}

func (q *quiz) modern() bool { return q.revision == gatewaytest.R2026 }

// obey gives an order to every call of its mark.
func (q *quiz) obey(o order) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.calls {
		if c.mark == o.Mark {
			c.orders <- o.Do
		}
	}
}

// quizMessage is a message to the quiz.
type quizMessage struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Error  json.RawMessage `json:"error"`
	whole  string
}

func readQuizMessage(raw []byte) (m quizMessage, ok bool) {
	m.whole = strings.TrimSpace(string(raw))
	return m, json.Unmarshal(raw, &m) == nil
}

// mouth is where a quiz says what belongs to one call, and to its session.
type mouth struct{ call, session func(messages ...string) }

// errDie ends the connection of a call that was ordered to die.
var errDie = errors.New("ordered to die")

// hear takes one message and returns the response, "" for what has none.
func (q *quiz) hear(ctx context.Context, session string, m quizMessage, say mouth) (string, error) {
	switch {
	case m.Method == "":
		q.answered(m)
		return "", nil
	case m.Method == "notifications/cancelled":
		q.cancelled(session, m)
		return "", nil
	case m.Method == "notifications/roots/list_changed":
		q.tell(happening{"", "roots changed", session})
		return "", nil
	case m.ID == nil:
		if m.Method == "notifications/initialized" {
			q.wonder("eager", say.session)
		}
		return "", nil
	}
	result, fail, err := q.result(ctx, session, m, say)
	switch {
	case err != nil:
		return "", err
	case fail != "":
		return `{"jsonrpc":"2.0","id":` + string(m.ID) + `,"error":` + fail + `}`, nil
	}
	return `{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":` + result + `}`, nil
}

func (q *quiz) answered(m quizMessage) {
	q.mu.Lock()
	a, ok := q.open[string(m.ID)]
	delete(q.open, string(m.ID))
	q.mu.Unlock()
	if !ok {
		q.tell(happening{"", "answer", m.whole}) // to nothing that was asked
		return
	}
	q.tell(happening{a.mark, "answer", m.whole})
	a.answers <- m.whole
}

var errCancelled = errors.New("it was cancelled")

func (q *quiz) cancelled(session string, m quizMessage) {
	var p struct {
		RequestID json.RawMessage `json:"requestId"`
	}
	if json.Unmarshal(m.Params, &p) != nil {
		return
	}
	q.mu.Lock()
	var c *quizCall
	for _, each := range q.calls {
		if each.session == session && each.id == string(p.RequestID) {
			c = each
		}
	}
	q.mu.Unlock()
	if c != nil {
		q.tell(happening{c.mark, "cancelled", string(m.Params)})
		c.cancel(errCancelled)
	}
}

const quizLists = `"tools":[{"name":"quiz","inputSchema":{"type":"object"}},{"name":"other","inputSchema":{"type":"object"}},` +
	`{"name":"job","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}],` +
	`"prompts":[{"name":"quiz","arguments":[{"name":"spec"}]}],"resources":[],"resourceTemplates":[{"name":"quiz","uriTemplate":"quiz://x/{spec}"}]`

func (q *quiz) result(ctx context.Context, session string, m quizMessage, say mouth) (result, fail string, err error) {
	const offers = `"tools":{},"prompts":{},"resources":{}`
	const caps, tasks = `"capabilities":{` + offers + `}`, `"capabilities":{` + offers + `,"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}}`
	switch {
	case strings.HasPrefix(m.Method, "tasks/") && !q.modern():
		return q.ofJob(ctx, session, m, say)
	case m.Method == "initialize" && !q.modern():
		q.tell(happening{"", "initialize", string(m.Params)})
		return `{"protocolVersion":"` + q.revision + `",` + tasks + `,"serverInfo":{"name":"quiz","version":"1"}}`, "", nil
	case m.Method == "server/discover" && q.modern():
		return `{"resultType":"complete","supportedVersions":["2026-07-28"],` + caps + `,"ttlMs":1000,"cacheScope":"public"}`, "", nil
	case strings.HasSuffix(m.Method, "/list"):
		return q.complete(quizLists), "", nil
	case m.Method == "ping":
		return `{}`, "", nil
	case m.Method != "tools/call" && m.Method != "prompts/get" && m.Method != "resources/read":
		return "", `{"code":-32601,"message":"no such method"}`, nil
	}
	var p quizParams
	s, ok := p.read(m)
	if !ok {
		return "", `{"code":-32602,"message":"no quiz"}`, nil
	}
	q.mu.Lock()
	q.ran[s.Mark]++
	times := q.ran[s.Mark]
	q.mu.Unlock()
	q.tell(happening{s.Mark, "run", string(m.Params)})
	if p.Name == "job" && !q.modern() {
		return q.take(s, p), "", nil
	}
	if s.Fail != nil && times == 1 {
		return "", string(s.Fail), nil
	}
	ctx, c, end := q.begin(ctx, s.Mark, session, string(m.ID))
	defer end()
	if q.modern() {
		return q.require(s, p)
	}
	result, err = q.ask(ctx, c, s, p.Meta.ProgressToken, say)
	return result, "", err
}

// quizParams are the members of params that a quiz looks at.
type quizParams struct {
	Name           string                     `json:"name"`
	URI            string                     `json:"uri"`
	Arguments      json.RawMessage            `json:"arguments"`
	InputResponses map[string]json.RawMessage `json:"inputResponses"`
	RequestState   *string                    `json:"requestState"`
	Meta           struct {
		ProgressToken json.RawMessage `json:"progressToken"`
	} `json:"_meta"`
}

// read takes the spec out of a request.
func (p *quizParams) read(m quizMessage) (s quizSpec, ok bool) {
	if json.Unmarshal(m.Params, p) != nil {
		return s, false
	}
	raw := []byte(p.Arguments)
	switch m.Method {
	case "prompts/get":
		var a struct{ Spec string }
		if json.Unmarshal(raw, &a) != nil {
			return s, false
		}
		raw = []byte(a.Spec)
	case "resources/read":
		var err error
		if raw, err = base64.RawURLEncoding.DecodeString(strings.TrimPrefix(p.URI, "quiz://x/")); err != nil {
			return s, false
		}
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// begin registers a call for orders and cancellations.
func (q *quiz) begin(ctx context.Context, mark, session, id string) (context.Context, *quizCall, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &quizCall{mark: mark, session: session, id: id, orders: make(chan string, 4), cancel: cancel}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, c)
	return ctx, c, func() {
		cancel(nil)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.calls = slices.DeleteFunc(q.calls, func(each *quizCall) bool { return each == c })
	}
}

// ask puts the rounds in the legacy way, as requests of the server.
func (q *quiz) ask(ctx context.Context, c *quizCall, s quizSpec, token json.RawMessage, say mouth) (string, error) {
	voice := say.call
	if s.Via == "get" {
		voice = say.session
	}
	step := func(text string) {
		if token != nil {
			say.call(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + string(token) + `,"progress":1,"message":"` + text + `"}}`)
		}
	}
	var all []string
	for n, round := range s.Rounds {
		step("before " + strconv.Itoa(n))
		ids, answers := q.put(s.Mark, round, voice)
		got := map[string]string{}
		for len(got) < len(ids) {
			select {
			case a := <-answers:
				m, _ := readQuizMessage([]byte(a))
				got[string(m.ID)] = a
			case do := <-c.orders:
				if do == "die" {
					return "", errDie
				}
				for _, id := range ids {
					voice(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`)
				}
				return q.finish(s.Mark, "withdrawn", all), nil
			case <-ctx.Done():
				return q.finish(s.Mark, "left: "+context.Cause(ctx).Error(), all), nil
			}
		}
		for _, id := range ids {
			all = append(all, got[id])
		}
	}
	step("after")
	if s.Hold {
		select {
		case <-c.orders:
		case <-ctx.Done():
			return q.finish(s.Mark, "left: "+context.Cause(ctx).Error(), all), nil
		}
	}
	return q.finish(s.Mark, "complete", all), nil
}

// wonder asks for roots outside of any call.
func (q *quiz) wonder(mark string, voice func(...string)) {
	if q.eager {
		q.put(mark, []quizQuestion{{Method: "roots/list"}}, voice)
	}
}

// put sends all questions of a round in one piece.
func (q *quiz) put(mark string, round []quizQuestion, voice func(...string)) (ids []string, answers chan string) {
	answers = make(chan string, len(round))
	var messages []string
	q.mu.Lock()
	for _, one := range round {
		q.serial++
		id := fmt.Sprintf(`"%s?%d"`, mark, q.serial)
		ids = append(ids, id)
		q.open[id] = asked{mark, answers}
		msg := `{"jsonrpc":"2.0","id":` + id + `,"method":"` + one.Method + `"`
		if one.Params != nil {
			msg += `,"params":` + string(one.Params)
		}
		messages = append(messages, msg+`}`)
	}
	q.mu.Unlock()
	for _, m := range messages {
		q.tell(happening{mark, "asked", m})
	}
	voice(messages...)
	return ids, answers
}

// finish is the result of a call, with what was answered.
func (q *quiz) finish(mark, how string, answers []string) string {
	q.tell(happening{mark, "end", how})
	return q.complete(`"content":[],"messages":[],"contents":[],"structuredContent":{"mark":` + strconv.Quote(mark) + `,"how":` + strconv.Quote(how) + `,"answers":[` + strings.Join(answers, ",") + `]}`)
}

func (q *quiz) complete(members string) string {
	if q.modern() {
		return `{"resultType":"complete","ttlMs":0,"cacheScope":"private",` + members + `}`
	}
	return `{` + members + `}`
}

// stateOf is the requestState that a modern quiz gives out with a round: what has to
// be spelled in JSON in several ways, and must come back as it was.
func stateOf(mark string, round int) string { return fmt.Sprintf("é\"\\/\u2028 %s %d", mark, round) }

// require asks in the way of 2026-07-28. A state that it has not given out is an error.
func (q *quiz) require(s quizSpec, p quizParams) (result, fail string, err error) {
	round := 0
	if p.RequestState != nil {
		for round <= len(s.Rounds) && stateOf(s.Mark, round) != *p.RequestState {
			round++
		}
		if round++; round > len(s.Rounds) {
			return "", `{"code":-32602,"message":"foreign state"}`, nil
		}
	} else if s.Stateless && p.InputResponses != nil {
		round = len(s.Rounds)
	}
	if round == len(s.Rounds) {
		var all []string
		for _, a := range p.InputResponses {
			all = append(all, string(a))
		}
		slices.Sort(all)
		return q.finish(s.Mark, "complete", all), "", nil
	}
	out := `{"resultType":"input_required"`
	if len(s.Rounds[round]) > 0 {
		var entries []string
		for i, one := range s.Rounds[round] {
			entry := fmt.Sprintf(`"r%d/%d":{"method":%q`, round, i, one.Method)
			if one.Params != nil {
				entry += `,"params":` + string(one.Params)
			}
			entries = append(entries, entry+`}`)
		}
		out += `,"inputRequests":{` + strings.Join(entries, ",") + `}`
	}
	if !s.Stateless {
		out += `,"requestState":` + jsonString(stateOf(s.Mark, round))
	}
	q.tell(happening{s.Mark, "asked", out + `}`})
	return out + `}`, "", nil
}
