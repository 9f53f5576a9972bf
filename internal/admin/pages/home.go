package pages

import (
	"fmt"
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/web"
)

// soon is how long before its end a key is brought to somebody's attention.
const soon = 14 * 24 * time.Hour

// need is something that a person should look at.
type need struct {
	Class string
	What  string    // a sentence without its full stop
	When  time.Time // ends the sentence; zero: nothing does
	Text  string
	Path  string
	Link  string
}

type homePage struct {
	Frame
	Title    string
	URL      string
	Backends int
	Tools    int
	Needs    []need
	Cards    []card
}

type card struct {
	Path, Title, Text string
	Count             int
}

func (p *Pages) home(r *http.Request, f Frame) (string, any, error) {
	ctx := r.Context()
	users, err := p.Desk.Users.List(ctx)
	if err != nil {
		return "", nil, err
	}
	keys, err := p.Desk.Keys.List(ctx)
	if err != nil {
		return "", nil, err
	}
	clients, err := p.Desk.Clients.List(ctx)
	if err != nil {
		return "", nil, err
	}
	grants, err := p.Desk.Grants.List(ctx, "")
	if err != nil {
		return "", nil, err
	}
	profiles, err := p.Desk.Profiles.List(ctx)
	if err != nil {
		return "", nil, err
	}
	now := time.Now()
	statuses := p.Backends.Statuses()
	needs := append(backendNeeds(statuses, p.Backends.Refused()), keyNeeds(keys, now)...)
	tools := 0
	for _, s := range statuses {
		tools += s.Tools
	}
	return "admin_home", homePage{
		Frame: f,
		Title: sentence(len(needs), len(statuses)),
		URL:   p.Base(), Backends: len(statuses), Tools: tools,
		Needs: needs,
		Cards: []card{
			{"/admin/users", "Users", "People with an account", len(users)},
			{"/admin/keys", "Keys", "Live keys of programs that do not sign in", live(keys, now)},
			{"/admin/clients", "Clients", "Programs that people can let in", len(clients)},
			{"/admin/grants", "Grants", "What people have let programs do, live", live(grants, now)},
			{"/admin/profiles", "Profiles", "Views of the tools with rules of their own", len(profiles)},
		},
	}, nil
}

// live counts what is live.
func live[T interface{ Live(now time.Time) bool }](list []T, now time.Time) (n int) {
	for _, one := range list {
		if one.Live(now) {
			n++
		}
	}
	return n
}

func sentence(needs, backends int) string {
	switch {
	case needs == 1:
		return "One thing needs you"
	case needs > 1:
		return fmt.Sprintf("%d things need you", needs)
	case backends == 0:
		return "Everything is fine; there are no backends yet"
	}
	return "Everything is fine"
}

func backendNeeds(statuses []backend.Status, refused []string) (needs []need) {
	for _, s := range statuses {
		n := need{What: s.Name + " does not answer", Text: web.Line(s.LastError), Path: "/dashboard", Link: "See the dashboard"}
		switch s.State {
		case backend.Failed:
			n.Class = "bad"
		case backend.Degraded:
			n.Class, n.What = "warn", n.What+"; its last known tools are still offered"
		default:
			continue
		}
		needs = append(needs, n)
	}
	for _, text := range refused {
		needs = append(needs, need{Class: "warn", What: "Something is left out", Text: web.Line(text), Path: "/dashboard", Link: "See the dashboard"})
	}
	return needs
}

func keyNeeds(keys []account.Key, now time.Time) (needs []need) {
	for _, k := range keys {
		if !k.Live(now) || k.Expires.IsZero() || k.Expires.Sub(now) > soon {
			continue
		}
		needs = append(needs, need{Class: "warn", What: "The key " + k.Name + " of " + k.User + " ends", When: k.Expires,
			Text: "Whatever uses it needs another one by then.", Path: keyPath(k.ID), Link: "See the key"})
	}
	return needs
}
