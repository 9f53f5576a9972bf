package kit

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
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
	// Complete suggests values of a variable that start with what is typed; may be nil.
	Complete func(ctx context.Context, c *Call, variable, typed string) ([]string, error)

	parts []templatePart
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
type Content struct {
	Text     string
	Blob     []byte
	MIMEType string // "" is the resource's own
}

// templatePart is a literal, or a variable that follows one.
type templatePart struct{ literal, variable string }

// parse splits the template once, at construction.
func (t *Template) parse() error {
	t.parts = nil
	rest := t.URITemplate
	for rest != "" {
		lit, after, found := strings.Cut(rest, "{")
		if !found {
			t.parts = append(t.parts, templatePart{literal: lit})
			break
		}
		name, next, closed := strings.Cut(after, "}")
		if !closed || name == "" || lit == "" {
			return fmt.Errorf("resource template %q: a variable is {name} with text before it", t.URITemplate)
		}
		t.parts = append(t.parts, templatePart{lit, name})
		rest = next
	}
	if len(t.parts) == 0 {
		return fmt.Errorf("resource template %q is empty", t.URITemplate)
	}
	return nil
}

// match reads the variables of a URI.
func (t *Template) match(uri string) (map[string]string, bool) {
	vars := map[string]string{}
	for _, p := range t.parts {
		rest, ok := strings.CutPrefix(uri, p.literal)
		if !ok {
			return nil, false
		}
		if p.variable == "" {
			return vars, rest == ""
		}
		value, _, _ := strings.Cut(rest, "/")
		decoded, err := url.PathUnescape(value)
		if err != nil || value == "" {
			return nil, false
		}
		vars[p.variable] = decoded
		uri = rest[len(value):]
	}
	return vars, uri == ""
}

// Expand is the URI of the template with its variables, in their order.
func Expand(uriTemplate string, values ...string) string {
	for _, v := range values {
		from, to := strings.IndexByte(uriTemplate, '{'), strings.IndexByte(uriTemplate, '}')
		if from < 0 || to < from {
			break
		}
		uriTemplate = uriTemplate[:from] + url.PathEscape(v) + uriTemplate[to+1:]
	}
	return uriTemplate
}

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
	page, next := w.cut(all)
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
		return content.append(req.Target), nil
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
		if vars, ok := t.match(uri); ok {
			return func(ctx context.Context, c *Call) (Content, error) { return t.Read(ctx, c, vars) }, t.MIMEType
		}
	}
	return nil, ""
}

// append writes the ReadResourceResult.
func (c Content) append(uri string) []byte {
	dst := []byte(`{"resultType":"complete","contents":[{"uri":`)
	dst = mcpwire.AppendString(dst, uri)
	if c.MIMEType != "" {
		dst = mcpwire.AppendString(append(dst, `,"mimeType":`...), c.MIMEType)
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
