package gateway

import (
	"context"
	"strings"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// maxInstructions keeps the joined text below what Claude Code cuts off
// (protocol reference 5, 2,048 characters).
const maxInstructions = 2000

// Hello is what the gateway says of itself: the union of what the backends can that
// its caller may see, and list changes always, since backends come and go.
func (g *Gateway) Hello(ctx context.Context, rev mcpwire.Revision) mcpwire.Hello {
	c := g.current.Load().view(accessOf(ctx))
	info := []byte(`{"name":"drawbridge"`)
	if rev >= mcpwire.Rev20250618 {
		info = append(info, `,"title":"Drawbridge"`...)
	}
	info = append(mcpwire.AppendString(append(info, `,"version":`...), g.cfg.Version), '}')
	return mcpwire.Hello{Capabilities: c.capabilities(rev), ServerInfo: info, Instructions: c.instructions()}
}

func (v *view) capabilities(rev mcpwire.Revision) []byte {
	out := []byte(`{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true}`)
	if v.any("completions") && rev >= mcpwire.Rev20250326 {
		out = append(out, `,"completions":{}`...)
	}
	out = append(out, `,"logging":{}`...)
	if ext := v.extensions(); rev >= mcpwire.Rev20251125 && len(ext) > 2 {
		out = append(append(out, `,"extensions":`...), ext...)
	}
	return append(out, '}')
}

func (v *view) any(capability string) bool {
	for _, s := range v.sections {
		if s.has(capability) {
			return true
		}
	}
	return false
}

// extensions merges what the backends advertise; of two settings for one
// extension the first in configuration order stays.
func (v *view) extensions() []byte {
	out, seen := []byte{'{'}, map[string]bool{}
	for _, s := range v.sections {
		raw := s.extensions()
		for e := range jsonscan.Members(raw) {
			if seen[string(e.Key)] {
				continue
			}
			seen[string(e.Key)] = true
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(out, e.Whole.Of(raw)...)
		}
	}
	return append(out, '}')
}

// instructions joins those of the backends, each cut to an equal share.
func (v *view) instructions() string {
	var with []*section
	for _, s := range v.sections {
		if s.lists.Info.Instructions != "" {
			with = append(with, s)
		}
	}
	if len(with) == 0 {
		return ""
	}
	if len(v.sections) == 1 {
		return clip(with[0].lists.Info.Instructions, maxInstructions)
	}
	var b strings.Builder
	share := maxInstructions/len(with) - 40
	for _, s := range with {
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(s.backend.Name() + ": " + clip(s.lists.Info.Instructions, max(share, 40)))
	}
	return clip(b.String(), maxInstructions)
}

// clip cuts s to at most n bytes at a character's edge.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "…"
	cut := n - len(mark)
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + mark
}
