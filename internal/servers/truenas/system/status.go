package system

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

type statusIn struct{}

// StatusOut is the output of get_system_status.
type StatusOut struct {
	Verdict  string   `json:"verdict" enum:"ok,attention,critical"`
	Why      []string `json:"why,omitempty"`
	Version  string   `json:"version,omitempty"`
	API      string   `json:"api"`
	Host     string   `json:"host,omitempty"`
	Uptime   string   `json:"uptime,omitempty"`
	Load     string   `json:"load,omitempty"`
	Memory   string   `json:"memory,omitempty"`
	Update   string   `json:"update,omitempty"`
	Pools    []string `json:"pools"`
	Alerts   string   `json:"alerts,omitempty"`
	Apps     string   `json:"apps,omitempty"`
	Services []string `json:"services,omitempty" jsonschema:"Those that run."`
	Roles    []string `json:"roles,omitempty" jsonschema:"Of the API key's user."`
	Unknown  []string `json:"unknown,omitempty" jsonschema:"What could not be read."`
}

// facts are what a status is made of.
type facts struct {
	system   api.System
	pools    []api.Pool
	alerts   []api.Alert
	reboot   []api.RebootReason
	update   api.Update
	apps     []api.App
	services []api.Service
	tasks    []string // those that failed
}

// updateTime bounds the look for an update, for which TrueNAS asks the internet.
const updateTime = 10 * time.Second

// GetStatus is get_system_status. It says what is unknown: a key with few roles sees
// little.
func (t Tools) GetStatus(ctx context.Context, c *kit.Call, _ statusIn) (out StatusOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	var f facts
	missing, err := f.gather(ctx, s)
	if err != nil {
		return out, err
	}
	out = StatusOut{Version: show.Name(f.system.Version), API: apiName(s), Host: show.Name(f.system.Host), Unknown: missing, Roles: s.Roles()}
	if f.system.Memory > 0 {
		out.Uptime, out.Memory = show.Long(time.Duration(f.system.Uptime)*time.Second), show.Bytes(int64(f.system.Memory))
	}
	var load []string
	for _, l := range f.system.Load {
		load = append(load, fmt.Sprintf("%.2f", l))
	}
	if len(load) > 0 {
		out.Load = fmt.Sprintf("%s on %d cores", strings.Join(load, " "), f.system.Cores)
	}
	out.describe(f)
	out.judge(f)
	return out, nil
}

func apiName(s api.Session) string {
	if r := s.Release(); r[0] > 0 {
		return r.String()
	}
	return "current"
}

// gather asks for everything at once. What is refused or unknown to this release is
// named; what is broken ends it, and so does a key that may see nothing at all.
func (f *facts) gather(ctx context.Context, s api.Session) (missing []string, err error) {
	var mu sync.Mutex // guards what follows
	var refused error
	answered := false
	var all sync.WaitGroup
	ask := func(what string, read func() error) {
		all.Go(func() {
			e := read()
			mu.Lock()
			defer mu.Unlock()
			if e == nil {
				answered = true
				return
			}
			if code := fault.CodeOf(e); code == fault.Forbidden || what == "update" && ctx.Err() == nil || code == fault.Unavailable && ctx.Err() == nil && !s.Interrupted() {
				missing, refused = append(missing, what), e
			} else if err == nil {
				err = e
			}
		})
	}
	ask("system", func() (e error) { f.system, e = s.System(ctx); return })
	ask("pools", func() (e error) { f.pools, e = s.Pools(ctx, ""); return })
	ask("alerts", func() (e error) { f.alerts, e = s.Alerts(ctx); return })
	ask("reboot", func() (e error) { f.reboot, e = s.RebootReasons(ctx); return })
	ask("apps", func() (e error) { f.apps, e = s.Apps(ctx); return })
	ask("services", func() (e error) { f.services, e = s.Services(ctx); return })
	ask("tasks", func() (e error) { f.tasks, e = failedTasks(ctx, s); return })
	ask("update", func() (e error) {
		ctx, cancel := context.WithTimeout(ctx, updateTime)
		defer cancel()
		f.update, e = s.Update(ctx)
		return
	})
	all.Wait()
	slices.Sort(missing)
	if err == nil && !answered {
		err = refused
	}
	return missing, err
}

