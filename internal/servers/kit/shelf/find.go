package shelf

import (
	"context"

	"drawbridge/internal/servers/kit/output"
)

// Reader finds what reads a URI; nil where there is nothing.
func (s *Shelf[C]) Reader(uri string) func(context.Context, C) (output.Content, error) {
	for _, r := range s.resources {
		if r.URI == uri {
			return typed(r.Read, r.MIMEType)
		}
	}
	for _, t := range s.templates {
		if vars, ok := t.uris.Match(uri); ok {
			return typed(func(ctx context.Context, c C) (output.Content, error) { return t.Read(ctx, c, vars) }, t.MIMEType)
		}
	}
	return nil
}

// typed gives content the resource's own type where it has none.
func typed[C any](read func(context.Context, C) (output.Content, error), mimeType string) func(context.Context, C) (output.Content, error) {
	return func(ctx context.Context, c C) (output.Content, error) {
		content, err := read(ctx, c)
		if content.MIMEType == "" {
			content.MIMEType = mimeType
		}
		return content, err
	}
}

// Prompt finds a prompt.
func (s *Shelf[C]) Prompt(name string) (Prompt[C], bool) {
	for _, p := range s.prompts {
		if p.Name == name {
			return p, true
		}
	}
	return Prompt[C]{}, false
}

// Completer finds who completes for a reference of a kind ("ref/prompt",
// "ref/resource"). nil with known is a reference for which nobody does.
func (s *Shelf[C]) Completer(kind, target string) (suggest Completer[C], known bool) {
	switch kind {
	case "ref/prompt":
		p, known := s.Prompt(target)
		return p.Complete, known
	case "ref/resource":
		for _, t := range s.templates {
			if t.URITemplate == target {
				return t.Complete, true
			}
		}
		return nil, s.Reader(target) != nil
	}
	return nil, false
}
