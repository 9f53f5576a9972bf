// Package shelf has what a built-in server offers beside its tools: resources, families
// of resources, and prompts. It checks them, finds them by URI or name, and shows them
// as the protocol's lists do.
//
// What they do for a call is the server's; C is what they know of the call. Package kit
// makes the calls.
package shelf

import (
	"context"
	"fmt"

	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/uris"
)

// Resource is a resource with a fixed URI. Its content may differ by user.
type Resource[C any] struct {
	URI, Name, Title, Description, MIMEType string

	Read func(ctx context.Context, c C) (output.Content, error)
}

// Template is a family of resources. URITemplate has variables as {name}, each
// of which stands for one path element, percent-encoded.
type Template[C any] struct {
	URITemplate, Name, Title, Description, MIMEType string

	// Read gets the decoded variables. fault.NotFound says there is none.
	Read func(ctx context.Context, c C, vars map[string]string) (output.Content, error)
	// List gives the user's resources of this family; may be nil.
	List func(ctx context.Context, c C) ([]Listed, error)
	// Complete suggests values of a variable that start with what is typed; may be
	// nil. Call.Given has the variables that are filled in already.
	Complete Completer[C]

	uris uris.Template // filled by New
}

// Completer suggests values of a variable or an argument.
type Completer[C any] = func(ctx context.Context, c C, name, typed string) ([]string, error)

// Listed is one resource of a Template in resources/list.
type Listed struct {
	URI      string `json:"uri"`
	Name     string `json:"name"`
	Title    string `json:"title,omitempty"`
	MIMEType string `json:"mimeType,omitempty"`
	Size     int64  `json:"size,omitempty"`
}

// Prompt is a prompt that a person picks.
type Prompt[C any] struct {
	Name, Title, Description string
	Arguments                []Argument

	// Render makes the messages. Arguments are checked: required ones are there.
	Render func(ctx context.Context, c C, args map[string]string) ([]output.Message, error)
	// Complete suggests values of an argument that start with what is typed; may be
	// nil. Call.Given has the arguments that are filled in already.
	Complete Completer[C]
}

// Argument is one argument of a Prompt.
type Argument struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required,omitempty"`
}

// Shelf has the resources and prompts of one server.
type Shelf[C any] struct {
	resources []Resource[C]
	templates []Template[C]
	prompts   []Prompt[C]
}

// New checks what is offered. What it refuses are mistakes of the server's author.
func New[C any](resources []Resource[C], templates []Template[C], prompts []Prompt[C]) (*Shelf[C], error) {
	s := &Shelf[C]{resources, append([]Template[C](nil), templates...), prompts}
	seen := map[string]bool{}
	for _, r := range s.resources {
		if r.URI == "" || r.Name == "" || r.Read == nil || seen[r.URI] {
			return nil, fmt.Errorf("resource %q: incomplete or twice", r.URI)
		}
		seen[r.URI] = true
	}
	for i := range s.templates {
		t := &s.templates[i]
		if t.Name == "" || t.Read == nil || seen[t.URITemplate] {
			return nil, fmt.Errorf("resource template %q: incomplete or twice", t.URITemplate)
		}
		seen[t.URITemplate] = true
		var err error
		if t.uris, err = uris.Parse(t.URITemplate); err != nil {
			return nil, err
		}
	}
	for _, p := range s.prompts {
		if p.Name == "" || p.Render == nil || seen["prompt "+p.Name] {
			return nil, fmt.Errorf("prompt %q: incomplete or twice", p.Name)
		}
		seen["prompt "+p.Name] = true
	}
	return s, nil
}

// HasResources tells whether there are resources or families of them.
func (s *Shelf[C]) HasResources() bool { return len(s.resources)+len(s.templates) > 0 }

// HasPrompts tells whether there are prompts.
func (s *Shelf[C]) HasPrompts() bool { return len(s.prompts) > 0 }

// Completes tells whether anything can be completed.
func (s *Shelf[C]) Completes() bool {
	for _, p := range s.prompts {
		if p.Complete != nil {
			return true
		}
	}
	for _, t := range s.templates {
		if t.Complete != nil {
			return true
		}
	}
	return false
}
