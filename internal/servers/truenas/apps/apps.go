// Package apps has the tools about apps, virtual machines and containers.
//
// Whatever interrupts one is asked about; starting is not. Logs are outside text. The
// truenas server offers the tools.
package apps

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

// Tools are the tools.
type Tools struct{ *desk.Desk }

// Apps are the tools about apps.
func (t Tools) Apps() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_apps", "List Apps", "Apps with state, version, ports and portals.", t.ListApps),
		kit.WithPreview(kit.Destroy("manage_app", "Manage App", "Start, stop, restart, upgrade or roll back an app. dry_run of an upgrade shows its changelog.", t.manageApp).AsksItself().Long(desk.Minutes*4).Undoable(), t.previewApp),
		kit.Read("get_app_logs", "Get App Logs", "The end of a container's log.", t.getLogs).Within(desk.Slow),
	}
}

// Machines are the tools about virtual machines and containers.
func (t Tools) Machines() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_vms", "List VMs", "Virtual machines and containers.", t.listMachines),
		kit.WithPreview(kit.Destroy("manage_vm", "Manage VM", "Start, stop, restart or power off (at once) a virtual machine or container.", t.manageMachine).AsksItself().Long(desk.Minutes).Undoable(), t.previewMachine),
	}
}

// ListAppsIn is the input of list_apps.
type ListAppsIn struct {
	Name       string `json:"name,omitempty" jsonschema:"One app."`
	State      string `json:"state,omitempty" jsonschema:"Only these." enum:"RUNNING,STOPPED,DEPLOYING,STOPPING,CRASHED"`
	Upgradable bool   `json:"upgradable,omitempty" jsonschema:"Only these."`
	kit.PageIn
}

// ListAppsOut is its output.
type ListAppsOut struct {
	Apps []appRow `json:"apps"`
	kit.PageOut
}

type appRow struct {
	Name       string            `json:"name"`
	State      string            `json:"state"`
	Version    string            `json:"version"`
	Upgrade    string            `json:"upgrade_to,omitempty"`
	Images     bool              `json:"image_updates,omitempty"`
	Custom     bool              `json:"custom,omitempty"`
	Train      string            `json:"train,omitempty"`
	Ports      []int64           `json:"ports,omitempty"`
	Portals    map[string]string `json:"portals,omitempty"`
	Containers []string          `json:"containers,omitempty"`
}

