package gateway

import (
	"fmt"
	"slices"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpheader"
	"drawbridge/internal/mcpwire"

	"github.com/yosida95/uritemplate/v3"
)

// kind is one of the four things a backend offers.
type kind int

const (
	tools kind = iota
	prompts
	resources
	templates
	kinds
)

// section is what one backend contributes, read once and never changed.
type section struct {
	backend Backend
	member  Member
	rank    int // place in configuration order
	lists   backend.Lists
	items   [kinds][]item
	refused []string // what was left out, and why
}

// item is one entry of a list as clients see it.
type item struct {
	exposed  string // name, or URI, or template
	original string
	modern   []byte // raw object for 2026-07-28 clients
	legacy   []byte // raw object for all others; the same bytes where nothing differs
	section  *section
	headers  []mcpheader.Annotation // tools: x-mcp-header annotations
	template *uritemplate.Template  // templates
	free     bool                   // tools: structured output may be no object
	tier     account.Tier           // tools
}

// catalogue is an immutable merged snapshot of all sections.
type catalogue struct {
	generation uint64
	sections   []*section // configuration order
	whole      view       // what those see who may do everything
	views      views
	byName     [kinds]map[string]*item
	refused    []string
	partial    bool // the lists of a backend are still to come
	cache      *renderCache
}

// newSection turns a backend's lists into items.
func newSection(m Member, rank int, lists backend.Lists) *section {
	s := &section{backend: m.Backend, member: m, rank: rank, lists: lists}
	for k, raws := range [kinds][][]byte{lists.Tools, lists.Prompts, lists.Resources, lists.Templates} {
		for _, raw := range raws {
			it, why := s.newItem(kind(k), raw)
			if why != "" {
				s.refused = append(s.refused, why)
				continue
			}
			if kind(k) == tools && slices.Contains(m.Disabled, it.original) {
				continue
			}
			s.items[k] = append(s.items[k], it)
		}
	}
	return s
}

func (s *section) newItem(k kind, raw []byte) (item, string) {
	key := [kinds]string{"name", "name", "uri", "uriTemplate"}[k]
	m, ok := jsonscan.Find(raw, key)
	if !ok {
		return item{}, fmt.Sprintf("an entry of backend %q has no %s", s.backend.Name(), key)
	}
	original, ok := jsonscan.Unquote(m.Value.Of(raw))
	if !ok || original == "" {
		return item{}, fmt.Sprintf("an entry of backend %q has an unusable %s", s.backend.Name(), key)
	}
	it := item{original: original, exposed: original, section: s, modern: raw, legacy: raw}
	switch k {
	case tools, prompts:
		it.exposed = exposedName(s.member.Prefix, original)
		it.modern = replaceSpan(raw, m.Value, it.exposed, original)
		it.legacy = it.modern
	case templates:
		t, err := uritemplate.New(original)
		if err != nil {
			return item{}, fmt.Sprintf("backend %q offers %q, which is not a URI template", s.backend.Name(), original)
		}
		it.template = t
	}
	if k == tools {
		return s.finishTool(it)
	}
	return it, ""
}

// finishTool does what only tools need: header annotations and the two shapes.
func (s *section) finishTool(it item) (item, string) {
	it.tier = s.member.tierOf(it.original, mcpwire.HintsOf(it.modern))
	schema, ok := jsonscan.Find(it.modern, "inputSchema")
	if ok {
		headers, err := mcpheader.Annotations(schema.Value.Of(it.modern))
		switch info := s.lists.Info; {
		case err == nil:
			it.headers = headers
		case info.Revision.Modern() && info.Transport == backend.StreamableHTTP:
			return item{}, fmt.Sprintf("tool %q of backend %q has an invalid x-mcp-header: %v", it.original, s.backend.Name(), err)
		default:
			// It means nothing to this backend, but a client would have to refuse
			// the tool for it.
			it.modern = splice(it.modern, schema.Value, mcpheader.Strip(schema.Value.Of(it.modern)))
		}
	}
	it.free = mcpwire.OutputIsFree(it.modern)
	it.legacy = mcpwire.ToolForLegacy(it.modern)
	return it, ""
}

// splice is raw with other bytes at a span.
func splice(raw []byte, at jsonscan.Span, with []byte) []byte {
	out := make([]byte, 0, len(raw)+len(with))
	out = append(append(out, raw[:at.From]...), with...)
	return append(out, raw[at.To:]...)
}

// replaceSpan returns raw with the string at span replaced, or raw itself when
// nothing changes.
func replaceSpan(raw []byte, at jsonscan.Span, exposed, original string) []byte {
	if exposed == original {
		return raw
	}
	out := make([]byte, 0, len(raw)+len(exposed))
	out = append(out, raw[:at.From]...)
	out = mcpwire.AppendString(out, exposed)
	return append(out, raw[at.To:]...)
}

// merge builds a catalogue of sections in configuration order. Of two items with
// one name the first stays; the other is refused with what to set.
func merge(generation uint64, sections []*section) *catalogue {
	c := &catalogue{generation: generation, sections: sections, cache: newRenderCache()}
	c.whole.sections = sections
	for k := range kinds {
		c.byName[k] = map[string]*item{}
		for _, s := range sections {
			for i := range s.items[k] {
				c.add(k, &s.items[k][i])
			}
		}
	}
	for _, s := range sections {
		c.refused = append(c.refused, s.refused...)
	}
	return c
}

func (c *catalogue) add(k kind, it *item) {
	first, taken := c.byName[k][it.exposed]
	if !taken {
		c.byName[k][it.exposed] = it
		c.whole.lists[k] = append(c.whole.lists[k], it)
		return
	}
	if k == resources || k == templates {
		return // configuration order decides who owns a URI; it is listed once
	}
	c.refused = append(c.refused, fmt.Sprintf(
		"%q of backend %q is left out: backend %q already offers that name; set another prefix for one of them",
		it.exposed, it.section.backend.Name(), first.section.backend.Name()))
}

// maxTemplated is how long a URI may be to be held against templates, which takes
// a time of length times variables.
const maxTemplated = 4 << 10

// owner finds who answers for a resource: by the lists, then by the templates.
// ok is false where the URI is in neither.
func (c *catalogue) owner(uri string) (*section, bool) {
	if it, ok := c.byName[resources][uri]; ok {
		return it.section, true
	}
	if len(uri) > maxTemplated {
		return nil, false
	}
	for _, it := range c.whole.lists[templates] {
		if it.template.Match(uri) != nil {
			return it.section, true
		}
	}
	return nil, false
}

// diff says which lists differ from an older catalogue's.
func (c *catalogue) diff(old *catalogue) (changed [kinds]bool) {
	for k := range kinds {
		changed[k] = old == nil || !sameItems(c.whole.lists[k], old.whole.lists[k])
	}
	return changed
}

func sameItems(a, b []*item) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if string(a[i].modern) != string(b[i].modern) {
			return false
		}
	}
	return true
}
