// Package catalogue is the merged list of what all backends offer: names, owners,
// and what each access shows of it.
//
// A Section is what one backend contributes, a Catalogue the immutable sum of all.
// Exposed names depend on their own backend alone (design 4.11). Lists are encoded
// once for each access and era. The package gateway builds a new one whenever
// anything changes, and swaps it in; nothing here calls a backend.
package catalogue

import (
	"context"
	"fmt"
	"slices"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/gateway/task"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpheader"
	"drawbridge/internal/mcpwire"

	"github.com/yosida95/uritemplate/v3"
)

// Backend is what the gateway needs of one backend.
type Backend interface {
	mcpwire.Handler
	Name() string
	Lists(ctx context.Context) (backend.Lists, error)
	Subscribe(ctx context.Context, caller *mcpwire.Caller, uri string) *mcpwire.Error
	Unsubscribe(ctx context.Context, caller *mcpwire.Caller, uri string) *mcpwire.Error
	Tell(ctx context.Context, caller *mcpwire.Caller, n mcpwire.Notification)
	Status() backend.Status
}

// Member is a backend with its place in the gateway.
type Member struct {
	Backend  Backend
	Prefix   string   // of exposed names; "" is none
	Disabled []string // tools that are not offered, by original name
	Trusted  bool     // what it says of its own tools is believed: a built-in server, or an operator's word
	Tiers    []TierRule
	Tasks    bool // clients of 2025-11-25 are offered its tasks
}

// Same tells whether a member offers its lists in the same way.
func (m *Member) Same(other *Member) bool {
	return m.Backend == other.Backend && m.Prefix == other.Prefix && m.Trusted == other.Trusted && m.Tasks == other.Tasks &&
		slices.Equal(m.Disabled, other.Disabled) && slices.Equal(m.Tiers, other.Tiers)
}

// Kind is one of the four things a backend offers.
type Kind int

// The kinds, and how many there are.
const (
	Tools Kind = iota
	Prompts
	Resources
	Templates
	Kinds
)

// Section is what one backend contributes, read once and never changed.
type Section struct {
	Backend Backend
	Member  Member
	Rank    int // place in configuration order
	Lists   backend.Lists
	Items   [Kinds][]Item
	Refused []string // what was left out, and why
	Tasks   bool     // it may answer calls with tasks, of its era's kind
	apps    bool     // it shows pages of its own to people
}

// Item is one entry of a list as clients see it.
type Item struct {
	Exposed  string // name, or URI, or template
	Original string
	modern   []byte // raw object for 2026-07-28 clients
	legacy   []byte // raw object for all others; the same bytes where nothing differs
	Section  *Section
	Headers  []mcpheader.Annotation // tools: x-mcp-header annotations
	template *uritemplate.Template  // templates
	Free     bool                   // tools: structured output may be no object
	Tier     account.Tier           // tools
	Task     bool                   // tools: it is called as a task of 2025-11-25 only
}

// Catalogue is an immutable merged snapshot of all sections.
type Catalogue struct {
	generation uint64
	Sections   []*Section // configuration order
	whole      View       // what those see who may do everything
	views      views
	ByName     [Kinds]map[string]*Item
	formers    [Kinds]map[string]former
	formerly   [Kinds]map[string]int // how many of them each backend had
	Refused    []string
	Partial    bool // the lists of a backend are still to come
	cache      *renderCache
}

// NewSection turns a backend's lists into items.
func NewSection(m Member, rank int, lists backend.Lists) *Section {
	s := &Section{Backend: m.Backend, Member: m, Rank: rank, Lists: lists}
	s.Tasks = s.Extends(task.Extension) || task.Augments(lists.Info.Capabilities)
	for k, raws := range [Kinds][][]byte{lists.Tools, lists.Prompts, lists.Resources, lists.Templates} {
		for _, raw := range raws {
			it, why := s.newItem(Kind(k), raw)
			if why != "" {
				s.Refused = append(s.Refused, why)
				continue
			}
			if Kind(k) == Tools && slices.Contains(m.Disabled, it.Original) {
				continue
			}
			s.Items[k] = append(s.Items[k], it)
		}
	}
	s.apps = s.hasApps()
	return s
}

// Longest names and URIs that are offered. The specification allows tools 128
// characters; a backend must not fill the memory with them.
const (
	maxOriginal = 512
	maxURI      = 8 << 10
)

