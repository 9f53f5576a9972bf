package gatewaytest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// script is what the tools of an asking fake need to remember.
type script struct {
	mu       sync.Mutex // guards what follows
	heard    []Heard
	waiting  map[string]chan message              // questions, by our id
	outlets  map[string]map[int]func(string)      // streams that belong to no call, by session
	levels   map[string]string                    // logging/setLevel, by session
	running  map[string][]context.CancelCauseFunc // calls, by session and id
	held     int                                  // calls of the tool hold that wait
	release  chan struct{}
	serial   int
	restarts []func()
}

// Heard is one message that reached a fake.
type Heard struct {
	Session string
	Method  string // "" for a response
	Raw     string // the whole message
	Header  http.Header
}

// Params is the raw params of the message.
func (h Heard) Params() string { return member(h.Raw, "params") }

// NewAsking makes a fake backend that can do what a talkative server does: its
// tools ask, log, report progress, hold and tell what reached them. What a tool
// does is in its arguments, so that a fake in a process of its own does the same.
func NewAsking(name, revision string) *Fake {
	f := NewFake(name, revision)
	f.script = &script{
		waiting: map[string]chan message{}, outlets: map[string]map[int]func(string){}, levels: map[string]string{},
		running: map[string][]context.CancelCauseFunc{}, release: make(chan struct{}),
	}
	for _, t := range []string{"ask", "input", "params", "log", "progress", "hold", "release", "say", "seen"} {
		f.tools = append(f.tools, `{"name":"`+t+`","inputSchema":{"type":"object"}}`)
	}
	return f
}

// SetCapabilities replaces what the fake declares of itself, raw.
func (f *Fake) SetCapabilities(raw string) { f.mu.Lock(); f.capabilities = raw; f.mu.Unlock() }

// SetPrompts replaces the prompts, raw.
func (f *Fake) SetPrompts(raw string) { f.mu.Lock(); f.offered = raw; f.mu.Unlock() }

func (f *Fake) prompts() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.offered != "" {
		return f.offered
	}
	return `{"name":"greet"}`
}

// SetCompletion sets the result of every completion, raw.
func (f *Fake) SetCompletion(raw string) { f.mu.Lock(); f.completed = raw; f.mu.Unlock() }

func (f *Fake) completion() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.completed
}

// SetAck sets what the fake honours of every subscription, raw.
func (f *Fake) SetAck(raw string) { f.mu.Lock(); f.acknowledges = raw; f.mu.Unlock() }

// honours is the part of a subscription's filter that the fake acknowledges.
func (f *Fake) honours(params json.RawMessage) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.acknowledges != "":
		return f.acknowledges
	case f.script != nil:
		return member(string(params), "notifications")
	}
	return `{"toolsListChanged":true,"resourcesListChanged":true,"promptsListChanged":true}`
}

// Heard is the messages of a method that reached the fake, oldest first.
func (f *Fake) Heard(method string) []Heard {
	f.script.mu.Lock()
	defer f.script.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.script.heard), func(h Heard) bool { return h.Method != method })
}

// Waiting tells how many calls of the tool hold wait.
func (f *Fake) Waiting() int {
	f.script.mu.Lock()
	defer f.script.mu.Unlock()
	return f.script.held
}

// Release ends all calls of the tool hold.
func (f *Fake) Release() {
	f.script.mu.Lock()
	defer f.script.mu.Unlock()
	close(f.script.release)
	f.script.release = make(chan struct{})
}

// SayIn sends a message, raw, on the streams of one session that belong to no
// call, and tells whether there was one.
func (f *Fake) SayIn(session, msg string) bool {
	f.script.mu.Lock()
	var all []func(string)
	for _, o := range f.script.outlets[session] {
		all = append(all, o)
	}
	f.script.mu.Unlock()
	for _, o := range all {
		o(msg)
	}
	return len(all) > 0
}

// Restart forgets every session and cuts every connection, as a server that
// starts anew does.
func (f *Fake) Restart() {
	f.script.mu.Lock()
	all := slices.Clone(f.script.restarts)
	f.script.mu.Unlock()
	for _, r := range all {
		r()
	}
}

func (f *Fake) onRestart(r func()) {
	if f.script != nil {
		f.script.mu.Lock()
		f.script.restarts = append(f.script.restarts, r)
		f.script.mu.Unlock()
	}
}

