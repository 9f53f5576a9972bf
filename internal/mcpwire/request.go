package mcpwire

import (
	"bytes"
	"strings"
)

// Request is one call on its way to a backend. Params stay the bytes the client
// sent; Target and the spans say where the few members stand that a hop may
// change, and AppendParams writes the params with those changes made.
type Request struct {
	Method   string
	Revision Revision // the shape of Params
	Params   []byte   // raw object; nil when absent
	Target   string   // decoded params.name, params.uri, params.taskId or params.ref's; the gateway renames here
	Cursor   string   // decoded params.cursor
	Caller   *Caller

	// RetryState is the decoded params.requestState of a 2026-07-28 retry; the
	// gateway replaces the client's sealed one by the backend's. HasRetryState
	// tells an empty one from none.
	RetryState    string
	HasRetryState bool

	// Answers are inputResponses, a raw object, to be sent in place of the client's:
	// those that the gateway has got from a legacy client. nil leaves what is there.
	Answers []byte

	// ParamHeaders are the client's Mcp-Param-* headers as received, for a
	// 2026-07-28 HTTP backend; nil otherwise.
	ParamHeaders map[string]string

	at spans
}

// Keep is a copy of the request that may outlive the bytes it was read from.
func (r *Request) Keep() *Request {
	k := *r
	k.Params = bytes.Clone(r.Params)
	if r.Caller != nil {
		c := *r.Caller
		c.Info, c.Capabilities = kept(c.Info, k.MetaInfo()), kept(c.Capabilities, k.MetaCapabilitiesRaw())
		k.Caller = &c
	}
	return &k
}

// kept is a raw value in memory of its own; copied is the same where the copy of the
// params has it.
func kept(value, copied []byte) []byte {
	if copied != nil {
		return copied
	}
	return bytes.Clone(value)
}

// Caller is the client behind a request as the protocol sees it. Who is
// authenticated is the Principal in the context.
type Caller struct {
	Revision     Revision
	Info         []byte       // clientInfo, raw object; nil when absent
	Capabilities []byte       // client capabilities as declared, raw object, shape of Revision; nil when none
	Can          Capabilities // the same, decoded
	LogLevel     string       // least severity wanted; "" is the revision's default
	Session      string       // legacy session id; in 2026-07-28 whose calls go together where a backend asks, "" for none
}

// Capabilities are the questions a client can answer, and its extensions.
type Capabilities struct {
	Elicitation    bool // form mode
	ElicitationURL bool
	Sampling       bool
	SamplingTools  bool
	Roots          bool
	Extensions     string // as declared, raw object; "" for none
}

// None tells a client that can answer no question.
func (c Capabilities) None() bool { return c == Capabilities{Extensions: c.Extensions} }

// ParamHeader looks an Mcp-Param-* header up, whatever its case.
func (r *Request) ParamHeader(name string) []string {
	for k, v := range r.ParamHeaders {
		if strings.EqualFold(k, name) {
			return []string{v}
		}
	}
	return nil
}