// ListApps is list_apps.
func (t Tools) ListApps(ctx context.Context, c *kit.Call, in ListAppsIn) (out ListAppsOut, err error) {
	w, err := in.Window(desk.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	var all []api.App
	if in.Name != "" {
		one, oneErr := s.App(ctx, in.Name)
		all, err = []api.App{one}, oneErr
	} else {
		all, err = s.Apps(ctx)
	}
	if err != nil {
		return out, err
	}
	var rows []appRow
	for _, a := range all {
		if (in.State == "" || a.State == in.State) && (!in.Upgradable || a.Upgrade || a.Images) {
			rows = append(rows, rowOf(a))
		}
	}
	out.Apps, out.PageOut = kit.Cut(w, rows)
	return out, nil
}

// mostPortal bounds the name of a portal.
const mostPortal = 40

func rowOf(a api.App) appRow {
	row := appRow{Name: show.Name(a.Name), State: a.State, Version: show.Name(a.Version), Images: a.Images, Custom: a.Custom, Train: show.Name(a.Metadata.Train)}
	if a.HumanVersion != "" {
		row.Version = show.Name(a.HumanVersion)
	}
	if a.Upgrade {
		row.Upgrade = show.Name(a.Latest)
	}
	for _, p := range a.Active.Ports {
		for _, host := range p.Host {
			if n := int64(host.Port); !slices.Contains(row.Ports, n) {
				row.Ports = append(row.Ports, n)
			}
		}
	}
	slices.Sort(row.Ports)
	for name, link := range a.Portals { // of the app's makers: what is no link could be anything
		u, err := url.Parse(link)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.ContainsAny(link, " \t\n") {
			continue
		}
		if row.Portals == nil {
			row.Portals = map[string]string{}
		}
		row.Portals[show.Clip(show.Name(name), mostPortal)] = show.Name(link)
	}
	for _, one := range a.Active.Containers {
		row.Containers = append(row.Containers, show.Name(one.Service)+" "+show.Name(one.State))
	}
	return row
}

type manageAppIn struct {
	App     string `json:"app" jsonschema:"Name."`
	Action  string `json:"action" jsonschema:"What." enum:"start,stop,restart,upgrade,rollback"`
	Version string `json:"version,omitempty" jsonschema:"Of upgrade (the newest without it) or rollback."`
}

type manageAppOut struct {
	App     string `json:"app,omitempty"`
	State   string `json:"state,omitempty"`
	Version string `json:"version,omitempty"`
	Job     int64  `json:"truenas_job,omitempty"`
}

// verbs are the middleware's names of the actions.
var verbs = map[string]string{"start": "start", "stop": "stop", "restart": "redeploy", "upgrade": "upgrade", "rollback": "rollback"}

// plan is what an action would do.
type plan struct {
	app     api.App
	version string // to which it goes
	preview kit.Preview
	notes   string // changelog, from outside
}

func (t Tools) planOf(ctx context.Context, s api.Session, in manageAppIn) (p plan, err error) {
	if in.Version != "" && in.Action != "upgrade" && in.Action != "rollback" {
		return p, fault.New(fault.Invalid, "version is for upgrade and rollback. Leave it out.")
	}
	if p.app, err = s.App(ctx, in.App); err != nil {
		return p, err
	}
	p.preview.Target = "app " + in.App
	from := show.Name(p.app.Version)
	switch in.Action {
	case "start":
		p.preview.Effect = "Starts the app, which is " + p.app.State + "."
	case "stop":
		p.preview.Effect = "Stops the app. Nobody can use it until it is started."
	case "restart":
		p.preview.Effect = "Makes the app's containers anew. Nobody can use it meanwhile."
	case "upgrade":
		err = t.planUpgrade(ctx, s, in, &p)
	case "rollback":
		err = t.planRollback(ctx, s, in, &p)
	}
	if p.version != "" {
		p.preview.Changes = append(p.preview.Changes, fmt.Sprintf("version %s, now %s", show.Name(p.version), from))
	}
	return p, err
}

func (t Tools) planUpgrade(ctx context.Context, s api.Session, in manageAppIn, p *plan) error {
	if !p.app.Upgrade && in.Version == "" {
		return fault.New(fault.Conflict, "There is no newer version of %s. list_apps with upgradable has the apps that have one.", in.App)
	}
	version := in.Version
	if version == "" {
		version = "latest"
	}
	u, err := s.UpgradeOf(ctx, in.App, version)
	if err != nil {
		return err
	}
	p.version, p.notes = u.Version, u.Changelog
	if p.version == "" {
		p.version = version
	}
	p.preview.Effect = "Upgrades the app. Nobody can use it meanwhile, and it may convert its data so that the older version cannot read them."
	return nil
}

func (t Tools) planRollback(ctx context.Context, s api.Session, in manageAppIn, p *plan) error {
	all, err := s.RollbackVersions(ctx, in.App)
	if err != nil {
		return err
	}
	for i := range all {
		all[i] = show.Name(all[i])
	}
	switch {
	case len(all) == 0:
		return fault.New(fault.Conflict, "TrueNAS keeps no older version of %s to go back to.", in.App)
	case !slices.Contains(all, in.Version):
		return fault.New(fault.Invalid, "version is not one to go back to. Choose from %s.", show.Few(all, 20))
	}
	p.version = in.Version
	p.preview.Effect = "Takes the app back to an older version. Its data stay as they are: what the newer one has converted may be unreadable to it."
	return nil
}

// mostNotes bounds a changelog.
const mostNotes = 6 << 10

func (t Tools) previewApp(ctx context.Context, c *kit.Call, in manageAppIn) (kit.Preview, error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return kit.Preview{}, err
	}
	p, err := t.planOf(ctx, s, in)
	if err == nil && p.notes != "" {
		p.preview.Changes = append(p.preview.Changes, "changelog: "+c.Outside(show.Clip(show.Plain(p.notes), mostNotes)))
	}
	return p.preview, err
}

func (t Tools) manageApp(ctx context.Context, c *kit.Call, in manageAppIn) (out manageAppOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	p, err := t.planOf(ctx, s, in)
	if err != nil {
		return out, err
	}
	if in.Action != "start" {
		if err := desk.Approve(c, p.preview); err != nil {
			return out, err
		}
	}
	job, err := t.Run(ctx, c, s, api.AppDeed(in.App, verbs[in.Action], p.version))
	if err != nil {
		return out, err
	}
	switch in.Action {
	case "start":
		c.Undo("manage_app", map[string]string{"app": in.App, "action": "stop"})
	case "stop":
		c.Undo("manage_app", map[string]string{"app": in.App, "action": "start"})
	case "upgrade":
		c.Undo("manage_app", map[string]string{"app": in.App, "action": "rollback", "version": show.Name(p.app.Version)})
	}
	out = manageAppOut{App: in.App, Job: job.ID}
	if now, err := s.App(ctx, in.App); err == nil { // it is done, whatever this says
		out.State, out.Version = now.State, show.Name(now.Version)
	}
	return out, nil
}
