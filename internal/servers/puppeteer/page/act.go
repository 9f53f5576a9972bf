package page

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"drawbridge/internal/fault"
)

// Clicking is how Click clicks. The zero value is one click of the left button.
type Clicking struct {
	Button    string // left, right, middle
	Double    bool
	Modifiers []string
	// Uncovered refuses a click that something else on the page would get.
	Uncovered bool
}

// Click points at an element and clicks, and waits for the page that this opens, if
// it opens one.
func (p *Page) Click(ctx context.Context, t Target, how Clicking) error {
	at, err := p.locate(ctx, t)
	if err != nil {
		return err
	}
	switch {
	case how.Uncovered && at.Disabled:
		return fault.Wrap(ErrHidden, fault.Conflict, "The element %s is disabled. Take a snapshot; something may have to be filled in first.", bounded(string(t), 300))
	case how.Uncovered && at.Cover != "":
		return fault.Wrap(ErrHidden, fault.Conflict, "The element %s is covered by another one, which would get the click. Take a snapshot; something may have to be closed first.", bounded(string(t), 300))
	}
	modifiers, err := modifierBits(how.Modifiers)
	if err != nil {
		return err
	}
	button := how.Button
	if button == "" {
		button = "left"
	}
	since := p.mark()
	p.point(at, modifiers)
	clicks := 1
	if how.Double {
		clicks = 2
	}
	for n := 1; n <= clicks; n++ {
		more := m{"button": button, "clickCount": n, "modifiers": modifiers}
		p.mouse("mousePressed", at, more)
		if n < clicks {
			p.mouse("mouseReleased", at, more)
			continue
		}
		// The commands are carried out in order: the last answer is that of all.
		if err := p.call(ctx, "Input.dispatchMouseEvent", mouseEvent("mouseReleased", at, more), nil); err != nil {
			return err
		}
	}
	return p.settle(ctx, since)
}

func mouseEvent(kind string, at place, more m) m {
	e := m{"type": kind, "x": at.X, "y": at.Y}
	maps.Copy(e, more)
	return e
}

func (p *Page) mouse(kind string, at place, more m) {
	p.s.Send("Input.dispatchMouseEvent", mouseEvent(kind, at, more))
}

// Hover points at an element.
func (p *Page) Hover(ctx context.Context, t Target) error {
	at, err := p.locate(ctx, t)
	if err != nil {
		return err
	}
	p.pointed(at)
	return p.call(ctx, "Input.dispatchMouseEvent", mouseEvent("mouseMoved", at, nil), nil)
}

// point moves the pointer, unless it is there already in the same document.
func (p *Page) point(at place, modifiers int) {
	if !p.pointed(at) {
		p.mouse("mouseMoved", at, m{"modifiers": modifiers})
	}
}

// pointed notes where the pointer is, and tells whether it was there.
func (p *Page) pointed(at place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := pointer{p.doc.generation, at.X, at.Y}
	same := now == p.pointer
	p.pointer = now
	return same
}

// Drag drags one element onto another.
func (p *Page) Drag(ctx context.Context, from, to Target) error {
	start, err := p.locate(ctx, from)
	if err != nil {
		return err
	}
	p.point(start, 0)
	p.mouse("mousePressed", start, m{"button": "left", "clickCount": 1})
	end, err := p.locate(ctx, to)
	if err != nil {
		p.mouse("mouseReleased", start, m{"button": "left", "clickCount": 1})
		return err
	}
	p.pointed(end)
	since := p.mark()
	const steps = 8
	for i := 1; i <= steps; i++ {
		f := float64(i) / steps
		p.mouse("mouseMoved", place{X: start.X + (end.X-start.X)*f, Y: start.Y + (end.Y-start.Y)*f}, m{"button": "left", "buttons": 1})
	}
	if err := p.call(ctx, "Input.dispatchMouseEvent", mouseEvent("mouseReleased", end, m{"button": "left", "clickCount": 1}), nil); err != nil {
		return err
	}
	return p.settle(ctx, since)
}

