// Package system has the methods about the system itself: what it is, its services, tasks,
// alerts, metrics, updates and boot environments (ref 2.2 table; truenas/middleware
// api/v25_10_2/{service,alert,update,boot_environments,reporting}.py and others). Only the
// fake uses it.
package system

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/filter"

	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/nas"
)

// Row is an entry as the wire has it.
type Row = call.Row

// Methods of all versions.
func Methods() []call.Method {
	return slices.Concat(general(), alerts(), services(), tasks(), reporting(), updates(), environments())
}

func general() []call.Method {
	anyone := []string{"READONLY_ADMIN"}
	power := func(verb string) call.Method {
		return call.Method{Name: "system." + verb, Roles: []string{"FULL_ADMIN"}, Job: func(c *call.Call) (*jobs.Work, error) {
			return &jobs.Work{Do: func() (any, error) {
				c.Emit("added", "system.shutdown", nil, Row{"reason": c.Text(0)})
				c.Power(verb == "reboot")
				return nil, nil
			}}, nil
		}, Args: []model.Arg{model.Need("reason", model.Words), model.May("options", model.Object{Name: "SystemRebootOptions", Fields: []model.Arg{model.May("delay", model.OrNull(model.AtLeast(1)), nil)}}, nil)}}
	}
	return []call.Method{
		{Name: "system.info", Roles: anyone, Run: info},
		{Name: "system.reboot.info", Roles: []string{"SYSTEM_GENERAL_READ"}, Run: func(c *call.Call) (any, error) {
			reasons := []any{}
			for _, r := range c.NAS.Reboot {
				code, text, _ := strings.Cut(r, ": ")
				reasons = append(reasons, Row{"code": code, "reason": text})
			}
			return Row{"boot_id": c.NAS.BootID, "reboot_required_reasons": reasons}, nil
		}},
		power("reboot"), power("shutdown"),
		{Name: "filesystem.stat", Roles: []string{"FILESYSTEM_ATTRS_READ"}, Args: []model.Arg{model.Need("path", model.Words)}, Run: stat},
		{Name: "filesystem.listdir", Roles: []string{"FILESYSTEM_ATTRS_READ"}, Args: append([]model.Arg{model.Need("path", model.Words)}, filter.Args...), Run: listDir},
		{Name: "interface.query", Roles: []string{"NETWORK_INTERFACE_READ"}, Args: filter.Args, Run: func(c *call.Call) (any, error) {
			return filter.Query([]Row{{"id": "enp1s0", "name": "enp1s0", "type": "PHYSICAL", "description": "", "fake": false, "ipv4_dhcp": true, "ipv6_auto": false, "mtu": nil, "aliases": []any{},
				"state": Row{"name": "enp1s0", "link_state": "LINK_STATE_UP", "active_media_type": "Ethernet", "active_media_subtype": "2500Mb/s Twisted Pair", "aliases": []any{Row{"type": "INET", "address": "192.0.2.10", "netmask": 24}}}}}, c.Args)
		}},
	}
}

// info is system.info.
func info(c *call.Call) (any, error) {
	up := c.Now.Sub(c.NAS.Booted)
	version := c.Server.System()
	if c.Server == call.V2504 {
		version = "TrueNAS-" + version
	}
	return Row{
		"version": version, "buildtime": call.Date(c.NAS.Booted.AddDate(0, -1, 0)), "hostname": c.NAS.Hostname, "physmem": c.NAS.Memory, "model": c.NAS.Model, "cores": c.NAS.Cores, "physical_cores": c.NAS.Cores,
		"loadavg": []any{0.42, 0.38, 0.35}, "uptime": fmt.Sprintf("%d days, %d:%02d:%02d", int(up.Hours())/24, int(up.Hours())%24, int(up.Minutes())%60, int(up.Seconds())%60), "uptime_seconds": up.Seconds(),
		"system_serial": "S-0001", "system_product": "N100 board", "system_product_version": "1.0", "license": nil, "boottime": call.Date(c.NAS.Booted), "datetime": call.Date(c.Now), "timezone": "Europe/Berlin", "system_manufacturer": "Example", "ecc_memory": false,
	}, nil
}

