package system

import (
	"fmt"
	"slices"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/filter"
	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/nas"
)

func updates() []call.Method {
	read, write := []string{"SYSTEM_UPDATE_READ"}, []string{"SYSTEM_UPDATE_WRITE"}
	text := func(name string) model.Arg { return model.May(name, model.OrNull(model.Text), nil) }
	attrs := model.May("attrs", model.Object{Name: "UpdateRunAttrs", Fields: []model.Arg{text("dataset_name"), model.May("resume", model.Bool, false), text("train"), text("version"), model.May("reboot", model.Bool, false)}}, nil)
	return []call.Method{
		{Name: "update.status", From: call.V2510, Roles: read, Run: updateStatus},
		{Name: "update.available_versions", From: call.V2510, Roles: read, Run: func(c *call.Call) (any, error) {
			if c.NAS.Update == nil {
				return []any{}, nil
			}
			return []any{Row{"train": c.NAS.Update.Train, "version": newVersion(c.NAS.Update)}}, nil
		}},
		{Name: "update.check_available", Until: call.V2504, Roles: read, Args: []model.Arg{model.May("attrs", model.Map, map[string]any{})}, Run: func(c *call.Call) (any, error) {
			u := c.NAS.Update
			switch {
			case u == nil:
				return Row{"status": "UNAVAILABLE"}, nil
			case u.Fails != "":
				return nil, fail.Call(fail.EFAULT, "%s", u.Fails)
			case u.Applied:
				return Row{"status": "REBOOT_REQUIRED"}, nil
			}
			return Row{"status": "AVAILABLE", "version": u.Version, "changelog": u.Notes, "release_notes_url": "https://www.truenas.com/docs/", "notice": nil, "notes": nil, "changes": []any{Row{"operation": "upgrade", "old": Row{"name": "TrueNAS", "version": c.Server.System()}, "new": Row{"name": "TrueNAS", "version": u.Version}}}}, nil
		}},
		{Name: "update.download", Until: call.V2504, Roles: write, Job: download},
		{Name: "update.download", From: call.V2510, Roles: write, Args: []model.Arg{text("train"), text("version")}, Job: download},
		{Name: "update.run", From: call.V2510, Roles: write, Args: []model.Arg{attrs}, Job: apply},
		{Name: "update.update", Until: call.V2504, Roles: write, Args: []model.Arg{model.May("attrs", model.Object{Name: "UpdateUpdateAttrs", Fields: []model.Arg{text("dataset_name"), model.May("resume", model.Bool, false), text("train"), model.May("reboot", model.Bool, false)}}, nil)}, Job: apply},
	}
}

func newVersion(u *nas.Update) Row {
	return Row{"version": u.Version, "manifest": Row{"train": u.Train, "filename": "TrueNAS-" + u.Version + ".update", "version": u.Version, "date": "2026-11-01T00:00:00Z", "changelog": "", "checksum": "0", "filesize": 1900000000, "profile": "GENERAL"}, "release_notes": u.Notes, "release_notes_url": "https://www.truenas.com/docs/"}
}

// updateStatus is UpdateStatus.
func updateStatus(c *call.Call) (any, error) {
	u := c.NAS.Update
	if u != nil && u.Fails != "" {
		return Row{"code": "ERROR", "status": nil, "error": Row{"errname": "ENONET", "reason": "[ENONET] " + u.Fails}, "update_download_progress": nil}, nil
	}
	if u != nil && u.Applied {
		return Row{"code": "REBOOT_REQUIRED", "status": nil, "error": nil, "update_download_progress": nil}, nil
	}
	var next, progress any
	if u != nil {
		next = newVersion(u)
	}
	if u != nil && u.Downloaded {
		progress = Row{"percent": 100.0, "description": "Finished", "version": u.Version}
	}
	return Row{"code": "NORMAL", "status": Row{"current_version": Row{"train": "TrueNAS-SCALE-Goldeye", "profile": "GENERAL", "matches_profile": true}, "new_version": next}, "error": nil, "update_download_progress": progress}, nil
}

// chosen finds the release of a train and a version: both, or neither
// (truenas/middleware plugins/update_/download.py).
func chosen(u *nas.Update, train, version any) error {
	switch {
	case (train == nil) != (version == nil):
		return fail.Call(fail.EFAULT, "`train` and `version` must either both be `null` or both be non-`null`")
	case version != nil && (u == nil || u.Train != train || u.Version != version):
		return fail.Call(fail.EFAULT, "Specified version does not exist")
	}
	return nil
}

