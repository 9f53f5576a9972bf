// Package typed makes schemas of the Go types of a tool, and values of them from
// arguments. It adds the members that the kit itself takes and gives, and keeps
// apart the tools that stand in for another server's. Package kit uses it.
package typed

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/shape"
)

// Tool is what Prepare needs to know of a tool.
type Tool struct {
	In, Out  reflect.Type
	Free     bool      // the output is text alone, without a schema
	Contract *Contract // nil: the kit's own ways

	// What the kit itself takes and gives.
	DryRun, Undo, Job, Space bool
}

// Contract is what differs from the kit's ways in a tool that stands in for a
// tool of another server. Arguments it does not know are ignored, its input
// schema says so, and its output is not bounded.
type Contract struct {
	// Schema is the "$schema" shown in both schemas; may be empty.
	Schema string
	// TaskSupport is shown as execution.taskSupport; may be empty.
	TaskSupport string
	// Refuse is the text for arguments that do not fit; nil is the kit's own.
	Refuse func(tool string, issues []shape.Issue) string
}

// SelfDecoder is an input that checks and decodes its arguments itself, because
// a contract with another server asks for rules no schema can say. raw is an
// object. The error's public text is the result.
type SelfDecoder interface {
	DecodeArguments(tool string, raw []byte) error
}

// The members that the kit adds to a tool's input and output.
const (
	DryRun = "dry_run"
	Undo   = "undo"
	Job    = "job"
	Space  = "space"
)

// Prepared are the schemas of a tool and the decoder of its arguments.
type Prepared struct {
	Input     []byte // schema
	Output    []byte // schema; nil for text
	Contract  *Contract
	Untrusted bool // the output has text from outside

	input *shape.Shape
}

// Prepare derives the schemas of a tool. The tags of an input's fields are those
// of shape.Of.
func Prepare(t Tool) (*Prepared, error) {
	p := &Prepared{Contract: t.Contract}
	var err error
	if p.input, err = shape.Of(t.In); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if t.DryRun && !addMember(p.input.Schema, DryRun, &jsonschema.Schema{Type: "boolean", Description: "Only say what would happen."}) {
		return nil, fmt.Errorf("input: %s is a member of the kit", DryRun)
	}
	if t.Space && t.Contract == nil && !addMember(p.input.Schema, Space, &jsonschema.Schema{Type: "string", Description: "Work in this space of yours."}) {
		return nil, fmt.Errorf("input: %s is a member of the kit", Space)
	}
	shown := p.input.Schema
	if t.Contract != nil {
		shown = p.input.Open()
		shown.Schema = t.Contract.Schema
	}
	if p.Input, err = json.Marshal(shown); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if t.Free {
		return p, nil
	}
	out, err := shape.Of(t.Out)
	if err != nil {
		return nil, fmt.Errorf("output, which is kit.Text or a struct: %w", err)
	}
	if t.Contract != nil {
		out.Schema.Schema = t.Contract.Schema
	}
	p.Untrusted = output.Holds(t.Out)
	if err := extendOutput(t, out.Schema); err != nil {
		return nil, err
	}
	if p.Output, err = json.Marshal(out.Schema); err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	return p, nil
}

// extendOutput adds what the kit may put into a tool's structured result. Where
// that stands in place of the tool's own members, none of those is required.
func extendOutput(t Tool, s *jsonschema.Schema) error {
	for _, m := range []struct {
		has, instead bool
		name, about  string
	}{
		{t.DryRun, true, DryRun, "What would happen; alone, for dry_run."},
		{t.Undo, false, Undo, "The call that takes it back."},
		{t.Job, true, Job, "Set, alone, where the call goes on as a job."},
	} {
		if !m.has {
			continue
		}
		if m.instead {
			s.Required = nil
		}
		if !addMember(s, m.name, shape.OpenObject(m.about)) {
			return fmt.Errorf("output: %s is a member of the kit", m.name)
		}
	}
	return nil
}

// addMember adds an optional member to an object's schema, which must not have it.
func addMember(s *jsonschema.Schema, name string, member *jsonschema.Schema) bool {
	if s.Properties[name] != nil {
		return false
	}
	s.Properties[name] = member
	s.PropertyOrder = append(s.PropertyOrder, name)
	return true
}

// Decode checks args against the input schema and decodes them into in, which
// points to the input.
func (p *Prepared) Decode(tool string, args []byte, in any) error {
	if len(args) == 0 {
		args = []byte("{}")
	}
	if err := p.input.Defaults(in); err != nil {
		return fmt.Errorf("decode defaults of %s: %w", tool, err)
	}
	if self, ok := in.(SelfDecoder); ok {
		return self.DecodeArguments(tool, args)
	}
	issues, err := p.input.Decode(args, p.Contract != nil, in)
	switch {
	case errors.Is(err, shape.ErrNumber):
		return fault.Wrap(err, fault.Invalid, "The arguments of %s do not fit: a number is too large, or an integer is written with a fraction. Correct it and call again.", tool)
	case err != nil:
		return fault.Wrap(err, fault.Invalid, "The arguments of %s are not JSON. Send an object.", tool)
	case len(issues) == 0:
		return nil
	}
	text := refuse
	if p.Contract != nil && p.Contract.Refuse != nil {
		text = p.Contract.Refuse
	}
	return fault.New(fault.Invalid, "%s", text(tool, issues))
}

// refuse is the kit's own text for arguments that do not fit.
func refuse(tool string, issues []shape.Issue) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The arguments of %s do not fit:", tool)
	for _, i := range issues {
		b.WriteString("\n- " + i.String())
	}
	b.WriteString("\nCorrect them and call again.")
	return b.String()
}