func alerts() []call.Method {
	find := func(dismissed bool) func(*call.Call) (any, error) {
		return func(c *call.Call) (any, error) {
			i := slices.IndexFunc(c.NAS.Alerts, func(a *nas.Alert) bool { return a.ID == c.Text(0) })
			if i < 0 {
				return nil, nil // an alert that is gone is no error
			}
			a := c.NAS.Alerts[i]
			if dismissed && a.OneShot && strings.HasSuffix(a.Class, "Deletable") {
				c.NAS.Alerts = slices.Delete(c.NAS.Alerts, i, i+1)
				c.Emit("removed", "alert.list", a.ID, nil)
				return nil, nil
			}
			a.Dismissed = dismissed
			c.Emit("changed", "alert.list", a.ID, alertRow(c, a))
			return nil, nil
		}
	}
	id := []model.Arg{model.Need("uuid", model.Text)}
	return []call.Method{
		{Name: "alert.list", Roles: []string{"ALERT_LIST_READ"}, Run: func(c *call.Call) (any, error) {
			rows := []any{}
			for _, a := range c.NAS.Alerts {
				rows = append(rows, alertRow(c, a))
			}
			return rows, nil
		}},
		{Name: "alert.dismiss", Roles: []string{"ALERT_LIST_WRITE"}, Args: id, Run: find(true)},
		{Name: "alert.restore", Roles: []string{"ALERT_LIST_WRITE"}, Args: id, Run: find(false)},
	}
}

// alertRow is Alert: text still has its Python placeholders, formatted is HTML.
func alertRow(_ *call.Call, a *nas.Alert) Row {
	return Row{"uuid": a.ID, "source": "", "klass": a.Class, "args": nil, "node": "Controller A", "key": "\"" + a.ID + "\"", "datetime": call.Date(a.At), "last_occurrence": call.Date(a.At), "dismissed": a.Dismissed, "mail": nil,
		"text": a.Text, "id": a.ID, "level": a.Level, "formatted": a.HTML, "one_shot": a.OneShot}
}

func services() []call.Method {
	read, write := []string{"SERVICE_READ"}, []string{"SERVICE_WRITE"}
	options := model.May("options", model.Object{Name: "ServiceOptions", Fields: []model.Arg{model.May("ha_propagate", model.Bool, true), model.May("silent", model.Bool, true), model.May("timeout", model.OrNull(model.Int), int64(120))}}, nil)
	old := func(verb string) call.Method {
		return call.Method{Name: "service." + strings.ToLower(verb), Until: call.V2510, Roles: write, Args: []model.Arg{model.Need("service", model.Text), options}, Run: func(c *call.Call) (any, error) {
			return control(c, verb, c.Text(0), c.Map(1))
		}}
	}
	return append(call.Query("service", "Service", 0, read, func(c *call.Call) []Row {
		var rows []Row
		for _, s := range c.NAS.Services {
			rows = append(rows, serviceRow(s))
		}
		return rows
	}), []call.Method{
		{Name: "service.update", Roles: write, Args: []model.Arg{model.Need("id_or_name", model.Either{model.Int, model.Text}), model.Need("service_update", model.Object{Name: "ServiceUpdate", Fields: []model.Arg{model.Need("enable", model.Bool)}})}, Run: func(c *call.Call) (any, error) {
			for _, s := range c.NAS.Services {
				if c.Args[0] == int64(s.ID) || c.Args[0] == s.Name {
					s.Enabled = c.Flag(1, "enable")
					return s.ID, nil
				}
			}
			return nil, fail.Call(fail.EINVAL, "Service %v not found.", c.Args[0])
		}},
		{Name: "service.control", From: call.V2510, Roles: write, Args: []model.Arg{model.Need("verb", model.OneOf("START", "STOP", "RESTART", "RELOAD")), model.Need("service", model.Text), options}, Job: func(c *call.Call) (*jobs.Work, error) {
			return &jobs.Work{Lock: "service_control_" + c.Text(1), Do: func() (any, error) { return control(c, c.Text(0), c.Text(1), c.Map(2)) }}, nil
		}},
		old("START"), old("STOP"), old("RESTART"), old("RELOAD"),
	}...)
}

// serviceRow is ServiceEntry.
func serviceRow(s *nas.Service) Row {
	row := Row{"id": s.ID, "service": s.Name, "enable": s.Enabled, "state": "STOPPED", "pids": []any{}}
	if s.Running {
		row["state"], row["pids"] = "RUNNING", []any{2000 + s.ID}
	}
	return row
}

// control answers, with silent, false for a service that does not come up; without, with
// an error.
func control(c *call.Call, verb, name string, options Row) (any, error) {
	s := c.NAS.Service(name)
	if s == nil {
		return nil, fail.Call(fail.EFAULT, "Unknown service '%s'", name)
	}
	if s.Broken && verb != "STOP" {
		if options["silent"] == false {
			return nil, fail.Call(fail.EFAULT, "Unable to start the %s service: exit code 1", name)
		}
		return false, nil
	}
	s.Running = verb != "STOP" && (verb != "RELOAD" || s.Running)
	if !s.Running {
		s.Clients = 0
	}
	c.Emit("changed", "service.query", s.ID, serviceRow(s))
	return verb == "STOP" || s.Running, nil
}