// failedTasks names the tasks whose last run failed.
func failedTasks(ctx context.Context, s api.Session) (failed []string, err error) {
	for _, kind := range []string{"replication", "cloudsync", "rsync", "snapshot"} {
		all, err := s.Tasks(ctx, kind)
		if err != nil {
			return nil, err
		}
		for _, one := range all {
			state := one.State.State
			if one.Job != nil && state == "" {
				state = one.Job.State
			}
			if one.Enabled && (state == "ERROR" || state == api.JobFailed) {
				failed = append(failed, fmt.Sprintf("%s task %d failed", kind, one.ID))
			}
		}
	}
	return failed, nil
}

// describe fills in what there is.
func (out *StatusOut) describe(f facts) {
	for _, p := range f.pools {
		line := fmt.Sprintf("%s %s, %g%% of %s", show.Name(p.Name), p.Status, show.Percent(int64(p.Allocated), int64(p.Size)), show.Bytes(int64(p.Size)))
		if p.Scan != nil && p.Scan.State == "SCANNING" {
			line += fmt.Sprintf(", %s %.0f%%", p.Scan.Function, p.Scan.Percentage)
		}
		out.Pools = append(out.Pools, line)
	}
	count := map[string]int{}
	for _, a := range f.alerts {
		if !a.Dismissed {
			count[a.Level]++
		}
	}
	var levels []string
	for _, level := range slices.Backward(api.Levels) {
		if count[level] > 0 {
			levels = append(levels, fmt.Sprintf("%d %s", count[level], level))
		}
	}
	out.Alerts = strings.Join(levels, ", ")
	running, upgrades := 0, 0
	for _, a := range f.apps {
		if a.State == "RUNNING" {
			running++
		}
		if a.Upgrade {
			upgrades++
		}
	}
	if len(f.apps) > 0 {
		out.Apps = fmt.Sprintf("%d of %d run, %d can be upgraded", running, len(f.apps), upgrades)
	}
	for _, svc := range f.services {
		if svc.State == "RUNNING" {
			out.Services = append(out.Services, show.Name(svc.Name))
		}
	}
	out.Update = updateLine(f.update)
}

func updateLine(u api.Update) string {
	switch {
	case u.Restart:
		return "installed, waits for a restart"
	case u.Downloading != nil:
		return fmt.Sprintf("%s, %.0f%% downloaded", show.Name(u.Version), *u.Downloading)
	case u.Version != "":
		return show.Name(u.Version) + " available"
	case u.Broken:
		return "TrueNAS could not find out"
	}
	return ""
}

// From these shares of a pool on, ZFS slows down, and then comes to a stop.
const (
	fullPool  = 80
	deadlyful = 95
)

