package stdio

import (
	"context"
	"time"

	"drawbridge/internal/mcpwire"
)

// levelTime is how long a process may take to change its log level.
const levelTime = 2 * time.Second

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
// that needs a change waits until the process has taken it: some run requests side
// by side.
func (p *peer) wantLevel(ctx context.Context, caller *mcpwire.Caller) {
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
	ctx, cancel := context.WithTimeout(ctx, levelTime)
	defer cancel()
	c, err := p.begin(ctx, mcpwire.MethodSetLevel, append(mcpwire.AppendString([]byte(`{"level":`), level), '}'))
	if err != nil {
		return // there is no process; the call finds out
	}
	select {
	case <-c.answer:
	case <-ctx.Done():
		p.remove(c.id)
	}
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
