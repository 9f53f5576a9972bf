package truenas

import (
	"context"
	"strconv"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/apps"
	"drawbridge/internal/servers/truenas/show"
	"drawbridge/internal/servers/truenas/storage"
	"drawbridge/internal/servers/truenas/system"
)

// Resources.
const (
	statusURI    = "truenas://status"
	poolTemplate = "truenas://pool/{name}"
	appTemplate  = "truenas://app/{name}"
	jobTemplate  = "truenas://job/{id}"
)

const asJSON = "application/json"

func (s *server) resources() []kit.Resource {
	return []kit.Resource{{URI: statusURI, Name: "status", Title: "Status", Description: "How the system is.", MIMEType: asJSON,
		Read: func(ctx context.Context, c *kit.Call) (kit.Content, error) {
			out, err := s.system.GetStatus(ctx, c, struct{}{})
			return kit.Content{Text: kit.Compact(out)}, err
		}}}
}

func (s *server) templates() []kit.Template {
	return []kit.Template{
		{URITemplate: poolTemplate, Name: "pool", Title: "Pool", Description: "Health and capacity of a pool.", MIMEType: asJSON, Complete: s.complete("pool"),
			Read: func(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
				out, err := s.storage.ListPools(ctx, c, storage.ListPoolsIn{Name: vars["name"]})
				return kit.Content{Text: kit.Compact(out), Untrusted: true}, err
			}},
		{URITemplate: appTemplate, Name: "app", Title: "App", Description: "State, version and ports of an app.", MIMEType: asJSON, Complete: s.complete("app"),
			Read: func(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
				out, err := s.apps.ListApps(ctx, c, apps.ListAppsIn{Name: vars["name"]})
				return kit.Content{Text: kit.Compact(out)}, err
			}},
		{URITemplate: jobTemplate, Name: "truenas-job", Title: "Job of TrueNAS", Description: "How far a job of TrueNAS is.", MIMEType: asJSON,
			Read: func(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
				id, err := strconv.ParseInt(vars["id"], 10, 64)
				if err != nil || id < 1 {
					return kit.Content{}, fault.New(fault.NotFound, "The URI has no number where the id belongs. get_job has the ids.")
				}
				out, err := s.system.GetJob(ctx, c, system.GetJobIn{ID: id})
				return kit.Content{Text: kit.Compact(out), Untrusted: true}, err
			}},
	}
}

// complete suggests the names of a kind of thing, whatever the argument is called.
func (s *server) complete(kind string) func(context.Context, *kit.Call, string, string) ([]string, error) {
	return func(ctx context.Context, c *kit.Call, _, typed string) ([]string, error) {
		return s.names(ctx, c, kind, typed)
	}
}

// names are the names of a kind that begin with what is typed.
func (s *server) names(ctx context.Context, c *kit.Call, kind, typed string) (found []string, err error) {
	session, err := s.Session(ctx, c)
	if err != nil {
		return nil, err
	}
	keep := func(name string) {
		if strings.HasPrefix(strings.ToLower(name), strings.ToLower(typed)) {
			found = append(found, show.Name(name))
		}
	}
	switch kind {
	case "pool":
		pools, err := session.Pools(ctx, "")
		for _, p := range pools {
			keep(p.Name)
		}
		return found, err
	case "app":
		all, err := session.Apps(ctx)
		for _, a := range all {
			keep(a.Name)
		}
		return found, err
	}
	return nil, nil
}
