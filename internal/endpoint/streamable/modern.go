package streamable

import (
	"net/http"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/mcpheader"
	"drawbridge/internal/mcpwire"
)

// modern serves a request of 2026-07-28. Its client's going away cancels it.
func (e *Endpoint) modern(w http.ResponseWriter, r *http.Request, p account.Principal, msg *mcpwire.Message, req *mcpwire.Request, bad *mcpwire.Error) {
	if err := accept(r.Header, msg, req, bad); err != nil {
		stream.WriteError(w, modernStatus(err), msg.ID, err)
		return
	}
	if msg.Method == mcpwire.MethodListen {
		e.listen(w, r, p, msg, req)
		return
	}
	x := e.newExchange(w, r, nil, msg.ID)
	o := e.table.Serve(r.Context(), nil, req, x)
	x.finish(&o)
}

// accept compares headers and body, and sets the request's caller. bad is what
// was wrong with params already.
func accept(h http.Header, msg *mcpwire.Message, req *mcpwire.Request, bad *mcpwire.Error) *mcpwire.Error {
	version, _ := session.Version(msg.Params)
	if v := h[headerRevision]; len(v) != 1 || v[0] != version {
		return mismatch("MCP-Protocol-Version", "the protocol version in params._meta")
	}
	if bad != nil {
		if rev, ok := mcpwire.ParseRevision(version); ok && rev.Modern() {
			return bad
		}
		req = &mcpwire.Request{} // nothing of it is read: the version is refused
	}
	if err := session.AcceptModern(req, version); err != nil {
		return err
	}
	if v := h[headerMethod]; len(v) != 1 || v[0] != req.Method {
		return mismatch("Mcp-Method", "the method")
	}
	if named(req.Method) {
		v := h[headerName]
		if len(v) != 1 {
			return mismatch("Mcp-Name", "the name, URI or task id in params")
		}
		if name, ok := mcpheader.Decode(v[0]); !ok || name != req.Target {
			return mismatch("Mcp-Name", "the name, URI or task id in params")
		}
	}
	return readParamHeaders(h, req)
}

func mismatch(header, what string) *mcpwire.Error {
	return mcpwire.Errorf(mcpwire.CodeHeaderMismatch, "The header %s must be sent once and equal %s.", header, what)
}

// named tells the methods whose target travels in Mcp-Name.
func named(method string) bool {
	switch method {
	case mcpwire.MethodToolsCall, mcpwire.MethodPromptsGet, mcpwire.MethodResourcesRead,
		"tasks/get", "tasks/update", "tasks/cancel":
		return true
	}
	return false
}

// readParamHeaders collects the Mcp-Param-* headers for the gateway, which knows
// the tool's schema. The map is never nil: over HTTP a missing header counts.
func readParamHeaders(h http.Header, req *mcpwire.Request) *mcpwire.Error {
	req.ParamHeaders = map[string]string{}
	for name, values := range h {
		if !strings.HasPrefix(name, mcpheader.Prefix) {
			continue
		}
		if len(values) != 1 {
			return mismatch(name, "the argument it repeats")
		}
		req.ParamHeaders[name] = values[0]
	}
	return nil
}

// modernStatus is the HTTP status of an error of 2026-07-28.
func modernStatus(err *mcpwire.Error) int {
	switch err.Code {
	case mcpwire.CodeMethodNotFound:
		return http.StatusNotFound
	case mcpwire.CodeInvalidParams, mcpwire.CodeHeaderMismatch, mcpwire.CodeMissingCapability,
		mcpwire.CodeUnsupportedVersion, mcpwire.CodeInvalidRequest, mcpwire.CodeParse:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// listen serves subscriptions/listen: an event stream until either side ends it.
func (e *Endpoint) listen(w http.ResponseWriter, r *http.Request, p account.Principal, msg *mcpwire.Message, req *mcpwire.Request) {
	st := stream.New("", 0)
	rd := st.Attach(0)
	defer rd.Detach()
	l, err := e.table.Listen(r.Context(), req, msg.ID, st)
	if err != nil {
		stream.WriteError(w, modernStatus(err), msg.ID, err)
		return
	}
	defer l.Close()
	out := stream.NewWriter(w, e.cfg.WriteTimeout, e.cfg.KeepAlive)
	out.Events()
	ctx, end := e.table.Vouched(r.Context(), p)
	defer end()
	if !l.Nothing() && out.Pump(ctx, rd, e.table.Draining()) != nil {
		return
	}
	o := l.Outcome()
	st.End(stream.Answer(msg.ID, &o))
	_ = out.Pump(r.Context(), rd, nil) // however it ended, the connection is done
}
