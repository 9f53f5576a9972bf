// Package gatewaytest runs the real program in process, between fake backends of
// every revision and transport and raw clients of every revision.
//
// Backends and clients here write their messages as bytes and look at bytes, so
// that a test sees exactly what passes. They share no code with what they test.
// Only test files import this package.
package gatewaytest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Revisions of MCP, written out: these tests do not take the product's word.
const (
	R2024 = "2024-11-05"
	R0326 = "2025-03-26"
	R0618 = "2025-06-18"
	R1125 = "2025-11-25"
	R2026 = "2026-07-28"
)

// Fake is the inside of a fake backend: what it answers, whatever the transport.
type Fake struct {
	Revision string // the one revision it speaks
	Name     string // says who it is in answers
	SSE      bool   // Streamable HTTP: answer requests as event streams
	IDLast   bool   // answers have their id behind the result

	Calls atomic.Int64 // tools/call requests that arrived
	Lists atomic.Int64 // list requests that arrived

	mu        sync.Mutex // guards what follows
	tools     []string
	exact     string
	notes     []string
	failure   string
	cancelled []string
	listeners map[int]func(string)
	nextID    int

	offered      string  // prompts, raw; "" for greet
	completed    string  // result of completions, raw; "" for an echo
	capabilities string  // raw; "" for the usual ones
	acknowledges string  // raw; "" for the list changes
	script       *script // of NewAsking; nil for others
}

// NewFake makes a fake backend with the tools echo, exact, fail, notes, big,
// slow and who.
func NewFake(name, revision string) *Fake {
	f := &Fake{Name: name, Revision: revision, listeners: map[int]func(string){}}
	for _, t := range []string{"echo", "exact", "fail", "notes", "big", "slow", "who"} {
		f.tools = append(f.tools, `{"name":"`+t+`","inputSchema":{"type":"object"}}`)
	}
	return f
}

// SetTools replaces the tools, raw, and tells every open stream.
func (f *Fake) SetTools(raw ...string) {
	f.mu.Lock()
	f.tools = raw
	f.mu.Unlock()
	f.Say(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
}

// SetExact sets the result of the tool exact, raw.
func (f *Fake) SetExact(raw string) { f.mu.Lock(); f.exact = raw; f.mu.Unlock() }

// SetFailure sets the error object that the tool fail answers with, raw.
func (f *Fake) SetFailure(raw string) { f.mu.Lock(); f.failure = raw; f.mu.Unlock() }

// SetNotes sets the messages that the tool notes sends before its result, raw;
// TOKEN in them is the request's progress token.
func (f *Fake) SetNotes(raw ...string) { f.mu.Lock(); f.notes = raw; f.mu.Unlock() }

// Cancelled is the params of the cancellations that arrived.
func (f *Fake) Cancelled() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.cancelled...)
}

// Say sends a message, raw, on every open stream that belongs to no call.
func (f *Fake) Say(msg string) {
	f.mu.Lock()
	var all []func(string)
	for _, l := range f.listeners {
		all = append(all, l)
	}
	f.mu.Unlock()
	for _, l := range all {
		l(msg)
	}
}

// Listening tells how many streams are open.
func (f *Fake) Listening() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.listeners)
}

// listen registers a stream until the returned function is called.
func (f *Fake) listen(send func(string)) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := f.nextID
	f.nextID++
	f.listeners[id] = send
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.listeners, id)
	}
}

// message is a decoded envelope with everything else raw.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// params are the members of params that fakes look at.
type params struct {
	Name      string          `json:"name"`
	URI       string          `json:"uri"`
	Arguments json.RawMessage `json:"arguments"`
	Meta      struct {
		ProgressToken json.RawMessage `json:"progressToken"`
		Version       string          `json:"io.modelcontextprotocol/protocolVersion"`
	} `json:"_meta"`
}

func (f *Fake) modern() bool { return f.Revision == R2026 }

// answer handles one message; send delivers what belongs to the call. It returns
// the response, or "" for a message without one.
func (f *Fake) answer(ctx context.Context, m message, send func(string)) string {
	if m.Method == "notifications/cancelled" {
		f.mu.Lock()
		f.cancelled = append(f.cancelled, string(m.Params))
		f.mu.Unlock()
	}
	if m.ID == nil || m.Method == "" {
		return ""
	}
	var p params
	if len(m.Params) > 0 {
		if err := json.Unmarshal(m.Params, &p); err != nil {
			return failure(m.ID, `{"code":-32602,"message":"bad params"}`)
		}
	}
	if f.modern() != (p.Meta.Version == R2026) && m.Method != "initialize" {
		if f.modern() {
			return failure(m.ID, `{"code":-32022,"message":"unsupported","data":{"supported":["2026-07-28"],"requested":""}}`)
		}
		return failure(m.ID, `{"code":-32601,"message":"modern request to a legacy server"}`)
	}
	result, fail := f.result(ctx, m, p, send)
	if fail != "" {
		return failure(m.ID, fail)
	}
	if f.IDLast {
		return `{"result":` + result + `,"jsonrpc":"2.0","id":` + string(m.ID) + `}`
	}
	return `{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":` + result + `}`
}