// attach makes send a stream of a session until the returned function is called.
func (f *Fake) attach(session string, send func(string)) (detach func()) {
	stop := f.listen(send)
	if f.script == nil {
		return stop
	}
	s := f.script
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id := s.serial
	if s.outlets[session] == nil {
		s.outlets[session] = map[int]func(string){}
	}
	s.outlets[session][id] = send
	return func() {
		stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.outlets[session], id)
	}
}

// from is how a message came.
type from struct {
	session string
	header  http.Header
}

type fromKey struct{}

// cameFrom notes how a message came.
func cameFrom(ctx context.Context, session string, h http.Header) context.Context {
	return context.WithValue(ctx, fromKey{}, from{session, h})
}

func origin(ctx context.Context) from {
	f, _ := ctx.Value(fromKey{}).(from)
	return f
}

// note remembers a message, answers what waits for it, and cancels what it cancels.
func (f *Fake) note(ctx context.Context, m message) {
	if f.script == nil {
		return
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	s, o := f.script, origin(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, Heard{o.session, m.Method, string(raw), o.header})
	switch m.Method {
	case "":
		if w := s.waiting[string(m.ID)]; w != nil {
			delete(s.waiting, string(m.ID))
			w <- m
		}
	case "logging/setLevel":
		var p struct{ Level string }
		if json.Unmarshal(m.Params, &p) == nil {
			s.levels[o.session] = p.Level
		}
	case "notifications/cancelled":
		var p struct {
			RequestID json.RawMessage `json:"requestId"`
		}
		if json.Unmarshal(m.Params, &p) == nil {
			for _, cancel := range s.running[o.session+" "+string(p.RequestID)] {
				cancel(errTold)
			}
		}
	}
}

var errTold = fmt.Errorf("the caller cancelled")

// running registers a call for note to cancel.
func (f *Fake) running(ctx context.Context, m message) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s, key := f.script, origin(ctx).session+" "+string(m.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[key] = append(s.running[key], cancel)
	return ctx, func() {
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.running, key)
	}
}

// talk is the arguments of the asking tools together.
type talk struct {
	Ask []struct {
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	} `json:"ask"`
	Via    string            `json:"via"` // "get": on the session's own stream, not the call's
	Rounds int               `json:"rounds"`
	State  *bool             `json:"state"`
	Levels []string          `json:"levels"`
	Text   string            `json:"text"`
	Count  int               `json:"count"`
	Raw    []json.RawMessage `json:"raw"`
	Method string            `json:"method"`
}

// perform does what only asking fakes do.
func (f *Fake) perform(ctx context.Context, m message, p params, send func(string)) (result, fail string, done bool) {
	if f.script == nil {
		return "", "", false
	}
	var a talk
	if len(p.Arguments) > 0 && json.Unmarshal(p.Arguments, &a) != nil {
		return "", `{"code":-32602,"message":"bad arguments"}`, true
	}
	if a.Via == "get" {
		session := origin(ctx).session
		send = func(msg string) { f.SayIn(session, msg) }
	}
	switch {
	case m.Method == "completion/complete":
		if fixed := f.completion(); fixed != "" {
			return fixed, "", true
		}
		return f.complete(`"completion":{"values":[` + quote(string(m.Params)) + `]}`), "", true
	case m.Method == "prompts/get" && p.Name == "input", m.Method == "resources/read" && strings.HasSuffix(p.URI, "/input"):
		return f.input(m, talk{Rounds: 1}), "", true
	case strings.HasPrefix(m.Method, "widgets/"), m.Method == "tools/call" && p.Name == "params":
		return f.structured(`"params":` + string(m.Params) + `,"headers":` + headers(ctx)), "", true
	case m.Method != "tools/call":
		return "", "", false
	}
	ctx, end := f.running(ctx, m)
	defer end()
	switch p.Name {
	case "ask":
		return f.ask(ctx, a, send), "", true
	case "input":
		return f.input(m, a), "", true
	case "log":
		f.log(ctx, m, a, send)
	case "progress":
		for i := range a.Count {
			send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d,"message":%q}}`, p.Meta.ProgressToken, i+1, a.Text))
		}
		if a.Text == "hold" {
			f.hold(ctx, func() {})
		}
	case "hold":
		f.hold(ctx, func() {
			if p.Meta.ProgressToken != nil { // tells that it is here
				send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":0}}`, p.Meta.ProgressToken))
			}
		})
	case "release":
		f.Release()
	case "say":
		for _, raw := range a.Raw {
			send(string(raw))
		}
	case "seen":
		var all []string
		for _, h := range f.Heard(a.Method) {
			all = append(all, h.Raw)
		}
		return f.structured(fmt.Sprintf(`"pid":%d,"seen":[%s]`, os.Getpid(), strings.Join(all, ","))), "", true
	default:
		return "", "", false
	}
	return f.structured(`"text":` + quote(a.Text)), "", true
}

