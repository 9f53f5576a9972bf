package streamable

import (
	"errors"
	"net/http"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/mcpwire"
)

// post reads the body and takes its one message, or its batch.
func (e *Endpoint) post(w http.ResponseWriter, r *http.Request, p account.Principal) {
	switch {
	case !stream.IsJSON(r.Header):
		e.refuse(w, http.StatusUnsupportedMediaType, "The body must be JSON. Send Content-Type: application/json.")
		return
	case len(r.Header["Content-Encoding"]) > 0:
		e.refuse(w, http.StatusUnsupportedMediaType, "Compressed bodies are not taken. Send the body without Content-Encoding.")
		return
	case !accepts(r.Header, "application/json") || !accepts(r.Header, "text/event-stream"):
		e.refuse(w, http.StatusNotAcceptable, "The answer is JSON or an event stream. Send Accept: application/json, text/event-stream.")
		return
	}
	body, err := stream.ReadBody(r, e.cfg.MaxBody)
	if err != nil {
		if errors.Is(err, stream.ErrBodyTooLarge) {
			e.refuse(w, http.StatusRequestEntityTooLarge, "The body is over this server's limit. Send less, or ask the operator to raise the limit.")
			return
		}
		e.refuse(w, http.StatusBadRequest, "The body did not arrive whole. Send the request again.")
		return
	}
	defer body.Free()
	if mcpwire.IsBatch(body.B) {
		e.batch(w, r, p, body.B)
		return
	}
	msg, perr := mcpwire.ParseClient(body.B)
	switch {
	case perr != nil:
		stream.WriteError(w, http.StatusBadRequest, nil, perr)
	case msg.IsRequest():
		e.request(w, r, p, &msg)
	default:
		e.oneWay(w, r, p, &msg)
	}
}

// oneWay takes a notification or a response.
func (e *Endpoint) oneWay(w http.ResponseWriter, r *http.Request, p account.Principal, msg *mcpwire.Message) {
	if msg.IsNotification() {
		_, modern := session.Version(msg.Params)
		if modern || header(r, headerSession) == "" && modernRevision(header(r, headerRevision)) {
			// 2026-07-28 defines no notification from clients over HTTP, and no
			// headers for one: accepted, and nothing comes of it.
			w.WriteHeader(http.StatusAccepted)
			return
		}
	}
	if header(r, headerSession) == "" {
		e.refuse(w, http.StatusBadRequest, noSession)
		return
	}
	s := e.acquire(w, r, p, nil)
	if s == nil {
		return
	}
	defer s.Release()
	if !e.revisionFits(w, r, nil) {
		return
	}
	if msg.IsNotification() {
		e.table.Notified(r.Context(), s, s.Caller(), msg)
	} else {
		s.Resolve(msg)
	}
	w.WriteHeader(http.StatusAccepted)
}

const noSession = "This needs a session. Send initialize first, then its Mcp-Session-Id with every request."

// request tells the eras apart (protocol reference 2.1).
func (e *Endpoint) request(w http.ResponseWriter, r *http.Request, p account.Principal, msg *mcpwire.Message) {
	if gone(msg) {
		err := mcpwire.Errorf(mcpwire.CodeMethodNotFound, "Method not found: %s. Revision 2026-07-28 has no such method; initialize for one that has.", msg.Method)
		stream.WriteError(w, modernStatus(err), msg.ID, err)
		return
	}
	if msg.Method == mcpwire.MethodInitialize {
		e.initialize(w, r, p, msg)
		return
	}
	req, err := mcpwire.NewRequest(msg.Method, "", msg.Params)
	var modern bool
	if err == nil {
		modern = req.MetaVersionRaw() != nil
	} else {
		_, modern = session.Version(msg.Params)
	}
	switch {
	case modern:
		e.modern(w, r, p, msg, req, err)
	case header(r, headerSession) != "":
		e.legacy(w, r, p, msg, req, err)
	case modernRevision(header(r, headerRevision)):
		stream.WriteError(w, http.StatusBadRequest, msg.ID, mcpwire.Errorf(mcpwire.CodeInvalidParams,
			"params._meta lacks %s, which the header announces. Send it with every request.", mcpwire.MetaVersion))
	default:
		stream.WriteError(w, http.StatusBadRequest, msg.ID, mcpwire.Errorf(mcpwire.CodeInvalidRequest, noSession))
	}
}

// gone tells a request in the shape of 2026-07-28 for a method that this revision
// has removed. That comes before what its params lack.
func gone(msg *mcpwire.Message) bool {
	switch msg.Method {
	case mcpwire.MethodInitialize, mcpwire.MethodPing, mcpwire.MethodSetLevel, mcpwire.MethodSubscribe, mcpwire.MethodUnsubscribe:
		version, named := session.Version(msg.Params)
		return named && modernRevision(version)
	}
	return false
}

// modernRevision tells whether a header names a revision without a handshake,
// known or not.
func modernRevision(header string) bool { return header >= string(mcpwire.Rev20260728) }

// initialize starts a session.
func (e *Endpoint) initialize(w http.ResponseWriter, r *http.Request, p account.Principal, msg *mcpwire.Message) {
	s, result, err := e.table.Create(r.Context(), p, msg.Params)
	if err != nil {
		stream.WriteError(w, http.StatusOK, msg.ID, err)
		return
	}
	defer s.Release()
	w.Header().Set(headerSession, s.ID())
	stream.JSONHeader(w.Header())
	o := mcpwire.Done(s.Revision(), result)
	_, _ = w.Write(stream.Answer(msg.ID, &o)) // a client that is gone needs no session
}

// revisionFits refuses a header that names no revision at all. One that names
// another revision than the session's is forgiven: claude.ai was seen to send
// 2026-07-28 in a session it had initialized.
func (e *Endpoint) revisionFits(w http.ResponseWriter, r *http.Request, id []byte) bool {
	h := header(r, headerRevision)
	if h == "" || modernRevision(h) {
		return true
	}
	if _, ok := mcpwire.ParseRevision(h); ok {
		return true
	}
	stream.WriteError(w, http.StatusBadRequest, id, mcpwire.Errorf(mcpwire.CodeInvalidRequest,
		"MCP-Protocol-Version names no revision of MCP. Send the one that initialize agreed on."))
	return false
}

// legacy serves a request of a session.
func (e *Endpoint) legacy(w http.ResponseWriter, r *http.Request, p account.Principal, msg *mcpwire.Message, req *mcpwire.Request, bad *mcpwire.Error) {
	s := e.acquire(w, r, p, msg.ID)
	if s == nil {
		return
	}
	defer s.Release()
	if !e.revisionFits(w, r, msg.ID) {
		return
	}
	if bad != nil {
		stream.WriteError(w, legacyStatus(bad), msg.ID, bad)
		return
	}
	call, key, ok := s.Enter(r.Context(), msg.ID)
	if !ok {
		stream.WriteError(w, http.StatusBadRequest, msg.ID, session.ErrTwice)
		return
	}
	x := e.newExchange(w, r, s, msg.ID)
	defer call.End(nil) // when the answer is written
	o := e.table.Serve(call, s, req, x)
	s.Settle(key)
	x.finish(&o)
}

// legacyStatus is the status of an error found before the request ran: a
// message that could be read in two ways is no message; everything else rides
// on 200.
func legacyStatus(err *mcpwire.Error) int {
	if err.Code == mcpwire.CodeInvalidRequest {
		return http.StatusBadRequest
	}
	return http.StatusOK
}
