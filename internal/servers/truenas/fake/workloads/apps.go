// Package workloads has the methods about apps, virtual machines and containers (ref 2.2
// table; truenas/middleware api/v25_10_2/{app,vm}.py, api/v25_04_2/virt_instance.py,
// api/v26_0_0/container.py and plugins/apps). Only the fake uses it.
package workloads

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/nas"
)

// Row is an entry as the wire has it.
type Row = call.Row

// Methods of all versions.
func Methods() []call.Method { return slices.Concat(apps(), machines(), containers()) }

var (
	readApps  = []string{"APPS_READ"}
	writeApps = []string{"APPS_WRITE"}
)

func apps() []call.Method {
	name := model.Need("app_name", model.Words)
	options := func(name string, required bool, fields ...model.Arg) model.Arg {
		return model.Arg{Name: "options", Type: model.Object{Name: name, Fields: fields}, Required: required}
	}
	version := model.May("app_version", model.Words, "latest")
	return append(call.Query("app", "App", 0, readApps, appRows), []call.Method{
		{Name: "app.start", Roles: writeApps, Args: []model.Arg{name}, Job: lifecycle("start")},
		{Name: "app.stop", Roles: writeApps, Args: []model.Arg{name}, Job: lifecycle("stop")},
		{Name: "app.redeploy", Roles: writeApps, Args: []model.Arg{name}, Job: lifecycle("redeploy")},
		{Name: "app.upgrade", Roles: writeApps, Job: upgrade, Args: []model.Arg{name, options("UpgradeOptions", false, version, model.May("values", model.Map, map[string]any{}), model.May("snapshot_hostpaths", model.Bool, false))}},
		{Name: "app.upgrade_summary", Roles: readApps, Run: summary, Args: []model.Arg{name, options("UpgradeSummaryOptions", false, version)}},
		{Name: "app.rollback", Roles: writeApps, Job: rollback, Args: []model.Arg{name, options("AppRollbackOptions", true, model.Need("app_version", model.Words), model.May("rollback_snapshot", model.Bool, true))}},
		{Name: "app.rollback_versions", Roles: readApps, Args: []model.Arg{name}, Run: func(c *call.Call) (any, error) {
			a, err := app(c)
			if err != nil {
				return nil, err
			}
			return call.List(a.Older), nil
		}},
	}...)
}

func app(c *call.Call) (*nas.App, error) {
	if a := c.NAS.App(c.Text(0)); a != nil {
		return a, nil
	}
	return nil, fail.Missing("App %s does not exist", c.Text(0))
}

func appRows(c *call.Call) []Row {
	rows := make([]Row, len(c.NAS.Apps))
	for i, a := range c.NAS.Apps {
		rows[i] = appRow(c, a)
	}
	return rows
}

// appRow is AppEntry.
func appRow(c *call.Call, a *nas.App) Row {
	ports, details, images, volumes := []any{}, []any{}, []any{}, []any{}
	for inside, host := range a.Ports {
		ports = append(ports, Row{"container_port": inside, "protocol": "tcp", "host_ports": []any{Row{"host_port": host, "host_ip": "0.0.0.0"}, Row{"host_port": host, "host_ip": "::"}}})
	}
	for _, p := range a.Paths {
		volumes = append(volumes, Row{"source": p, "destination": "/data", "mode": "rw", "type": "bind"})
	}
	up := a.State == "RUNNING" || a.State == "DEPLOYING" || a.State == "CRASHED"
	for _, k := range a.Containers {
		images = append(images, k.Image)
		if up {
			details = append(details, Row{"id": k.ID, "service_name": k.Service, "image": k.Image, "port_config": ports, "state": containerState(a), "volume_mounts": volumes})
		}
	}
	if !up {
		ports, images, volumes = []any{}, []any{}, []any{}
	}
	portals := Row{}
	if a.Portal != "" {
		host, _ := c.Extra("host_ip").(string)
		if host == "" {
			host = "0.0.0.0"
		}
		portals["Web UI"] = strings.Replace(a.Portal, "0.0.0.0", host, 1)
	}
	row := Row{
		"name": a.Name, "id": a.Name, "state": a.State, "upgrade_available": a.Latest != "" || a.Custom && a.Images, "latest_version": orNil(a.Latest), "image_updates_available": a.Images,
		"custom_app": a.Custom, "migrated": false, "human_version": a.Human, "version": a.Version, "notes": orNil(a.Notes), "portals": portals, "version_details": nil, "config": nil,
		"metadata":         Row{"name": a.Name, "title": a.Title, "train": a.Train, "description": a.Title + " for the house.", "categories": []any{"media"}, "app_version": strings.SplitN(a.Human, "_", 2)[0], "last_update": "2026-10-01", "home": "https://example.org/" + a.Name, "sources": []any{}, "maintainers": []any{}},
		"active_workloads": Row{"containers": len(details), "used_ports": ports, "used_host_ips": []any{}, "container_details": details, "volumes": volumes, "images": images, "networks": []any{}},
	}
	if c.Extra("retrieve_config") == true {
		row["config"] = a.Config
	}
	if c.API >= call.V26 {
		row["latest_app_version"], row["action_required"] = orNil(a.Latest), false
	}
	return row
}

