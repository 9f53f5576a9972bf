package kittest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemas checks every tool of every set: names, texts, hints, and schemas that
// are valid and closed, unless another server's contract wants them open.
func (s Suite) schemas(t *testing.T) {
	for _, tool := range Tools(t, s.client(t, true)) {
		t.Run(tool.Name, func(t *testing.T) {
			if tool.Title == "" || tool.Description == "" {
				t.Error("title or description is missing")
			}
			checkHints(t, tool.Annotations)
			dropIn := tool.Execution != nil || tool.InputSchema.Schema != ""
			for side, schema := range map[string]*jsonschema.Schema{"input": tool.InputSchema, "output": tool.OutputSchema} {
				if schema == nil {
					if side == "input" {
						t.Error("no input schema")
					}
					continue
				}
				if schema.Type != "object" {
					t.Errorf("%s schema: the root is %q, not an object", side, schema.Type)
				}
				if _, err := schema.Resolve(nil); err != nil {
					t.Errorf("%s schema: %v", side, err)
				}
				if !dropIn || side == "output" {
					checkClosed(t, side, schema, isContract(tool))
				}
			}
		})
	}
}

// isContract tells a drop-in tool: its input takes members it does not name.
func isContract(tool ListedTool) bool { return tool.InputSchema.AdditionalProperties == nil }

func checkHints(t *testing.T, hints map[string]bool) {
	t.Helper()
	for _, name := range []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} {
		if _, ok := hints[name]; !ok {
			t.Errorf("annotation %s is missing", name)
		}
	}
	if hints["readOnlyHint"] && hints["destructiveHint"] {
		t.Error("a tool that only reads cannot destroy")
	}
}

// checkClosed walks a schema: every object is closed, every member of an input
// is described.
func checkClosed(t *testing.T, path string, s *jsonschema.Schema, contract bool) {
	t.Helper()
	if s.Type == "object" && s.AdditionalProperties == nil && (!contract || path == "output") {
		t.Errorf("%s: the object is open", path)
	}
	for name, p := range s.Properties {
		if path == "input" && p.Description == "" && !contract {
			t.Errorf("input.%s: no description", name)
		}
		checkClosed(t, path+"."+name, p, contract)
	}
	if s.Items != nil {
		checkClosed(t, path+"[]", s.Items, contract)
	}
}

// checkOutput holds a result against the tool's output schema.
func checkOutput(t *testing.T, tool ListedTool, r Result) {
	t.Helper()
	if tool.OutputSchema == nil {
		if r.Structured != nil {
			t.Error("structured output without a schema")
		}
		return
	}
	if r.Structured == nil {
		t.Error("an output schema, but no structured output")
		return
	}
	if err := Fits(tool.OutputSchema, r.Structured); err != nil {
		t.Errorf("output %s: %v", r.Structured, err)
	}
}

// Fits tells whether raw is valid under a schema.
func Fits(schema *jsonschema.Schema, raw json.RawMessage) error {
	resolved, err := schema.Resolve(nil)
	if err != nil {
		return fmt.Errorf("resolve schema: %w", err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	return resolved.Validate(v)
}
