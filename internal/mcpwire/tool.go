package mcpwire

import "drawbridge/internal/jsonscan"

// ToolHints are a tool's annotations with the specification's defaults filled in.
type ToolHints struct {
	ReadOnly    bool // default false
	Destructive bool // default true; without meaning when ReadOnly
	Declared    bool // the tool itself says that it is destructive
	Idempotent  bool // default false
}

// HintsOf reads the annotations of a tool, raw and checked.
func HintsOf(tool []byte) ToolHints {
	h := ToolHints{Destructive: true}
	m, ok := jsonscan.Find(tool, "annotations")
	if !ok || first(m.Value.Of(tool)) != '{' {
		return h
	}
	raw := m.Value.Of(tool)
	for a := range jsonscan.Members(raw) {
		yes := string(a.Value.Of(raw)) == "true"
		switch {
		case jsonscan.Is(a.Key, "readOnlyHint"):
			h.ReadOnly = yes
		case jsonscan.Is(a.Key, "destructiveHint"):
			h.Destructive, h.Declared = yes, yes
		case jsonscan.Is(a.Key, "idempotentHint"):
			h.Idempotent = yes
		}
	}
	return h
}

// ToolForLegacy takes out of a tool what makes legacy clients fail: an output
// schema that is not of an object, which empties the whole list of TypeScript SDK v1
// clients (protocol reference 2.3). It returns tool itself where nothing has to go.
func ToolForLegacy(tool []byte) []byte {
	if OutputIsFree(tool) {
		return Without(tool, "outputSchema")
	}
	return tool
}

// ToolWithoutTasks takes execution.taskSupport out of a tool, for clients that are
// offered no tasks of 2025-11-25.
func ToolWithoutTasks(tool []byte) []byte {
	m, ok := jsonscan.Find(tool, "execution")
	if !ok || first(m.Value.Of(tool)) != '{' {
		return tool
	}
	execution := m.Value.Of(tool)
	rest := Without(execution, "taskSupport")
	switch {
	case len(rest) == len(execution):
		return tool
	case first(rest[open(rest):]) == '}':
		return Without(tool, "execution")
	}
	out := append([]byte{}, tool[:m.Value.From]...)
	out = append(out, rest...)
	return append(out, tool[m.Value.To:]...)
}

// OutputIsFree tells whether a tool declares an output that is not an object.
func OutputIsFree(tool []byte) bool {
	m, ok := jsonscan.Find(tool, "outputSchema")
	return ok && !isObjectSchema(m.Value.Of(tool))
}

func isObjectSchema(schema []byte) bool {
	if first(schema) != '{' {
		return false
	}
	m, ok := jsonscan.Find(schema, "type")
	return ok && string(m.Value.Of(schema)) == `"object"`
}
