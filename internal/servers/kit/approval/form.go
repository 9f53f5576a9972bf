package approval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"drawbridge/internal/mcpwire"
)

// Key is the key of the question in inputRequests and inputResponses.
const Key = "approval"

// approve is the one field of the form.
const approve = "approve"

// Form is the question as a person reads it.
type Form struct {
	Server, Title string
	Question
	Args []byte // raw JSON object; nil for none
}

// Most bytes of each part of a question. All of it is shown or nobody is asked: what
// is hidden behind an ellipsis could be the part that matters.
const (
	maxTarget = 1000
	maxEffect = 16_000
	maxArgs   = 16_000
)

// Fits tells whether a person would see all of the question.
func (f Form) Fits() bool {
	return len(f.Target) <= maxTarget && len(f.Effect) <= maxEffect && len(shown(f.Args)) <= maxArgs
}

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
		fmt.Fprintf(&b, "Target: %s\n", strings.ReplaceAll(plain(f.Target), "\n", " "))
	}
	if f.Effect != "" {
		b.WriteString("What will happen:" + quoted(plain(f.Effect)) + "\n")
	}
	if args := shown(f.Args); args != "" && args != "{}" {
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

// quoted sets a text of several lines off from the lines of the form, which it could
// imitate.
func quoted(text string) string {
	if !strings.Contains(text, "\n") {
		return " " + text
	}
	return "\n| " + strings.ReplaceAll(text, "\n", "\n| ")
}

// plain is text without characters that move or hide others.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (!unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)) {
			return -1
		}
		return r
	}, text)
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
