package gateway

import (
	"context"
	"errors"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpheader"
	"drawbridge/internal/mcpwire"
)

// Serve answers lists from the catalogue and hands everything else to the
// backend that owns it.
func (g *Gateway) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	switch req.Method {
	case mcpwire.MethodToolsList:
		return g.list(ctx, tools, req)
	case mcpwire.MethodPromptsList:
		return g.list(ctx, prompts, req)
	case mcpwire.MethodResourcesList:
		return g.list(ctx, resources, req)
	case mcpwire.MethodTemplatesList:
		return g.list(ctx, templates, req)
	case mcpwire.MethodToolsCall:
		return g.callNamed(ctx, tools, req, sink)
	case mcpwire.MethodPromptsGet:
		return g.callNamed(ctx, prompts, req, sink)
	case mcpwire.MethodResourcesRead:
		return g.readResource(ctx, req, sink)
	case mcpwire.MethodComplete:
		return g.complete(ctx, req, sink)
	}
	return g.extension(ctx, req, sink)
}

func (g *Gateway) list(ctx context.Context, k kind, req *mcpwire.Request) mcpwire.Outcome {
	modern := req.Caller.Revision.Modern()
	page, err := g.current.Load().list(accessOf(ctx), k, modern, req.Cursor, g.cfg.PageSize)
	if err != nil {
		return mcpwire.Fail(err)
	}
	return mcpwire.Done(req.Caller.Revision, page)
}

var singular = [kinds]string{"tool", "prompt", "resource", "resource template"}

// callNamed serves tools/call and prompts/get.
func (g *Gateway) callNamed(ctx context.Context, k kind, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	it, ok := g.current.Load().byName[k][req.Target]
	verdict := account.Hidden
	if ok {
		verdict = it.verdict(accessOf(ctx), k)
	}
	switch verdict {
	case account.NotGranted:
		g.deny(ctx, it.section.backend.Name(), req)
		return notGranted(ctx, req, it)
	case account.Hidden: // in the same words as one that does not exist (security T13)
		g.deny(ctx, "", req)
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "Unknown %s: %s. List them again; the set may have changed.", singular[k], req.Target))
	}
	if len(it.headers) > 0 && req.ParamHeaders != nil {
		if err := mcpheader.Check(it.headers, req.Arguments(), req.ParamHeader); err != nil {
			return mcpwire.Fail(err)
		}
	}
	if len(it.headers) > 0 && req.ParamHeaders == nil {
		req.ParamHeaders = mcpheader.Of(it.headers, req.Arguments())
	}
	req.Target = it.original
	out := g.forward(ctx, it.section, req, sink, it.tier == account.TierDestroy)
	out.FreeOutput = it.free
	return out
}

// readResource finds the owner of a URI by lists and templates, and otherwise
// asks the backends that have resources, in configuration order, until one knows it.
func (g *Gateway) readResource(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	c := g.current.Load()
	v := c.view(accessOf(ctx))
	// One whose owner is hidden goes the way of one that nobody has (security T13).
	if s, ok := c.owner(req.Target); ok && v.shows(s) {
		return g.forward(ctx, s, req, sink, false)
	}
	var first mcpwire.Outcome
	for _, s := range v.sections {
		if !s.has("resources") {
			continue
		}
		next := g.forward(ctx, s, req, sink, false)
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
	v := c.view(a)
	if req.RefIsPrompt() {
		it, ok := c.byName[prompts][req.Target]
		if !ok || !it.granted(a, prompts) {
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "Unknown prompt: %s. List them again; the set may have changed.", req.Target))
		}
		req.Target = it.original
		return g.forward(ctx, it.section, req, sink, false)
	}
	if it, ok := c.byName[templates][req.Target]; ok && v.shows(it.section) {
		return g.forward(ctx, it.section, req, sink, false)
	}
	if s, ok := c.owner(req.Target); ok && v.shows(s) {
		return g.forward(ctx, s, req, sink, false)
	}
	return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "Unknown resource template: %s. List the templates again; the set may have changed.", req.Target))
}

// extension routes a method outside the core to the one backend that advertised
// an extension of that name: "ui/open" belongs to "io.modelcontextprotocol/ui". What
// such a method does is not known, so it counts as one that changes things.
func (g *Gateway) extension(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	var owner *section
	name, _, _ := strings.Cut(req.Method, "/")
	for _, s := range g.current.Load().view(accessOf(ctx)).sections {
		if !s.extends(name) {
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
	switch name := owner.backend.Name(); accessOf(ctx).Tool(name, req.Method, account.TierWrite) {
	case account.Hidden:
		g.deny(ctx, "", req)
		return mcpwire.Fail(noMethod(req.Method))
	case account.NotGranted:
		g.deny(ctx, name, req)
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidRequest, "%s", refusal(ctx, req.Method, account.TierWrite)))
	}
	return g.forward(ctx, owner, req, sink, false)
}

