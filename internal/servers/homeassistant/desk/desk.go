// Package desk is the way from a call to the house: the caller's token, what the
// operator and the owner keep from models, what a target means, and what a person has
// to approve.
//
// The packages of tools embed a Desk and make a Visit for each call. What cannot be
// known is refused: without the registries nobody can tell what is blocked.
package desk

import (
	"context"
	"slices"
	"time"

	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

// Credential is the key of a caller's token.
const Credential = "token"

// Slow is the time of tools that ask many things or wait.
const Slow = 60 * time.Second

// Desk makes visits.
type Desk struct {
	Client     *api.Client
	Entities   kit.Targets // what the operator lets models see
	Exposed    bool        // only what is exposed to the voice assistant
	Most       int         // entities that one call may touch without asking
	Everything bool        // the operator allows what runs programs
	Now        func() time.Time
}

// Visit is a house as one call finds it.
type Visit struct {
	api.Session
	*house.House
	Call *kit.Call
	Zone *time.Location
	Now  time.Time

	desk *Desk
}

// Session is the installation as the caller's token sees it.
func (d *Desk) Session(ctx context.Context, c *kit.Call) (api.Session, error) {
	token, err := c.Credential(ctx, Credential)
	if err != nil {
		return api.Session{}, err
	}
	return d.Client.As(token), nil
}

// Visit reads the house: registries, states, and what may be seen of them.
func (d *Desk) Visit(ctx context.Context, c *kit.Call) (*Visit, error) {
	s, err := d.Session(ctx, c)
	if err != nil {
		return nil, err
	}
	r, err := s.Registries(ctx)
	if err != nil {
		return nil, err
	}
	policy := house.Policy{Entities: d.Entities}
	if d.Exposed {
		if policy.Exposed, err = s.Exposed(ctx); err != nil {
			return nil, err
		}
	}
	states, err := s.States(ctx)
	if err != nil {
		return nil, err
	}
	return &Visit{Session: s, House: house.New(r, states, policy), Call: c, Zone: show.Zone(r.Config), Now: d.Now(), desk: d}, nil
}

// Resolved is what a target leads to.
type Resolved struct {
	Entities []*house.Entity // sorted; may be seen
	Named    map[string]bool // by id: the call named them themselves, not by a place
	Left     int             // entities that are kept from models
}

// Resolve resolves a target less what is excluded. Home Assistant does it; a version
// before 2025.11 cannot, so that the house does.
func (v *Visit) Resolve(ctx context.Context, target, exclude []string) (r Resolved, err error) {
	t, err := v.House.Target(target)
	if err != nil {
		return r, err
	}
	ids, err := v.extract(ctx, t)
	if err != nil {
		return r, err
	}
	if len(exclude) > 0 {
		without, err := v.House.Target(exclude)
		if err != nil {
			return r, err
		}
		gone, err := v.extract(ctx, without)
		if err != nil {
			return r, err
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(gone, id) })
	}
	r.Named = map[string]bool{}
	for _, id := range ids {
		if e := v.Entity(id); e != nil {
			r.Entities = append(r.Entities, e)
			r.Named[id] = slices.Contains(t.Entities, id)
		} else if v.Kept(id) != nil {
			r.Left++
		}
	}
	return r, nil
}

func (v *Visit) extract(ctx context.Context, t api.Target) ([]string, error) {
	if t.Empty() {
		return nil, nil
	}
	if len(t.Entities) > 0 && len(t.Areas)+len(t.Devices)+len(t.Floors)+len(t.Labels) == 0 {
		return slices.Sorted(slices.Values(t.Entities)), nil
	}
	e, err := v.Extract(ctx, t, false)
	if api.Unknown(err) {
		return v.House.Resolve(t), nil
	}
	return e.Entities, err
}

// Find is one entity by id or name.
func (v *Visit) Find(name string) (*house.Entity, error) {
	id, err := v.One("entity", name)
	if err != nil {
		return nil, err
	}
	return v.Entity(id), nil
}

// Table is text of a house, put between the kit's marks: names, states and messages
// come from devices and strangers.
func (v *Visit) Table(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	text := ""
	for _, line := range lines {
		text += line + "\n"
	}
	return "\n" + v.Call.Outside(text)
}
