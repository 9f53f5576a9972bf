package gateway

import (
	"context"
	"path"
	"slices"
	"sync"

	"drawbridge/internal/account"
	"drawbridge/internal/jsonscan"
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

// view is what one access shows of a catalogue.
type view struct {
	lists    [kinds][]*item
	sections []*section
}

// maxViews bounds the views that one catalogue keeps.
const maxViews = 128

// views are made when they are first asked for and go with their catalogue.
type views struct {
	mu    sync.Mutex // guards byKey
	byKey map[string]*view
}

// view is the part of the catalogue that an access shows.
func (c *catalogue) view(a *account.Access) *view {
	if a.All() {
		return &c.whole
	}
	c.views.mu.Lock()
	defer c.views.mu.Unlock()
	if v := c.views.byKey[a.Key()]; v != nil {
		return v
	}
	v := &view{}
	for _, s := range c.sections {
		if a.Backend(s.backend.Name()) {
			v.sections = append(v.sections, s)
		}
	}
	for k := range kinds {
		for _, it := range c.whole.lists[k] {
			if it.granted(a, k) {
				v.lists[k] = append(v.lists[k], it)
			}
		}
	}
	if len(c.views.byKey) >= maxViews || c.views.byKey == nil {
		c.views.byKey = map[string]*view{}
	}
	c.views.byKey[a.Key()] = v
	return v
}

// verdict is what an access says of an item.
func (it *item) verdict(a *account.Access, k kind) account.Verdict {
	name, seen := it.section.backend.Name(), false
	switch k {
	case tools:
		return a.Tool(name, it.exposed, it.tier)
	case prompts:
		seen = a.Prompt(name, it.exposed)
	default:
		seen = a.Backend(name)
	}
	if seen {
		return account.Granted
	}
	return account.Hidden
}

// granted tells whether an access may list and use an item.
func (it *item) granted(a *account.Access, k kind) bool { return it.verdict(a, k) == account.Granted }

// shows tells whether anything of a section may be seen.
func (v *view) shows(s *section) bool { return slices.Contains(v.sections, s) }

// accessOf is what the caller of a request may do; nothing, where there is none.
func accessOf(ctx context.Context) *account.Access {
	p, _ := account.PrincipalFrom(ctx)
	return p.Access
}

// notGranted answers a call of a tool that the caller may see but was not given the
// right to call, with the way to get it.
func notGranted(ctx context.Context, req *mcpwire.Request, it *item) mcpwire.Outcome {
	return toolError(refusal(ctx, req.Target, it.tier))
}

// refusal says what the caller lacks, and who can give it.
func refusal(ctx context.Context, what string, tier account.Tier) string {
	p, _ := account.PrincipalFrom(ctx)
	needs := "may change things"
	if tier == account.TierDestroy {
		needs = "is dangerous"
	}
	text := "Not run: " + what + " " + needs + ", which this connection was not allowed. "
	if p.Client != "" {
		return text + "Its user can allow it: connect again and tick it, or ask an admin to change grant " + p.Credential + " on the admin pages or with `drawbridge grant set`."
	}
	return text + "An admin can make a key that allows it on the admin pages or with `drawbridge key create --tier " + tier.String() + "`."
}

// toolError is a tool result that says what went wrong, to the model.
func toolError(text string) mcpwire.Outcome {
	body := mcpwire.AppendString([]byte(`{"content":[{"type":"text","text":`), text)
	return mcpwire.Done(mcpwire.LatestLegacy, append(body, `}],"isError":true}`...))
}

// gate counts calls at once, of all and of each user.
type gate struct {
	all, each int // 0: no bound

	mu     sync.Mutex // guards what follows
	total  int
	byUser map[string]int
}

// enter counts a call of a user, or says why it must wait for others to end.
func (g *gate) enter(user string) (full string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.all > 0 && g.total >= g.all:
		return "This server runs as many calls as it may (limits.concurrency). Try again when some of them have ended."
	case g.each > 0 && g.byUser[user] >= g.each:
		return "You have as many calls running as one user may (limits.user_concurrency). Try again when some of them have ended."
	}
	if g.byUser == nil {
		g.byUser = map[string]int{}
	}
	g.total++
	g.byUser[user]++
	return ""
}

func (g *gate) leave(user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if g.byUser[user]--; g.byUser[user] == 0 {
		delete(g.byUser, user)
	}
}

// Offer is what one backend has to offer, counted by what its tools may do.
type Offer struct {
	Backend                  string
	Title                    string // of the server, where it has one; somebody else's text
	Read, Write, Destructive int
}

// Offers lists the backends that an access shows, for whoever decides about rights.
func (g *Gateway) Offers(a *account.Access) []Offer {
	v := g.current.Load().view(a)
	offers := make([]Offer, len(v.sections))
	for i, s := range v.sections {
		offers[i] = Offer{Backend: s.backend.Name(), Title: s.title()}
		for _, it := range v.lists[tools] {
			if it.section != s {
				continue
			}
			switch it.tier {
			case account.TierRead:
				offers[i].Read++
			case account.TierDestroy:
				offers[i].Destructive++
			default:
				offers[i].Write++
			}
		}
	}
	return offers
}

// title is what the section's server calls itself, for people.
func (s *section) title() string {
	title, _ := jsonscan.Unquote(mcpwire.Member(s.lists.Info.ServerInfo, "title"))
	return title
}