func (s *Section) newItem(k Kind, raw []byte) (Item, string) {
	key := [Kinds]string{"name", "name", "uri", "uriTemplate"}[k]
	m, ok := jsonscan.Find(raw, key)
	if !ok {
		return Item{}, fmt.Sprintf("an entry of backend %q has no %s", s.Backend.Name(), key)
	}
	original, ok := jsonscan.Unquote(m.Value.Of(raw))
	if !ok || original == "" {
		return Item{}, fmt.Sprintf("an entry of backend %q has an unusable %s", s.Backend.Name(), key)
	}
	if most := [Kinds]int{maxOriginal, maxOriginal, maxURI, maxURI}[k]; len(original) > most {
		return Item{}, fmt.Sprintf("an entry of backend %q has a %s of more than %d bytes", s.Backend.Name(), key, most)
	}
	it := Item{Original: original, Exposed: original, Section: s, modern: raw, legacy: raw}
	switch k {
	case Tools, Prompts:
		it.Exposed = exposedName(s.Member.Prefix, original)
		it.modern = replaceSpan(raw, m.Value, it.Exposed, original)
		it.legacy = it.modern
	case Templates:
		t, err := uritemplate.New(original)
		if err != nil {
			return Item{}, fmt.Sprintf("backend %q offers %q, which is not a URI template", s.Backend.Name(), original)
		}
		it.template = t
	}
	if k == Tools {
		return s.finishTool(it)
	}
	return it, ""
}

// finishTool does what only tools need: header annotations and the two shapes.
func (s *Section) finishTool(it Item) (Item, string) {
	it.Tier = s.Member.tierOf(it.Original, mcpwire.HintsOf(it.modern))
	schema, ok := jsonscan.Find(it.modern, "inputSchema")
	if ok {
		headers, err := mcpheader.Annotations(schema.Value.Of(it.modern))
		switch info := s.Lists.Info; {
		case err == nil:
			it.Headers = headers
		case info.Revision.Modern() && info.Transport == backend.StreamableHTTP:
			return Item{}, fmt.Sprintf("tool %q of backend %q has an invalid x-mcp-header: %v", it.Original, s.Backend.Name(), err)
		default:
			// It means nothing to this backend, but a client would have to refuse
			// the tool for it.
			it.modern = splice(it.modern, schema.Value, mcpheader.Strip(schema.Value.Of(it.modern)))
		}
	}
	it.Free = mcpwire.OutputIsFree(it.modern)
	it.legacy = mcpwire.ToolForLegacy(it.modern)
	it.Task = s.augments() && task.Required(it.modern)
	if !s.Member.Tasks || !s.augments() {
		it.legacy = mcpwire.ToolWithoutTasks(it.legacy)
	}
	if s.Lists.Info.Revision.Legacy() {
		it.modern = mcpwire.ToolWithoutTasks(it.modern)
	}
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

// Merge builds a catalogue of sections in configuration order. Of two items with
// one name the first stays; the other is refused with what to set.
func Merge(generation uint64, sections []*Section) *Catalogue {
	c := &Catalogue{generation: generation, Sections: sections, cache: newRenderCache()}
	c.whole.Sections = sections
	for k := range Kinds {
		c.ByName[k] = map[string]*Item{}
		for _, s := range sections {
			for i := range s.Items[k] {
				c.add(k, &s.Items[k][i])
			}
		}
	}
	for _, s := range sections {
		c.Refused = append(c.Refused, s.Refused...)
	}
	return c
}

func (c *Catalogue) add(k Kind, it *Item) {
	first, taken := c.ByName[k][it.Exposed]
	if !taken {
		c.ByName[k][it.Exposed] = it
		c.whole.Lists[k] = append(c.whole.Lists[k], it)
		return
	}
	if k == Resources || k == Templates {
		return // configuration order decides who owns a URI; it is listed once
	}
	c.Refused = append(c.Refused, fmt.Sprintf(
		"%q of backend %q is left out: backend %q already offers that name; set another prefix for one of them",
		it.Exposed, it.Section.Backend.Name(), first.Section.Backend.Name()))
}

// maxTemplated is how long a URI may be to be held against templates, which takes
// a time of length times variables.
const maxTemplated = 4 << 10

// Owner finds who answers for a resource: by the lists, then by the templates.
// ok is false where the URI is in neither.
func (c *Catalogue) Owner(uri string) (*Section, bool) {
	if it, ok := c.ByName[Resources][uri]; ok {
		return it.Section, true
	}
	if len(uri) > maxTemplated {
		return nil, false
	}
	for _, it := range c.whole.Lists[Templates] {
		if it.template.Match(uri) != nil {
			return it.Section, true
		}
	}
	return nil, false
}

// Diff says which lists differ from an older catalogue's.
func (c *Catalogue) Diff(old *Catalogue) (changed [Kinds]bool) {
	for k := range Kinds {
		changed[k] = old == nil || !sameItems(c.whole.Lists[k], old.whole.Lists[k])
	}
	return changed
}

func sameItems(a, b []*Item) bool {
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
