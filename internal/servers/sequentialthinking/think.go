package sequentialthinking

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

// contract is how the original shows its schemas.
var contract = kit.Contract{Schema: "http://json-schema.org/draft-07/schema#", TaskSupport: "forbidden"}

func unknownTool(name string) string { return fmt.Sprintf("MCP error -32602: Tool %s not found", name) }

// flag is a boolean that models often send as a string.
type flag bool

// JSONSchema is the original's.
func (flag) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Types: []string{"boolean", "string"}}
}

// count is a positive integer that models often send as a string.
type count int64

const maxSafeInteger = 1<<53 - 1

// JSONSchema is the original's.
func (count) JSONSchema() *jsonschema.Schema {
	least, most := 1.0, float64(maxSafeInteger)
	return &jsonschema.Schema{Type: "integer", Minimum: &least, Maximum: &most}
}

// thinkIn is the original's input and session_id.
type thinkIn struct {
	Thought           string `json:"thought" jsonschema:"Your current thinking step"`
	NextThoughtNeeded flag   `json:"nextThoughtNeeded" jsonschema:"Whether another thought step is needed"`
	ThoughtNumber     count  `json:"thoughtNumber" jsonschema:"Current thought number (numeric value, e.g., 1, 2, 3)"`
	TotalThoughts     count  `json:"totalThoughts" jsonschema:"Estimated total thoughts needed (numeric value, e.g., 5, 10)"`
	IsRevision        flag   `json:"isRevision,omitempty" jsonschema:"Whether this revises previous thinking"`
	RevisesThought    count  `json:"revisesThought,omitempty" jsonschema:"Which thought is being reconsidered"`
	BranchFromThought count  `json:"branchFromThought,omitempty" jsonschema:"Branching point thought number"`
	BranchID          string `json:"branchId,omitempty" jsonschema:"Branch identifier"`
	NeedsMoreThoughts flag   `json:"needsMoreThoughts,omitempty" jsonschema:"If more thoughts are needed"`
	SessionID         string `json:"session_id,omitempty" jsonschema:"Optional: keeps lines of thought apart. Without it, your current session is used."`
}

// thinkOut is the original's output; the rest is only there for callers that
// name a session.
type thinkOut struct {
	ThoughtNumber        jsNumber `json:"thoughtNumber"`
	TotalThoughts        jsNumber `json:"totalThoughts"`
	NextThoughtNeeded    bool     `json:"nextThoughtNeeded"`
	Branches             []string `json:"branches"`
	ThoughtHistoryLength jsNumber `json:"thoughtHistoryLength"`
	SessionID            string   `json:"session_id,omitempty"`
	Warnings             []string `json:"warnings,omitempty"`
}

// jsNumber is an integer whose schema says number, as the original's does.
type jsNumber int64

// JSONSchema is the original's.
func (jsNumber) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "number"} }

// Text is the original's.
func (o thinkOut) Text() string { return kit.Indented(o) }

// DecodeArguments applies the original's coercions and texts.
func (in *thinkIn) DecodeArguments(tool string, raw []byte) error {
	var args map[string]json.RawMessage
	if err := json.Unmarshal(raw, &args); err != nil {
		return fault.Wrap(err, fault.Invalid, "The arguments of %s are not an object. Send one.", tool)
	}
	d := decoder{args: args}
	in.Thought = d.text("thought", required)
	in.NextThoughtNeeded = d.flag("nextThoughtNeeded", required)
	in.ThoughtNumber = d.count("thoughtNumber", required)
	in.TotalThoughts = d.count("totalThoughts", required)
	in.IsRevision = d.flag("isRevision", optional)
	in.RevisesThought = d.count("revisesThought", optional)
	in.BranchFromThought = d.count("branchFromThought", optional)
	in.BranchID = d.text("branchId", optional)
	in.NeedsMoreThoughts = d.flag("needsMoreThoughts", optional)
	in.SessionID = d.text("session_id", optional)
	return d.err(tool)
}

// think writes one thought.
func (s *server) think(_ context.Context, c *kit.Call, in thinkIn) (thinkOut, error) {
	if len(in.Thought) > maxThoughtSize {
		return thinkOut{}, fault.New(fault.Limited, "The thought has %d bytes, at most %d are kept. Split it into several thoughts.", len(in.Thought), maxThoughtSize)
	}
	if len(in.SessionID) > maxSessionID || len(in.BranchID) > maxSessionID {
		return thinkOut{}, fault.New(fault.Limited, "session_id and branchId have at most %d bytes. Choose a shorter one.", maxSessionID)
	}
	in.TotalThoughts = max(in.TotalThoughts, in.ThoughtNumber)
	now, warnings, err := s.thoughts.add(c.User(), in)
	if err != nil {
		return thinkOut{}, err
	}
	out := thinkOut{
		ThoughtNumber: jsNumber(in.ThoughtNumber), TotalThoughts: jsNumber(in.TotalThoughts),
		NextThoughtNeeded: bool(in.NextThoughtNeeded), Branches: now.branches,
		ThoughtHistoryLength: jsNumber(now.length), Warnings: warnings,
	}
	if in.SessionID != "" {
		out.SessionID = now.id
	}
	c.Meta("drawbridge/session_id", now.id)
	c.Updated(kit.Expand(sessionTemplate, now.id))
	if now.started {
		c.ResourcesChanged()
	}
	return out, nil
}
