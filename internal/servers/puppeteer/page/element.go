package page

import (
	"context"
	_ "embed" // scripts
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/pattern"
)

// Target names an element: by a selector, or by the reference of a snapshot.
type Target string

// node is what a reference stands for.
type node struct {
	id    int64  // the browser's number of it
	frame string // the frame whose document it is in
	load  string // and that document
}

var (
	// ErrMissing is in the errors for an element that is not there.
	ErrMissing = errors.New("no such element")
	// ErrHidden is in the errors for an element that cannot be pointed at.
	ErrHidden = errors.New("element without a visible place")
	// ErrSelector is in the errors for a selector that is none.
	ErrSelector = errors.New("not a selector")
	// ErrStale is in the errors for a reference into a document that is gone.
	ErrStale = errors.New("stale reference")
)

//go:embed js/find.js
var findJS string

//go:embed js/locate.js
var locateJS string

//go:embed js/ready.js
var readyJS string

//go:embed js/choose.js
var chooseJS string

// script is a function of ours: its source, and the name under which it is in our
// world already, if it is.
type script struct{ name, source string }

var (
	locating = script{"locate", locateJS}
	readying = script{"ready", readyJS}
	choosing = script{"choose", chooseJS}
)

// library puts the functions into our world, where they need not be sent again.
var library = fmt.Sprintf("globalThis.own = { find: %s, locate: %s, ready: %s, choose: %s }; 0", findJS, locateJS, readyJS, chooseJS)

// inline is a function that is not in the library.
func inline(source string) script { return script{source: source} }

// call is how the function is called in our world.
func (s script) call() string {
	if s.name != "" {
		return "own." + s.name
	}
	return "(" + s.source + ")"
}

// reference is how references look: generation of the document, number.
var reference = pattern.New(`^d\d+e\d+$`)

// node finds what a reference stands for, and refuses it where that is gone.
func (p *Page) node(ref string) (node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, ok := p.refs[ref]
	switch {
	case !ok && !strings.HasPrefix(ref, fmt.Sprintf("d%de", p.doc.generation)):
		return n, fault.Wrap(ErrStale, fault.Conflict, "The reference %s is of another page than the one that is shown now. Take a new snapshot.", ref)
	case !ok:
		return n, fault.Wrap(ErrMissing, fault.NotFound, "There is no element %s. Take a snapshot and use one of its references.", ref)
	case p.frames[n.frame] != n.load:
		return n, fault.Wrap(ErrStale, fault.Conflict, "The reference %s is of a frame that shows another page now. Take a new snapshot.", ref)
	}
	return n, nil
}

// on runs a function of ours with an element as its first argument, and decodes what
// it gives.
func (p *Page) on(ctx context.Context, t Target, f script, result any, args ...any) error {
	if reference().MatchString(string(t)) {
		return p.onNode(ctx, string(t), f.source, result, args)
	}
	list := []string{"el"}
	for _, a := range args {
		list = append(list, literal(a))
	}
	var r struct {
		Missing bool
		Is      json.RawMessage
	}
	expression := fmt.Sprintf("(() => { const el = own.find(%s); return el ? { is: %s(%s) } : { missing: true }; })()", literal(string(t)), f.call(), strings.Join(list, ", "))
	if err := p.own(ctx, expression, &r); err != nil {
		return err
	}
	if r.Missing {
		return missing(t)
	}
	return decode(r.Is, result)
}

func missing(t Target) error {
	return fault.Wrap(ErrMissing, fault.NotFound, "No element found for selector: %s. Take a snapshot to see what the page shows.", bounded(string(t), 300))
}

// onNode is on for a reference.
func (p *Page) onNode(ctx context.Context, ref, function string, result any, args []any) error {
	object, err := p.object(ctx, ref)
	if err != nil {
		return err
	}
	list := []m{}
	for _, a := range args {
		list = append(list, m{"value": a})
	}
	var r evaluated
	err = p.call(ctx, "Runtime.callFunctionOn", m{
		"objectId": object, "functionDeclaration": "function(...args) { return (" + function + ")(this, ...args); }",
		"arguments": list, "returnByValue": true, "silent": true,
	}, &r)
	p.s.Send("Runtime.releaseObject", m{"objectId": object})
	if err != nil {
		return err
	}
	if r.Exception != nil {
		return p.threw(r.Exception)
	}
	return decode(r.Result.Value, result)
}

// object makes the script object of a reference.
func (p *Page) object(ctx context.Context, ref string) (string, error) {
	n, err := p.node(ref)
	if err != nil {
		return "", err
	}
	var r struct{ Object struct{ ObjectID string } }
	if err := p.s.Call(ctx, "DOM.resolveNode", m{"backendNodeId": n.id}, &r); err != nil {
		if ctx.Err() != nil || p.Crashed() {
			return "", p.failed(ctx, err)
		}
		return "", fault.Wrap(fmt.Errorf("%w: %w", ErrMissing, err), fault.NotFound, "The element %s is not on the page any more. Take a new snapshot.", ref)
	}
	return r.Object.ObjectID, nil
}

