package gateway

import (
	"context"
	"sync"

	"drawbridge/internal/account"
	"drawbridge/internal/gateway/catalogue"
	"drawbridge/internal/mcpwire"
)

// accessOf is what the caller of a request may do; nothing, where there is none.
func accessOf(ctx context.Context) *account.Access {
	p, _ := account.PrincipalFrom(ctx)
	return p.Access
}

// notGranted answers a call of a tool that the caller may see but was not given the
// right to call, with the way to get it.
func notGranted(ctx context.Context, req *mcpwire.Request, it *catalogue.Item) mcpwire.Outcome {
	return toolError(refusal(ctx, req.Target, it.Tier))
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

// enter counts a call of a user, or says why it must wait for others to end; one
// that was in before need not.
func (g *gate) enter(user string, before bool) (full string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case before:
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
	v := g.current.Load().View(a)
	offers := make([]Offer, len(v.Sections))
	for i, s := range v.Sections {
		offers[i] = Offer{Backend: s.Backend.Name(), Title: s.Title()}
		for _, it := range v.Lists[catalogue.Tools] {
			if it.Section != s {
				continue
			}
			switch it.Tier {
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
