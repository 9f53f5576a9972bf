package mcpwire

import (
	"fmt"
	"strings"

	"drawbridge/internal/jsonscan"
)

// Message is one JSON-RPC message taken apart. Its fields are parts of the bytes
// it was read from.
type Message struct {
	ID       []byte // raw string or integer; nil when absent
	Method   string
	Params   []byte // raw object; nil when absent
	Result   []byte // raw object; nil when absent
	ErrorRaw []byte // raw object; nil when absent
}

// IsRequest tells a message that wants an answer.
func (m *Message) IsRequest() bool { return m.Method != "" && m.ID != nil }

// IsNotificationMethod tells a method that wants no answer by its name: all of the
// specification's start alike. A request without an id does not become one.
func IsNotificationMethod(method string) bool { return strings.HasPrefix(method, "notifications/") }

// IsNotification tells a message that wants none.
func (m *Message) IsNotification() bool { return m.Method != "" && m.ID == nil }

// IsResponse tells an answer.
func (m *Message) IsResponse() bool { return m.Method == "" }

// ParseClient checks one message from a client strictly and takes it apart: what
// it accepts can be read in one way only, by every backend.
func ParseClient(body []byte) (Message, *Error) {
	if err := CheckBody(body); err != nil {
		return Message{}, err
	}
	return ParseChecked(body)
}

// CheckBody is the check of ParseClient alone, for a body that may be a batch.
func CheckBody(body []byte) *Error {
	if err := jsonscan.Check(body); err != nil {
		return Errorf(CodeParse, "The body is not acceptable JSON: %v. Correct it and send it again.", err)
	}
	return nil
}

// ParseChecked takes one message apart that CheckBody has let through.
func ParseChecked(body []byte) (Message, *Error) {
	m, why := parse(body, true)
	if why != "" {
		return Message{}, Errorf(CodeInvalidRequest, "The message is not a JSON-RPC 2.0 request, notification or response: %s. Correct it and send it again.", why)
	}
	return m, nil
}

// ParseBackend checks a message from a backend and takes it apart. It forgives
// members it does not know, but nothing that could be read in two ways.
func ParseBackend(body []byte) (Message, error) {
	if err := jsonscan.Valid(body); err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrBadFrame, err)
	}
	m, why := parse(body, false)
	if why != "" {
		return Message{}, fmt.Errorf("%w: %s", ErrBadFrame, why)
	}
	return m, nil
}

// envelope is what parse has seen of the members of a message.
type envelope struct{ version, id, method, params, result, errObj bool }

// parse reads the envelope. strict refuses names that another reader might take
// for a member of the envelope.
func parse(body []byte, strict bool) (m Message, why string) {
	if first(body) != '{' {
		return m, "it is not an object"
	}
	var seen envelope
	for member := range jsonscan.Members(body) {
		if why := m.member(&seen, member.Key, member.Value.Of(body), strict); why != "" {
			return m, why
		}
	}
	return m, m.shape(seen)
}

// member takes one member of the envelope.
func (m *Message) member(seen *envelope, key, value []byte, strict bool) (why string) {
	switch {
	case jsonscan.Is(key, "jsonrpc"):
		if twice(&seen.version) {
			return "jsonrpc stands twice"
		}
		if string(value) != `"2.0"` {
			return `jsonrpc is not "2.0"`
		}
	case jsonscan.Is(key, "id"):
		if twice(&seen.id) {
			return "id stands twice"
		}
		if !ValidID(value) {
			return "id is neither a string nor an integer"
		}
		m.ID = value
	case jsonscan.Is(key, "method"):
		if twice(&seen.method) {
			return "method stands twice"
		}
		name, ok := methodName(value)
		if !ok {
			return "method is not a name"
		}
		m.Method = name
	case jsonscan.Is(key, "params"):
		if twice(&seen.params) || first(value) != '{' {
			return "params is not one object"
		}
		m.Params = value
	case jsonscan.Is(key, "result"):
		if twice(&seen.result) || first(value) != '{' {
			return "result is not one object"
		}
		m.Result = value
	case jsonscan.Is(key, "error"):
		if twice(&seen.errObj) || first(value) != '{' {
			return "error is not one object"
		}
		m.ErrorRaw = value
	case strict && foldsToAny(key, envelopeNames):
		return "a member's name differs from one of the envelope's only in case"
	}
	return ""
}

var envelopeNames = []string{"jsonrpc", "id", "method", "params", "result", "error"}

// shape says what is wrong with the members together.
func (m *Message) shape(seen envelope) string {
	switch {
	case !seen.version:
		return "jsonrpc is missing"
	case seen.method && (seen.result || seen.errObj):
		return "it has a method and an answer"
	case seen.method:
		return ""
	case seen.result == seen.errObj:
		return "it has neither a method nor exactly one of result and error"
	case !seen.id && seen.result:
		return "an answer needs an id"
	}
	return ""
}

func twice(seen *bool) bool {
	was := *seen
	*seen = true
	return was
}

func foldsToAny(key []byte, names []string) bool {
	for _, n := range names {
		if jsonscan.FoldIs(key, n) {
			return true
		}
	}
	return false
}

// maxID bounds an id; real ones are short.
const maxID = 256