// judge sums it up.
func (out *StatusOut) judge(f facts) {
	worst := 0
	say := func(level int, why string) {
		worst = max(worst, level)
		out.Why = append(out.Why, why)
	}
	for _, p := range f.pools {
		name := show.Name(p.Name)
		switch used := show.Percent(int64(p.Allocated), int64(p.Size)); {
		case p.Status != "ONLINE":
			say(2, "pool "+name+" is "+p.Status)
		case !p.Healthy || p.Warning:
			say(1, "pool "+name+" has errors; list_pools shows where")
		case used >= deadlyful:
			say(2, fmt.Sprintf("pool %s is %g%% full", name, used))
		case used >= fullPool:
			say(1, fmt.Sprintf("pool %s is %g%% full", name, used))
		}
	}
	for _, a := range f.alerts {
		switch rank := slices.Index(api.Levels, a.Level); {
		case a.Dismissed:
		case rank >= slices.Index(api.Levels, "CRITICAL"):
			say(2, "alert "+a.Level+" "+show.Name(a.Class))
		case rank >= slices.Index(api.Levels, "WARNING"):
			say(1, "alert "+a.Level+" "+show.Name(a.Class))
		}
	}
	for _, a := range f.apps {
		if a.State == "CRASHED" {
			say(1, "app "+show.Name(a.Name)+" crashed")
		}
	}
	for _, task := range f.tasks {
		say(1, task)
	}
	for _, what := range []string{"pools", "alerts"} {
		if slices.Contains(out.Unknown, what) {
			say(1, what+" cannot be seen with this API key")
		}
	}
	if len(f.reboot) > 0 || f.update.Restart {
		say(1, "a restart is needed")
	}
	const most = 20
	if len(out.Why) > most {
		out.Why = append(out.Why[:most], fmt.Sprintf("and %d more", len(out.Why)-most))
	}
	out.Verdict = []string{"ok", "attention", "critical"}[worst]
}

type listAlertsIn struct {
	Level     string `json:"level_min,omitempty" jsonschema:"Least." enum:"INFO,NOTICE,WARNING,ERROR,CRITICAL,ALERT,EMERGENCY"`
	Dismissed bool   `json:"include_dismissed,omitempty" jsonschema:"These, too."`
	kit.PageIn
}

type listAlertsOut struct {
	Alerts []alertRow `json:"alerts"`
	kit.PageOut
}

type alertRow struct {
	UUID      string        `json:"uuid"`
	Level     string        `json:"level"`
	Class     string        `json:"class"`
	Text      kit.Untrusted `json:"text"`
	Since     string        `json:"since"`
	Dismissed bool          `json:"dismissed,omitempty"`
}

func (t Tools) listAlerts(ctx context.Context, c *kit.Call, in listAlertsIn) (out listAlertsOut, err error) {
	w, err := in.Window(desk.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	all, err := s.Alerts(ctx)
	if err != nil {
		return out, err
	}
	rank := func(level string) int { return slices.Index(api.Levels, level) }
	slices.SortStableFunc(all, func(a, b api.Alert) int {
		if a.Level != b.Level {
			return rank(b.Level) - rank(a.Level)
		}
		return b.Since.Compare(a.Since.Time)
	})
	var rows []alertRow
	for _, a := range all {
		if a.Dismissed && !in.Dismissed || rank(a.Level) < rank(in.Level) {
			continue
		}
		text := a.Formatted
		if text == "" {
			text = a.Text
		}
		rows = append(rows, alertRow{show.Name(a.UUID), a.Level, show.Name(a.Class), show.Note(show.FromHTML(text)), kit.Time(a.Since.Time), a.Dismissed})
	}
	out.Alerts, out.PageOut = kit.Cut(w, rows)
	return out, nil
}

type dismissIn struct {
	UUID   string `json:"uuid" jsonschema:"Alert."`
	Action string `json:"action,omitempty" jsonschema:"dismiss without it." enum:"dismiss,restore"`
}

type dismissOut struct {
	Dismissed bool `json:"dismissed"`
}

func (t Tools) dismissAlert(ctx context.Context, c *kit.Call, in dismissIn) (out dismissOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	all, err := s.Alerts(ctx)
	if err != nil {
		return out, err
	}
	// TrueNAS takes any uuid without a word.
	if !slices.ContainsFunc(all, func(a api.Alert) bool { return a.UUID == in.UUID }) {
		return out, fault.New(fault.NotFound, "TrueNAS has no alert with this uuid. list_alerts has those there are.")
	}
	out.Dismissed = in.Action != "restore"
	back := map[bool]string{true: "restore", false: "dismiss"}[out.Dismissed]
	c.Undo("dismiss_alert", map[string]string{"uuid": in.UUID, "action": back})
	return out, s.MarkAlert(ctx, in.UUID, out.Dismissed)
}
