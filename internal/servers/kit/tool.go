package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
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
	timeout    time.Duration
	contract   *Contract

	in, out reflect.Type
	run     func(ctx context.Context, c *Call, t *prepared, args []byte) (result, error)

	ready *prepared // schemas and decoder, filled by New
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

// Within sets the time limit of a call; without it, 30 seconds.
func (t Tool) Within(d time.Duration) Tool { t.timeout = d; return t }

// Keeping makes the tool keep another server's contract to the letter.
func (t Tool) Keeping(c Contract) Tool { t.contract = &c; return t }

// Contract is what differs from the kit's ways in a tool that stands in for a
// tool of another server. Arguments it does not know are ignored, its input
// schema says so, and its output is not bounded.
type Contract struct {
	// Schema is the "$schema" shown in both schemas; may be empty.
	Schema string
	// TaskSupport is shown as execution.taskSupport; may be empty.
	TaskSupport string
	// Refuse is the text for arguments that do not fit; nil is the kit's own.
	Refuse func(tool string, issues []Issue) string
}

// Text is the output of a tool that answers with text alone, without an output
// schema.
type Text string

// Texter is an output with a text of its own; others show their compact JSON.
type Texter interface{ Text() string }

// SelfDecoder is an input that checks and decodes its arguments itself, because
// a contract with another server asks for rules no schema can say. raw is an
// object. The error's public text is the result.
type SelfDecoder interface {
	DecodeArguments(tool string, raw []byte) error
}

const defaultTimeout = 30 * time.Second

// nameRule is stricter than the protocol's, so that a prefix always fits.
var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{1,39}$`)

func newTool[In, Out any](name, title, description string, h Handler[In, Out]) Tool {
	return Tool{
		Name: name, Title: title, Description: description, timeout: defaultTimeout,
		in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		run: func(ctx context.Context, c *Call, p *prepared, args []byte) (result, error) {
			var in In
			if err := p.decode(c.Tool, args, &in); err != nil {
				return result{}, err
			}
			out, err := h(ctx, c, in)
			if err != nil {
				return result{}, err
			}
			return p.render(&out)
		},
	}
}

// prepare derives schemas and checks what a constructor cannot.
func (t *Tool) prepare() error {
	switch {
	case !nameRule.MatchString(t.Name):
		return fmt.Errorf("tool %q: the name does not match %s", t.Name, nameRule)
	case t.Title == "" || t.Description == "":
		return fmt.Errorf("tool %s: title or description is missing", t.Name)
	case t.in.Kind() != reflect.Struct:
		return fmt.Errorf("tool %s: the input is %s, not a struct", t.Name, t.in)
	}
	p, err := prepareTypes(t)
	if err != nil {
		return fmt.Errorf("tool %s: %w", t.Name, err)
	}
	t.ready = p
	return nil
}

// listed is a tool as tools/list shows it.
type listed struct {
	Name         string          `json:"name"`
	Title        string          `json:"title"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"inputSchema"`
	Annotations  annotations     `json:"annotations"`
	Execution    *execution      `json:"execution,omitempty"`
	OutputSchema json.RawMessage `json:"outputSchema,omitempty"`
}

type annotations struct {
	ReadOnly    bool `json:"readOnlyHint"`
	Destructive bool `json:"destructiveHint"`
	Idempotent  bool `json:"idempotentHint"`
	OpenWorld   bool `json:"openWorldHint"`
}

type execution struct {
	TaskSupport string `json:"taskSupport"`
}

func (t *Tool) listed(openWorld bool) listed {
	l := listed{
		Name: t.Name, Title: t.Title, Description: t.Description,
		InputSchema: t.ready.inputJSON, OutputSchema: t.ready.outputJSON,
		Annotations: annotations{t.tier == TierRead, t.tier == TierDestroy, t.idempotent, openWorld},
	}
	if t.contract != nil && t.contract.TaskSupport != "" {
		l.Execution = &execution{t.contract.TaskSupport}
	}
	return l
}

// offerTools prepares the tools and renders the list of those that are offered.
func (s *Server) offerTools() error {
	if err := s.checkSets(); err != nil {
		return err
	}
	s.tools = make(map[string]Tool, len(s.spec.Tools))
	shown := []listed{}
	for _, t := range s.spec.Tools {
		if err := t.prepare(); err != nil {
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
		ResultType string   `json:"resultType"`
		Tools      []listed `json:"tools"`
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
