package output

import (
	"encoding/base64"
	"encoding/json"

	"drawbridge/internal/mcpwire"
)

// MetaUntrusted says in _meta that something came from outside.
const MetaUntrusted = "drawbridge/untrusted"

// Content is what a resource holds: text, or bytes where Blob is set.
type Content struct {
	Text     string
	Blob     []byte
	MIMEType string // "" is the resource's own
	// Untrusted says that strangers wrote it. The content stays as it is; _meta
	// tells of it.
	Untrusted bool
}

// Append writes the ReadResourceResult.
func (c Content) Append(uri string) []byte {
	dst := []byte(`{"resultType":"complete","contents":[{"uri":`)
	dst = mcpwire.AppendString(dst, uri)
	if c.MIMEType != "" {
		dst = mcpwire.AppendString(append(dst, `,"mimeType":`...), c.MIMEType)
	}
	if c.Untrusted {
		dst = append(dst, `,"_meta":{"`+MetaUntrusted+`":"true"}`...)
	}
	if c.Blob != nil {
		dst = append(dst, `,"blob":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, c.Blob)
		dst = append(dst, '"')
	} else {
		dst = mcpwire.AppendString(append(dst, `,"text":`...), c.Text)
	}
	return append(dst, `}],"ttlMs":0,"cacheScope":"private"}`...)
}

// Message is one message of a rendered prompt.
type Message struct {
	Role string // "user" or "assistant"
	Text string
}

// AppendPrompt writes the GetPromptResult.
func AppendPrompt(description string, messages []Message) []byte {
	dst := mcpwire.AppendString([]byte(`{"resultType":"complete","description":`), description)
	dst = append(dst, `,"messages":[`...)
	for i, m := range messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = mcpwire.AppendString(append(dst, `{"role":`...), m.Role)
		dst = mcpwire.AppendString(append(dst, `,"content":{"type":"text","text":`...), m.Text)
		dst = append(dst, `}}`...)
	}
	return append(dst, `]}`...)
}

// maxCompletions is the protocol's bound.
const maxCompletions = 100

// AppendCompletion is the result of completion/complete.
func AppendCompletion(values []string) []byte {
	type completion struct {
		Values  []string `json:"values"`
		Total   int      `json:"total"`
		HasMore bool     `json:"hasMore"`
	}
	shown := append([]string{}, values[:min(len(values), maxCompletions)]...)
	b, err := json.Marshal(struct {
		ResultType string     `json:"resultType"`
		Completion completion `json:"completion"`
	}{"complete", completion{shown, len(values), len(values) > len(shown)}})
	if err != nil {
		panic(err) // strings, which can be encoded
	}
	return b
}
