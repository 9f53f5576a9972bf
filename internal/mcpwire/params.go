package mcpwire

import (
	"bytes"

	"drawbridge/internal/jsonscan"
)

// Keys of _meta that the protocol itself uses.
const (
	MetaVersion        = "io.modelcontextprotocol/protocolVersion"
	MetaClientInfo     = "io.modelcontextprotocol/clientInfo"
	MetaCapabilities   = "io.modelcontextprotocol/clientCapabilities"
	MetaLogLevel       = "io.modelcontextprotocol/logLevel"
	MetaServerInfo     = "io.modelcontextprotocol/serverInfo"
	MetaSubscriptionID = "io.modelcontextprotocol/subscriptionId"
)

// spans remembers where the members stand in Params that a hop reads or changes.
type spans struct {
	target        jsonscan.Span // value of name, uri, taskId, or of ref's name or uri
	arguments     jsonscan.Span
	ref           jsonscan.Span
	cursor        jsonscan.Member
	meta          jsonscan.Member
	retryState    jsonscan.Member
	inputs        jsonscan.Member // inputResponses
	progressToken jsonscan.Member // spans within Params
	version       jsonscan.Span
	info          jsonscan.Span
	capabilities  jsonscan.Span
	logLevel      jsonscan.Span
}

// paramNames are the members of params that somebody on the way opens.
var paramNames = []string{"name", "uri", "taskId", "cursor", "_meta", "ref", "arguments", "requestState", "inputResponses"}

// NewRequest reads from params what a hop needs. params must have been checked.
func NewRequest(method string, rev Revision, params []byte) (*Request, *Error) {
	r := &Request{Method: method, Revision: rev, Params: params}
	if params == nil {
		return r, r.needTarget()
	}
	var name, uri, task jsonscan.Span
	for m := range jsonscan.Members(params) {
		switch {
		case jsonscan.Is(m.Key, "name"):
			name = m.Value
		case jsonscan.Is(m.Key, "uri"):
			uri = m.Value
		case jsonscan.Is(m.Key, "taskId"):
			task = m.Value
		case jsonscan.Is(m.Key, "arguments"):
			r.at.arguments = m.Value
		case jsonscan.Is(m.Key, "_meta"):
			r.at.meta = m
		case jsonscan.Is(m.Key, "cursor"):
			r.at.cursor = m
		case jsonscan.Is(m.Key, "ref"):
			r.at.ref = m.Value
		case jsonscan.Is(m.Key, "requestState"):
			r.at.retryState = m
		case jsonscan.Is(m.Key, "inputResponses"):
			r.at.inputs = m
		case foldsToAny(m.Key, paramNames):
			return nil, Errorf(CodeInvalidRequest, "A member of params differs from one of MCP only in case. Write it as the specification does.")
		}
	}
	switch method {
	case MethodToolsCall, MethodPromptsGet:
		r.at.target = name
	case MethodResourcesRead, MethodSubscribe, MethodUnsubscribe:
		r.at.target = uri
	case "tasks/get", "tasks/update", "tasks/cancel", "tasks/result":
		r.at.target = task
	}
	if err := r.readRef(); err != nil {
		return nil, err
	}
	if err := r.readMeta(); err != nil {
		return nil, err
	}
	if err := r.readStrings(); err != nil {
		return nil, err
	}
	if err := r.checkInputs(); err != nil {
		return nil, err
	}
	return r, r.needTarget()
}

// readRef finds the target of a completion in its reference.
func (r *Request) readRef() *Error {
	if r.Method != MethodComplete {
		return nil
	}
	if r.at.ref.Empty() || first(r.at.ref.Of(r.Params)) != '{' {
		return Errorf(CodeInvalidParams, "params.ref is missing. Name the prompt or resource template to complete for.")
	}
	for m := range jsonscan.Members(r.at.ref.Of(r.Params)) {
		if jsonscan.Is(m.Key, "name") || jsonscan.Is(m.Key, "uri") {
			r.at.target = shift(m.Value, r.at.ref.From)
		}
	}
	return nil
}

// RefIsPrompt tells whether a completion is for a prompt, not for a resource template.
func (r *Request) RefIsPrompt() bool {
	if r.at.ref.Empty() {
		return false
	}
	ref := r.at.ref.Of(r.Params)
	m, ok := jsonscan.Find(ref, "type")
	return ok && string(m.Value.Of(ref)) == `"ref/prompt"`
}

