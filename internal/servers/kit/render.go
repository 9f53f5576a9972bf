package kit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"unicode/utf8"

	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// The output budget. Text is what a model reads and pays for; structured output
// beyond its own bound is an error, since half an object is of no use.
const (
	textBudget       = 16 << 10
	structuredBudget = 1 << 20
)

// result is what a tool has to say.
type result struct {
	text       string
	structured []byte // raw object; nil when none
	isError    bool
	meta       map[string]string
}

// append writes the CallToolResult.
func (r result) append(dst []byte) []byte {
	dst = append(dst, `{"resultType":"complete","content":[{"type":"text","text":`...)
	dst = mcpwire.AppendString(dst, r.text)
	dst = append(dst, `}]`...)
	if r.structured != nil {
		dst = append(dst, `,"structuredContent":`...)
		dst = append(dst, r.structured...)
	}
	if r.isError {
		dst = append(dst, `,"isError":true`...)
	}
	if len(r.meta) > 0 {
		dst = append(dst, `,"_meta":`...)
		dst = append(dst, mustJSON(r.meta)...)
	}
	return append(dst, '}')
}

// render makes the result of a tool's output; out points to it.
func (p *prepared) render(out any) (result, error) {
	if text, ok := out.(*Text); ok {
		return result{text: p.within(string(*text))}, nil
	}
	fillLists(reflect.ValueOf(out).Elem())
	structured, err := compact(out)
	if err != nil {
		return result{}, fmt.Errorf("encode output: %w", err)
	}
	if p.contract == nil && len(structured) > structuredBudget {
		return result{}, fault.New(fault.Limited, "The answer has %d bytes, more than the %d allowed. Ask for less: a smaller limit, or a narrower question.", len(structured), structuredBudget)
	}
	text := string(structured)
	if t, ok := reflect.TypeAssert[Texter](reflect.ValueOf(out).Elem()); ok {
		text = t.Text()
	}
	return result{text: p.within(text), structured: structured}, nil
}

// within cuts a text at the budget, and says so.
func (p *prepared) within(text string) string {
	if p.contract != nil || len(text) <= textBudget {
		return text
	}
	cut := textBudget
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%s\n[cut: %d of %d bytes shown; ask for less at once, or go on with the cursor]", text[:cut], cut, len(text))
}

// compact is v as JavaScript's JSON.stringify(v) writes it.
func compact(v any) ([]byte, error) { return encode(v, "") }

func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return unescapeSeparators(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// Compact is the text of an output that has no text of its own: compact JSON.
func Compact(v any) string {
	b, err := compact(filled(v))
	if err != nil {
		panic(err) // an output type that cannot be encoded
	}
	return string(b)
}

// Indented is v as JavaScript's JSON.stringify(v, null, 2) writes it: the text
// of the reference servers' results.
func Indented(v any) string {
	b, err := encode(filled(v), "  ")
	if err != nil {
		panic(err) // an output type that cannot be encoded
	}
	return string(b)
}

// filled is v without nil lists. The lists inside of v's own lists are filled in
// place.
func filled(v any) any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	fillLists(p.Elem())
	return p.Interface()
}

// unescapeSeparators writes U+2028 and U+2029 as themselves; encoding/json always
// escapes them, JavaScript never does.
func unescapeSeparators(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u202`)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] != '\\':
			out = append(out, b[i])
		case bytes.HasPrefix(b[i:], []byte(`\u2028`)):
			out = append(out, "\u2028"...)
			i += len(`\u2028`) - 1
		case bytes.HasPrefix(b[i:], []byte(`\u2029`)):
			out = append(out, "\u2029"...)
			i += len(`\u2029`) - 1
		default: // an escape of two bytes, or the first two of another \u
			out = append(out, b[i], b[i+1])
			i++
		}
	}
	return out
}

// fillLists makes every nil slice below v an empty one, so that output never
// holds null where its schema says array.
func fillLists(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fillLists(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			// The exported fields of an embedded struct can be set though it cannot.
			if f := v.Field(i); f.CanSet() || v.Type().Field(i).Anonymous && f.Kind() == reflect.Struct {
				fillLists(f)
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			return
		}
		switch v.Type().Elem().Kind() {
		case reflect.Struct, reflect.Pointer, reflect.Slice:
			for i := range v.Len() {
				fillLists(v.Index(i))
			}
		}
	}
}
