package kit

import (
	"context"
	"slices"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/output"
)

// Prompt is a prompt that a person picks.
type Prompt struct {
	Name, Title, Description string
	Arguments                []Argument

	// Render makes the messages. Arguments are checked: required ones are there.
	Render func(ctx context.Context, c *Call, args map[string]string) ([]Message, error)
	// Complete suggests values of an argument that start with what is typed; may be
	// nil. Call.Given has the arguments that are filled in already.
	Complete func(ctx context.Context, c *Call, argument, typed string) ([]string, error)
}

// Argument is one argument of a Prompt.
type Argument struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required,omitempty"`
}

// Message is one message of a rendered prompt.
type Message = output.Message

func (s *Server) listPrompts() mcpwire.Outcome {
	type shown struct {
		Name        string     `json:"name"`
		Title       string     `json:"title,omitempty"`
		Description string     `json:"description,omitempty"`
		Arguments   []Argument `json:"arguments,omitempty"`
	}
	all := []shown{}
	for _, p := range s.spec.Prompts {
		all = append(all, shown{p.Name, p.Title, p.Description, p.Arguments})
	}
	return mcpwire.Done(mcpwire.LatestModern, mustJSON(struct {
		ResultType string  `json:"resultType"`
		Prompts    []shown `json:"prompts"`
		cacheable
	}{"complete", all, publicList}))
}

// getPrompt serves prompts/get.
func (s *Server) getPrompt(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	i := slices.IndexFunc(s.spec.Prompts, func(p Prompt) bool { return p.Name == req.Target })
	if i < 0 {
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "There is no prompt %q. prompts/list has the names.", req.Target))
	}
	p := s.spec.Prompts[i]
	var params struct {
		Arguments map[string]string `json:"arguments"`
	}
	if err := decodeParams(req, &params); err != nil {
		return mcpwire.Fail(err)
	}
	for _, a := range p.Arguments {
		if a.Required && params.Arguments[a.Name] == "" {
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "The prompt %s needs the argument %s. Add it and ask again.", p.Name, a.Name))
		}
	}
	return s.serveCall(ctx, req, sink, func(ctx context.Context, c *Call) ([]byte, error) {
		messages, err := p.Render(ctx, c, params.Arguments)
		if err != nil {
			return nil, err
		}
		return output.AppendPrompt(p.Description, messages), nil
	})
}

// completes tells whether anything can be completed.
func (s *Server) completes() bool {
	return slices.ContainsFunc(s.spec.Prompts, func(p Prompt) bool { return p.Complete != nil }) ||
		slices.ContainsFunc(s.spec.Templates, func(t Template) bool { return t.Complete != nil })
}

// complete serves completion/complete.
func (s *Server) complete(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	var params struct {
		Ref struct {
			Type string `json:"type"`
			Name string `json:"name"`
			URI  string `json:"uri"`
		} `json:"ref"`
		Argument struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"argument"`
		Context struct {
			Arguments map[string]string `json:"arguments"`
		} `json:"context"`
	}
	if err := decodeParams(req, &params); err != nil {
		return mcpwire.Fail(err)
	}
	// Target is what the gateway's renaming acts on; it is the name or URI of ref.
	suggest, known := s.completer(params.Ref.Type, req.Target)
	if !known {
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "There is no %s %q to complete. prompts/list and resources/templates/list have those there are.", params.Ref.Type, req.Target))
	}
	return s.serveCall(ctx, req, sink, func(ctx context.Context, c *Call) ([]byte, error) {
		c.given = params.Context.Arguments
		var values []string
		if suggest != nil {
			var err error
			if values, err = suggest(ctx, c, params.Argument.Name, params.Argument.Value); err != nil {
				return nil, err
			}
		}
		return output.AppendCompletion(values), nil
	})
}

type completer = func(ctx context.Context, c *Call, name, typed string) ([]string, error)

// completer finds who completes for a reference; known without one is nil.
func (s *Server) completer(kind, target string) (suggest completer, known bool) {
	switch kind {
	case "ref/prompt":
		for _, p := range s.spec.Prompts {
			if p.Name == target {
				return p.Complete, true
			}
		}
	case "ref/resource":
		for i := range s.spec.Templates {
			if t := &s.spec.Templates[i]; t.URITemplate == target {
				return t.Complete, true
			}
		}
		read, _ := s.reader(target)
		return nil, read != nil
	}
	return nil, false
}
