package stdio

import (
	"slices"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// severities of log messages, least first.
var severities = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// defaultLevel is what a legacy client that set none is taken to want.
const defaultLevel = "info"

// wants tells whether the caller wants to hear a log message.
func (c *call) wants(params []byte) bool {
	if c.caller == nil {
		return false
	}
	least := c.caller.LogLevel
	if least == "" {
		return !c.rev.Modern() // modern clients hear what they ask for, legacy ones everything
	}
	m, ok := jsonscan.Find(params, "level")
	if !ok {
		return false
	}
	level, _ := jsonscan.Unquote(m.Value.Of(params))
	return slices.Index(severities, level) >= slices.Index(severities, least)
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
		want = defaultLevel
	}
	news := want != "" && (p.level == "" || slices.Index(severities, want) < slices.Index(severities, p.level))
	if news && slices.Contains(severities, want) {
		p.level = want
	} else {
		news = false
	}
	p.mu.Unlock()
	if news {
		p.silently(mcpwire.MethodSetLevel, append(mcpwire.AppendString([]byte(`{"level":`), want), '}'))
	}
}

// logs tells whether the backend declared logging.
func (p *peer) logs() bool {
	_, ok := jsonscan.Find(p.info.Capabilities, "logging")
	return ok
}