func download(c *call.Call) (*jobs.Work, error) {
	return &jobs.Work{Lock: "updatedownload", Steps: []string{"Downloading update", "Verifying update"}, Do: func() (any, error) {
		if len(c.Args) == 2 { // since 25.10
			if err := chosen(c.NAS.Update, c.Args[0], c.Args[1]); err != nil {
				return nil, err
			}
		}
		if c.NAS.Update == nil {
			return false, nil
		}
		if c.NAS.Update.Fails != "" {
			return nil, fail.Call(fail.EFAULT, "%s", c.NAS.Update.Fails)
		}
		c.NAS.Update.Downloaded = true
		return true, nil
	}}, nil
}

func apply(c *call.Call) (*jobs.Work, error) {
	return &jobs.Work{Lock: "update", Steps: []string{"Downloading", "Extracting", "Installing to new boot environment"}, Logs: []string{"Creating dataset", "Extracting"}, Do: func() (any, error) {
		u := c.NAS.Update
		if c.Method == "update.run" {
			if err := chosen(u, c.Map(0)["train"], c.Map(0)["version"]); err != nil {
				return nil, err
			}
		}
		if u == nil || u.Applied {
			return nil, fail.Call(fail.EFAULT, "No update available")
		}
		u.Downloaded, u.Applied = true, true
		for _, e := range c.NAS.Environments {
			e.Next = false
		}
		c.NAS.Environments = append(c.NAS.Environments, &nas.Environment{Name: u.Version, Next: true, Activable: true, Used: 3 << 30, Created: c.Now})
		c.NAS.Reboot = append(c.NAS.Reboot, "UPDATE: An update to "+u.Version+" was installed.")
		if c.Flag(0, "reboot") {
			c.Power(true)
		}
		return true, nil
	}}, nil
}

func environments() []call.Method {
	id := model.Need("id", model.Words)
	read, write := []string{"BOOT_ENV_READ"}, []string{"BOOT_ENV_WRITE"}
	rows := func(c *call.Call) []Row {
		var out []Row
		for _, e := range c.NAS.Environments {
			out = append(out, environmentRow(e))
		}
		return out
	}
	with := func(name string, fields []model.Arg, do func(c *call.Call, e *nas.Environment, data Row) (any, error)) call.Method {
		return call.Method{Name: "boot.environment." + name, Roles: write, Args: []model.Arg{model.Need("boot_environment_"+name, model.Object{Name: "BootEnvironment" + name, Fields: fields})}, Run: func(c *call.Call) (any, error) {
			i := slices.IndexFunc(c.NAS.Environments, func(e *nas.Environment) bool { return e.Name == c.Map(0)["id"] })
			if i < 0 {
				return nil, fail.One("boot.environment."+name, fmt.Sprintf("'%s' not found", c.Map(0)["id"]), fail.ENOENT)
			}
			return do(c, c.NAS.Environments[i], c.Map(0))
		}}
	}
	return []call.Method{
		{Name: "boot.environment.query", Roles: read, Args: filter.Args, Run: func(c *call.Call) (any, error) { return filter.Query(rows(c), c.Args) }},
		with("activate", []model.Arg{id}, func(c *call.Call, e *nas.Environment, _ Row) (any, error) {
			for _, o := range c.NAS.Environments {
				o.Next = o == e
			}
			return environmentRow(e), nil
		}),
		with("keep", []model.Arg{id, model.Need("value", model.Bool)}, func(_ *call.Call, e *nas.Environment, data Row) (any, error) {
			e.Keep = data["value"] == true
			return environmentRow(e), nil
		}),
		with("destroy", []model.Arg{id}, func(c *call.Call, e *nas.Environment, _ Row) (any, error) {
			if e.Active || e.Next {
				return nil, fail.One("boot.environment.destroy", fmt.Sprintf("Deleting the %s boot environment is not allowed", map[bool]string{true: "active", false: "activated"}[e.Active]), fail.EINVAL)
			}
			c.NAS.Environments = slices.DeleteFunc(c.NAS.Environments, func(o *nas.Environment) bool { return o == e })
			return nil, nil
		}),
	}
}

// environmentRow is BootEnvironmentEntry.
func environmentRow(e *nas.Environment) Row {
	return Row{"id": e.Name, "dataset": "boot-pool/ROOT/" + e.Name, "active": e.Active, "activated": e.Next, "created": call.Date(e.Created), "used_bytes": e.Used, "used": fmt.Sprintf("%.2f GiB", float64(e.Used)/(1<<30)), "keep": e.Keep, "can_activate": e.Activable}
}