func tasks() []call.Method {
	id := model.Need("id", model.Int)
	dry := model.May("options", model.Object{Name: "CloudSyncSyncOptions", Fields: []model.Arg{model.May("dry_run", model.Bool, false)}}, nil)
	one := func(space, kind, what, role string) []call.Method {
		return call.Query(space, what, 0, []string{role + "_READ"}, func(c *call.Call) []Row { return withJobs(c, kind) })
	}
	run := func(method, kind, what, role string, steps []string, more ...model.Arg) call.Method {
		return call.Method{Name: method, Roles: []string{role + "_WRITE"}, Args: append([]model.Arg{id}, more...), Job: func(c *call.Call) (*jobs.Work, error) { return runTask(c, kind, what, steps), nil }}
	}
	direct := func(method, kind, what, role string, more ...model.Arg) call.Method {
		return call.Method{Name: method, Roles: []string{role + "_WRITE"}, Args: append([]model.Arg{id}, more...), Run: func(c *call.Call) (any, error) {
			t := c.NAS.Task(kind, c.Int(0))
			if t == nil {
				return nil, fail.Missing("%s %d does not exist", what, c.Int(0))
			}
			t["state"] = Row{"state": "FINISHED", "datetime": call.Date(c.Now)}
			if ds, ok := t["dataset"].(string); ok {
				c.NAS.Snapshots = append(c.NAS.Snapshots, &nas.Snapshot{Dataset: ds, Name: "auto-" + c.Now.Format("2006-01-02_15-04"), TXG: c.NAS.NextTXG(), Created: c.Now})
			}
			return nil, nil
		}}
	}
	return slices.Concat(
		one("pool.snapshottask", "snapshottask", "PeriodicSnapshotTask", "SNAPSHOT_TASK"), one("replication", "replication", "Replication", "REPLICATION_TASK"), one("cloudsync", "cloudsync", "CloudSync", "CLOUD_SYNC"),
		one("cloud_backup", "cloud_backup", "CloudBackup", "CLOUD_BACKUP"), one("rsynctask", "rsynctask", "RsyncTask", "SNAPSHOT_TASK"), one("pool.scrub", "scrub", "PoolScrub", "POOL_SCRUB"), one("cronjob", "cronjob", "CronJob", "SYSTEM_CRON"),
		[]call.Method{
			direct("pool.snapshottask.run", "snapshottask", "PeriodicSnapshotTask", "SNAPSHOT_TASK"),
			run("replication.run", "replication", "Replication", "REPLICATION_TASK", []string{"Sending 1 of 2", "Sending 2 of 2"}, model.May("really_run", model.Bool, true)),
			run("cloudsync.sync", "cloudsync", "CloudSync", "CLOUD_SYNC", []string{"Starting", "Transferring"}, dry),
			run("cloud_backup.sync", "cloud_backup", "CloudBackup", "CLOUD_BACKUP", []string{"Starting"}, dry),
			run("rsynctask.run", "rsynctask", "RsyncTask", "SNAPSHOT_TASK", []string{"Starting"}),
			run("cronjob.run", "cronjob", "CronJob", "SYSTEM_CRON", []string{"Executing"}, model.May("skip_disabled", model.Bool, false)),
		})
}

// withJobs adds to a task the job that last ran it.
func withJobs(c *call.Call, kind string) []Row {
	method := map[string]string{"replication": "replication.run", "cloudsync": "cloudsync.sync", "rsynctask": "rsynctask.run", "cloud_backup": "cloud_backup.sync"}[kind]
	rows := []Row{}
	for _, t := range c.NAS.Tasks[kind] {
		row := maps.Clone(t)
		for _, j := range c.Jobs.All() {
			if j.Method == method && len(j.Args) > 0 && fmt.Sprint(j.Args[0]) == fmt.Sprint(t["id"]) {
				row["job"] = j.Row()
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func runTask(c *call.Call, kind, what string, steps []string) *jobs.Work {
	t := c.NAS.Task(kind, c.Int(0))
	w := &jobs.Work{Lock: fmt.Sprintf("%s:%d", kind, c.Int(0)), Steps: steps, Abortable: kind == "cloudsync" || kind == "rsynctask" || kind == "cloud_backup", Logs: []string{"[" + c.Now.Format(time.DateTime) + "] INFO started", "done"}}
	if t == nil {
		w.Do = func() (any, error) { return nil, fail.Missing("%s %d does not exist", what, c.Int(0)) }
		return w
	}
	set := func(state Row) {
		if kind == "replication" {
			t["state"] = state
		}
	}
	w.Begin = func() { set(Row{"state": "RUNNING", "datetime": call.Date(c.Now)}) }
	w.Undo = func() { set(Row{"state": "ERROR", "datetime": call.Date(c.Now), "error": "interrupted"}) }
	w.Do = func() (any, error) {
		if t["locked"] == true {
			return nil, fail.Call(fail.ELOCKED, "Dataset is locked")
		}
		set(Row{"state": "FINISHED", "datetime": call.Date(c.Now), "last_snapshot": "tank/photos@" + c.Now.Format("2006-01-02_15-04")})
		return nil, nil
	}
	return w
}