// ValidID accepts what both JSON-RPC and MCP allow: a string or an integer.
func ValidID(v []byte) bool {
	return len(v) <= maxID && (first(v) == '"' || isInteger(v))
}

// isInteger tells whether the JSON number v is written as an integer.
func isInteger(v []byte) bool {
	digits := v
	if len(v) > 0 && v[0] == '-' {
		digits = v[1:]
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(digits) > 0
}

// methodName decodes a method, without allocating for those of the specification.
func methodName(lit []byte) (string, bool) {
	if len(lit) < 3 || lit[0] != '"' {
		return "", false
	}
	if known, ok := knownMethods[string(lit[1:len(lit)-1])]; ok {
		return known, true
	}
	s, ok := jsonscan.Unquote(lit)
	return s, ok && len(s) <= maxID && s != ""
}

// Methods of the specification, all revisions.
const (
	MethodInitialize       = "initialize"
	MethodInitialized      = "notifications/initialized"
	MethodPing             = "ping"
	MethodDiscover         = "server/discover"
	MethodListen           = "subscriptions/listen"
	MethodListenAck        = "notifications/subscriptions/acknowledged"
	MethodToolsList        = "tools/list"
	MethodToolsCall        = "tools/call"
	MethodPromptsList      = "prompts/list"
	MethodPromptsGet       = "prompts/get"
	MethodResourcesList    = "resources/list"
	MethodTemplatesList    = "resources/templates/list"
	MethodResourcesRead    = "resources/read"
	MethodSubscribe        = "resources/subscribe"
	MethodUnsubscribe      = "resources/unsubscribe"
	MethodComplete         = "completion/complete"
	MethodSetLevel         = "logging/setLevel"
	MethodCancelled        = "notifications/cancelled"
	MethodProgress         = "notifications/progress"
	MethodMessage          = "notifications/message"
	MethodElicitDone       = "notifications/elicitation/complete" // 2025-11-25 only
	MethodToolsChanged     = "notifications/tools/list_changed"
	MethodPromptsChanged   = "notifications/prompts/list_changed"
	MethodResourcesChanged = "notifications/resources/list_changed"
	MethodResourceUpdated  = "notifications/resources/updated"
	MethodRootsChanged     = "notifications/roots/list_changed"
	MethodRootsList        = "roots/list"
	MethodSample           = "sampling/createMessage"
	MethodElicit           = "elicitation/create"
)

var knownMethods = func() map[string]string {
	m := map[string]string{}
	for _, s := range []string{
		MethodInitialize, MethodInitialized, MethodPing, MethodDiscover, MethodListen, MethodListenAck,
		MethodToolsList, MethodToolsCall, MethodPromptsList, MethodPromptsGet, MethodResourcesList,
		MethodTemplatesList, MethodResourcesRead, MethodSubscribe, MethodUnsubscribe, MethodComplete,
		MethodSetLevel, MethodCancelled, MethodProgress, MethodMessage, MethodToolsChanged,
		MethodPromptsChanged, MethodResourcesChanged, MethodResourceUpdated, MethodRootsChanged,
		MethodRootsList, MethodSample, MethodElicit,
	} {
		m[s] = s
	}
	return m
}()

// ParseError reads a JSON-RPC error object and keeps its bytes.
func ParseError(raw []byte) (*Error, error) {
	e := &Error{Raw: raw}
	var hasCode, hasMessage bool
	for member := range jsonscan.Members(raw) {
		value := member.Value.Of(raw)
		switch {
		case jsonscan.Is(member.Key, "code"):
			code, ok := parseInt(value)
			if !ok {
				return nil, fmt.Errorf("%w: error.code is not an integer", ErrBadFrame)
			}
			e.Code, hasCode = code, true
		case jsonscan.Is(member.Key, "message"):
			e.Message, hasMessage = jsonscan.Unquote(value)
		case jsonscan.Is(member.Key, "data"):
			e.Data = value
		}
	}
	if !hasCode || !hasMessage {
		return nil, fmt.Errorf("%w: error lacks code or message", ErrBadFrame)
	}
	return e, nil
}

func parseInt(v []byte) (int, bool) {
	if !isInteger(v) || len(v) > 11 {
		return 0, false
	}
	n, sign := 0, 1
	for _, c := range v {
		if c == '-' {
			sign = -1
			continue
		}
		n = n*10 + int(c-'0')
	}
	return sign * n, true
}

// AppendString writes s as a JSON string.
func AppendString(dst []byte, s string) []byte { return jsonscan.AppendQuote(dst, s) }

// AppendResultHead writes a response up to its result.
func AppendResultHead(dst, id []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	return append(dst, `,"result":`...)
}

// AppendErrorResponse writes a whole error response. A nil id is written as null.
func AppendErrorResponse(dst, id []byte, e *Error) []byte {
	if id == nil {
		id = []byte("null")
	}
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"error":`...)
	dst = e.Append(dst)
	return append(dst, '}')
}

// AppendRequest writes a request, or a notification when id is nil.
func AppendRequest(dst, id []byte, method string, params []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0"`...)
	if id != nil {
		dst = append(dst, `,"id":`...)
		dst = append(dst, id...)
	}
	dst = append(dst, `,"method":`...)
	dst = AppendString(dst, method)
	if params != nil {
		dst = append(dst, `,"params":`...)
		dst = append(dst, params...)
	}
	return append(dst, '}')
}
