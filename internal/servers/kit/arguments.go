package kit

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/shape"
)

// Issue is one way in which arguments do not fit a tool's input.
type Issue = shape.Issue

// prepared is what New derives from a tool's types.
type prepared struct {
	input      *shape.Shape
	inputJSON  []byte
	outputJSON []byte // nil for Text
	contract   *Contract
}

// prepareTypes derives the schemas of a tool. The tags of an input's fields are
// those of shape.Of.
func prepareTypes(t *Tool) (*prepared, error) {
	p := &prepared{contract: t.contract}
	var err error
	if p.input, err = shape.Of(t.in); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	shown := p.input.Schema
	if t.contract != nil {
		shown = p.input.Open()
		shown.Schema = t.contract.Schema
	}
	if p.inputJSON, err = json.Marshal(shown); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if t.out == reflect.TypeFor[Text]() {
		return p, nil
	}
	out, err := shape.Of(t.out)
	if err != nil {
		return nil, fmt.Errorf("output, which is kit.Text or a struct: %w", err)
	}
	if t.contract != nil {
		out.Schema.Schema = t.contract.Schema
	}
	if p.outputJSON, err = json.Marshal(out.Schema); err != nil {
		return nil, fmt.Errorf("output: %w", err)
	}
	return p, nil
}

// decode checks args against the input schema and decodes them into in.
func (p *prepared) decode(tool string, args []byte, in any) error {
	if len(args) == 0 {
		args = []byte("{}")
	}
	if err := p.input.Defaults(in); err != nil {
		return fmt.Errorf("decode defaults of %s: %w", tool, err)
	}
	if self, ok := in.(SelfDecoder); ok {
		return self.DecodeArguments(tool, args)
	}
	issues, err := p.input.Decode(args, p.contract != nil, in)
	switch {
	case errors.Is(err, shape.ErrNumber):
		return fault.Wrap(err, fault.Invalid, "The arguments of %s do not fit: a number is too large, or an integer is written with a fraction. Correct it and call again.", tool)
	case err != nil:
		return fault.Wrap(err, fault.Invalid, "The arguments of %s are not JSON. Send an object.", tool)
	case len(issues) == 0:
		return nil
	}
	text := refuse
	if p.contract != nil && p.contract.Refuse != nil {
		text = p.contract.Refuse
	}
	return fault.New(fault.Invalid, "%s", text(tool, issues))
}

// refuse is the kit's own text for arguments that do not fit.
func refuse(tool string, issues []Issue) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The arguments of %s do not fit:", tool)
	for _, i := range issues {
		b.WriteString("\n- " + i.String())
	}
	b.WriteString("\nCorrect them and call again.")
	return b.String()
}

// mustJSON encodes values of our own types, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of the kit that cannot be encoded
	}
	return b
}
