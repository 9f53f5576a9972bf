package shelf

import (
	"context"
	"fmt"

	"drawbridge/internal/servers/kit/output"
)

// shownResource is a resource or a family of them in a list.
type shownResource struct {
	URI         string `json:"uri,omitempty"`
	URITemplate string `json:"uriTemplate,omitempty"`
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	MIMEType    string `json:"mimeType,omitempty"`
}

// Fixed are the resources with a fixed URI, as resources/list shows them.
func (s *Shelf[C]) Fixed() []any {
	all := make([]any, len(s.resources))
	for i, r := range s.resources {
		all[i] = shownResource{URI: r.URI, Name: r.Name, Title: r.Title, Description: r.Description, MIMEType: r.MIMEType}
	}
	return all
}

// Found are those of the families that the call's user has.
func (s *Shelf[C]) Found(ctx context.Context, c C) (all []any, err error) {
	for _, t := range s.templates {
		if t.List == nil {
			continue
		}
		found, err := t.List(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("list resources of %s: %w", t.URITemplate, err)
		}
		for _, l := range found {
			all = append(all, l)
		}
	}
	return all, nil
}

// Templates is the result of resources/templates/list.
func (s *Shelf[C]) Templates() []byte {
	shown := []shownResource{}
	for _, t := range s.templates {
		shown = append(shown, shownResource{URITemplate: t.URITemplate, Name: t.Name, Title: t.Title, Description: t.Description, MIMEType: t.MIMEType})
	}
	return output.List("resourceTemplates", shown, "", output.Shared)
}

// Prompts is the result of prompts/list.
func (s *Shelf[C]) Prompts() []byte {
	type prompt struct {
		Name        string     `json:"name"`
		Title       string     `json:"title,omitempty"`
		Description string     `json:"description,omitempty"`
		Arguments   []Argument `json:"arguments,omitempty"`
	}
	shown := []prompt{}
	for _, p := range s.prompts {
		shown = append(shown, prompt{p.Name, p.Title, p.Description, p.Arguments})
	}
	return output.List("prompts", shown, "", output.Shared)
}
