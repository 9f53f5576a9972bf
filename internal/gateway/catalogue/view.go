package catalogue

import (
	"path"
	"slices"
	"sync"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
)

// TierRule says what tier the tools of a pattern have, whatever they say of
// themselves.
type TierRule struct {
	Pattern string // of original names, with * and ?
	Tier    account.Tier
}

// tierOf is what a tool may do. What a backend says of its own tools counts where it
// makes a rule stricter; that a tool only reads is believed of built-in servers and
// of those an operator trusts (security T17). A tool that says nothing changes
// things: to the specification it is destructive, but then nearly every tool of
// today's servers would be, and the word would mean nothing.
func (m *Member) tierOf(original string, hints mcpwire.ToolHints) account.Tier {
	for _, r := range m.Tiers {
		if ok, err := path.Match(r.Pattern, original); err == nil && ok {
			return r.Tier
		}
	}
	switch {
	case hints.ReadOnly && m.Trusted:
		return account.TierRead
	case hints.Declared && !hints.ReadOnly:
		return account.TierDestroy
	}
	return account.TierWrite
}

// View is what one access shows of a catalogue.
type View struct {
	Lists    [Kinds][]*Item
	Sections []*Section
}

// maxViews bounds the views that one catalogue keeps.
const maxViews = 128

// views are made when they are first asked for and go with their catalogue.
type views struct {
	mu    sync.Mutex // guards byKey
	byKey map[string]*View
}

// View is the part of the catalogue that an access shows.
func (c *Catalogue) View(a *account.Access) *View {
	if a.All() {
		return &c.whole
	}
	c.views.mu.Lock()
	defer c.views.mu.Unlock()
	if v := c.views.byKey[a.Key()]; v != nil {
		return v
	}
	v := &View{}
	for _, s := range c.Sections {
		if a.Backend(s.Backend.Name()) {
			v.Sections = append(v.Sections, s)
		}
	}
	for k := range Kinds {
		for _, it := range c.whole.Lists[k] {
			if it.Granted(a, k) {
				v.Lists[k] = append(v.Lists[k], it)
			}
		}
	}
	if len(c.views.byKey) >= maxViews || c.views.byKey == nil {
		c.views.byKey = map[string]*View{}
	}
	c.views.byKey[a.Key()] = v
	return v
}

// Verdict is what an access says of an item.
func (it *Item) Verdict(a *account.Access, k Kind) account.Verdict {
	name, seen := it.Section.Backend.Name(), false
	switch k {
	case Tools:
		return a.Tool(name, it.Exposed, it.Tier)
	case Prompts:
		seen = a.Prompt(name, it.Exposed)
	default:
		seen = a.Backend(name)
	}
	if seen {
		return account.Granted
	}
	return account.Hidden
}

// Granted tells whether an access may list and use an item.
func (it *Item) Granted(a *account.Access, k Kind) bool { return it.Verdict(a, k) == account.Granted }

// Shows tells whether anything of a section may be seen.
func (v *View) Shows(s *Section) bool { return slices.Contains(v.Sections, s) }
