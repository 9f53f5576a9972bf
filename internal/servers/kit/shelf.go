package kit

import (
	"context"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/shelf"
	"drawbridge/internal/servers/kit/uris"
)

// What a server offers beside its tools; see package shelf.
type (
	Resource = shelf.Resource[*Call] // with a fixed URI
	Template = shelf.Template[*Call] // a family of resources
	Listed   = shelf.Listed          // one of a family, in resources/list
	Content  = output.Content        // what a resource holds
	Prompt   = shelf.Prompt[*Call]   // that a person picks
	Argument = shelf.Argument        // of a prompt
	Message  = output.Message        // of a rendered prompt
)

// Expand is the URI of the template with its variables, in their order.
func Expand(uriTemplate string, values ...string) string { return uris.Expand(uriTemplate, values...) }

// resourcePage is how many resources resources/list shows at once.
const resourcePage = 500

// listResources lists the fixed resources, then those of the templates for the
// user. Without a user (the gateway itself asks) it lists the fixed ones alone.
func (s *Server) listResources(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	window, err := PageIn{Cursor: req.Cursor}.Window(resourcePage)
	if err != nil {
		return mcpwire.Fail(badCursor())
	}
	list := func(all []any, keep output.Keeping) []byte {
		page, next := window.Plain(all)
		return output.List("resources", page, next, keep)
	}
	if p, ok := account.PrincipalFrom(ctx); !ok || p.User == "" {
		return mcpwire.Done(mcpwire.LatestModern, list(s.shelf.Fixed(), output.Shared))
	}
	return s.serveCall(ctx, req, sink, func(ctx context.Context, c *Call) ([]byte, error) {
		found, err := s.shelf.Found(ctx, c)
		return list(append(s.shelf.Fixed(), found...), output.Own), err
	})
}

// readResource serves resources/read.
func (s *Server) readResource(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	read := s.shelf.Reader(req.Target)
	if read == nil {
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "There is no resource %q. resources/list and resources/templates/list have what there is.", req.Target))
	}
	return s.serveCall(ctx, req, sink, func(ctx context.Context, c *Call) ([]byte, error) {
		content, err := read(ctx, c)
		return content.Append(req.Target), err
	})
}

// getPrompt serves prompts/get.
func (s *Server) getPrompt(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	p, ok := s.shelf.Prompt(req.Target)
	if !ok {
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "There is no prompt %q. prompts/list has the names.", req.Target))
	}
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
		return output.AppendPrompt(p.Description, messages), err
	})
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
	suggest, known := s.shelf.Completer(params.Ref.Type, req.Target)
	if !known {
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "There is no %s %q to complete. prompts/list and resources/templates/list have those there are.", params.Ref.Type, req.Target))
	}
	return s.serveCall(ctx, req, sink, func(ctx context.Context, c *Call) (_ []byte, err error) {
		c.given = params.Context.Arguments
		var values []string
		if suggest != nil {
			values, err = suggest(ctx, c, params.Argument.Name, params.Argument.Value)
		}
		return output.AppendCompletion(values), err
	})
}