// readied is what ready.js tells.
type readied struct {
	Gone, Disabled, Readonly, Done, Refused, Typed bool
	Kind                                           string
}

// Fill puts a text into a field in place of what is there. enter sends it off with
// the Enter key.
func (p *Page) Fill(ctx context.Context, t Target, value string, enter bool) error {
	var r readied
	if err := p.on(ctx, t, readying, &r, value); err != nil {
		return err
	}
	shown := bounded(string(t), 300)
	switch {
	case r.Gone:
		return missing(t)
	case r.Disabled || r.Readonly:
		return fault.New(fault.Conflict, "The field %s cannot be changed now: it is disabled or read-only. Take a snapshot; something may have to be filled in first.", shown)
	case r.Refused:
		return fault.New(fault.Invalid, "The field %s does not take this value. Dates are YYYY-MM-DD, times HH:MM, colours #rrggbb; correct the value.", shown)
	case r.Kind == "select":
		return fault.New(fault.Invalid, "The element %s is a list to choose from. Use the tool that selects an option.", shown)
	case r.Kind == "file":
		return fault.New(fault.Invalid, "The element %s takes a file. Use browser_upload.", shown)
	case r.Kind != "":
		return fault.New(fault.Invalid, "The element %s takes no text. Take a snapshot and choose a text field, or click it.", shown)
	}
	since := p.mark()
	if r.Typed {
		if err := p.replace(ctx, value); err != nil {
			return err
		}
	}
	if enter {
		return p.Press(ctx, "Enter")
	}
	return p.settle(ctx, since)
}

// replace types over what is selected.
func (p *Page) replace(ctx context.Context, value string) error {
	if value == "" {
		return p.own(ctx, "document.execCommand('delete')", nil)
	}
	return p.call(ctx, "Input.insertText", m{"text": value}, nil)
}

// Type writes a text at the caret of an element, key by key, as scripts that listen
// to keys want it.
func (p *Page) Type(ctx context.Context, t Target, value string, enter bool) error {
	if err := p.on(ctx, t, inline("(el) => { el.focus(); return true; }"), nil); err != nil {
		return err
	}
	since := p.mark()
	for _, r := range value {
		key := string(r)
		if r == '\n' {
			key = "Enter"
		}
		if err := p.key(ctx, key, 0); err != nil {
			return err
		}
	}
	if enter {
		return p.Press(ctx, "Enter")
	}
	return p.settle(ctx, since)
}

// Press presses a key, with modifiers before it: Control+a.
func (p *Page) Press(ctx context.Context, combination string) error {
	parts := strings.Split(combination, "+")
	if strings.HasSuffix(combination, "++") || combination == "+" { // the key is +
		parts = append(strings.Split(strings.TrimSuffix(strings.TrimSuffix(combination, "+"), "+"), "+"), "+")
	}
	var names []string
	for _, part := range parts[:len(parts)-1] {
		if part != "" {
			names = append(names, part)
		}
	}
	modifiers, err := modifierBits(names)
	if err != nil {
		return err
	}
	since := p.mark()
	if err := p.key(ctx, parts[len(parts)-1], modifiers); err != nil {
		return err
	}
	return p.settle(ctx, since)
}

// chosen is what choose.js tells.
type chosen struct {
	Gone, Disabled bool
	Kind           string
	Missing        *string
	Options        []string
	Chosen         []string
}

