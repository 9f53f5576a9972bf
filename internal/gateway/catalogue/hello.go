package catalogue

import (
	"slices"
	"strings"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// maxInstructions keeps the joined text below what Claude Code cuts off
// (protocol reference 5, 2,048 characters).
const maxInstructions = 2000

// Capabilities is the union of what the backends of a view can, as a revision words it.
func (v *View) Capabilities(rev mcpwire.Revision) []byte {
	out := []byte(`{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true}`)
	if v.any("completions") && rev >= mcpwire.Rev20250326 {
		out = append(out, `,"completions":{}`...)
	}
	out = append(out, `,"logging":{}`...)
	if rev == mcpwire.Rev20251125 && slices.ContainsFunc(v.Sections, func(s *Section) bool { return s.Member.Tasks && s.augments() }) {
		// Without tasks/list: of a session that several share it shows everybody's.
		out = append(out, `,"tasks":{"cancel":{},"requests":{"tools":{"call":{}}}}`...)
	}
	if ext := v.Extensions(); rev >= mcpwire.Rev20251125 && len(ext) > 2 {
		out = append(append(out, `,"extensions":`...), ext...)
	}
	return append(out, '}')
}

func (v *View) any(capability string) bool {
	for _, s := range v.Sections {
		if s.Has(capability) {
			return true
		}
	}
	return false
}

// Extensions merges what the backends advertise; of two settings for one
// extension the first in configuration order stays.
func (v *View) Extensions() []byte {
	out, seen := []byte{'{'}, map[string]bool{}
	for _, s := range v.Sections {
		raw := s.Extensions()
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

// Instructions joins those of the backends, each cut to an equal share.
func (v *View) Instructions() string {
	var with []*Section
	for _, s := range v.Sections {
		if s.Lists.Info.Instructions != "" {
			with = append(with, s)
		}
	}
	if len(with) == 0 {
		return ""
	}
	if len(v.Sections) == 1 {
		return clip(with[0].Lists.Info.Instructions, maxInstructions)
	}
	var b strings.Builder
	share := maxInstructions/len(with) - 40
	for _, s := range with {
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(s.Backend.Name() + ": " + clip(s.Lists.Info.Instructions, max(share, 40)))
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

// Has tells whether the section's backend declares a capability.
func (s *Section) Has(capability string) bool {
	return mcpwire.Member(s.Lists.Info.Capabilities, capability) != nil
}

// Extensions are those that the section's backend advertises, a raw object.
func (s *Section) Extensions() []byte {
	return mcpwire.ObjectMember(s.Lists.Info.Capabilities, "extensions")
}

// augments tells whether the section's tools may be called as tasks of 2025-11-25.
func (s *Section) augments() bool { return s.Tasks && s.Lists.Info.Revision.Legacy() }

// Extends tells whether the backend advertises an extension whose id ends in name.
func (s *Section) Extends(name string) bool {
	extensions := s.Extensions()
	for e := range jsonscan.Members(extensions) {
		if id := string(e.Key); id == name || strings.HasSuffix(id, "/"+name) {
			return true
		}
	}
	return false
}

// Title is what the section's server calls itself, for people.
func (s *Section) Title() string {
	title, _ := jsonscan.Unquote(mcpwire.Member(s.Lists.Info.ServerInfo, "title"))
	return title
}
