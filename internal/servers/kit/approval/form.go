package approval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"drawbridge/internal/mcpwire"
)

// Key is the key of the question in inputRequests and inputResponses.
const Key = "approval"

// approve is the one field of the form.
const approve = "approve"

// Form is the question as a person reads it.
type Form struct {
	Server, Title  string
	Target, Effect string
	Args           []byte // raw JSON object; nil for none
}

// Most characters of a question. Arguments are shown whole or not at all beyond
// it: what is hidden behind an ellipsis could be the part that matters.
const (
	maxArgs   = 3000
	maxEffect = 3000
)

// schema of the form: flat, as elicitation wants it (2026-07-28, client/elicitation).
const schema = `{"type":"object","properties":{"` + approve + `":{"type":"boolean","title":"Approve","description":"Run this call once, exactly as shown.","default":false}},"required":["` + approve + `"]}`

// Append writes the input required result (2026-07-28, basic/patterns/mrtr) that
// asks the question.
func (f Form) Append(dst []byte, ticket string) []byte {
	params := mcpwire.AppendString([]byte(`{"mode":"form","message":`), f.message())
	params = append(params, `,"requestedSchema":`+schema+`}`...)
	question := mcpwire.Question{Revision: mcpwire.LatestModern, Method: mcpwire.MethodElicit, Params: params}
	return mcpwire.AppendInputRequired(dst, []mcpwire.Asked{{Key: Key, Question: question}}, ticket)
}

func (f Form) message() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s?\n", f.Server, f.Title)
	if f.Target != "" {
		fmt.Fprintf(&b, "Target: %s\n", plain(f.Target, maxEffect))
	}
	if f.Effect != "" {
		fmt.Fprintf(&b, "What will happen: %s\n", plain(f.Effect, maxEffect))
	}
	switch args := shown(f.Args); {
	case args == "" || args == "{}":
	case len(args) > maxArgs:
		fmt.Fprintf(&b, "The arguments have %d bytes, too many to be shown here. Approve only if you trust what is said above.\n", len(args))
	default:
		fmt.Fprintf(&b, "Arguments: %s\n", args)
	}
	b.WriteString("It runs once, only with these arguments, and only if you approve.")
	return b.String()
}

// shown is the arguments on one line, with everything escaped that could look
// like something else: a text that turns its direction shows another order.
func shown(args []byte) string {
	var b bytes.Buffer
	if len(args) == 0 || json.Compact(&b, args) != nil {
		return ""
	}
	var out strings.Builder
	for _, r := range b.String() {
		if unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) {
			out.WriteRune(r)
			continue
		}
		fmt.Fprintf(&out, `\u%04x`, r)
	}
	return out.String()
}

// plain is text without characters that move or hide others.
func plain(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r != '\n' && (!unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r)) {
			return -1
		}
		return r
	}, text)
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + fmt.Sprintf(" [cut: %d of %d bytes]", most, len(text))
}

// Given tells whether an answer is an approval: accepted, and the box ticked.
// Anything else is none.
func Given(response []byte) bool {
	var r struct {
		Action  string         `json:"action"`
		Content map[string]any `json:"content"`
	}
	if json.Unmarshal(response, &r) != nil || r.Action != "accept" {
		return false
	}
	yes, _ := r.Content[approve].(bool)
	return yes
}
