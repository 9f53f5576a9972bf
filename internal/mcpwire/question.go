package mcpwire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"drawbridge/internal/jsonscan"
)

// Asked is a question under the key by which its answer is found
// (2026-07-28, basic/patterns/mrtr: inputRequests, inputResponses).
type Asked struct {
	Key string
	Question
}

// MayAsk tells the methods in which a question may be put by input required
// (2026-07-28, basic/patterns/mrtr: nowhere else).
func MayAsk(method string) bool {
	switch method {
	case MethodToolsCall, MethodPromptsGet, MethodResourcesRead:
		return true
	}
	return false
}

// AppendInputRequired writes an input required result of 2026-07-28.
func AppendInputRequired(dst []byte, asked []Asked, state string) []byte {
	dst = append(dst, `{"resultType":"input_required","inputRequests":{`...)
	for i, a := range asked {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, a.Key), `:{"method":`...)
		dst = AppendString(dst, a.Method)
		if a.Params != nil {
			dst = append(append(dst, `,"params":`...), a.Params...)
		}
		dst = append(dst, '}')
	}
	return append(AppendString(append(dst, `},"requestState":`...), state), '}')
}

// maxInputRequests bounds the questions of one result.
const maxInputRequests = 256

// ParseInputRequired reads an input required result. The questions are copies.
func ParseInputRequired(result []byte) (asked []Asked, state string, hasState bool, err error) {
	if raw := Member(result, "requestState"); raw != nil {
		if state, hasState = jsonscan.Unquote(raw); !hasState {
			return nil, "", false, errors.New("requestState is not a string")
		}
	}
	raw := Member(result, "inputRequests")
	if raw == nil {
		return nil, state, hasState, nil
	}
	if !IsObject(raw) {
		return nil, "", false, errors.New("inputRequests is not an object")
	}
	for m := range jsonscan.Members(raw) {
		entry := m.Value.Of(raw)
		a := Asked{Key: string(m.Key), Question: Question{Revision: LatestModern}}
		if text, ok := jsonscan.Unquote(append(append([]byte{'"'}, m.Key...), '"')); ok {
			a.Key = text
		}
		switch a.Method, _ = TextMember(entry, "method"); a.Method {
		case MethodElicit, MethodSample, MethodRootsList:
		default:
			return nil, "", false, fmt.Errorf("an input request has the method %.40q", a.Method)
		}
		if len(asked) == maxInputRequests {
			return nil, "", false, errors.New("it has too many input requests")
		}
		if slices.ContainsFunc(asked, func(other Asked) bool { return other.Key == a.Key }) {
			return nil, "", false, errors.New("two input requests have one key")
		}
		a.Params = bytes.Clone(ObjectMember(entry, "params"))
		asked = append(asked, a)
	}
	return asked, state, hasState, nil
}

// QuestionFor is a question in the shape of another revision. What no client of
// that revision knows is left out; whether the client can answer it at all is
// CanAnswer's to tell.
func QuestionFor(rev Revision, q Question) Question {
	switch {
	case q.Revision == rev:
		return q
	case q.Params == nil && rev.Modern(): // the Go SDK 1.8 cannot read an entry without
		q.Params = []byte("{}")
	case q.Params == nil:
		q.Revision = rev
		return q
	}
	if rev.Modern() {
		// _meta and task of a legacy request speak of its own wire: tokens, related
		// tasks. elicitationId is of 2025-11-25 alone.
		q.Params = Without(q.Params, "_meta", "elicitationId", "task")
	}
	if q.Method == MethodSample && rev < Rev20251125 {
		q.Params = singleContents(q.Params)
	}
	q.Revision = rev
	return q
}

// AnswerFor is a client's result of a question in the shape of the revision that
// asked.
func AnswerFor(rev Revision, method string, result []byte) []byte {
	if rev.Legacy() {
		result = Without(result, "resultType")
	}
	switch {
	case method == MethodSample && rev < Rev20251125:
		return singleContent(result)
	case method == MethodElicit && string(Member(result, "content")) == "null": // some clients' word for none
		return Without(result, "content")
	}
	return result
}

// singleContents is sampling params whose messages hold one content block each
// where they hold a list of one: lists came with 2025-11-25.
func singleContents(params []byte) []byte {
	messages, ok := jsonscan.Find(params, "messages")
	if !ok || first(messages.Value.Of(params)) != '[' {
		return params
	}
	list := messages.Value.Of(params)
	out := append([]byte{}, params[:messages.Value.From]...)
	out = append(out, '[')
	n := 0
	for e := range jsonscan.Elements(list) {
		if n++; n > 1 {
			out = append(out, ',')
		}
		out = append(out, singleContent(e.Of(list))...)
	}
	out = append(out, ']')
	return append(out, params[messages.Value.To:]...)
}

func singleContent(obj []byte) []byte {
	if !IsObject(obj) {
		return obj
	}
	m, ok := jsonscan.Find(obj, "content")
	if !ok || first(m.Value.Of(obj)) != '[' {
		return obj
	}
	list := m.Value.Of(obj)
	var only []byte
	for e := range jsonscan.Elements(list) {
		if only != nil {
			return obj // nothing in the older shape says the same
		}
		only = e.Of(list)
	}
	if only == nil {
		return obj
	}
	out := append([]byte{}, obj[:m.Value.From]...)
	out = append(out, only...)
	return append(out, obj[m.Value.To:]...)
}

// CheckAnswer tells what is wrong with a client's result of a question, "" where
// nothing is: what the question's method promises to whoever asked.
func CheckAnswer(method string, result []byte) string {
	switch method {
	case MethodElicit:
		switch action, _ := TextMember(result, "action"); action {
		case "accept", "decline", "cancel":
		default:
			return `its action is not "accept", "decline" or "cancel"`
		}
		if content := Member(result, "content"); content != nil && string(content) != "null" && !IsObject(content) {
			return "its content is not an object"
		}
	case MethodSample:
		if c := first(Member(result, "content")); c != '{' && c != '[' {
			return "it has no content"
		}
		if _, ok := TextMember(result, "role"); !ok {
			return "it has no role"
		}
		if _, ok := TextMember(result, "model"); !ok {
			return "it names no model"
		}
	case MethodRootsList:
		if first(Member(result, "roots")) != '[' {
			return "it has no list of roots"
		}
	}
	return ""
}
