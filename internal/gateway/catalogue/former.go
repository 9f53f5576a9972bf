package catalogue

import (
	"strings"
	"time"

	"drawbridge/internal/mcpwire"
)

// former is a name under which something was offered until lately. Clients keep
// lists for up to a day (protocol reference 5, "claude.ai"), so one that calls by
// an old list shall reach what was renamed, and learn that something is gone.
type former struct {
	item  *Item // only what names it and says who may see it: the lists it came from are gone
	until time.Time
}

// maxFormers bounds the names of one kind and backend: it may rename its tools all
// day, and must not take others' place.
const maxFormers = 500

// Remember takes over from an older catalogue the names that this one has no more.
// Each is kept until the time given, or for as long as the older one would have.
// It is called before the catalogue is in use.
func (c *Catalogue) Remember(old *Catalogue, now, until time.Time) {
	for _, k := range []Kind{Tools, Prompts} {
		for name, f := range old.formers[k] {
			c.remember(k, name, f, now)
		}
		for name, it := range old.ByName[k] {
			if _, taken := c.ByName[k][name]; !taken {
				slim := &Item{Exposed: it.Exposed, Original: it.Original, Tier: it.Tier, Section: &Section{Backend: it.Section.Backend}}
				c.remember(k, name, former{slim, until}, now)
			}
		}
	}
}

func (c *Catalogue) remember(k Kind, name string, f former, now time.Time) {
	if _, taken := c.ByName[k][name]; taken || !f.until.After(now) {
		return
	}
	if c.formers[k] == nil {
		c.formers[k] = map[string]former{}
	}
	was, known := c.formers[k][name]
	owner := f.item.Section.Backend.Name()
	switch {
	case known && !was.until.Before(f.until):
		return
	case !known && c.formerly[k][owner] >= maxFormers:
		return
	case !known:
		if c.formerly[k] == nil {
			c.formerly[k] = map[string]int{}
		}
		c.formerly[k][owner]++
	}
	c.formers[k][name] = f
}

// Formerly finds what a name meant until lately: the item under its present name,
// or the item that is gone; neither where the name means nothing.
func (c *Catalogue) Formerly(k Kind, name string, now time.Time) (renamed, gone *Item) {
	f, ok := c.formers[k][name]
	if !ok || !f.until.After(now) {
		return nil, nil
	}
	owner := f.item.Section.Backend.Name()
	for _, s := range c.Sections {
		if s.Backend.Name() != owner {
			continue
		}
		for i := range s.Items[k] {
			if it := &s.Items[k][i]; it.Original == f.item.Original && c.ByName[k][it.Exposed] == it {
				return it, nil
			}
		}
	}
	return nil, f.item
}

// Bare finds a tool by its original name among what a view shows, where exactly one
// backend has it that shows pages of its own to people (MCP Apps). Such a page
// knows the names of its server only, and its calls come from there.
func (v *View) Bare(name string) *Item {
	var found *Item
	for _, it := range v.Lists[Tools] {
		if it.Original != name || !it.Section.apps {
			continue
		}
		if found != nil {
			return nil
		}
		found = it
	}
	return found
}

// hasApps tells a backend that shows pages of its own: it has them as resources, or
// its tools point to them.
func (s *Section) hasApps() bool {
	if s.Extends("ui") {
		return true
	}
	for _, k := range []Kind{Resources, Templates} {
		for i := range s.Items[k] {
			if strings.HasPrefix(s.Items[k][i].Original, "ui://") {
				return true
			}
		}
	}
	for i := range s.Items[Tools] {
		meta := mcpwire.ObjectMember(s.Items[Tools][i].modern, "_meta")
		if mcpwire.Member(meta, "ui") != nil || mcpwire.Member(meta, "ui/resourceUri") != nil {
			return true
		}
	}
	return false
}
