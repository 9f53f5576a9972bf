package kit

import (
	"context"
	"fmt"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/uris"
)

// Resource is a resource with a fixed URI. Its content may differ by user.
type Resource struct {
	URI, Name, Title, Description, MIMEType string

	Read func(ctx context.Context, c *Call) (Content, error)
}

// Template is a family of resources. URITemplate has variables as {name}, each
// of which stands for one path element, percent-encoded.
type Template struct {
	URITemplate, Name, Title, Description, MIMEType string

	// Read gets the decoded variables. fault.NotFound says there is none.
	Read func(ctx context.Context, c *Call, vars map[string]string) (Content, error)
	// List gives the user's resources of this family; may be nil.
	List func(ctx context.Context, c *Call) ([]Listed, error)
	// Complete suggests values of a variable that start with what is typed; may be
	// nil. Call.Given has the variables that are filled in already.
	Complete func(ctx context.Context, c *Call, variable, typed string) ([]string, error)

	uris uris.Template
}

// Listed is one resource of a Template in resources/list.
type Listed struct {
	URI      string `json:"uri"`
	Name     string `json:"name"`
	Title    string `json:"title,omitempty"`
	MIMEType string `json:"mimeType,omitempty"`
	Size     int64  `json:"size,omitempty"`
}

// Content is what a resource holds: text, or bytes where Blob is set.
type Content = output.Content

// Expand is the URI of the template with its variables, in their order.
func Expand(uriTemplate string, values ...string) string { return uris.Expand(uriTemplate, values...) }

// shownResource is a fixed resource in resources/list.
type shownResource struct {
	URI         string `json:"uri,omitempty"`
	URITemplate string `json:"uriTemplate,omitempty"`
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	MIMEType    string `json:"mimeType,omitempty"`
}

// resourcePage is how many resources resources/list shows at once.
const resourcePage = 500

// listResources lists the fixed resources, then those of the templates for the
// user. Without a user (the gateway itself asks) it lists the fixed ones alone.
func (s *Server) listResources(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	window, err := PageIn{Cursor: req.Cursor}.Window(resourcePage)
	if err != nil {
		return mcpwire.Fail(badCursor())
	}
	all := []any{}
	for _, r := range s.spec.Resources {
		all = append(all, shownResource{URI: r.URI, Name: r.Name, Title: r.Title, Description: r.Description, MIMEType: r.MIMEType})
	}
	if p, ok := account.PrincipalFrom(ctx); !ok || p.User == "" {
		return listOutcome(window, all, publicList)
	}
	out := s.serveCall(ctx, req, sink, func(ctx context.Context, c *Call) ([]byte, error) {
		for _, t := range s.spec.Templates {
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
		return nil, nil
	})
	if out.Kind == mcpwire.Failed {
		return out
	}
	return listOutcome(window, all, privateList)
}

func listOutcome(w Window, all []any, keep cacheable) mcpwire.Outcome {
	page, next := w.Plain(all)
	return mcpwire.Done(mcpwire.LatestModern, mustJSON(struct {
		ResultType string `json:"resultType"`
		Resources  []any  `json:"resources"`
		NextCursor string `json:"nextCursor,omitempty"`
		cacheable
	}{"complete", page, next, keep}))
}

func (s *Server) listTemplates() mcpwire.Outcome {
	shown := []shownResource{}
	for _, t := range s.spec.Templates {
		shown = append(shown, shownResource{URITemplate: t.URITemplate, Name: t.Name, Title: t.Title, Description: t.Description, MIMEType: t.MIMEType})
	}
	return mcpwire.Done(mcpwire.LatestModern, mustJSON(struct {
		ResultType string          `json:"resultType"`
		Templates  []shownResource `json:"resourceTemplates"`
		cacheable
	}{"complete", shown, publicList}))
}

// readResource serves resources/read.
func (s *Server) readResource(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	read, mime := s.reader(req.Target)
	if read == nil {
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "There is no resource %q. resources/list and resources/templates/list have what there is.", req.Target))
	}
	return s.serveCall(ctx, req, sink, func(ctx context.Context, c *Call) ([]byte, error) {
		content, err := read(ctx, c)
		if err != nil {
			return nil, err
		}
		if content.MIMEType == "" {
			content.MIMEType = mime
		}
		return content.Append(req.Target), nil
	})
}

// reader finds what reads a URI.
func (s *Server) reader(uri string) (read func(context.Context, *Call) (Content, error), mime string) {
	for _, r := range s.spec.Resources {
		if r.URI == uri {
			return r.Read, r.MIMEType
		}
	}
	for i := range s.spec.Templates {
		t := &s.spec.Templates[i]
		if vars, ok := t.uris.Match(uri); ok {
			return func(ctx context.Context, c *Call) (Content, error) { return t.Read(ctx, c, vars) }, t.MIMEType
		}
	}
	return nil, ""
}
