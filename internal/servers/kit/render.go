package kit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/typed"
)

// result is what a tool has to say.
type result = output.Result

// render makes the result of a tool's output; out points to it.
func render(c *Call, p *typed.Prepared, out any) (result, error) {
	r := result{Blocks: c.blocks}
	within := output.Within
	if p.Contract != nil {
		within = func(text string, _ *output.Marks) string { return text }
	}
	if text, ok := out.(*Text); ok {
		r.Text = within(withUndo(string(*text), c.undo), &c.marks)
		return r, nil
	}
	v := reflect.ValueOf(out).Elem()
	output.FillLists(v)
	var err error
	if r.Structured, err = output.Compact(out); err != nil {
		return result{}, fmt.Errorf("encode output: %w", err)
	}
	if p.Contract == nil && len(r.Structured) > output.StructuredBudget {
		return result{}, fault.New(fault.Limited, "The answer has %d bytes, more than the %d allowed. Ask for less: a smaller limit, or a narrower question.", len(r.Structured), output.StructuredBudget)
	}
	if p.Untrusted {
		c.outside = true
		if p.Contract == nil { // whose text is what the other server says
			v = c.marks.Mark(v)
		}
	}
	text, err := output.TextOf(v)
	if err != nil {
		return result{}, fmt.Errorf("encode output: %w", err)
	}
	r.Text = within(withUndo(text, c.undo), &c.marks)
	r.Structured = output.WithMember(r.Structured, typed.Undo, c.undo)
	return r, nil
}

func withUndo(text string, undo []byte) string {
	if undo == nil {
		return text
	}
	return text + "\nTo take it back: " + string(undo)
}

// AddText adds a block of text to the result, after the first one.
func (c *Call) AddText(text string) { c.blocks.AddText(text) }

// AddImage adds an image to the result, after the text.
func (c *Call) AddImage(mimeType string, data []byte) { c.blocks.AddImage(mimeType, data) }

// Untrusted is text that strangers wrote: a field of an output, or anything that
// is converted to it. See Call.Outside for text.
type Untrusted = output.Untrusted

// Outside puts text that strangers wrote between marks which it cannot forge, for
// outputs that are Text or have a text of their own. Fields of the type Untrusted
// are marked by the kit.
func (c *Call) Outside(text string) string {
	c.outside = true
	return c.marks.Wrap(text)
}

// Plain is outside text fit to show, Clip its beginning; see package output.
func Plain(text string) string       { return output.Plain(text) }
func Clip(text string, n int) string { return output.Clip(text, n) }

// Time is a time for a model, to the minute; Moment reads one that a caller sent as the
// argument name.
func Time(t time.Time) string                     { return output.Time(t) }
func Moment(name, text string) (time.Time, error) { return output.Moment(name, text) }

// Compact is the text of an output that has no text of its own: compact JSON.
func Compact(v any) string {
	b, err := output.Compact(output.Filled(v))
	if err != nil {
		panic(err) // an output type that cannot be encoded
	}
	return string(b)
}

// Indented is v as JavaScript's JSON.stringify(v, null, 2) writes it: the text
// of the reference servers' results.
func Indented(v any) string {
	b, err := output.Encode(output.Filled(v), "  ")
	if err != nil {
		panic(err) // an output type that cannot be encoded
	}
	return string(b)
}

// mustJSON encodes values of our own types, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of the kit that cannot be encoded
	}
	return b
}
