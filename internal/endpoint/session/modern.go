package session

import (
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// Version is the protocol version that params name in _meta. present is true
// when the member is there, whatever its value: then the message is modern.
func Version(params []byte) (version string, present bool) {
	raw := mcpwire.Member(mcpwire.Member(params, "_meta"), mcpwire.MetaVersion)
	if raw == nil {
		return "", false
	}
	version, _ = jsonscan.Unquote(raw)
	return version, true
}

// AcceptModern checks what _meta of a 2026-07-28 request must carry and sets the
// request's caller from it. version has been compared with the header where
// there is one.
func AcceptModern(req *mcpwire.Request, version string) *mcpwire.Error {
	rev, known := mcpwire.ParseRevision(version)
	if !known || !rev.Modern() {
		return unsupported(version)
	}
	raw := req.MetaCapabilitiesRaw()
	if len(raw) == 0 || raw[0] != '{' {
		return mcpwire.Errorf(mcpwire.CodeInvalidParams, "params._meta lacks the object %s. Send it with every request; it may be empty.", mcpwire.MetaCapabilities)
	}
	info := req.MetaInfo()
	if info != nil && info[0] != '{' {
		return mcpwire.Errorf(mcpwire.CodeInvalidParams, "%s in params._meta is not an object. Send an object, or leave it out.", mcpwire.MetaClientInfo)
	}
	c := &mcpwire.Caller{Revision: rev, Info: info, Capabilities: raw, Can: mcpwire.DecodeCapabilities(raw)}
	if lit := req.MetaLogLevelRaw(); lit != nil {
		level, _ := jsonscan.Unquote(lit)
		if mcpwire.Severity(level) < 0 {
			return mcpwire.Errorf(mcpwire.CodeInvalidParams, "%s in params._meta is not a log level. Use one of debug, info, notice, warning, error, critical, alert and emergency.", mcpwire.MetaLogLevel)
		}
		c.LogLevel = level
	}
	req.Revision, req.Caller = rev, c
	return nil
}

func unsupported(version string) *mcpwire.Error {
	e := mcpwire.Errorf(mcpwire.CodeUnsupportedVersion, "Revision %q is not one this server speaks without a handshake. Use 2026-07-28, or initialize.", cut(version))
	e.Data = mcpwire.AppendString([]byte(`{"supported":`+supported+`,"requested":`), cut(version))
	e.Data = append(e.Data, '}')
	return e
}
