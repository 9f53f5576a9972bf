package typed

import (
	"encoding/json"

	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/servers/kit/pattern"
)

// Listed is a tool as tools/list shows it.
type Listed struct {
	Name         string          `json:"name"`
	Title        string          `json:"title"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"inputSchema"`
	Annotations  Annotations     `json:"annotations"`
	Execution    *execution      `json:"execution,omitempty"`
	OutputSchema json.RawMessage `json:"outputSchema,omitempty"`
}

// Annotations are the hints of a tool, all of them said.
type Annotations struct {
	ReadOnly    bool `json:"readOnlyHint"`
	Destructive bool `json:"destructiveHint"`
	Idempotent  bool `json:"idempotentHint"`
	OpenWorld   bool `json:"openWorldHint"`
}

type execution struct {
	TaskSupport string `json:"taskSupport"`
}

// Listed is the tool as a list shows it, but for its hints.
func (p *Prepared) Listed(name, title, description string) Listed {
	l := Listed{Name: name, Title: title, Description: description, InputSchema: p.Input, OutputSchema: p.Output}
	if p.Contract != nil && p.Contract.TaskSupport != "" {
		l.Execution = &execution{p.Contract.TaskSupport}
	}
	return l
}

// spaceRule is what a space may be called.
var spaceRule = pattern.New(`^[A-Za-z0-9_.-]{1,64}$`)

// SpaceOf reads the argument space. Empty and null are the same as none.
func SpaceOf(args []byte) (string, error) {
	m, ok := jsonscan.Find(args, Space)
	if raw := string(m.Value.Of(args)); !ok || raw == "null" || raw == `""` {
		return "", nil
	}
	name, ok := jsonscan.Unquote(m.Value.Of(args))
	if !ok || !spaceRule().MatchString(name) {
		return "", fault.New(fault.Invalid, "The space cannot have this name. Use 1 to 64 of the characters A-Z a-z 0-9 _ . and -, or leave it out.")
	}
	return name, nil
}
