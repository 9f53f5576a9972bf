package session

import (
	"context"

	"drawbridge/internal/mcpwire"
)

// maxCapabilities bounds the capabilities that travel in a session id as the
// client wrote them; longer ones are reduced to what matters here.
const maxCapabilities = 2 << 10

// introduce reads the params of an initialize request and writes its result.
func (d *Dispatcher) introduce(ctx context.Context, params []byte) (mcpwire.Caller, []byte, *mcpwire.Error) {
	version, ok := mcpwire.TextMember(params, "protocolVersion")
	if !ok {
		return mcpwire.Caller{}, nil, mcpwire.Errorf(mcpwire.CodeInvalidParams, "params.protocolVersion is missing. Name the revision the client speaks.")
	}
	c := mcpwire.Caller{Revision: agreed(version)}
	if info := mcpwire.ObjectMember(params, "clientInfo"); info != nil {
		c.Info = brief(info)
	}
	if raw := mcpwire.Member(params, "capabilities"); raw != nil {
		c.Can = mcpwire.DecodeCapabilities(raw)
		c.Capabilities = append([]byte(nil), raw...)
		if len(raw) > maxCapabilities || raw[0] != '{' {
			c.Capabilities = mcpwire.EncodeCapabilities(c.Can, c.Revision)
		}
	}
	return c, d.greeting(ctx, c.Revision), nil
}

// agreed is the revision to answer: the one asked for if it has a handshake,
// else the latest that has. Some clients take any other answer for fatal, and
// 2026-07-28 must never be answered to initialize.
func agreed(version string) mcpwire.Revision {
	if r, ok := mcpwire.ParseRevision(version); ok && r.Legacy() {
		return r
	}
	return mcpwire.LatestLegacy
}

// greeting is the result of initialize.
func (d *Dispatcher) greeting(ctx context.Context, rev mcpwire.Revision) []byte {
	h := d.hub.Hello(ctx, rev)
	out := mcpwire.AppendString([]byte(`{"protocolVersion":`), string(rev))
	out = append(append(out, `,"capabilities":`...), h.Capabilities...)
	out = append(append(out, `,"serverInfo":`...), infoFor(rev, h.ServerInfo)...)
	if h.Instructions != "" {
		out = mcpwire.AppendString(append(out, `,"instructions":`...), h.Instructions)
	}
	return append(out, '}')
}

// discover is the result of server/discover.
func (d *Dispatcher) discover(ctx context.Context, rev mcpwire.Revision) []byte {
	h := d.hub.Hello(ctx, rev)
	out := append([]byte(`{"resultType":"complete","supportedVersions":`), supported...)
	out = append(append(out, `,"capabilities":`...), h.Capabilities...)
	if h.Instructions != "" {
		out = mcpwire.AppendString(append(out, `,"instructions":`...), h.Instructions)
	}
	// What a caller may see depends on its rights, so nobody else may keep it.
	out = append(out, `,"ttlMs":300000,"cacheScope":"private","_meta":{"`+mcpwire.MetaServerInfo+`":`...)
	return append(append(out, h.ServerInfo...), '}', '}')
}

// supported are all revisions, newest first.
const supported = `["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"]`

// infoFor leaves out of serverInfo what came after the client's revision:
// claude.ai has refused a whole connection over icons.
func infoFor(rev mcpwire.Revision, info []byte) []byte {
	if rev < mcpwire.Rev20250618 {
		info = mcpwire.Without(info, "title")
	}
	if rev < mcpwire.Rev20251125 {
		info = mcpwire.Without(info, "icons", "description", "websiteUrl")
	}
	return info
}

// maxName bounds a client's name and version.
const maxName = 128

// brief is clientInfo reduced to name and version, each cut.
func brief(info []byte) []byte {
	name, _ := mcpwire.TextMember(info, "name")
	version, _ := mcpwire.TextMember(info, "version")
	out := mcpwire.AppendString([]byte(`{"name":`), cut(name))
	return append(mcpwire.AppendString(append(out, `,"version":`...), cut(version)), '}')
}

func cut(s string) string {
	if len(s) <= maxName {
		return s
	}
	n := maxName
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// Introduce serves initialize on a session bound to a connection. A second one
// starts anew: some clients fall back to an older revision on one connection.
func (d *Dispatcher) Introduce(ctx context.Context, s *Session, params []byte) mcpwire.Outcome {
	c, result, err := d.introduce(ctx, params)
	if err != nil {
		return mcpwire.Fail(err)
	}
	c.Session = s.key
	s.caller.Store(&c)
	if err := s.reopenWatch(ctx); err != nil {
		return mcpwire.Fail(err)
	}
	return mcpwire.Done(c.Revision, result)
}
