// Package streamable serves MCP over Streamable HTTP: every revision from
// 2025-03-26 on (and clients of 2024-11-05 that POST) on one URL.
//
// What a request is, is read from it alone (protocol reference 2.1): initialize
// and whatever names a known session is legacy; whatever names its revision in
// _meta is 2026-07-28. Sessions, dispatch and streams are endpoint/session's;
// this package owns methods, headers, statuses, and whether an answer goes out
// as JSON or as an event stream. httpd authenticates and checks Host and Origin
// before anything comes here.
package streamable

import (
	"log/slog"
	"net/http"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/fault"
	"drawbridge/internal/life"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/route"
)

// Endpoint is the MCP endpoint.
type Endpoint struct {
	log   *slog.Logger
	table *session.Table
	cfg   session.Config
	path  string

	silences *life.Terms // of exchanges that are held
}

// New makes the endpoint that answers at path, such as "/mcp", with and without
// a slash at its end.
func New(log *slog.Logger, table *session.Table, path string) *Endpoint {
	return &Endpoint{log: log, table: table, cfg: table.Config(), path: path, silences: life.NewTerms(table.Config().Silence)}
}

// Routes are the endpoint's.
func (e *Endpoint) Routes() []route.Route {
	methods := []string{http.MethodPost, http.MethodGet, http.MethodDelete}
	return []route.Route{
		{Pattern: e.path, Methods: methods, Policy: route.Bearer, Resource: e.path, Handler: e},
		{Pattern: e.path + "/", Methods: methods, Policy: route.Bearer, Resource: e.path, Handler: e},
		{Pattern: e.path + "/{profile}", Methods: methods, Policy: route.Bearer, Resource: e.path + "/{profile}", Handler: e},
		{Pattern: e.path + "/{profile}/", Methods: methods, Policy: route.Bearer, Resource: e.path + "/{profile}", Handler: e},
	}
}

// Names of headers in the spelling of http.Header.
const (
	headerSession  = "Mcp-Session-Id"
	headerRevision = "Mcp-Protocol-Version"
	headerMethod   = "Mcp-Method"
	headerName     = "Mcp-Name"
	headerLastID   = "Last-Event-Id"
)

// header is the value of a header, of whose name it saves the spelling out.
func header(r *http.Request, name string) string {
	if v := r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// ServeHTTP answers one HTTP request.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := account.PrincipalFrom(r.Context())
	if !ok {
		e.refuse(w, http.StatusUnauthorized, "Authenticate with a bearer token.")
		return
	}
	switch r.Method {
	case http.MethodPost:
		e.post(w, r, p)
	case http.MethodGet:
		e.get(w, r, p)
	case http.MethodDelete:
		e.delete(w, r, p)
	default:
		notAllowed(w, "POST, GET, DELETE")
	}
}

// refuse answers what is wrong before a message could be read.
func (e *Endpoint) refuse(w http.ResponseWriter, status int, text string) {
	stream.WriteError(w, status, nil, &mcpwire.Error{Code: mcpwire.CodeInvalidRequest, Message: text})
}

func notAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	stream.WriteError(w, http.StatusMethodNotAllowed, nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest,
		"This needs a session. POST initialize first, then send its Mcp-Session-Id."))
}

// acquire finds the session a request names, or answers why there is none: 404
// for whatever is not the caller's live session, so that its client initializes
// anew. It says nothing in the codes of 2026-07-28.
func (e *Endpoint) acquire(w http.ResponseWriter, r *http.Request, p account.Principal, id []byte) *session.Session {
	s, err := e.table.Acquire(r.Context(), p, header(r, headerSession))
	if err == nil {
		return s
	}
	if fault.CodeOf(err) != fault.NotFound {
		e.log.ErrorContext(r.Context(), "session not looked up", "error", err)
	}
	stream.WriteError(w, fault.Status(fault.CodeOf(err)), id, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "%s", fault.PublicOf(err)))
	return nil
}

// get opens the stream of what belongs to no call, or resumes a stream.
func (e *Endpoint) get(w http.ResponseWriter, r *http.Request, p account.Principal) {
	if header(r, headerSession) == "" {
		notAllowed(w, "POST")
		return
	}
	if !accepts(r.Header, "text/event-stream") {
		e.refuse(w, http.StatusNotAcceptable, "The answer is an event stream. Send Accept: text/event-stream.")
		return
	}
	s := e.acquire(w, r, p, nil)
	if s == nil {
		return
	}
	defer s.Release()
	var rd *stream.Reader
	last := header(r, headerLastID)
	if last == "" {
		rd = s.Outside().AttachNew()
	} else {
		st, after, ok := s.Resume(last)
		if !ok {
			e.refuse(w, http.StatusBadRequest, "The stream of this Last-Event-ID can no longer be resumed. Open a stream without it.")
			return
		}
		rd = st.Attach(after)
	}
	defer rd.Detach()
	if err := s.OpenWatch(r.Context()); err != nil {
		stream.WriteError(w, http.StatusServiceUnavailable, nil, err)
		return
	}
	out := stream.NewWriter(w, e.cfg.WriteTimeout, e.cfg.KeepAlive)
	out.Events()
	// claude.ai and some proxies wait for the first byte: it leaves at once.
	out.Greet()
	if last == "" && s.Revision() >= mcpwire.Rev20251125 {
		out.Prime(rd)
	}
	ctx, end := e.table.Vouched(r.Context(), p)
	defer end()
	_ = out.Pump(ctx, rd, e.table.Draining()) // however it ended, the connection is done
}

// delete ends a session.
func (e *Endpoint) delete(w http.ResponseWriter, r *http.Request, p account.Principal) {
	if header(r, headerSession) == "" {
		notAllowed(w, "POST")
		return
	}
	s := e.acquire(w, r, p, nil)
	if s == nil {
		return
	}
	defer s.Release()
	if err := e.table.End(r.Context(), s); err != nil {
		e.log.ErrorContext(r.Context(), "session not ended", "error", err)
		e.refuse(w, fault.Status(fault.CodeOf(err)), fault.PublicOf(err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