func containerState(a *nas.App) string {
	return map[string]string{"RUNNING": "running", "DEPLOYING": "starting", "CRASHED": "crashed"}[a.State]
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// state changes an app's and says so.
func state(c *call.Call, a *nas.App, to string) {
	a.State = to
	bare := *c
	bare.Args = []any{Row{}} // the event has nothing extra
	c.Emit("changed", "app.query", a.Name, appRow(&bare, a))
}

// missing is a job that ends because there is no such app: job methods answer with an id
// first, also then.
func missing(err error) *jobs.Work {
	return &jobs.Work{Do: func() (any, error) { return nil, err }}
}

// lifecycle is start, stop and redeploy: docker compose behind them takes a while.
func lifecycle(verb string) func(*call.Call) (*jobs.Work, error) {
	return func(c *call.Call) (*jobs.Work, error) {
		a, err := app(c)
		if err != nil {
			return missing(err), nil
		}
		before := a.State
		w := &jobs.Work{Lock: "app_" + verb + "_" + a.Name, Undo: func() { state(c, a, before) }}
		switch verb {
		case "stop":
			w.Steps = []string{"Stopping '" + a.Name + "' app"}
			w.Begin = func() { state(c, a, "STOPPING") }
			w.Do = func() (any, error) { state(c, a, "STOPPED"); return nil, nil }
		default:
			w.Steps = []string{"Starting '" + a.Name + "' app"}
			w.Begin = func() { state(c, a, "DEPLOYING") }
			w.Do = func() (any, error) {
				if words := a.FailNext; words != "" {
					a.FailNext = ""
					state(c, a, "CRASHED")
					return nil, compose(a, words)
				}
				state(c, a, "RUNNING")
				if verb == "start" {
					return nil, nil
				}
				return appRow(&call.Call{API: c.API, Args: []any{Row{}}}, a), nil
			}
		}
		return w, nil
	}
}

// compose is what a failing docker compose leaves behind: long, and with what docker said
// only in a log of the system.
func compose(a *nas.App, words string) error {
	return fail.Call(fail.EFAULT, "Failed 'up' action for '%s' app. Please check /var/log/app_lifecycle.log for more details: %s", a.Name, words)
}

// upgrade stops an app, changes it and starts it again (truenas/middleware
// plugins/apps/upgrade.py).
func upgrade(c *call.Call) (*jobs.Work, error) {
	a, err := app(c)
	if err != nil {
		return missing(err), nil
	}
	before := *a
	w := &jobs.Work{Lock: "app_upgrade_" + a.Name, Undo: func() { *a = before; state(c, a, before.State) },
		Logs: []string{"pulling images", "recreating containers"}}
	if err := upgradable(a); err != nil {
		w.Undo = nil
		w.Do = func() (any, error) { return nil, err }
		return w, nil
	}
	to, err := target(a, c.Map(1)["app_version"].(string))
	w.Steps = []string{"Retrieving versions for '" + a.Name + "' app", fmt.Sprintf("Validating '%s' app upgrade to '%s' version", a.Name, to), "Configuration updated for '" + a.Name + "', upgrading app"}
	if err != nil {
		w.Do = func() (any, error) { return nil, err }
		return w, nil
	}
	w.Begin = func() { state(c, a, "DEPLOYING") }
	w.Do = func() (any, error) {
		if c.Flag(1, "snapshot_hostpaths") {
			for _, p := range a.Paths {
				ds := strings.TrimPrefix(p, "/mnt/")
				c.NAS.Snapshots = append(c.NAS.Snapshots, &nas.Snapshot{Dataset: ds, Name: fmt.Sprintf("ix-app-upgrade-%s-%s", a.Name, a.Version), TXG: c.NAS.NextTXG(), Created: c.Now})
			}
		}
		if a.FailUpgrade != "" {
			state(c, a, "CRASHED")
			return nil, compose(a, a.FailUpgrade)
		}
		move(a, to)
		state(c, a, "RUNNING")
		return appRow(&call.Call{API: c.API, Args: []any{Row{}}}, a), nil
	}
	return w, nil
}

func upgradable(a *nas.App) error {
	if a.State == "STOPPED" {
		return fail.Call(fail.EFAULT, "In order to upgrade an app, it must not be in stopped state")
	}
	if a.Latest == "" && (!a.Custom || !a.Images) {
		return fail.Call(fail.EFAULT, "No upgrade available for '%s'", a.Name)
	}
	return nil
}

// target is the version that is meant.
func target(a *nas.App, version string) (string, error) {
	switch {
	case version == "latest":
		return a.Latest, nil
	case slices.Contains(a.Newer, version):
		return version, nil
	case version == a.Version || slices.Contains(a.Older, version):
		return version, fail.Problems{{Attribute: "options.app_version", Message: "Upgrade version must be greater than current version", Errno: fail.EINVAL}}.Err()
	}
	return version, fail.Call(fail.EFAULT, "Unable to locate '%s' version for '%s' app", version, a.Name)
}

// move makes a version the one that is installed.
func move(a *nas.App, to string) {
	a.Older = append(a.Older, a.Version)
	if i := slices.Index(a.Newer, to); i >= 0 {
		a.Newer = slices.Clone(a.Newer[i+1:])
	}
	a.Version, a.Human = to, strings.SplitN(a.Human, "_", 2)[0]+"_"+to
	if to == a.Latest || a.Custom {
		a.Latest, a.Images = "", false
	}
}

func summary(c *call.Call) (any, error) {
	a, err := app(c)
	if err != nil {
		return nil, err
	}
	if a.Latest == "" && (!a.Custom || !a.Images) {
		return nil, fail.Call(fail.EFAULT, "No upgrade available for '%s'", a.Name)
	}
	if a.Custom {
		return Row{"latest_version": a.Version, "latest_human_version": a.Human, "upgrade_version": a.Version, "upgrade_human_version": a.Human, "changelog": "Image updates are available for this app", "available_versions_for_upgrade": []any{}}, nil
	}
	to, err := target(a, c.Map(1)["app_version"].(string))
	if err != nil {
		return nil, err
	}
	base, _, _ := strings.Cut(a.Human, "_")
	newer := []any{}
	for _, v := range a.Newer {
		newer = append(newer, Row{"version": v, "human_version": base + "_" + v})
	}
	return Row{"latest_version": a.Latest, "latest_human_version": base + "_" + a.Latest, "upgrade_version": to, "upgrade_human_version": base + "_" + to, "available_versions_for_upgrade": newer, "changelog": orNil(a.Changelog)}, nil
}

// rollback checks inside of the job (truenas/middleware plugins/apps/rollback.py).
func rollback(c *call.Call) (*jobs.Work, error) {
	a, err := app(c)
	if err != nil {
		return missing(err), nil
	}
	to := c.Map(1)["app_version"].(string)
	return &jobs.Work{Lock: "app_rollback_" + a.Name, Steps: []string{fmt.Sprintf("Completed validation for '%s' app rollback to '%s' version", a.Name, to)}, Do: func() (any, error) {
		var p fail.Problems
		switch {
		case to == a.Version:
			p.Add("options.app_version", "Cannot rollback to same version", 0)
		case !slices.Contains(a.Older, to):
			p.Add("options.app_version", "Specified version is not available for rollback", 0)
		}
		if a.State == "STOPPED" {
			p.Add("app_name", "App must not be in stopped state to rollback", 0)
		}
		if err := p.Err(); err != nil {
			return nil, err
		}
		a.Newer = append([]string{a.Version}, a.Newer...)
		a.Latest = a.Newer[len(a.Newer)-1]
		a.Older = a.Older[:slices.Index(a.Older, to)]
		a.Version, a.Human = to, strings.SplitN(a.Human, "_", 2)[0]+"_"+to
		state(c, a, "RUNNING")
		return appRow(&call.Call{API: c.API, Args: []any{Row{}}}, a), nil
	}}, nil
}
