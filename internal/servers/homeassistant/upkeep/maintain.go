package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/link"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type maintainIn struct {
	Op     string `json:"op" jsonschema:"What to do." enum:"backup,update_install,reload,restart,check_config"`
	Target string `json:"target,omitempty" jsonschema:"An update entity; or what to reload: automation, script, scene, all ... or an integration's entry_id."`
}

type maintainOut struct {
	Done   string        `json:"done"`
	Detail kit.Untrusted `json:"detail,omitempty"`
}

// pause is the time between looks at something that takes long.
const pause = 2 * time.Second

// mostFailures is how often in a row Home Assistant may not answer while something is
// waited for.
const mostFailures = 60

// maintain does one thing and waits for its end.
func (t Tools) maintain(ctx context.Context, c *kit.Call, in maintainIn) (out maintainOut, err error) {
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	switch in.Op {
	case "backup":
		return t.backup(ctx, v)
	case "update_install":
		return t.install(ctx, v, in.Target)
	case "reload":
		return t.reload(ctx, v, in.Target)
	case "restart":
		return t.restart(ctx, v)
	}
	checked, err := v.CheckConfig(ctx)
	if err != nil {
		return out, err
	}
	return maintainOut{"configuration " + show.Clip(string(checked.Result), 20), kit.Untrusted(show.Clip(string(checked.Errors)+" "+string(checked.Warnings), 2000))}, nil
}

// wait sleeps, unless the call ends.
func wait(ctx context.Context, d time.Duration) error {
	if err := kit.Sleep(ctx, d); err != nil {
		return fault.Wrap(err, fault.Timeout, "The work goes on in Home Assistant, and is not waited for any more. get_system_health shows what has become of it.")
	}
	return nil
}

// backup starts a backup and waits until none is made any more.
func (t Tools) backup(ctx context.Context, v *desk.Visit) (out maintainOut, err error) {
	before, err := v.Backups(ctx)
	if err != nil {
		return out, err
	}
	job, err := v.Backup(ctx)
	if err != nil {
		return out, err
	}
	failed := 0
	for i := 1; ; i++ {
		now, err := v.Backups(ctx)
		if err != nil { // a Home Assistant that is busy, or restarts
			if failed++; failed > mostFailures {
				return out, fault.Wrap(err, fault.Unavailable, "The backup was started, and Home Assistant does not tell any more what has become of it. Do not start another: get_system_health with the section backups shows it.")
			}
			if err := wait(ctx, pause); err != nil {
				return out, err
			}
			continue
		}
		failed = 0
		if new := newest(before.All, now.All); new.ID != "" && (now.State == "idle" || now.State == "") {
			return maintainOut{"backup " + show.Clip(string(new.ID), 40), kit.Untrusted(show.Clip(string(new.Name), show.Word))}, nil
		}
		if now.State == "idle" && i > 5 {
			return out, fault.New(fault.Upstream, "Home Assistant ended the backup job %s without a new backup. get_system_health with the sections logs and backups says more.", show.Clip(job, 40))
		}
		v.Call.Progress(float64(i), 0, "Home Assistant makes a backup")
		if err := wait(ctx, pause); err != nil {
			return out, err
		}
	}
}

// newest is the backup that was not there before.
func newest(before, after []api.Backup) api.Backup {
	for _, b := range after {
		if !slices.ContainsFunc(before, func(o api.Backup) bool { return o.ID == b.ID }) {
			return b
		}
	}
	return api.Backup{}
}

// install installs an update and follows its progress.
func (t Tools) install(ctx context.Context, v *desk.Visit, target string) (out maintainOut, err error) {
	e, err := v.Find(target)
	if err != nil {
		return out, err
	}
	a := e.State.Attributes
	if e.Domain != "update" || e.State.State != "on" {
		return out, fault.New(fault.Invalid, "%s is no update that waits. get_system_health with the section updates lists them.", e.ID)
	}
	verdict, err := v.Judge(ctx, []*house.Entity{e}, "install")
	if err != nil {
		return out, err
	}
	to := show.Clip(a.Text("latest_version"), 40)
	q := kit.Question{Target: e.ID, Effect: fmt.Sprintf("Installs %s %s, in the place of %s.", show.Clip(e.Name, 60), to, show.Clip(a.Text("installed_version"), 40))}
	if err := desk.Approve(v.Call, q, verdict.Ask); err != nil {
		return out, err
	}
	w, err := desk.Watch(ctx, v.Session, []string{e.ID})
	if err != nil {
		return out, err
	}
	defer func() { w.Stop() }() // of another, after the loss of a connection
	if _, err := v.Session.Call(ctx, "update", "install", api.Target{Entities: []string{e.ID}}, nil, false); err != nil {
		return out, err
	}
	for {
		now := w.Until(ctx, pause, func(all map[string]api.State) bool {
			return all[e.ID].Attributes.Text("installed_version") == a.Text("latest_version")
		})[e.ID]
		percent, _ := now.Attributes.Number("update_percentage")
		switch {
		case now.Attributes.Text("installed_version") == a.Text("latest_version"):
			return maintainOut{e.ID + " installed", kit.Untrusted(to)}, nil
		case string(now.Attributes["in_progress"]) == "false" && now.LastUpdated.After(e.State.LastUpdated.Time):
			return out, fault.New(fault.Upstream, "Home Assistant ended the update of %s without installing it. get_system_health with the section logs says more.", e.ID)
		}
		v.Call.Progress(percent, 100, "Home Assistant installs "+e.ID)
		if w.Over() { // it installs all the same
			w.Stop()
			if w, err = again(ctx, v, e.ID); err != nil {
				return out, err
			}
		}
		if ctx.Err() != nil {
			return out, wait(ctx, 0)
		}
	}
}

