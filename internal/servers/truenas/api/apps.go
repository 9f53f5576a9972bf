package api

import (
	"context"
	"encoding/json"
	"fmt"

	"drawbridge/internal/servers/truenas/rpc"
)

// App is an installed app.
type App struct {
	Name         string            `json:"name"`
	State        string            `json:"state"`
	Upgrade      bool              `json:"upgrade_available"`
	Images       bool              `json:"image_updates_available"`
	Version      string            `json:"version"`
	HumanVersion string            `json:"human_version"`
	Latest       string            `json:"latest_version"`
	Custom       bool              `json:"custom_app"`
	Portals      map[string]string `json:"portals"`
	Metadata     struct {
		Title string `json:"title"`
		Train string `json:"train"`
	} `json:"metadata"`
	Active struct {
		Containers []Container `json:"container_details"`
		Ports      []struct {
			Container int64 `json:"container_port"`
			Host      []struct {
				Port Number `json:"host_port"`
			} `json:"host_ports"`
		} `json:"used_ports"`
		Images []string `json:"images"`
	} `json:"active_workloads"`
}

// Container is a container of an app.
type Container struct {
	ID      string `json:"id"`
	Service string `json:"service_name"`
	Image   string `json:"image"`
	State   string `json:"state"`
}

var appFields = []string{"name", "state", "upgrade_available", "image_updates_available", "version", "human_version", "latest_version", "custom_app", "portals", "metadata", "active_workloads"}

// MostApps bounds the apps that are read.
const MostApps = 500

// Apps lists the apps.
func (s Session) Apps(ctx context.Context) ([]App, error) {
	return query[App](ctx, s, "app.query", Query{Select: appFields, Order: []string{"name"}, Limit: MostApps})
}

// App reads one.
func (s Session) App(ctx context.Context, name string) (App, error) {
	return one[App](ctx, s, "app.query", Query{Filters: []any{Is("name", name)}, Select: appFields}, "app", name, "list_apps")
}

// Upgrade is what an upgrade of an app would bring. Changelog comes from outside.
type Upgrade struct {
	Version   string `json:"upgrade_version"`
	Human     string `json:"upgrade_human_version"`
	Changelog string `json:"changelog"`
}

// UpgradeOf asks for it; version is latest or one of the app's.
func (s Session) UpgradeOf(ctx context.Context, name, version string) (out Upgrade, err error) {
	err = s.read(ctx, "app.upgrade_summary", []any{name, map[string]string{"app_version": version}}, &out)
	return out, err
}

// RollbackVersions are those to which an app can go back.
func (s Session) RollbackVersions(ctx context.Context, name string) (all []string, err error) {
	err = s.read(ctx, "app.rollback_versions", []any{name}, &all)
	return all, err
}

// AppDeed is a call for an app: start, stop, redeploy, upgrade or rollback. version
// counts for the last two.
func AppDeed(name, verb, version string) Deed {
	d := Deed{Method: "app." + verb, Params: []any{name}, What: fmt.Sprintf("the %s of the app %s", verb, name), Look: fmt.Sprintf(`list_apps {"name":%q}`, name)}
	switch verb {
	case "upgrade":
		d.Params = append(d.Params, map[string]any{"app_version": version})
	case "rollback":
		// Else TrueNAS takes the app's own volumes back to their state before the upgrade,
		// and destroys what was written since, newer snapshots and clones.
		d.Params = append(d.Params, map[string]any{"app_version": version, "rollback_snapshot": false})
	}
	return d
}

// LogLine is a line of a container's log. It comes from outside.
type LogLine struct {
	Data string `json:"data"`
	Time string `json:"timestamp"`
}

// Log is a container's log as it grows.
type Log struct {
	heard *rpc.Subscription
}

// Follow opens the log of a container with its last lines.
func (s Session) Follow(ctx context.Context, app, container string, tail int) (*Log, error) {
	args, err := json.Marshal(struct {
		App       string `json:"app_name"`
		Container string `json:"container_id"`
		Tail      int    `json:"tail_lines"`
	}{app, container, tail})
	if err != nil {
		return nil, err
	}
	heard, err := s.line.Subscribe(ctx, "app.container_log_follow:"+string(args))
	if err != nil {
		return nil, s.failed(ctx, "app.container_log_follow", err)
	}
	return &Log{heard}, nil
}

// Next is the channel of the lines that come; see Line.
func (l *Log) Next() <-chan rpc.Event { return l.heard.Events }

// Line reads a line of what Next gives.
func (*Log) Line(e rpc.Event) (line LogLine, ok bool) {
	return line, json.Unmarshal(e.Fields, &line) == nil
}

// Close ends the following.
func (l *Log) Close(ctx context.Context) { l.heard.Close(ctx) }