func noMethod(method string) *mcpwire.Error {
	return mcpwire.Errorf(mcpwire.CodeMethodNotFound, "Method not found: %s. No backend offers it; server/discover has what there is.", method)
}

// errNobody is a mistake of ours: an endpoint let a request through that nobody made.
var errNobody = errors.New("the request has no principal")

// forward hands a request to its owner and brings the outcome into a form the
// client's era can take.
func (g *Gateway) forward(ctx context.Context, s *section, req *mcpwire.Request, sink mcpwire.Sink, destructive bool) mcpwire.Outcome {
	p, ok := account.PrincipalFrom(ctx)
	if !ok {
		return mcpwire.Fail(mcpwire.FromFault(errNobody))
	}
	name := s.backend.Name()
	if req.HasRetryState {
		st, err := g.seal.openFor(req, p.Owner(), g.deps.Now())
		if err != nil {
			g.deny(ctx, name, req)
			return mcpwire.Fail(err)
		}
		if st.Backend != name {
			g.deny(ctx, name, req)
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "The requestState belongs to another backend. Send the call again from the start."))
		}
		req.RetryState, req.HasRetryState = st.Inner, st.Has
	}
	if full := g.gate.enter(p.User); full != "" {
		g.deny(ctx, name, req)
		if req.Method == mcpwire.MethodToolsCall {
			return toolError(full)
		}
		return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "%s", full))
	}
	defer g.gate.leave(p.User)
	note, err := g.begin(ctx, p, name, req, destructive)
	if err != nil {
		return mcpwire.Fail(err)
	}
	out := s.backend.Serve(ctx, req, sink)
	if out.Kind == mcpwire.InputRequired {
		out = g.inputRequired(p, name, req, out)
	}
	note.end(ctx, &out)
	return out
}

// inputRequired seals a modern backend's question for a modern client. A legacy
// client cannot be asked in this way.
func (g *Gateway) inputRequired(p account.Principal, name string, req *mcpwire.Request, out mcpwire.Outcome) mcpwire.Outcome {
	defer out.Close()
	if !req.Caller.Revision.Modern() {
		return mcpwire.Fail(backend.Failure(name, "input_required",
			"Backend "+name+" asked a question in the middle of this call in the way of 2026-07-28, which a "+string(req.Caller.Revision)+" client cannot be asked. Use a client that speaks 2026-07-28."))
	}
	switch req.Method {
	case mcpwire.MethodToolsCall, mcpwire.MethodPromptsGet, mcpwire.MethodResourcesRead:
	default: // 2026-07-28, patterns/mrtr: nowhere else
		return mcpwire.Fail(backend.Failure(name, "input_required",
			"Backend "+name+" asked a question where the protocol allows none. Look at the backend's own log."))
	}
	if out.Result.Rest != nil {
		return mcpwire.Fail(backend.Failure(name, "input_required too large",
			"Backend "+name+" asked a question that is too large to be passed on. Look at the backend's own log."))
	}
	result := out.Result.Bytes
	st := sealedState{Backend: name, Owner: p.Owner(), Digest: digest(req), Expires: g.deps.Now().Add(g.cfg.StateTTL).Unix()}
	at, has := jsonscan.Find(result, "requestState")
	if has {
		var ok bool
		if st.Inner, ok = jsonscan.Unquote(at.Value.Of(result)); !ok {
			return mcpwire.Fail(backend.Failure(name, "bad requestState",
				"Backend "+name+" asked a question with a requestState that is not a string. Look at the backend's own log."))
		}
		st.Has = true
	}
	sealed, err := g.seal.seal(st)
	if err != nil {
		return mcpwire.Fail(mcpwire.FromFault(err))
	}
	var next []byte
	if has {
		next = append(next, result[:at.Value.From]...)
		next = mcpwire.AppendString(next, sealed)
		next = append(next, result[at.Value.To:]...)
	} else {
		next = mcpwire.AppendString(append(next, `{"requestState":`...), sealed)
		next = append(append(next, ','), result[1:]...) // never empty: resultType is in it
	}
	return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: out.Revision, Result: mcpwire.Result{Bytes: next}}
}

// has tells whether the section's backend declares a capability.
func (s *section) has(capability string) bool {
	return mcpwire.Member(s.lists.Info.Capabilities, capability) != nil
}

// extensions are those that the section's backend advertises, a raw object.
func (s *section) extensions() []byte {
	return mcpwire.ObjectMember(s.lists.Info.Capabilities, "extensions")
}

// extends tells whether the backend advertises an extension whose id ends in name.
func (s *section) extends(name string) bool {
	extensions := s.extensions()
	for e := range jsonscan.Members(extensions) {
		if id := string(e.Key); id == name || strings.HasSuffix(id, "/"+name) {
			return true
		}
	}
	return false
}
