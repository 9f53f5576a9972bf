package kit

import (
	"context"
	"encoding/json"
	"slices"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/output"
)

// Serve answers one request in the shape of the newest revision.
func (s *Server) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	switch req.Method {
	case mcpwire.MethodToolsCall:
		return s.callTool(ctx, req, sink)
	case mcpwire.MethodToolsList:
		return s.onePage(req, func() []byte { return s.list })
	case mcpwire.MethodResourcesList:
		return s.listResources(ctx, req, sink)
	case mcpwire.MethodTemplatesList:
		return s.onePage(req, s.shelf.Templates)
	case mcpwire.MethodResourcesRead:
		return s.readResource(ctx, req, sink)
	case mcpwire.MethodPromptsList:
		return s.onePage(req, s.shelf.Prompts)
	case mcpwire.MethodPromptsGet:
		return s.getPrompt(ctx, req, sink)
	case mcpwire.MethodComplete:
		return s.complete(ctx, req, sink)
	case mcpwire.MethodDiscover:
		return s.discover()
	case mcpwire.MethodPing:
		return mcpwire.Done(mcpwire.LatestModern, []byte(`{"resultType":"complete"}`))
	}
	return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeMethodNotFound, "The method %s is not offered here. server/discover has what there is.", req.Method))
}

// onePage serves a list that has one page: no cursor is ever given out, so every
// cursor is wrong.
func (s *Server) onePage(req *mcpwire.Request, list func() []byte) mcpwire.Outcome {
	if req.Cursor != "" {
		return mcpwire.Fail(badCursor())
	}
	return mcpwire.Done(mcpwire.LatestModern, list())
}

func badCursor() *mcpwire.Error {
	return mcpwire.Errorf(mcpwire.CodeInvalidParams, "The cursor is not one of this list. Start again without a cursor.")
}

func (s *Server) discover() mcpwire.Outcome {
	hello := s.Info()
	return mcpwire.Done(mcpwire.LatestModern, mustJSON(struct {
		ResultType   string             `json:"resultType"`
		Supported    []mcpwire.Revision `json:"supportedVersions"`
		Capabilities json.RawMessage    `json:"capabilities"`
		ServerInfo   json.RawMessage    `json:"serverInfo"`
		Instructions string             `json:"instructions,omitempty"`
		output.Keeping
	}{"complete", []mcpwire.Revision{mcpwire.LatestModern}, hello.Capabilities, hello.ServerInfo, hello.Instructions, output.Shared}))
}

// decodeParams reads the members of params that a method needs.
func decodeParams(req *mcpwire.Request, into any) *mcpwire.Error {
	if len(req.Params) == 0 {
		return nil
	}
	if err := json.Unmarshal(req.Params, into); err != nil {
		return mcpwire.Errorf(mcpwire.CodeInvalidParams, "The params of %s do not have the shape the specification gives them. Correct them and send them again.", req.Method)
	}
	return nil
}

// fail logs an error's cause and makes the JSON-RPC error of it.
func (s *Server) fail(ctx context.Context, what string, err error) mcpwire.Outcome {
	s.logFailure(ctx, what, err)
	return mcpwire.Fail(mcpwire.FromFault(err))
}

// serveCall runs f for a user, bounded like a tool call, and gives its result.
func (s *Server) serveCall(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink, f func(context.Context, *Call) ([]byte, error)) mcpwire.Outcome {
	call, err := s.newCall(ctx, "", req, sink)
	if err != nil {
		return mcpwire.Fail(mcpwire.FromFault(err))
	}
	ctx, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	var out []byte
	err = s.runner.Run(ctx, func() (err error) { out, err = f(ctx, call); return err })
	if err != nil {
		return s.fail(ctx, req.Method, err)
	}
	return mcpwire.Done(mcpwire.LatestModern, out)
}

// Watch delivers what changes outside of calls until ctx ends. ready is called
// once with what is honoured: all that was asked for, of resources that there
// are. Updates are those of the principal in ctx.
func (s *Server) Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error {
	p, _ := account.PrincipalFrom(ctx)
	f.Resources = slices.DeleteFunc(slices.Clone(f.Resources), func(uri string) bool {
		return s.shelf.Reader(uri) == nil
	})
	w := s.watchers.Add(p.User, f, sink)
	defer s.watchers.Remove(w)
	ready(f)
	<-ctx.Done()
	return nil
}
