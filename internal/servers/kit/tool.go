package kit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/pattern"
	"drawbridge/internal/servers/kit/settings"
	"drawbridge/internal/servers/kit/shape"
	"drawbridge/internal/servers/kit/typed"
)

// Tool is one tool. Make it with Read, Write or Destroy; its other properties
// have methods that return the changed tool.
type Tool struct {
	Name        string
	Title       string
	Description string

	tier       settings.Tier
	idempotent bool
	restorable bool
	set        string
	timeout    time.Duration // 0 is the Spec's
	long       bool
	undoable   bool
	asksItself bool
	contract   *Contract

	in, out reflect.Type
	bind    func(c *Call, p *typed.Prepared, args []byte) (bound, error)
	preview func(ctx context.Context, c *Call, in any) (Preview, error) // nil: none

	ready *typed.Prepared // schemas and decoder, filled by New
}

// bound is a tool with arguments that fit.
type bound struct {
	in  any // points to the input
	run func(ctx context.Context) (result, error)
}

// Handler does the work of a tool. What it returns in Out is the structured
// result; an error becomes public text (see package fault).
type Handler[In, Out any] func(ctx context.Context, c *Call, in In) (Out, error)

// Read makes a tool that changes nothing.
func Read[In, Out any](name, title, description string, h Handler[In, Out]) Tool {
	t := newTool(name, title, description, h)
	t.tier, t.idempotent = settings.Read, true
	return t
}

// Write makes a tool that adds or changes, and whose work can be undone.
func Write[In, Out any](name, title, description string, h Handler[In, Out]) Tool {
	t := newTool(name, title, description, h)
	t.tier = settings.Write
	return t
}

// Destroy makes a tool that removes or does what cannot be undone.
func Destroy[In, Out any](name, title, description string, h Handler[In, Out]) Tool {
	t := newTool(name, title, description, h)
	t.tier = settings.Destroy
	return t
}

// Idempotent says that a second call with the same arguments changes nothing more.
func (t Tool) Idempotent() Tool { t.idempotent = true; return t }

// Restorable says of a tool made with Destroy that what it removes comes back on
// request, so that the operator's cap counts it among those that write.
func (t Tool) Restorable() Tool { t.restorable = true; return t }

// InSet puts the tool into a toolset of the Spec.
func (t Tool) InSet(name string) Tool { t.set = name; return t }

// InSet puts several tools into a toolset.
func InSet(name string, all ...Tool) []Tool {
	for i := range all {
		all[i] = all[i].InSet(name)
	}
	return all
}

// Within sets the time limit of a call; without it, the server's.
func (t Tool) Within(d time.Duration) Tool { t.timeout = d; return t }

// Keeping makes the tool keep another server's contract to the letter.
func (t Tool) Keeping(c Contract) Tool { t.contract = &c; return t }

// Contract is what differs in a tool that stands in for a tool of another server,
// and SelfDecoder an input that checks its arguments itself.
type (
	Contract    = typed.Contract
	SelfDecoder = typed.SelfDecoder
)

// Issue is one way in which arguments do not fit a tool's input.
type Issue = shape.Issue

// Text is the output of a tool that answers with text alone, without an output
// schema.
type Text string

const defaultTimeout = 30 * time.Second

// nameRule is stricter than the protocol's, so that a prefix always fits.
var nameRule = pattern.New(`^[a-z][a-z0-9_]{1,39}$`)

func newTool[In, Out any](name, title, description string, h Handler[In, Out]) Tool {
	return Tool{
		Name: name, Title: title, Description: description,
		in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		bind: func(c *Call, p *typed.Prepared, args []byte) (bound, error) {
			in := new(In)
			if err := p.Decode(c.Tool, args, in); err != nil {
				return bound{}, err
			}
			return bound{in, func(ctx context.Context) (result, error) {
				out, err := h(ctx, c, *in)
				if err != nil {
					return result{}, err
				}
				return render(c, p, &out)
			}}, nil
		},
	}
}

// prepare derives schemas and checks what a constructor cannot.
func (t *Tool) prepare(spaces bool) error {
	switch {
	case !nameRule().MatchString(t.Name):
		return fmt.Errorf("tool %q: the name does not match %s", t.Name, nameRule())
	case t.Title == "" || t.Description == "":
		return fmt.Errorf("tool %s: title or description is missing", t.Name)
	case t.in.Kind() != reflect.Struct:
		return fmt.Errorf("tool %s: the input is %s, not a struct", t.Name, t.in)
	case t.contract != nil && (t.preview != nil || t.undoable || t.long):
		return fmt.Errorf("tool %s: a tool that keeps another server's contract has no preview, undo or job", t.Name)
	case t.tier == settings.Read && (t.preview != nil || t.undoable):
		return fmt.Errorf("tool %s: a tool that changes nothing has no preview or undo", t.Name)
	}
	p, err := typed.Prepare(typed.Tool{In: t.in, Out: t.out, Free: t.out == reflect.TypeFor[Text](), Contract: t.contract,
		DryRun: t.preview != nil, Undo: t.undoable, Job: t.long, Space: spaces})
	if err != nil {
		return fmt.Errorf("tool %s: %w", t.Name, err)
	}
	t.ready = p
	return nil
}

func (t *Tool) listed(openWorld bool) typed.Listed {
	l := t.ready.Listed(t.Name, t.Title, t.Description)
	l.Annotations = typed.Annotations{ReadOnly: t.tier == settings.Read, Destructive: t.tier == settings.Destroy, Idempotent: t.idempotent, OpenWorld: openWorld}
	return l
}

// offerTools prepares the tools and renders the list of those that are offered.
func (s *Server) offerTools() error {
	if err := s.gate.Check(); err != nil {
		return err
	}
	s.tools = make(map[string]Tool, len(s.spec.Tools))
	shown := []typed.Listed{}
	for _, t := range s.spec.Tools {
		t.timeout = cmp.Or(t.timeout, s.spec.Timeout)
		if err := t.prepare(s.spec.Spaces); err != nil {
			return err
		}
		if t.set != "" && !s.gate.Has(t.set) {
			return fmt.Errorf("tool %s: toolset %q is not declared", t.Name, t.set)
		}
		if _, twice := s.tools[t.Name]; twice {
			return fmt.Errorf("tool %s: there are two of it", t.Name)
		}
		s.tools[t.Name] = t
		if s.refuses(t) == nil {
			shown = append(shown, t.listed(s.spec.OpenWorld))
		}
	}
	s.list = output.List("tools", shown, "", output.Shared)
	return nil
}

// refuses tells why a tool that exists is not offered, with the way to it.
func (s *Server) refuses(t Tool) error {
	tier := t.tier
	if t.restorable {
		tier = min(tier, settings.Write)
	}
	return s.gate.Refuse(t.Name, t.set, tier)
}

// tooSlow turns the end of a call's own time into a public sentence.
func (t *Tool) tooSlow(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && fault.CodeOf(err) == fault.Internal {
		return fault.Wrap(err, fault.Timeout, "%s did not finish within %s. Ask for less at once, or try again later.", t.Name, t.timeout)
	}
	return err
}