// again follows an update over a new connection, once there is one.
func again(ctx context.Context, v *desk.Visit, id string) (w *desk.Watching, err error) {
	for range mostFailures {
		if err := wait(ctx, pause); err != nil {
			return &desk.Watching{Stop: func() {}}, err
		}
		if w, err = desk.Watch(ctx, v.Session, []string{id}); err == nil {
			return w, nil
		}
	}
	return &desk.Watching{Stop: func() {}}, fault.Wrap(err, fault.Unavailable, "The update was started, and Home Assistant does not tell any more what has become of it. get_system_health with the section updates shows whether it still waits.")
}

// reload loads something anew: what stands in YAML by its domain, or an integration.
func (t Tools) reload(ctx context.Context, v *desk.Visit, target string) (out maintainOut, err error) {
	domain, service := target, "reload"
	switch target {
	case "":
		return out, fault.New(fault.Invalid, "What shall be reloaded? Send a domain such as automation, all, or the entry_id of an integration; list_registry has it.")
	case "all":
		domain, service = "homeassistant", "reload_all"
	case "core", "homeassistant":
		domain, service = "homeassistant", "reload_core_config"
	case "themes":
		domain, service = "frontend", "reload_themes"
	}
	services, err := v.Services(ctx)
	if err != nil {
		return out, err
	}
	if _, there := services[domain][service]; there {
		_, err = v.Session.Call(ctx, domain, service, api.Target{}, nil, false)
		return maintainOut{Done: "reloaded " + target}, err
	}
	all, err := v.Integrations(ctx)
	if err != nil {
		return out, err
	}
	i := slices.IndexFunc(all, func(e api.IntegrationEntry) bool { return e.ID == target || strings.EqualFold(string(e.Title), target) })
	if i < 0 {
		return out, fault.New(fault.NotFound, "There is nothing called %q to reload. list_registry with kind integrations has entry_ids; domains are such as automation, script, scene, template.", target)
	}
	return maintainOut{Done: "reloaded " + show.Clip(string(all[i].Domain), 40)}, v.ReloadIntegration(ctx, all[i].ID)
}

// restart checks the configuration, restarts Home Assistant after an approval, and
// waits until it is back. That the answer is lost is how a restart looks.
func (t Tools) restart(ctx context.Context, v *desk.Visit) (out maintainOut, err error) {
	checked, err := v.CheckConfig(ctx)
	if err != nil {
		return out, err
	}
	if checked.Result == "invalid" {
		return out, fault.New(fault.Conflict, "Not restarted: the configuration is invalid, so that Home Assistant would not come back as it is. run_maintenance with check_config shows the errors.")
	}
	q := kit.Question{Target: "Home Assistant", Effect: "Restarts Home Assistant. Automations do not run for a minute or so."}
	if err := v.Call.Approve(q); err != nil {
		return out, err
	}
	connection := v.Connection()
	if _, err := v.Session.Call(ctx, "homeassistant", "restart", api.Target{}, nil, false); err != nil && !errors.Is(err, link.ErrUndetermined) {
		return out, err
	}
	down := false // seen to be away, or on another connection than before
	for i := 1; ; i++ {
		if err := wait(ctx, pause); err != nil {
			return out, err
		}
		now, err := v.Session.Config(ctx)
		down = down || v.Connection() != connection
		switch {
		case err != nil:
			down = true
		case now.State == "RUNNING" && !down && i > mostFailures:
			return out, fault.New(fault.Upstream, "Home Assistant took the call and did not restart in two minutes. get_system_health with the section logs says more.")
		case now.State == "RUNNING" && down:
			return maintainOut{Done: "restarted, version " + show.Clip(string(now.Version), 20)}, nil
		case now.State != "RUNNING":
			down = true
		}
		v.Call.Progress(float64(i), 0, "Home Assistant restarts")
	}
}
