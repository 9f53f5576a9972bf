package page

import (
	"bytes"
	"context"
	_ "embed" // scripts
	"encoding/json"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
)

//go:embed js/markdown.js
var markdownJS string

//go:embed js/extract.js
var extractJS string

// ScriptError is what a script of the caller has thrown.
type ScriptError struct{ Message string }

// Error is the message.
func (e *ScriptError) Error() string { return e.Message }

// Value is what a script gave.
type Value struct {
	JSON      json.RawMessage // nil for undefined
	Undefined bool
}

// Evaluate runs a script in the page's own world, as its console would, and waits for
// a promise that it gives. What the script throws is a *ScriptError.
func (p *Page) Evaluate(ctx context.Context, script string) (Value, error) {
	var r evaluated
	err := p.s.Call(ctx, "Runtime.evaluate", m{"expression": script, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &r)
	if err != nil {
		if strings.Contains(err.Error(), "could not be cloned") || strings.Contains(err.Error(), "reference chain is too long") || strings.Contains(err.Error(), "by value") {
			return Value{Undefined: true}, nil // as the reference server has it
		}
		if gone(err) {
			return Value{}, &ScriptError{"Execution context was destroyed, most likely because of a navigation."}
		}
		return Value{}, p.failed(ctx, err)
	}
	if r.Exception != nil {
		return Value{}, &ScriptError{r.Exception.reference()}
	}
	return value(r.Result)
}

// value is a result as JSON.stringify takes it.
func value(r remote) (Value, error) {
	switch {
	case strings.HasSuffix(r.Unserializable, "n"):
		return Value{}, &ScriptError{"Do not know how to serialize a BigInt"}
	case r.Unserializable == "-0":
		return Value{JSON: json.RawMessage("0")}, nil
	case r.Unserializable != "": // NaN and the infinities
		return Value{JSON: json.RawMessage("null")}, nil
	case r.Type == "undefined" || r.Type == "symbol" || r.Type == "function" && len(r.Value) == 0, len(r.Value) == 0:
		return Value{Undefined: true}, nil
	}
	return Value{JSON: plain(r.Value)}, nil
}

// plain writes JSON of the browser as JavaScript's JSON.stringify writes it: the
// browser escapes what is not ASCII and has its own way with large numbers.
func plain(raw json.RawMessage) json.RawMessage {
	out := make(json.RawMessage, 0, len(raw))
	for i := 0; i < len(raw); {
		end := i + 1
		var v any
		switch b := raw[i]; {
		case b == '"':
			for raw[end] != '"' {
				if raw[end] == '\\' {
					end++
				}
				end++
			}
			end++
			v = new(string)
		case b == '-' || b >= '0' && b <= '9':
			for end < len(raw) && strings.IndexByte("+-.eE0123456789", raw[end]) >= 0 {
				end++
			}
			v = new(float64)
		}
		if v == nil || json.Unmarshal(raw[i:end], v) != nil {
			out = append(out, raw[i:end]...)
		} else {
			out = append(out, encoded(v)...)
		}
		i = end
	}
	return out
}

// encoded is a string or number as encoding/json writes it, but for HTML.
func encoded(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil // what was decoded can be encoded
	}
	return bytes.TrimSpace(b.Bytes())
}

// reference is the message of an exception as the reference server's library has it:
// without the name of the error's class, "undefined" for what is no error.
func (x exception) reference() string {
	if x.Exception == nil {
		return x.Text
	}
	if x.Exception.Subtype != "error" {
		return "undefined"
	}
	message := x.message()
	if name := x.Exception.ClassName; name != "" {
		if rest, ok := strings.CutPrefix(message, name+": "); ok {
			return rest
		}
	}
	_, rest, found := strings.Cut(message, ": ")
	if found && !strings.Contains(message[:len(message)-len(rest)-2], " ") {
		return rest
	}
	return message
}

// Text is what a reader sees of the page or of an element.
func (p *Page) Text(ctx context.Context, t Target) (string, error) {
	var s string
	if t == "" {
		err := p.own(ctx, "(document.body ? document.body.innerText : '')", &s)
		return s, err
	}
	err := p.on(ctx, t, inline("(el) => ('innerText' in el ? el.innerText : el.textContent)"), &s)
	return s, err
}

// Title is the title of the document.
func (p *Page) Title(ctx context.Context) (string, error) {
	var s string
	err := p.own(ctx, "document.title", &s)
	return bounded(s, 300), err
}

// Markdown is the main content of the page, or of an element, as Markdown.
func (p *Page) Markdown(ctx context.Context, t Target, whole bool) (string, error) {
	var s string
	if t == "" {
		err := p.own(ctx, fmt.Sprintf("(%s)(null, %v)", markdownJS, whole), &s)
		return s, err
	}
	err := p.on(ctx, t, inline(markdownJS), &s, whole)
	return s, err
}

// Field is one column of Extract: the text of what a selector names inside of the
// row, or one of its attributes.
type Field struct {
	Name     string `json:"name" jsonschema:"Name of the member."`
	Selector string `json:"selector,omitempty" jsonschema:"CSS selector inside of the row; without it, the row itself."`
	Attr     string `json:"attr,omitempty" jsonschema:"Attribute to read; without it, the text."`
}

// Extract reads rows: each element that rows names is one.
func (p *Page) Extract(ctx context.Context, rows string, fields []Field, limit int) ([]map[string]string, int, error) {
	var r struct {
		Rows  []map[string]string
		Total int
	}
	expression := fmt.Sprintf("(%s)(%s, %s, %d)", extractJS, literal(rows), literal(fields), limit)
	if err := p.own(ctx, expression, &r); err != nil {
		return nil, 0, err
	}
	return r.Rows, r.Total, nil
}

// Public makes the *fault.Error of a script's error.
func (e *ScriptError) Public() error {
	return fault.Wrap(e, fault.Invalid, "Script execution failed: %s", bounded(e.Message, 2000))
}
