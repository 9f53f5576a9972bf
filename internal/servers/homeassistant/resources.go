package homeassistant

import (
	"context"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/automations"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/look"
	"drawbridge/internal/servers/kit"
)

// Resources. Who reads one hears of its changes, see package live.
const (
	overviewURI        = "ha://overview"
	entityTemplate     = "ha://entity/{entity_id}"
	areaTemplate       = "ha://area/{area_id}"
	automationTemplate = "ha://automation/{id}"
	versionTemplate    = automationTemplate + "/version/{version}"
)

const data = "application/json"

func (s *server) resources() []kit.Resource {
	return []kit.Resource{{URI: overviewURI, Name: "overview", Title: "Overview", Description: "What there is in the house, and what needs attention.", MIMEType: data, Read: s.overview}}
}

func (s *server) templates() []kit.Template {
	return []kit.Template{
		{URITemplate: entityTemplate, Name: "entity", Title: "Entity", Description: "The state of an entity with all its attributes.", MIMEType: "text/plain", Read: s.entity, Complete: s.complete},
		{URITemplate: areaTemplate, Name: "area", Title: "Area", Description: "An area with the states of its entities.", MIMEType: data, Read: s.area, List: s.areas, Complete: s.complete},
		{URITemplate: automationTemplate, Name: "automation", Title: "Automation", Description: "The configuration of an automation, by its id; of a script or scene by its entity_id.", MIMEType: data, Read: s.automation, Complete: s.complete},
		{URITemplate: versionTemplate, Name: "automation-version", Title: "Version of an automation", Description: "What it was before a change.", MIMEType: data, Read: s.automation, Complete: s.complete},
	}
}

// outside is the content of a resource, which devices and strangers have a part in.
func outside(text string, err error) (kit.Content, error) {
	return kit.Content{Text: text, Untrusted: true}, err
}

// follow has the caller hear of changes of entities.
func (s *server) follow(ctx context.Context, c *kit.Call, uri string, choose func(*house.Entity) bool) error {
	v, err := s.Visit(ctx, c)
	if err != nil {
		return err
	}
	var ids []string
	for _, e := range v.Of(choose) {
		ids = append(ids, e.ID)
	}
	s.feed.Read(c.User(), v.Session, uri, ids, c.Updated)
	return nil
}

// telling are the device classes of which the overview speaks.
var telling = []string{"smoke", "gas", "carbon_monoxide", "moisture", "safety", "tamper", "problem", "battery"}

func (s *server) overview(ctx context.Context, c *kit.Call) (kit.Content, error) {
	out, err := s.look.Overview(ctx, c, look.OverviewIn{Full: true})
	if err != nil {
		return kit.Content{}, err
	}
	return outside(kit.Compact(out), s.follow(ctx, c, overviewURI, func(e *house.Entity) bool {
		return e.Domain == "update" || slices.Contains(telling, e.Class())
	}))
}

func (s *server) entity(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	id := vars["entity_id"]
	out, err := s.look.States(ctx, c, look.StatesIn{Target: []string{"entity:" + id}, Attributes: "all"})
	if err != nil {
		return kit.Content{}, err
	}
	return outside(out.Plain(), s.follow(ctx, c, kit.Expand(entityTemplate, id), func(e *house.Entity) bool { return e.ID == id }))
}

func (s *server) area(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	id := vars["area_id"]
	out, err := s.look.Overview(ctx, c, look.OverviewIn{Area: id, Full: true})
	if err != nil {
		return kit.Content{}, err
	}
	return outside(kit.Compact(out), s.follow(ctx, c, kit.Expand(areaTemplate, id), func(e *house.Entity) bool { return e.Area == id && !e.Hidden && !e.Extra }))
}

func (s *server) automation(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	in := automations.Named("", vars["id"], vars["version"])
	out, err := s.automations.Get(ctx, c, in)
	if err != nil {
		return kit.Content{}, err
	}
	return outside(kit.Compact(out), s.follow(ctx, c, automations.URI(out.Kind, out.ID), func(e *house.Entity) bool { return e.ID == out.Entity }))
}

func (s *server) areas(ctx context.Context, c *kit.Call) (list []kit.Listed, err error) {
	v, err := s.Visit(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, a := range v.House.Areas {
		list = append(list, kit.Listed{URI: kit.Expand(areaTemplate, a.ID), Name: a.ID, Title: string(a.Name), MIMEType: data})
	}
	return list, nil
}

// mostSuggested bounds the values of a completion, as the specification does.
const mostSuggested = 100

// complete suggests entities, areas, labels, actions and automations.
func (s *server) complete(ctx context.Context, c *kit.Call, variable, typed string) ([]string, error) {
	if variable == "version" {
		return nil, nil
	}
	v, err := s.Visit(ctx, c)
	if err != nil {
		return nil, err
	}
	var found []string
	add := func(value string, names ...string) {
		fits := strings.HasPrefix(strings.ToLower(value), strings.ToLower(typed)) || typed != "" && slices.ContainsFunc(names, func(n string) bool {
			return strings.Contains(strings.ToLower(n), strings.ToLower(typed))
		})
		if fits && value != "" && len(found) < mostSuggested {
			found = append(found, value)
		}
	}
	switch variable {
	case "entity_id":
		for _, e := range v.House.Entities {
			add(e.ID, e.Name, strings.TrimPrefix(e.ID, e.Domain+"."))
		}
	case "area_id":
		for _, a := range v.House.Areas {
			add(a.ID, string(a.Name))
		}
	case "area":
		for _, a := range v.House.Areas {
			add(string(a.Name), a.ID)
		}
	case "label":
		for _, l := range v.House.Labels {
			add(string(l.Name), l.ID)
		}
	case "id":
		for _, e := range v.House.Entities {
			if e.Domain == "automation" {
				add(e.State.Attributes.Text("id"), e.Name, e.ID)
			}
		}
	case "action":
		services, err := v.Services(ctx)
		if err != nil {
			return nil, err
		}
		for domain, all := range services {
			for name := range all {
				add(domain + "." + name)
			}
		}
		slices.Sort(found)
	}
	return found, nil
}
