package gateway

import (
	"context"
	"errors"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/gateway/catalogue"
	"drawbridge/internal/gateway/seal"
	"drawbridge/internal/gateway/task"
	"drawbridge/internal/mcpheader"
	"drawbridge/internal/mcpwire"
)

// Serve answers lists from the catalogue and hands everything else to the
// backend that owns it.
func (g *Gateway) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	switch req.Method {
	case mcpwire.MethodToolsList:
		return g.list(ctx, catalogue.Tools, req)
	case mcpwire.MethodPromptsList:
		return g.list(ctx, catalogue.Prompts, req)
	case mcpwire.MethodResourcesList:
		return g.list(ctx, catalogue.Resources, req)
	case mcpwire.MethodTemplatesList:
		return g.list(ctx, catalogue.Templates, req)
	case mcpwire.MethodToolsCall:
		return g.callNamed(ctx, catalogue.Tools, req, sink)
	case mcpwire.MethodPromptsGet:
		return g.callNamed(ctx, catalogue.Prompts, req, sink)
	case mcpwire.MethodResourcesRead:
		return g.readResource(ctx, req, sink)
	case mcpwire.MethodComplete:
		return g.complete(ctx, req, sink)
	case task.MethodGet, task.MethodResult, task.MethodUpdate, task.MethodCancel, task.MethodList:
		return g.taskRequest(ctx, req, sink)
	}
	return g.extension(ctx, req, sink)
}

func (g *Gateway) list(ctx context.Context, k catalogue.Kind, req *mcpwire.Request) mcpwire.Outcome {
	modern := req.Caller.Revision.Modern()
	page, err := g.current.Load().List(accessOf(ctx), k, modern, req.Cursor, g.cfg.PageSize)
	if err != nil {
		return mcpwire.Fail(err)
	}
	return mcpwire.Done(req.Caller.Revision, page)
}

var singular = [catalogue.Kinds]string{"tool", "prompt", "resource", "resource template"}

// callNamed serves tools/call and prompts/get.
func (g *Gateway) callNamed(ctx context.Context, k catalogue.Kind, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	it, failure := g.named(ctx, k, req)
	if it == nil {
		return failure
	}
	if len(it.Headers) > 0 && req.ParamHeaders != nil {
		if err := mcpheader.Check(it.Headers, req.Arguments(), req.ParamHeader); err != nil {
			return mcpwire.Fail(err)
		}
	}
	if len(it.Headers) > 0 && req.ParamHeaders == nil {
		req.ParamHeaders = mcpheader.Of(it.Headers, req.Arguments())
	}
	req.Target = it.Original
	var out mcpwire.Outcome
	if it.Section.Tasks && k == catalogue.Tools {
		out = g.callTasked(ctx, it, req, sink)
	} else {
		out = g.forward(ctx, it.Section, req, sink, job{destructive: it.Tier == account.TierDestroy})
	}
	out.FreeOutput = it.Free
	return out
}

// named finds what a tools/call or prompts/get is for and the caller may use, or
// says why there is nothing: under its present name, under one that it had until
// lately, or under the one that its own server's pages know.
func (g *Gateway) named(ctx context.Context, k catalogue.Kind, req *mcpwire.Request) (*catalogue.Item, mcpwire.Outcome) {
	c, a := g.current.Load(), accessOf(ctx)
	it, ok := c.ByName[k][req.Target]
	var gone *catalogue.Item
	if !ok {
		it, gone = c.Formerly(k, req.Target, g.deps.Now())
	}
	if it == nil && gone == nil && k == catalogue.Tools {
		it = c.View(a).Bare(req.Target)
	}
	verdict := account.Hidden
	if it != nil {
		verdict = it.Verdict(a, k)
	}
	switch verdict {
	case account.Granted:
		return it, mcpwire.Outcome{}
	case account.NotGranted:
		g.deny(ctx, it.Section.Backend.Name(), req)
		return nil, notGranted(ctx, req, it)
	}
	g.deny(ctx, "", req)
	if gone != nil && gone.Granted(a, k) {
		return nil, mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams,
			"The %s %s was removed: backend %s no longer offers it, or has not come back. List them again.", singular[k], req.Target, gone.Section.Backend.Name()))
	}
	// In the same words as one that is hidden (security T13).
	return nil, mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "Unknown %s: %s. List them again; the set may have changed.", singular[k], req.Target))
}