// Select chooses options of a list by value, or by label where labels count too.
func (p *Page) Select(ctx context.Context, t Target, values []string, labels bool) ([]string, error) {
	var r chosen
	since := p.mark()
	if err := p.on(ctx, t, choosing, &r, values, labels); err != nil {
		return nil, err
	}
	shown := bounded(string(t), 300)
	switch {
	case r.Gone:
		return nil, missing(t)
	case r.Kind != "":
		return nil, fault.Wrap(errors.New("element is a "+r.Kind), fault.Invalid, "Element is not a <select> element. Choose one, or click the options of %s instead.", shown)
	case r.Disabled:
		return nil, fault.New(fault.Conflict, "The list %s is disabled. Take a snapshot; something may have to be filled in first.", shown)
	case r.Missing != nil:
		return nil, fault.Wrap(fmt.Errorf("options are %q", r.Options), fault.NotFound, "There is no option %q in %s. Take a snapshot to see the options, and use the value of one.", bounded(*r.Missing, 300), shown)
	}
	return r.Chosen, p.settle(ctx, since)
}

// Upload gives files to a file input.
func (p *Page) Upload(ctx context.Context, t Target, paths []string) error {
	var is struct{ File, Multiple bool }
	if err := p.on(ctx, t, inline("(el) => ({ file: el instanceof HTMLInputElement && el.type === 'file', multiple: !!el.multiple })"), &is); err != nil {
		return err
	}
	switch {
	case !is.File:
		return fault.New(fault.Invalid, "The element %s takes no files. Name an <input type=file>; a snapshot with only=all shows it.", bounded(string(t), 300))
	case !is.Multiple && len(paths) > 1:
		return fault.New(fault.Invalid, "The element %s takes one file. Send one.", bounded(string(t), 300))
	}
	params := m{"files": paths}
	if reference().MatchString(string(t)) {
		n, err := p.node(string(t))
		if err != nil {
			return err
		}
		params["backendNodeId"] = n.id
	} else {
		id, err := p.selected(ctx, t)
		if err != nil {
			return err
		}
		params["objectId"] = id
	}
	since := p.mark()
	if err := p.call(ctx, "DOM.setFileInputFiles", params, nil); err != nil {
		return err
	}
	return p.settle(ctx, since)
}

// selected makes the script object of the element that a selector names.
func (p *Page) selected(ctx context.Context, t Target) (string, error) {
	world, err := p.ownWorld(ctx)
	if err != nil {
		return "", err
	}
	var r struct {
		Result    struct{ ObjectID string }
		Exception *exception `json:"exceptionDetails"`
	}
	if err := p.call(ctx, "Runtime.evaluate", m{"expression": "own.find(" + literal(string(t)) + ")", "contextId": world, "silent": true}, &r); err != nil {
		return "", err
	}
	switch {
	case r.Exception != nil:
		return "", p.threw(r.Exception)
	case r.Result.ObjectID == "":
		return "", missing(t)
	}
	return r.Result.ObjectID, nil
}

// Check ticks a box or chooses a radio button, or takes the tick away.
func (p *Page) Check(ctx context.Context, t Target, want bool) error {
	const checked = "(el) => { const box = el.control || el; return { box: box.type === 'checkbox' || box.type === 'radio' || box.hasAttribute('aria-checked'), on: box.checked === true || box.getAttribute('aria-checked') === 'true' }; }"
	var is struct{ Box, On bool }
	if err := p.on(ctx, t, inline(checked), &is); err != nil {
		return err
	}
	shown := bounded(string(t), 300)
	if !is.Box {
		return fault.New(fault.Invalid, "The element %s is neither a checkbox nor a radio button. Take a snapshot and choose one.", shown)
	}
	if is.On == want {
		return nil
	}
	if err := p.Click(ctx, t, Clicking{}); err != nil {
		return err
	}
	if err := p.on(ctx, t, inline(checked), &is); err != nil && !errors.Is(err, ErrMissing) && !errors.Is(err, ErrStale) {
		return err
	}
	if is.On != want {
		return fault.New(fault.Conflict, "The element %s did not change. A radio button is left by choosing another one; else take a snapshot.", shown)
	}
	return nil
}

// Front brings the tab to the front, as a person does who selects it.
func (p *Page) Front(ctx context.Context) error { return p.call(ctx, "Page.bringToFront", nil, nil) }
