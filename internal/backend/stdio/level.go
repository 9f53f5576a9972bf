package stdio

import "drawbridge/internal/mcpwire"

// wants tells whether the caller wants to hear a log message.
func (c *call) wants(params []byte) bool {
	if c.caller == nil {
		return false
	}
	least := c.caller.LogLevel
	if least == "" {
		return !c.rev.Modern() // modern clients hear what they ask for, legacy ones everything
	}
	level, ok := mcpwire.TextMember(params, "level")
	return ok && mcpwire.Severity(level) >= mcpwire.Severity(least)
}

// wantLevel makes a legacy process log what the caller wants. The process is
// shared, so its level only ever goes down; each call filters for itself.
func (p *peer) wantLevel(caller *mcpwire.Caller) {
	if caller == nil || p.info.Revision.Modern() || !p.logs() {
		return
	}
	p.mu.Lock()
	want := caller.LogLevel
	if want == "" && p.level != "" && caller.Revision.Legacy() {
		want = mcpwire.DefaultLevel
	}
	is := mcpwire.Severity(want)
	news := is >= 0 && (p.level == "" || is < mcpwire.Severity(p.level))
	if news {
		p.level = want
	}
	p.mu.Unlock()
	if news {
		p.silently(mcpwire.MethodSetLevel, append(mcpwire.AppendString([]byte(`{"level":`), want), '}'))
	}
}

// logs tells whether the backend declared logging.
func (p *peer) logs() bool {
	return mcpwire.Member(p.info.Capabilities, "logging") != nil
}
