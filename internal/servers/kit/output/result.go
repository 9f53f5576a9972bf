package output

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/shape"
)

// The output budget. Text is what a model reads and pays for; structured output
// beyond its own bound is an error, since half an object is of no use.
const (
	TextBudget       = 16 << 10
	StructuredBudget = 1 << 20
)

// Result is what a tool has to say.
type Result struct {
	Text       string
	Blocks     Blocks
	Structured []byte // raw object; nil when none
	IsError    bool
	Meta       map[string]string
}

// Append writes the CallToolResult.
func (r Result) Append(dst []byte) []byte {
	dst = append(dst, `{"resultType":"complete","content":[{"type":"text","text":`...)
	dst = mcpwire.AppendString(dst, r.Text)
	dst = append(append(append(dst, '}'), r.Blocks...), ']')
	if r.Structured != nil {
		dst = append(dst, `,"structuredContent":`...)
		dst = append(dst, r.Structured...)
	}
	if r.IsError {
		dst = append(dst, `,"isError":true`...)
	}
	if len(r.Meta) > 0 {
		dst = append(dst, `,"_meta":`...)
		meta, err := json.Marshal(r.Meta)
		if err != nil {
			panic(err) // texts can always be encoded
		}
		dst = append(dst, meta...)
	}
	return append(dst, '}')
}

// Blocks are content blocks beside the first one, each with a comma before it.
type Blocks []byte

// AddText adds a block of text.
func (b *Blocks) AddText(text string) {
	*b = append(mcpwire.AppendString(append(*b, `,{"type":"text","text":`...), text), '}')
}

// AddImage adds an image.
func (b *Blocks) AddImage(mimeType string, data []byte) {
	dst := mcpwire.AppendString(append(*b, `,{"type":"image","mimeType":`...), mimeType)
	dst = base64.StdEncoding.AppendEncode(append(dst, `,"data":"`...), data)
	*b = append(dst, `"}`...)
}

// WithMember adds a member to an object; nil leaves it as it is.
func WithMember(object []byte, name string, value []byte) []byte {
	if value == nil {
		return object
	}
	dst := append([]byte(nil), object[:len(object)-1]...)
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	dst = append(mcpwire.AppendString(dst, name), ':')
	return append(append(dst, value...), '}')
}

// Within cuts a text at the budget, and says so. What the marks mean stands
// before it.
func Within(text string, marks *Marks) string {
	if len(text) <= TextBudget {
		return marks.Explain() + text
	}
	cut := TextBudget
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%s%s\n[cut: %d of %d bytes shown; ask for less at once, or go on with the cursor]", marks.Explain(), marks.Close(text[:cut]), cut, len(text))
}

// Object is a JSON object of which nothing more is known.
type Object json.RawMessage

// MarshalJSON gives the bytes.
func (o Object) MarshalJSON() ([]byte, error) { return o, nil }

// JSONSchema is an open object.
func (Object) JSONSchema() *jsonschema.Schema { return shape.OpenObject("") }
