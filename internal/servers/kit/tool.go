package kit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/shape"
	"drawbridge/internal/servers/kit/typed"
)

// Tool is one tool. Make it with Read, Write or Destroy; its other properties
// have methods that return the changed tool.
type Tool struct {
	Name        string
	Title       string
	Description string

	tier       Tier
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

// Tier is what a tool may do.
type Tier int

// The tiers, least first.
const (
	TierRead Tier = iota
	TierWrite
	TierDestroy
)

// Handler does the work of a tool. What it returns in Out is the structured
// result; an error becomes public text (see package fault).
type Handler[In, Out any] func(ctx context.Context, c *Call, in In) (Out, error)

// Read makes a tool that changes nothing.
func Read[In, Out any](name, title, description string, h Handler[In, Out]) Tool {
	t := newTool(name, title, description, h)
	t.tier, t.idempotent = TierRead, true
	return t
}

// Write makes a tool that adds or changes, and whose work can be undone.
func Write[In, Out any](name, title, description string, h Handler[In, Out]) Tool {
	t := newTool(name, title, description, h)
	t.tier = TierWrite
	return t
}

// Destroy makes a tool that removes or does what cannot be undone.
func Destroy[In, Out any](name, title, description string, h Handler[In, Out]) Tool {
	t := newTool(name, title, description, h)
	t.tier = TierDestroy
	return t
}

// Idempotent says that a second call with the same arguments changes nothing more.
func (t Tool) Idempotent() Tool { t.idempotent = true; return t }

// Restorable says of a tool made with Destroy that what it removes comes back on
// request, so that the operator's cap counts it among those that write.
func (t Tool) Restorable() Tool { t.restorable = true; return t }

// InSet puts the tool into a toolset of the Spec.
func (t Tool) InSet(name string) Tool { t.set = name; return t }

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

// Texter is an output with a text of its own; others show their compact JSON.
type Texter interface{ Text() string }

const defaultTimeout = 30 * time.Second

// nameRule is stricter than the protocol's, so that a prefix always fits.
var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{1,39}$`)

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
	case !nameRule.MatchString(t.Name):
		return fmt.Errorf("tool %q: the name does not match %s", t.Name, nameRule)
	case t.Title == "" || t.Description == "":
		return fmt.Errorf("tool %s: title or description is missing", t.Name)
	case t.in.Kind() != reflect.Struct:
		return fmt.Errorf("tool %s: the input is %s, not a struct", t.Name, t.in)
	case t.contract != nil && (t.preview != nil || t.undoable || t.long):
		return fmt.Errorf("tool %s: a tool that keeps another server's contract has no preview, undo or job", t.Name)
	case t.tier == TierRead && (t.preview != nil || t.undoable):
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
	l.Annotations = typed.Annotations{ReadOnly: t.tier == TierRead, Destructive: t.tier == TierDestroy, Idempotent: t.idempotent, OpenWorld: openWorld}
	return l
}

// offerTools prepares the tools and renders the list of those that are offered.
func (s *Server) offerTools() error {
	if err := s.checkSets(); err != nil {
		return err
	}
	s.tools = make(map[string]Tool, len(s.spec.Tools))
	shown := []typed.Listed{}
	for _, t := range s.spec.Tools {
		t.timeout = cmp.Or(t.timeout, s.spec.Timeout)
		if err := t.prepare(s.spec.Spaces); err != nil {
			return err
		}
		if _, twice := s.tools[t.Name]; twice {
			return fmt.Errorf("tool %s: there are two of it", t.Name)
		}
		s.tools[t.Name] = t
		if s.refuses(t) == nil {
			shown = append(shown, t.listed(s.spec.OpenWorld))
		}
	}
	s.list = mustJSON(struct {
		ResultType string         `json:"resultType"`
		Tools      []typed.Listed `json:"tools"`
		cacheable
	}{"complete", shown, publicList})
	return nil
}

func (s *Server) checkSets() error {
	known := map[string]bool{}
	for _, set := range s.spec.Sets {
		known[set.Name] = true
	}
	for _, t := range s.spec.Tools {
		if t.set != "" && !known[t.set] {
			return fmt.Errorf("tool %s: toolset %q is not declared", t.Name, t.set)
		}
	}
	for _, name := range s.spec.Active {
		if !known[name] && name != allSets {
			return fmt.Errorf("there is no toolset %q; choose from %s, %s", name, strings.Join(setNames(s.spec.Sets), ", "), allSets)
		}
	}
	return nil
}

// allSets chooses every toolset.
const allSets = "all"

func setNames(sets []Set) []string {
	names := make([]string, len(sets))
	for i, set := range sets {
		names[i] = set.Name
	}
	return names
}

// refuses tells why a tool that exists is not offered, with the way to it.
func (s *Server) refuses(t Tool) error {
	name := VariableName(s.spec.Name)
	tier := t.tier
	if t.restorable {
		tier = min(tier, TierWrite)
	}
	if !s.spec.Mode.allows(tier) {
		return fault.New(fault.Forbidden, "The tool %s is switched off because %s_MODE is %s. The operator can set %s_MODE=%s.",
			t.Name, name, s.spec.Mode, name, modeFor(tier))
	}
	if t.set == "" || s.setActive(t.set) {
		return nil
	}
	return fault.New(fault.Forbidden, "The tool %s is in the toolset %s, which is off. The operator can add it to %s_TOOLSETS.", t.Name, t.set, name)
}

func (s *Server) setActive(name string) bool {
	if len(s.spec.Active) > 0 {
		return slices.Contains(s.spec.Active, name) || slices.Contains(s.spec.Active, allSets)
	}
	return slices.ContainsFunc(s.spec.Sets, func(set Set) bool { return set.Name == name && set.Default })
}

// tooSlow turns the end of a call's own time into a public sentence.
func (t *Tool) tooSlow(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && fault.CodeOf(err) == fault.Internal {
		return fault.Wrap(err, fault.Timeout, "%s did not finish within %s. Ask for less at once, or try again later.", t.Name, t.timeout)
	}
	return err
}