// readMeta finds the members of _meta that the protocol uses.
func (r *Request) readMeta() *Error {
	if r.at.meta.Value.Empty() {
		return nil
	}
	meta, base := r.at.meta.Value.Of(r.Params), r.at.meta.Value.From
	if first(meta) != '{' {
		return Errorf(CodeInvalidParams, "params._meta is not an object. Send an object, or leave it out.")
	}
	for m := range jsonscan.Members(meta) {
		switch {
		case jsonscan.Is(m.Key, "progressToken"):
			if !ValidID(m.Value.Of(meta)) {
				return Errorf(CodeInvalidParams, "params._meta.progressToken is neither a string nor an integer. Send one of them, or leave it out.")
			}
			r.at.progressToken = jsonscan.Member{Key: m.Key, Value: shift(m.Value, base), Whole: shift(m.Whole, base)}
		case jsonscan.Is(m.Key, MetaVersion):
			r.at.version = shift(m.Value, base)
		case jsonscan.Is(m.Key, MetaClientInfo):
			r.at.info = shift(m.Value, base)
		case jsonscan.Is(m.Key, MetaCapabilities):
			r.at.capabilities = shift(m.Value, base)
		case jsonscan.Is(m.Key, MetaLogLevel):
			r.at.logLevel = shift(m.Value, base)
		}
	}
	return nil
}

// readStrings decodes target, cursor and retry state.
func (r *Request) readStrings() *Error {
	var ok bool
	if !r.at.target.Empty() {
		if r.Target, ok = jsonscan.Unquote(r.at.target.Of(r.Params)); !ok || bytes.IndexByte([]byte(r.Target), 0) >= 0 {
			return Errorf(CodeInvalidRequest, "The name, URI or task id in params is not a usable string. Send it as the list has it.")
		}
	}
	if !r.at.cursor.Value.Empty() {
		if r.Cursor, ok = jsonscan.Unquote(r.at.cursor.Value.Of(r.Params)); !ok {
			return Errorf(CodeInvalidParams, "params.cursor is not a string. Send the nextCursor of the page before.")
		}
	}
	if !r.at.retryState.Value.Empty() {
		if r.RetryState, ok = jsonscan.Unquote(r.at.retryState.Value.Of(r.Params)); !ok {
			return Errorf(CodeInvalidParams, "params.requestState is not a string. Send it back as it came.")
		}
		r.HasRetryState = true
	}
	return nil
}

// checkInputs refuses answers to questions that are not objects by key
// (2026-07-28, basic/patterns/mrtr).
func (r *Request) checkInputs() *Error {
	if r.at.inputs.Value.Empty() {
		return nil
	}
	inputs := r.at.inputs.Value.Of(r.Params)
	ok := first(inputs) == '{'
	if ok {
		for m := range jsonscan.Members(inputs) {
			ok = ok && first(m.Value.Of(inputs)) == '{'
		}
	}
	if !ok {
		return Errorf(CodeInvalidParams, "params.inputResponses is not an object with one object per question. Answer each under the key of its question.")
	}
	return nil
}

// needTarget refuses a request whose method needs a target and has none.
func (r *Request) needTarget() *Error {
	if r.Target != "" {
		return nil
	}
	switch r.Method {
	case MethodToolsCall, MethodPromptsGet:
		return Errorf(CodeInvalidParams, "params.name is missing. Send the name that the list has.")
	case MethodResourcesRead, MethodSubscribe, MethodUnsubscribe:
		return Errorf(CodeInvalidParams, "params.uri is missing. Send the URI of a resource.")
	}
	return nil
}

func shift(s jsonscan.Span, by int) jsonscan.Span {
	return jsonscan.Span{From: s.From + by, To: s.To + by}
}

func (r *Request) part(s jsonscan.Span) []byte {
	if s.Empty() {
		return nil
	}
	return s.Of(r.Params)
}

// ProgressToken is the client's token, raw, or nil.
func (r *Request) ProgressToken() []byte { return r.part(r.at.progressToken.Value) }

// Inputs is params.inputResponses, raw, or nil.
func (r *Request) Inputs() []byte { return r.part(r.at.inputs.Value) }

// Arguments is params.arguments, raw, or nil.
func (r *Request) Arguments() []byte { return r.part(r.at.arguments) }

// MetaVersionRaw, MetaInfo, MetaCapabilitiesRaw and MetaLogLevelRaw are the
// members of a 2026-07-28 request's _meta, raw, or nil.
func (r *Request) MetaVersionRaw() []byte      { return r.part(r.at.version) }
func (r *Request) MetaInfo() []byte            { return r.part(r.at.info) }
func (r *Request) MetaCapabilitiesRaw() []byte { return r.part(r.at.capabilities) }
func (r *Request) MetaLogLevelRaw() []byte     { return r.part(r.at.logLevel) }

// Edit says how AppendParams changes the params. What it does not name stays as
// it was, byte for byte.
type Edit struct {
	ProgressToken []byte       // raw; nil drops the client's
	SetMeta       []MetaMember // set in _meta, in place of what stands there under the key
	DropMeta      []string     // keys of _meta to leave out
	DropRetry     bool         // leave out requestState and inputResponses
	DropCursor    bool
	DropMember    string // of params; "" for none
}

// MetaMember is one member of _meta.
type MetaMember struct {
	Key string
	Raw []byte
}

