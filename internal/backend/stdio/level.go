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
// shared, so its level only ever goes down; each call filters for itself. A call
// that needs a change is not written before it.
func (p *peer) wantLevel(caller *mcpwire.Caller) {
	if caller == nil || p.info.Revision.Modern() || !p.logs() {
		return
	}
	if _, news := p.newLevel(caller); !news {
		return
	}
	p.leveling.Lock()
	defer p.leveling.Unlock()
	level, news := p.newLevel(caller)
	if !news {
		return // another was faster
	}
	p.silently(mcpwire.MethodSetLevel, append(mcpwire.AppendString([]byte(`{"level":`), level), '}'))
	p.mu.Lock()
	p.level = level
	p.mu.Unlock()
}

// newLevel is the level that a caller wants and the process does not have.
func (p *peer) newLevel(caller *mcpwire.Caller) (level string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	level = caller.LogLevel
	if level == "" && p.level != "" && caller.Revision.Legacy() {
		level = mcpwire.DefaultLevel
	}
	is := mcpwire.Severity(level)
	return level, is >= 0 && (p.level == "" || is < mcpwire.Severity(p.level))
}

// logs tells whether the backend declared logging.
func (p *peer) logs() bool {
	return mcpwire.Member(p.info.Capabilities, "logging") != nil
}