func failure(id json.RawMessage, errObj string) string {
	return `{"jsonrpc":"2.0","id":` + string(id) + `,"error":` + errObj + `}`
}

const unknown = `{"code":-32601,"message":"method not found"}`

func (f *Fake) result(ctx context.Context, m message, p params, send func(string)) (result, fail string) {
	caps := f.declares()
	if result, fail, done := f.perform(ctx, m, p, send); done {
		return result, fail
	}
	switch m.Method {
	case "initialize":
		if f.modern() {
			return "", unknown
		}
		return fmt.Sprintf(`{"protocolVersion":%q,"capabilities":%s,"serverInfo":{"name":%q,"version":"1"}}`, f.Revision, caps, f.Name), ""
	case "server/discover":
		if !f.modern() {
			return "", unknown
		}
		return fmt.Sprintf(`{"resultType":"complete","supportedVersions":[%q],"capabilities":%s,"ttlMs":1000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":%q,"version":"1"}}}`, R2026, caps, f.Name), ""
	case "tools/list":
		f.Lists.Add(1)
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.complete(`"tools":[` + strings.Join(f.tools, ",") + `]`), ""
	case "prompts/list":
		return f.complete(`"prompts":[` + f.prompts() + `]`), ""
	case "prompts/get":
		return f.complete(`"messages":[{"role":"user","content":{"type":"text","text":"hello from ` + f.Name + `"}}]`), ""
	case "resources/list":
		return f.complete(`"resources":[{"name":"doc","uri":"fake://` + f.Name + `/doc"}]`), ""
	case "resources/templates/list":
		return f.complete(`"resourceTemplates":[{"name":"item","uriTemplate":"fake://` + f.Name + `/items/{id}"}]`), ""
	case "resources/read":
		return f.complete(`"contents":[{"uri":"` + p.URI + `","text":"` + f.Name + `"}]`), ""
	case "resources/subscribe", "resources/unsubscribe", "ping", "logging/setLevel":
		if f.modern() {
			return "", unknown
		}
		return `{}`, ""
	case "tools/call":
		f.Calls.Add(1)
		return f.call(ctx, p, send)
	}
	return "", unknown
}

// declares is the fake's capabilities.
func (f *Fake) declares() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.capabilities != "" {
		return f.capabilities
	}
	return `{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"prompts":{},"logging":{}}`
}

// complete wraps members as a result of this fake's era.
func (f *Fake) complete(members string) string {
	if f.modern() {
		return `{"resultType":"complete","ttlMs":1000,"cacheScope":"public",` + members + `}`
	}
	return `{` + members + `}`
}

// arguments of all tools together.
type arguments struct {
	Text  string `json:"text"`
	Bytes int    `json:"bytes"`
	MS    int    `json:"ms"`
}

func (f *Fake) call(ctx context.Context, p params, send func(string)) (result, fail string) {
	var a arguments
	if len(p.Arguments) > 0 {
		if err := json.Unmarshal(p.Arguments, &a); err != nil {
			return "", `{"code":-32602,"message":"bad arguments"}`
		}
	}
	f.mu.Lock()
	exact, notes, failed := f.exact, f.notes, f.failure
	f.mu.Unlock()
	switch p.Name {
	case "echo":
		text, _ := json.Marshal(a.Text)
		return f.complete(`"content":[{"type":"text","text":` + string(text) + `}]`), ""
	case "who":
		return f.complete(`"content":[{"type":"text","text":"` + f.Name + `"}]`), ""
	case "exact":
		return exact, ""
	case "fail":
		return "", failed
	case "notes":
		for _, n := range notes {
			if strings.Contains(n, "TOKEN") && p.Meta.ProgressToken == nil {
				continue
			}
			send(strings.ReplaceAll(n, "TOKEN", string(p.Meta.ProgressToken)))
		}
		text, _ := json.Marshal(a.Text)
		return f.complete(`"content":[{"type":"text","text":` + string(text) + `}]`), ""
	case "big":
		return f.complete(`"content":[{"type":"text","text":"` + strings.Repeat("0123456789abcdef", a.Bytes/16) + `"}]`), ""
	case "slow":
		select {
		case <-time.After(time.Duration(a.MS) * time.Millisecond):
		case <-ctx.Done():
		}
		return f.complete(`"content":[{"type":"text","text":"slow"}]`), ""
	}
	return "", `{"code":-32602,"message":"unknown tool"}`
}