func (f *Fake) structured(members string) string {
	return f.complete(`"content":[],"structuredContent":{` + members + `}`)
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always can be
	}
	return string(b)
}

// headers are the Mcp-* headers of a request, as a JSON object.
func headers(ctx context.Context) string {
	out := map[string]string{}
	for name, values := range origin(ctx).header {
		if strings.HasPrefix(name, "Mcp-") {
			out[name] = strings.Join(values, "|")
		}
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err) // a map of strings always can be
	}
	return string(b)
}

// ask puts the questions one after the other and returns the answers.
func (f *Fake) ask(ctx context.Context, a talk, send func(string)) string {
	var answers []string
	for _, q := range a.Ask {
		s := f.script
		answer := make(chan message, 1)
		s.mu.Lock()
		s.serial++
		id := strconv.Quote("q" + strconv.Itoa(s.serial))
		s.waiting[id] = answer
		s.mu.Unlock()
		msg := `{"jsonrpc":"2.0","id":` + id + `,"method":` + quote(q.Method)
		if len(q.Params) > 0 {
			msg += `,"params":` + string(q.Params)
		}
		send(msg + `}`)
		select {
		case m := <-answer:
			if m.Error != nil {
				answers = append(answers, `{"error":`+string(m.Error)+`}`)
			} else {
				answers = append(answers, `{"result":`+string(m.Result)+`}`)
			}
		case <-ctx.Done():
			answers = append(answers, `{"left":`+quote(context.Cause(ctx).Error())+`}`)
		}
	}
	return f.structured(`"answers":[` + strings.Join(answers, ",") + `]`)
}

// input asks in the way of 2026-07-28, for as many rounds as it is told.
func (f *Fake) input(m message, a talk) string {
	var p struct {
		RequestState   string                     `json:"requestState"`
		InputResponses map[string]json.RawMessage `json:"inputResponses"`
	}
	_ = json.Unmarshal(m.Params, &p) // it was decoded once already
	stateless := a.State != nil && !*a.State
	round := 1
	if n, err := strconv.Atoi(strings.TrimPrefix(p.RequestState, "état \"")); err == nil {
		round = n + 1
	}
	if round > max(a.Rounds, 1) || stateless && p.InputResponses != nil {
		return f.structured(`"params":` + string(m.Params))
	}
	ask := fmt.Sprintf(`{"resultType":"input_required","x":9007199254740993,"inputRequests":{"r%d":{"method":"elicitation/create","params":{"mode":"form","message":"round %d","requestedSchema":{"type":"object","properties":{}}}}}`, round, round)
	if !stateless {
		ask += `,"requestState":` + quote(fmt.Sprintf("état \"%d", round))
	}
	return ask + `}`
}

var severities = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// log logs at each level that is wanted: by the session, or by the request.
func (f *Fake) log(ctx context.Context, m message, a talk, send func(string)) {
	f.script.mu.Lock()
	least := f.script.levels[origin(ctx).session]
	f.script.mu.Unlock()
	if f.modern() {
		var p struct {
			Meta map[string]json.RawMessage `json:"_meta"`
		}
		_ = json.Unmarshal(m.Params, &p) // it was decoded once already
		if _ = json.Unmarshal(p.Meta["io.modelcontextprotocol/logLevel"], &least); least == "" {
			return
		}
	}
	for _, l := range a.Levels {
		if slices.Index(severities, l) >= slices.Index(severities, least) {
			send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":` + quote(l) + `,"data":` + quote(a.Text+" "+l) + `}}`)
		}
	}
}

// hold waits for Release, or for the caller to leave; here tells that it does.
func (f *Fake) hold(ctx context.Context, here func()) {
	s := f.script
	s.mu.Lock()
	s.held++
	release := s.release
	s.mu.Unlock()
	here()
	select {
	case <-release:
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.held--
	s.mu.Unlock()
}