// AppendParams writes params for a backend: Target and RetryState as they now
// are, the rest as e says.
func (r *Request) AppendParams(dst []byte, e Edit) []byte {
	if r.Params == nil {
		if len(e.SetMeta) == 0 && e.ProgressToken == nil {
			return append(dst, '{', '}')
		}
		dst = append(dst, `{"_meta":{`...)
		dst = appendMeta(dst, nil, e)
		return append(dst, '}', '}')
	}
	w := editor{src: r.Params, dst: append(dst, '{')}
	metaDone := false
	for m := range jsonscan.Members(r.Params) {
		switch m.Whole {
		case r.at.meta.Whole:
			metaDone = true
			w.meta(m.Value.Of(r.Params), e)
		case r.at.retryState.Whole:
			if !e.DropRetry && r.HasRetryState {
				w.comma()
				w.dst = AppendString(append(w.dst, `"requestState":`...), r.RetryState)
			}
		case r.at.inputs.Whole:
			if !e.DropRetry && r.Answers == nil {
				w.member(m.Whole)
			}
		case r.at.cursor.Whole:
			if !e.DropCursor {
				w.member(m.Whole)
			}
		default:
			if e.DropMember == "" || !jsonscan.Is(m.Key, e.DropMember) {
				w.memberWithTarget(m.Whole, r)
			}
		}
	}
	if !metaDone {
		w.meta(nil, e)
	}
	if !e.DropRetry {
		w.retry(r)
	}
	return append(w.dst, '}')
}

// editor copies members of an object.
type editor struct {
	src, dst []byte
	some     bool
}

func (w *editor) comma() {
	if w.some {
		w.dst = append(w.dst, ',')
	}
	w.some = true
}

func (w *editor) member(whole jsonscan.Span) {
	w.comma()
	w.dst = append(w.dst, whole.Of(w.src)...)
}

// meta writes _meta, unless it comes out empty.
func (w *editor) meta(old []byte, e Edit) {
	before := *w
	w.comma()
	w.dst = append(w.dst, `"_meta":{`...)
	start := len(w.dst)
	if w.dst = appendMeta(w.dst, old, e); len(w.dst) == start {
		*w = before
		return
	}
	w.dst = append(w.dst, '}')
}

// retry writes what a retry carries that its client did not send itself.
func (w *editor) retry(r *Request) {
	if r.HasRetryState && r.at.retryState.Value.Empty() {
		w.comma()
		w.dst = AppendString(append(w.dst, `"requestState":`...), r.RetryState)
	}
	if r.Answers != nil {
		w.comma()
		w.dst = append(append(w.dst, `"inputResponses":`...), r.Answers...)
	}
}

// memberWithTarget copies a member and, where the target stands in it, writes
// the target's present value.
func (w *editor) memberWithTarget(whole jsonscan.Span, r *Request) {
	t := r.at.target
	if t.Empty() || t.From < whole.From || t.To > whole.To {
		w.member(whole)
		return
	}
	w.comma()
	w.dst = append(w.dst, w.src[whole.From:t.From]...)
	if isQuoted(w.src[t.From:t.To], r.Target) {
		w.dst = append(w.dst, w.src[t.From:t.To]...)
	} else {
		w.dst = AppendString(w.dst, r.Target)
	}
	w.dst = append(w.dst, w.src[t.To:whole.To]...)
}

// isQuoted tells whether lit is s in quotes, without escapes.
func isQuoted(lit []byte, s string) bool {
	return len(lit) == len(s)+2 && string(lit[1:len(lit)-1]) == s
}

// appendMeta writes the members of _meta without its braces.
func appendMeta(dst, meta []byte, e Edit) []byte {
	start := len(dst)
	comma := func() {
		if len(dst) > start {
			dst = append(dst, ',')
		}
	}
	if meta != nil {
		for m := range jsonscan.Members(meta) {
			if jsonscan.Is(m.Key, "progressToken") || e.touches(m.Key) {
				continue
			}
			comma()
			dst = append(dst, m.Whole.Of(meta)...)
		}
	}
	for _, s := range e.SetMeta {
		comma()
		dst = AppendString(dst, s.Key)
		dst = append(append(dst, ':'), s.Raw...)
	}
	if e.ProgressToken != nil {
		comma()
		dst = append(append(dst, `"progressToken":`...), e.ProgressToken...)
	}
	return dst
}

// touches tells whether a key of _meta is set or dropped.
func (e *Edit) touches(key []byte) bool {
	for i := range e.SetMeta {
		if jsonscan.Is(key, e.SetMeta[i].Key) {
			return true
		}
	}
	for _, k := range e.DropMeta {
		if jsonscan.Is(key, k) {
			return true
		}
	}
	return false
}

// ReplaceProgressToken returns the params of a progress notification with the
// token given.
func ReplaceProgressToken(params, token []byte) []byte {
	m, ok := jsonscan.Find(params, "progressToken")
	if !ok {
		return params
	}
	out := make([]byte, 0, len(params)+len(token))
	out = append(out, params[:m.Value.From]...)
	out = append(out, token...)
	return append(out, params[m.Value.To:]...)
}