// evaluated is the answer of Runtime.evaluate and Runtime.callFunctionOn.
type evaluated struct {
	Result    remote
	Exception *exception `json:"exceptionDetails"`
}

// worldName is the name of the world in which our scripts run.
const worldName = "drawbridge"

// own evaluates an expression in our own world and decodes its value.
func (p *Page) own(ctx context.Context, expression string, result any) error {
	for attempt := 0; ; attempt++ {
		world, err := p.ownWorld(ctx)
		if err != nil {
			return err
		}
		var r evaluated
		err = p.s.Call(ctx, "Runtime.evaluate", m{"expression": expression, "contextId": world, "returnByValue": true, "awaitPromise": true, "silent": true}, &r)
		if err != nil && attempt < 3 && ctx.Err() == nil && gone(err) {
			p.mu.Lock()
			if p.world == world { // the page went elsewhere in between
				p.world = 0
			}
			p.mu.Unlock()
			continue
		}
		if err != nil {
			return p.failed(ctx, err)
		}
		if r.Exception != nil {
			return p.threw(r.Exception)
		}
		return decode(r.Result.Value, result)
	}
}

// gone tells the refusals for a world whose document is gone.
func gone(err error) bool {
	return strings.Contains(err.Error(), "context with specified id") || strings.Contains(err.Error(), "context was destroyed") || strings.Contains(err.Error(), "navigated or closed")
}

// ownWorld makes our world in the document that is shown.
func (p *Page) ownWorld(ctx context.Context) (int64, error) {
	p.mu.Lock()
	world, loader := p.world, p.doc.loader
	p.mu.Unlock()
	if world != 0 {
		return world, nil
	}
	var r struct{ ExecutionContextID int64 }
	if err := p.call(ctx, "Page.createIsolatedWorld", m{"frameId": p.o.Frame, "worldName": worldName}, &r); err != nil {
		return 0, err
	}
	// What is evaluated next in the world comes after this.
	p.s.Send("Runtime.evaluate", m{"expression": library, "contextId": r.ExecutionContextID, "silent": true})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.doc.loader == loader {
		p.world = r.ExecutionContextID
	}
	return r.ExecutionContextID, nil
}

// threw makes the error of an exception in a script of ours: what can throw there is
// a selector.
func (p *Page) threw(x *exception) error {
	err := errors.New(x.message())
	if strings.Contains(x.message(), "not a valid") {
		return fault.Wrap(fmt.Errorf("%w: %w", ErrSelector, err), fault.Invalid, "The selector is not a valid one. Correct it, or use a reference of a snapshot.")
	}
	return fault.Wrap(err, fault.Upstream, "The page does not let itself be looked at. Open it again.")
}

func decode(raw json.RawMessage, result any) error {
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return fmt.Errorf("decode answer of the page: %w", err)
	}
	return nil
}

// literal writes a value as JavaScript has it; JSON is JavaScript.
func literal(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("literal: " + err.Error()) // strings, numbers and lists of them always encode
	}
	return string(raw)
}

// place is where an element is.
type place struct {
	Gone, Hidden, Disabled bool
	X, Y                   float64
	Cover                  string
}

// locate brings an element into view.
func (p *Page) locate(ctx context.Context, t Target) (place, error) {
	var at place
	if err := p.on(ctx, t, locating, &at); err != nil {
		return at, err
	}
	switch {
	case at.Gone:
		return at, missing(t)
	case at.Hidden:
		return at, fault.Wrap(ErrHidden, fault.Conflict, "The element %s is hidden: it has no place to point at. Take a snapshot; something may have to be opened first.", bounded(string(t), 300))
	}
	if !reference().MatchString(string(t)) {
		return at, nil
	}
	return p.inFrame(ctx, string(t), at)
}

// inFrame corrects the place of an element that may be in a frame, whose own
// coordinates begin at its corner.
func (p *Page) inFrame(ctx context.Context, ref string, at place) (place, error) {
	n, err := p.node(ref)
	if err != nil || n.frame == p.o.Frame {
		return at, err
	}
	var r struct{ Quads [][]float64 }
	if err := p.call(ctx, "DOM.getContentQuads", m{"backendNodeId": n.id}, &r); err != nil {
		return at, err
	}
	for _, q := range r.Quads {
		if len(q) == 8 {
			at.X, at.Y = (q[0]+q[2]+q[4]+q[6])/4, (q[1]+q[3]+q[5]+q[7])/4
			return at, nil
		}
	}
	return at, fault.Wrap(ErrHidden, fault.Conflict, "The element %s is hidden: it has no place to point at. Take a snapshot.", ref)
}
