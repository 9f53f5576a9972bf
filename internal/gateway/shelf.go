package gateway

import (
	"context"
	"encoding/json"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/gateway/catalogue"
)

// shelved is what the shelf keeps of a backend: its lists, so that a start need not
// wait for it, and the prefixes under which clients may know its tools.
type shelved struct {
	backend.Lists
	Prefix *string // of exposed names when the lists were read
	Former []formerPrefix
}

// formerPrefix is a prefix that the configuration gave a backend until lately.
type formerPrefix struct {
	Prefix string
	Until  time.Time
}

// fromShelf reads the last known lists of a backend.
func (g *Gateway) fromShelf(ctx context.Context, name string) (shelved, bool) {
	var s shelved
	raw, err := g.deps.Shelf.LoadLists(ctx, name)
	if err != nil || raw == nil {
		return s, false
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		g.deps.Log.Warn("saved lists are unreadable and are read again", "backend", name, "error", err)
		return s, false
	}
	return s, true
}

// toShelf saves what was read of a backend.
func (g *Gateway) toShelf(name string, lists backend.Lists) {
	s := shelved{Lists: lists}
	g.mu.Lock()
	for _, m := range g.members {
		if m.Backend.Name() == name {
			s.Prefix = &m.Prefix
		}
	}
	s.Former = g.former[name]
	g.mu.Unlock()
	raw, err := json.Marshal(s)
	if err == nil {
		err = g.deps.Shelf.SaveLists(g.ctx, name, raw)
	}
	if err != nil {
		g.deps.Log.Warn("lists not saved; the next start waits for this backend", "backend", name, "error", err)
	}
}

// formerPrefixes are those under which a member was offered until lately.
func (g *Gateway) formerPrefixes(m Member, s shelved) []formerPrefix {
	now := g.deps.Now()
	known := s.Former
	if s.Prefix != nil {
		known = append(known, formerPrefix{*s.Prefix, now.Add(g.cfg.RenameGrace)})
	}
	var live []formerPrefix
	for _, f := range known {
		if f.Prefix != m.Prefix && f.Until.After(now) {
			live = append(live, f)
		}
	}
	return live
}

// remember makes names that the shelf knows of work for as long as they may. The
// caller holds mu; c is not in use yet.
func (g *Gateway) remember(c *catalogue.Catalogue) {
	for _, s := range c.Sections {
		for _, f := range g.former[s.Backend.Name()] {
			m := s.Member
			m.Prefix = f.Prefix
			then := catalogue.Merge(0, []*catalogue.Section{catalogue.NewSection(m, s.Rank, s.Lists)})
			c.Remember(then, g.deps.Now(), f.Until)
		}
	}
}