// readResource finds the owner of a URI by lists and templates, and otherwise
// asks the backends that have resources, in configuration order, until one knows it.
func (g *Gateway) readResource(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	c := g.current.Load()
	v := c.View(accessOf(ctx))
	// One whose owner is hidden goes the way of one that nobody has (security T13).
	if s, ok := c.Owner(req.Target); ok && v.Shows(s) {
		return g.forward(ctx, s, req, sink, job{})
	}
	var first mcpwire.Outcome
	for _, s := range v.Sections {
		if !s.Has("resources") {
			continue
		}
		next := g.forward(ctx, s, req, sink, job{})
		if next.Kind != mcpwire.Failed {
			return next
		}
		if code := next.Err.Code; code != mcpwire.CodeResourceNotFound && code != mcpwire.CodeInvalidParams {
			return next
		}
		if first.Kind == 0 {
			first = next
		}
	}
	if first.Kind == 0 {
		return mcpwire.Fail(notFound(req.Caller.Revision, req.Target))
	}
	return first
}

func notFound(rev mcpwire.Revision, uri string) *mcpwire.Error {
	code := mcpwire.CodeResourceNotFound
	if rev.Modern() {
		code = mcpwire.CodeInvalidParams
	}
	return &mcpwire.Error{Code: code, Message: "No backend offers this resource. List the resources again; the set may have changed.",
		Data: append(mcpwire.AppendString([]byte(`{"uri":`), uri), '}')}
}

// complete routes a completion by its reference.
func (g *Gateway) complete(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	c, a := g.current.Load(), accessOf(ctx)
	v := c.View(a)
	if req.RefIsPrompt() {
		it, ok := c.ByName[catalogue.Prompts][req.Target]
		if !ok || !it.Granted(a, catalogue.Prompts) {
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "Unknown prompt: %s. List them again; the set may have changed.", req.Target))
		}
		req.Target = it.Original
		return g.forward(ctx, it.Section, req, sink, job{})
	}
	if it, ok := c.ByName[catalogue.Templates][req.Target]; ok && v.Shows(it.Section) {
		return g.forward(ctx, it.Section, req, sink, job{})
	}
	if s, ok := c.Owner(req.Target); ok && v.Shows(s) {
		return g.forward(ctx, s, req, sink, job{})
	}
	return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "Unknown resource template: %s. List the templates again; the set may have changed.", req.Target))
}

// extension routes a method outside the core to the one backend that advertised
// an extension of that name: "ui/open" belongs to "io.modelcontextprotocol/ui". What
// such a method does is not known, so it counts as one that changes things.
func (g *Gateway) extension(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	var owner *catalogue.Section
	name, _, _ := strings.Cut(req.Method, "/")
	for _, s := range g.current.Load().View(accessOf(ctx)).Sections {
		if !s.Extends(name) {
			continue
		}
		if owner != nil {
			owner = nil
			break
		}
		owner = s
	}
	if owner == nil {
		return mcpwire.Fail(noMethod(req.Method))
	}
	switch name := owner.Backend.Name(); accessOf(ctx).Tool(name, req.Method, account.TierWrite) {
	case account.Hidden:
		g.deny(ctx, "", req)
		return mcpwire.Fail(noMethod(req.Method))
	case account.NotGranted:
		g.deny(ctx, name, req)
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidRequest, "%s", refusal(ctx, req.Method, account.TierWrite)))
	}
	return g.forward(ctx, owner, req, sink, job{})
}

func noMethod(method string) *mcpwire.Error {
	return mcpwire.Errorf(mcpwire.CodeMethodNotFound, "Method not found: %s. No backend offers it; server/discover has what there is.", method)
}

// errNobody is a mistake of ours: an endpoint let a request through that nobody made.
var errNobody = errors.New("the request has no principal")

// job is how a request is handed to its owner.
type job struct {
	destructive bool
	// run takes the place of the backend's Serve, nil for that.
	run func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome
}

// forward hands a request to its owner and brings the outcome into a form the
// client's era can take.
func (g *Gateway) forward(ctx context.Context, s *catalogue.Section, req *mcpwire.Request, sink mcpwire.Sink, how job) mcpwire.Outcome {
	p, ok := account.PrincipalFrom(ctx)
	if !ok {
		return mcpwire.Fail(mcpwire.FromFault(errNobody))
	}
	name := s.Backend.Name()
	var st seal.State
	if req.HasRetryState {
		var err *mcpwire.Error
		if st, err = g.seal.Open(req, p.Owner(), name, g.deps.Now()); err != nil {
			g.deny(ctx, name, req)
			return mcpwire.Fail(err)
		}
		req.RetryState, req.HasRetryState = st.Inner, st.Has
	}
	// A retry goes on with a call that was let in already; refused, it would be left
	// behind with its question answered to nobody.
	if full := g.gate.enter(p.User, st.Park != ""); full != "" {
		g.deny(ctx, name, req)
		if req.Method == mcpwire.MethodToolsCall {
			return toolError(full)
		}
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "%s", full))
	}
	defer g.gate.leave(p.User)
	note, err := g.begin(ctx, p, name, req, how.destructive)
	if err != nil {
		return mcpwire.Fail(err)
	}
	out := g.converse(ctx, s, req, sink, how, st)
	note.end(ctx, &out)
	return out
}
