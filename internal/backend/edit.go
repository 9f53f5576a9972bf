package backend

import "drawbridge/internal/mcpwire"

// legacyDrops are the keys of _meta that only a 2026-07-28 backend reads.
var legacyDrops = []string{mcpwire.MetaVersion, mcpwire.MetaClientInfo, mcpwire.MetaCapabilities, mcpwire.MetaLogLevel}

// EditFor says how the params of a request are written for a backend of a
// revision: nothing changes but the progress token where both sides are of one
// era. self is the gateway's clientInfo, for callers without one; token is the
// peer's own progress token, nil for none.
func EditFor(to mcpwire.Revision, req *mcpwire.Request, self, token []byte) mcpwire.Edit {
	e := mcpwire.Edit{ProgressToken: token}
	if to < mcpwire.Rev20250618 && req.Method == mcpwire.MethodComplete {
		e.DropMember = "context" // which came with that revision
	}
	switch {
	case to.Modern() && !req.Revision.Modern():
		e.SetMeta = modernMeta(to, req.Caller, self)
	case !to.Modern() && req.Revision.Modern():
		e.DropMeta = legacyDrops
		e.DropRetry = true
	}
	return e
}

// modernMeta is what every request to a 2026-07-28 backend declares, on behalf of
// a caller that declared it at initialize (protocol reference 2.4, "Lifecycle" and
// "Logging").
func modernMeta(to mcpwire.Revision, caller *mcpwire.Caller, self []byte) []mcpwire.MetaMember {
	info, level, can := self, "", mcpwire.Capabilities{}
	if caller != nil {
		can = caller.Askable()
		level = caller.LogLevel
		if caller.Revision != "" && level == "" {
			level = mcpwire.DefaultLevel // a legacy client hears logs by default; a modern backend is silent without the key
		}
		if caller.Info != nil {
			info = caller.Info
		}
	}
	meta := append(make([]mcpwire.MetaMember, 0, 4),
		mcpwire.MetaMember{Key: mcpwire.MetaVersion, Raw: mcpwire.AppendString(nil, string(to))},
		mcpwire.MetaMember{Key: mcpwire.MetaClientInfo, Raw: info},
		mcpwire.MetaMember{Key: mcpwire.MetaCapabilities, Raw: mcpwire.EncodeCapabilities(can, to)},
	)
	if level != "" {
		meta = append(meta, mcpwire.MetaMember{Key: mcpwire.MetaLogLevel, Raw: mcpwire.AppendString(nil, level)})
	}
	return meta
}
